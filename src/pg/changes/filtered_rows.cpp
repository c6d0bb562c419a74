#include "pg/changes/filtered_rows.h"

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/server/fault.h"

namespace tablesync::pg {

// The rest is for the row that is read, and for what the process has already.
std::int64_t FilteredRows::memory(const SyncSpec &spec) {
  return (static_cast<std::int64_t>(spec.memory_limit_mb) << 20) * 3 / 4;
}

std::unique_ptr<ChangedRows> FilteredRows::of(TablePair &pair, const SourceRows &rows, std::string &why_not) {
  pair.steps.enter(Phase::scan, pair.target_table.row_estimate);
  std::unique_ptr<RowFilter> filter = pair.target->filter(pair.target_table, pair.plan.staged(),
                                                          memory(pair.spec), pair.steps.progress(), why_not);
  if (!filter) return nullptr;
  return std::make_unique<FilteredRows>(pair, rows, std::move(filter));
}

std::int64_t FilteredRows::stage(Stage &stage) {
  pair_.steps.explain("compares with " + counted(filter_->held(), "row") + " of the target, " +
                      filter_->way());
  const SyncPlan staged = pair_.plan.staged();
  const std::unique_ptr<RowSource> stream = pair_.source->rows(rows_, staged);
  filter_->read(*stream, pair_.spec.max_rate, pair_.steps.progress());
  if (!filter_->is_empty() || filter_->gone() > 0) {
    stage.make(staged);
    fault_point(FaultPoint::stage_made);
    filter_->resume();
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

}  // namespace tablesync::pg
