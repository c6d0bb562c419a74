// ParallelLoad: reads the rows of a run over several connections, in one snapshot, into a hidden table. The
// worker of the run leads: it keeps the snapshot open, starts the loaders and waits for them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/sql/deparse_source.h"
#include "core/table/sync_plan.h"
#include "pg/pair/table_pair.h"
#include "pg/parallel/hidden_table.h"
#include "pg/parallel/load_task.h"

namespace tablesync::pg {

class ParallelLoad {
 public:
  // Returns why the rows cannot be read in parallel, as a clause that follows "because"; empty if they can.
  // `by_field`: they are those above a watermark of incremental_field.
  static std::string obstacle(TablePair &pair, bool by_field);

  // Plans the parallel read, and creates the hidden table, which must be committed before run(). Returns null
  // where one worker reads all rows; if the call asked for more workers, a NOTICE gives the reason.
  static std::unique_ptr<ParallelLoad> prepare(TablePair &pair, const SourceRows &rows, bool by_field);

  // Reads all rows, and returns when each loader has committed its part. Throws the first error of a loader,
  // after all have ended. Fills counts.read and counts.bytes.
  void run(TablePair &pair);

  // Throws 40001 where the target is no longer what prepare() planned for.
  void check_unchanged(const TablePair &pair) const;

  const HeldRelation &hidden() const { return hidden_; }
  // Whether the hidden table becomes the target, which did not exist.
  bool makes_target() const { return makes_target_; }
  std::uint64_t first_xid() const { return first_xid_; }

 private:
  ParallelLoad() = default;
  void read_alone(TablePair &pair);

  LoadTask task_;
  HeldRelation hidden_;
  SourceRows rows_;
  SyncPlan plan_;
  bool makes_target_ = false;
  bool target_was_empty_ = false;
  std::string target_oid_, target_files_;
  std::uint64_t first_xid_ = 0;
};

}  // namespace tablesync::pg
