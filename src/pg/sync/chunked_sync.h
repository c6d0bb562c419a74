// ChunkedSync: a sync that reads its table in chunks, each in one short transaction on the source and one on
// the target. It can be resumed at the first chunk that is not done. A table that is not large is synced in
// one transaction.
//
//   checkpoint -> chunk after chunk (stage -> apply -> checkpoint) -> rows written meanwhile -> watermark
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

  StepEnd step() override;
  bool recover(const Diagnostics &failure, bool by_source) override;
  const RunCounts &counts() const override { return counts_; }
  std::string watermark() const override { return sync_.watermark(); }
  bool consistent() const override { return consistent_; }
  bool progressed() const override { return progressed_; }
  std::uint64_t first_xid() const override { return sync_.first_xid(); }

 private:
  // What the next step does. The stages from `key` to `last` are the end of the sync.
  enum class Stage {
    prepare,       // describes both sides, and chooses whether to read in chunks
    at_once,       // continues a sync that is not in chunks
    chunks,        // copies a chunk, or all remaining ones in parallel; after the last one, the end begins
    key,           // builds the primary key
    conclude,      // reads the rows written since the first chunk, in one snapshot
    second_round,  // conclude took too long: begins to read these rows in chunks
    keys,          // reads a range of the keys of all rows
    last,          // concludes a sync that was read in several transactions
    start_over,    // a key came more than once: the sync must begin again
    failed,        // fails this run, and the next one begins again
  };
  static bool is_end(Stage stage) { return stage >= Stage::key && stage <= Stage::last; }

  StepEnd prepare();
  StepEnd end_at_once(StepEnd end);
  StepEnd copy_chunk();
  StepEnd copy_opened();
  bool starts_again(const std::string &why);
  StepEnd end();
  Stage stage_after_chunks() const;
  StepEnd end_of_failed_chunks();
  bool wants_chunks();
  void begin();
  void resume();
  void start();
  ChunkBy choose_by() const;
  std::int64_t first_size(ChunkBy by) const;
  bool copy_in_parallel();
  StepEnd add_key();
  StepEnd conclude();
  StepEnd begin_second_round();
  StepEnd read_keys();
  StepEnd conclude_in_parts();
  void finish();
  void notice_inconsistent(const std::string &detail) const;
  StepEnd start_over();
  [[noreturn]] void fail_incomplete() const;
  std::string describe_done() const;

  const SyncSpec &spec_;
  RunSteps &steps_;
  TableSync sync_;
  TablePair &pair_;
  TableChunkCopier copier_;
  ChunkLeader leader_;
  Checkpoint &checkpoint_;    // the copier's
  const SourceFiles &files_;  // the copier's
  Stage stage_ = Stage::prepare;
  std::optional<Diagnostics> repeated_;  // the error of a key that the source has more than once
  std::unique_ptr<KeyPass> keys_;
  bool progressed_ = false;  // in the last step
  RunCounts counts_;
  bool consistent_ = true;
};

}  // namespace tablesync::pg
