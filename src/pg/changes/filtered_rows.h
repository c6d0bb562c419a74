// FilteredRows: changed rows that passed a RowFilter.
#pragma once

#include <memory>

#include "core/range/row_filter.h"
#include "pg/changes/changed_rows.h"

namespace tablesync::pg {

class FilteredRows final : public ChangedRows {
 public:
  FilteredRows(TablePair &pair, SourceRows rows, std::unique_ptr<RowFilter> filter)
      : ChangedRows(pair, std::move(rows)), filter_(std::move(filter)) {}

  // Bytes that the filter of a sync may use.
  static std::int64_t memory(const SyncSpec &spec);
  // Reads the target. Null and `why_not` as ChangedRows::of().
  static std::unique_ptr<ChangedRows> of(TablePair &pair, const SourceRows &rows, std::string &why_not);

  std::int64_t stage(Stage &stage) override;
  std::int64_t unchanged() const override { return filter_->dropped(); }
  std::int64_t gone() const override { return filter_->gone(); }
  bool repeats_key() const override { return filter_->repeats_key(); }
  void end() override { filter_->end(); }

 private:
  void list_gone_in(const QualifiedName &table) override { filter_->list_gone(table); }

  const std::unique_ptr<RowFilter> filter_;
};

}  // namespace tablesync::pg
