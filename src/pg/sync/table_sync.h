// TableSync: copies the rows of one table from the source to the target, in one transaction on each side.
//
//   describe both sides -> plan -> choose the window -> copy into the target or the stage -> apply ->
//   watermark
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/range/incremental_field.h"
#include "core/range/watermark.h"
#include "core/spec/sync_spec.h"
#include "core/sql/deparse_source.h"
#include "pg/changes/changed_rows.h"
#include "pg/pair/table_pair.h"
#include "pg/parallel/parallel_load.h"
#include "pg/record/run_record.h"
#include "pg/run/run_steps.h"
#include "pg/run/work.h"
#include "pg/sync/custom_count.h"
#include "pg/target/apply.h"

namespace tablesync::pg {

class TableSync final : public Work {
 public:
  TableSync(const SyncSpec &spec, std::int64_t run_id, RunSteps &steps)
      : pair_(spec, run_id, steps), spec_(spec), steps_(steps) {}

  StepEnd step() override;
  bool progressed() const override { return parallel_ == nullptr; }
  std::uint64_t first_xid() const override { return parallel_ ? parallel_->first_xid() : 0; }
  // The first part of step(): chooses what to read and write. Reads and writes no row yet, but creates a
  // target that does not exist.
  void prepare();
  // Like prepare(), for a further transaction of the same run, without the notices.
  void open();
  // The rest of step(). If several workers are to read the source, returns `more`; then call step() in a
  // further transaction.
  StepEnd finish();
  // Call it between open() and finish(), to read the rows that chunks may have missed because they were
  // written after `since`, instead of the rows that the mode chooses.
  void catch_up(const Watermark &since);
  // Call it between open() and finish() when all rows were copied and only the end is left. `since`: the
  // watermark that the next run begins with. `keys`: the number of keys in keys_name, those of all rows;
  // below 0: none are needed.
  void conclude(const Watermark &since, std::int64_t keys);
  // Why a sync that reads everything stages every row, as a clause that follows "because"; empty if it tries
  // not to.
  std::string why_all_are_staged();
  // Applies the `staged` rows of the stage to the target.
  void apply_stage(std::int64_t staged, Deletes deletes, bool stage_is_everything);
  TablePair &pair() { return pair_; }
  const ReadWindow &window() const { return window_; }
  const SourceRows &rows() const { return rows_; }
  const std::optional<IncrementalField> &field() const { return field_; }
  const RunCounts &counts() const override { return pair_.counts; }
  std::string watermark() const override;

 private:
  void choose_rows();
  std::optional<std::vector<std::string>> no_days(const std::string &bound);
  void choose_conditions(const std::optional<Watermark> &known);
  bool reads_all_rows() const;
  bool begin_in_parallel();
  void enter_copy();
  void copy();
  void copy_in_parallel();
  void finish_copy();
  bool may_store_directly();
  void copy_into_target();
  void finish_first_load(std::int64_t stored);
  void check_seen(std::int64_t stored) const;
  void copy_into_stage();
  void merge_stage(std::int64_t staged);
  bool is_unchanged(std::int64_t staged);
  void leave_source();
  bool asks_source_for_highest() const;
  void stage_keys();
  std::int64_t add_absent_rows(std::int64_t staged);
  std::int64_t stage_everything(const std::string &why);
  std::int64_t stage_rows();
  void need_stage();
  std::optional<std::int64_t> stage_changed_rows();
  bool reads_everything() const { return window_.kind == ReadWindow::Kind::everything; }
  void refuse_empty(std::int64_t rows) const;
  Deletes choose_deletes() const;
  void verify();
  void advance();
  std::string highest();

  TablePair pair_;
  const SyncSpec &spec_;
  RunSteps &steps_;
  std::optional<IncrementalField> field_;
  std::optional<std::string> cap_;  // limit of the watermark, where another sync fills the source
  CustomCount count_;
  ReadWindow window_;
  SourceRows rows_;                 // the rows that this run reads
  std::optional<Watermark> since_;  // the argument of catch_up() or conclude()
  Watermark watermark_;
  std::unique_ptr<ParallelLoad> parallel_;  // set if several workers read the source, from the second step on
  bool concludes_ = false;                  // conclude() was called
  std::int64_t staged_keys_ = -1;
  std::string highest_on_source_;           // of the field, where asks_source_for_highest()
  bool merged_ = false;                     // the rows came through the stage
  Stage stage_{*pair_.target, stage_name};  // of rows that one worker reads
  std::unique_ptr<ChangedRows> changed_;    // set if the stage has only changed rows
};

}  // namespace tablesync::pg
