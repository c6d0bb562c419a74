// TableSync: the way of the rows of one table, from the source to the target, in one transaction here and one
// there.
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
#include "pg/pair/table_pair.h"
#include "pg/record/run_record.h"
#include "pg/run/run_steps.h"
#include "pg/run/work.h"
#include "pg/sync/parallel_load.h"
#include "pg/target/apply.h"

namespace tablesync::pg {

class TableSync final : public Work {
 public:
  TableSync(const SyncSpec &spec, std::int64_t run_id, RunSteps &steps)
      : pair_(spec, run_id, steps), spec_(spec), steps_(steps) {}

  StepEnd step() override;
  bool progressed() const override { return parallel_ == nullptr; }
  std::uint64_t first_xid() const override { return parallel_ ? parallel_->first_xid() : 0; }
  // Its first part: what is read and written is settled, and nothing has been read or written yet, but a
  // target that did not exist was made.
  void prepare();
  // The same for a further transaction of the same run, without its notices.
  void open();
  // The rest of it; or, if several workers are to read the source, the first of two parts: then `more`, and
  // the other part is a step() in a further transaction.
  StepEnd finish();
  // After open(), before finish(): to read what chunks may have missed that were read since, and not the rows
  // that the mode says.
  void catch_up(const Watermark &since);
  // After open(), before finish(): all rows were brought; what is left is the end. `since`: what the next run
  // begins with. `keys`: so many are in keys_name, those of all rows; below 0: none are needed.
  void conclude(const Watermark &since, std::int64_t keys);
  // Brings the rows of the stage, `staged` of them, into the target.
  void apply_stage(std::int64_t staged, Deletes deletes, bool stage_is_everything);
  TablePair &pair() { return pair_; }
  const ReadWindow &window() const { return window_; }
  const SourceRows &rows() const { return rows_; }
  const std::optional<IncrementalField> &field() const { return field_; }
  const RunCounts &counts() const override { return pair_.counts; }
  std::string watermark() const override;

 private:
  void choose_rows();
  void refuse_without_history() const;
  void refuse_unseen_writers() const;
  std::optional<std::vector<std::string>> no_days(const std::string &bound);
  void choose_conditions(const std::optional<Watermark> &known);
  void read_count();
  void check_count() const;
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
  void leave_source();
  bool field_is_converted() const;
  void stage_keys();
  std::int64_t fetch_absent_rows();
  void refuse_empty(std::int64_t rows) const;
  Deletes choose_deletes() const;
  void verify();
  void advance();

  TablePair pair_;
  const SyncSpec &spec_;
  RunSteps &steps_;
  std::optional<IncrementalField> field_;
  std::optional<std::string> cap_;  // of the watermark, where a sync fills the source in turn
  std::int64_t counted_ = -1;       // what custom_count says; below 0: not given
  ReadWindow window_;
  SourceRows rows_;                 // what this run reads of all rows
  std::optional<Watermark> since_;  // of catch_up()
  Watermark watermark_;
  std::unique_ptr<ParallelLoad> parallel_;  // where several read the source: from the second step on
  bool concludes_ = false;                  // conclude() was called
  std::int64_t staged_keys_ = -1;
  std::string highest_on_source_;  // of the field, on the source, where it is converted here
  bool merged_ = false;            // the rows came by the stage
};

}  // namespace tablesync::pg
