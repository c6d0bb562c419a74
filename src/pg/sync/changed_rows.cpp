#include "pg/sync/changed_rows.h"

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/sql/deparse.h"
#include "pg/server/fault.h"
#include "pg/target/stage.h"

namespace tablesync::pg {

std::string ChangedRows::obstacle(TablePair &pair) {
  if (pair.spec.compare == CompareBy::stage) return "the call says so";
  if (pair.target_is_empty) return "the target is empty";
  if (pair.plan.converts()) return "columns are converted after they have arrived";
  if (pair.plan.key_is_coarser) return "different keys of the source may be equal on the target";
  if (!pair.exclusively_locked) return "other sessions may write the target during the run";
  if (!pair.target_is_plain()) return "statements do not read and write the target where it is stored";
  return {};
}

std::unique_ptr<ChangedRows> ChangedRows::of(TablePair &pair, std::string &why_not) {
  pair.steps.enter(Phase::scan, pair.target_table.row_estimate);
  // The rest is for the row that is read, and for what the process has already.
  constexpr std::int64_t of_four = 3;
  const std::int64_t memory = (static_cast<std::int64_t>(pair.spec.memory_limit_mb) << 20) / 4 * of_four;
  std::unique_ptr<RowFilter> filter =
      pair.target->filter(pair.target_table, pair.plan.staged(), memory, pair.steps.progress(), why_not);
  if (!filter) return nullptr;
  return std::unique_ptr<ChangedRows>(new ChangedRows(pair, std::move(filter)));
}

std::int64_t ChangedRows::stage(Stage &stage, const SourceRows &rows) {
  pair_.steps.explain("compares with " + counted(filter_->held(), "row") + " of the target, " +
                      filter_->way());
  const SyncPlan staged = pair_.plan.staged();
  const std::unique_ptr<RowSource> stream = pair_.source->rows(rows, staged);
  filter_->read(*stream, pair_.spec.max_rate, pair_.steps.progress());
  if (!filter_->is_empty() || filter_->gone() > 0) {
    stage.make(staged);
    fault_point(FaultPoint::stage_made);
    const std::int64_t stored = pair_.target->load(*filter_, stage.name(), staged, false, pair_.spec.max_rate,
                                                   pair_.steps.progress());
    if (stored != filter_->passed())
      throw Error(sqlstate::protocol_violation, counted(filter_->passed(), "row") +
                                                    " passed the filter, but staged " + with_commas(stored));
  }
  pair_.counts.read = filter_->rows();
  pair_.counts.bytes += filter_->bytes();
  if (filter_->rows() != filter_->passed() + filter_->dropped())
    throw Error(sqlstate::protocol_violation, "received " + with_commas(filter_->rows()) +
                                                  " rows, but compared " +
                                                  with_commas(filter_->passed() + filter_->dropped()));
  return filter_->passed();
}

void ChangedRows::list_gone() {
  Stage gone(*pair_.target, gone_name);
  gone.make(gone_rows(pair_.plan));
  filter_->list_gone(gone_name);
  gone.analyze_if_grown(filter_->gone(), {});
}

}  // namespace tablesync::pg
