// ChunkedSync: a sync that reads its table in chunks, each in a short transaction there and one here, and can
// be resumed at the first chunk that is not done. A table that is not large is synced at once.
//
//   checkpoint -> chunk after chunk (stage -> apply -> checkpoint) -> what changed meanwhile -> watermark
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/chunk.h"
#include "pg/sync/chunk_choice.h"
#include "pg/sync/chunk_record.h"
#include "pg/sync/table_sync.h"
#include "pg/sync/work.h"

namespace tablesync::pg {

class ChunkedSync final : public Work {
 public:
  ChunkedSync(const SyncSpec &spec, std::int64_t run_id, RunSteps &steps);

  bool step() override;
  bool absorb(const Diagnostics &said, bool by_source) override;
  const RunCounts &counts() const override { return counts_; }
  std::string told_watermark() const override { return sync_.told_watermark(); }
  bool consistent() const override { return consistent_; }
  bool progressed() const override { return progressed_; }
  std::uint64_t first_xid() const override { return sync_.first_xid(); }

 private:
  bool end_at_once(bool last);
  bool wants_chunks();
  void refuse_other_definition(const Checkpoint &begun) const;
  void begin();
  void resume();
  bool has_history(const Table &source) const;
  std::string outdated() const;
  void start();
  ChunkBy choose_by() const;
  std::int64_t first_size() const;
  bool choose_failed();
  void choose_next();
  void find_end();
  void copy_chunk();
  void stage_chunk();
  void need_stage();
  void store_chunk();
  SourceRows in_chunk(SourceRows rows) const;
  void add_key();
  void advance(const Diagnostics *failure);
  void make_smaller();
  void conclude();
  [[noreturn]] void fail_incomplete() const;
  std::string tell_done() const;

  const SyncSpec &spec_;
  RunSteps &steps_;
  TableSync sync_;
  TablePair &pair_;
  remote::Source::Files files_;
  bool at_once_ = false;  // it is not done in chunks
  bool begun_ = false;
  bool progressed_ = false;  // by the last step
  bool in_chunk_ = false;
  Checkpoint checkpoint_;
  Chunk chunk_;                 // being done
  std::int64_t chunk_run_ = 0;  // that recorded it first
  double chunk_began_ = 0;      // 0: its end is not known yet
  std::int64_t redo_from_ = 0,
               redo_to_ = -1;        // numbers of chunks that failed before and are to be done again
  std::int64_t failed_ = 0;          // in this run
  std::int64_t analyzed_rows_ = -1;  // in the stage, when it was analyzed
  double stage_made_ = 0;
  std::string stage_definition_;
  RunCounts counts_;
  bool consistent_ = true;
};

}  // namespace tablesync::pg
