// ChunkedSync: a sync that reads its table in chunks, each in a short transaction there and one here, and can
// be resumed at the first chunk that is not done. A table that is not large is synced at once.
//
//   checkpoint -> chunk after chunk (stage -> apply -> checkpoint) -> what changed meanwhile -> watermark
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/range/chunk.h"
#include "pg/chunk/chunk_leader.h"
#include "pg/run/work.h"
#include "pg/sync/chunk_choice.h"
#include "pg/sync/key_pass.h"
#include "pg/sync/table_chunk_copier.h"
#include "pg/sync/table_sync.h"

namespace tablesync::pg {

class ChunkedSync final : public Work {
 public:
  ChunkedSync(const SyncSpec &spec, std::int64_t run_id, RunSteps &steps);

  bool step() override;
  bool recover(const Diagnostics &failure, bool by_source) override;
  const RunCounts &counts() const override { return counts_; }
  std::string watermark() const override { return sync_.watermark(); }
  bool consistent() const override { return consistent_; }
  bool progressed() const override { return progressed_; }
  std::uint64_t first_xid() const override { return sync_.first_xid(); }

 private:
  bool end_at_once(bool last);
  bool wants_chunks();
  void begin();
  void resume();
  void start();
  ChunkBy choose_by() const;
  std::int64_t first_size(ChunkBy by) const;
  bool copy_by_several();
  void add_key();
  bool conclude();
  void conclude_at_once();
  bool conclude_in_parts();
  void begin_second_round();
  void finish();
  void notice_inconsistent(const std::string &detail) const;
  bool start_over();
  [[noreturn]] void fail_incomplete() const;
  std::string describe_done() const;

  const SyncSpec &spec_;
  RunSteps &steps_;
  TableSync sync_;
  TablePair &pair_;
  TableChunkCopier copier_;
  ChunkLeader leader_;
  Checkpoint &checkpoint_;              // the copier's
  const remote::Source::Files &files_;  // the copier's
  bool at_once_ = false;                // it is not done in chunks
  bool begun_ = false;
  bool concluding_ = false;              // at once
  bool in_parts_ = false;                // the end too is read in several transactions
  bool ending_ = false;                  // the chunks are there; their keys are looked at, or built
  std::optional<Diagnostics> repeated_;  // a key that the source has more than once: what the run fails with
  bool restarted_ = false;               // what it had done before is to be done again
  std::unique_ptr<KeyPass> keys_;
  bool key_range_ = false;   // one was read in the last step, or was to be
  bool progressed_ = false;  // by the last step
  RunCounts counts_;
  bool consistent_ = true;
};

}  // namespace tablesync::pg
