// ChangedRows: the rows of the source that the target does not have as they are. A sync that reads everything
// stages only these, and knows which rows of the target are gone from the source.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/range/row_filter.h"
#include "core/sql/deparse_source.h"
#include "pg/pair/table_pair.h"

namespace tablesync::pg {

class ChangedRows {
 public:
  // Why every row must be staged, as a clause that follows "because"; empty if the filter can be tried.
  static std::string obstacle(TablePair &pair);
  // Reads the target. Returns null where the filter cannot be used after all: then `why_not` is such a
  // clause.
  static std::unique_ptr<ChangedRows> of(TablePair &pair, std::string &why_not);

  // Reads `rows` of the source, makes the stage and stages those that passed; none is made where none passed
  // and none is gone. Fills counts.read. Returns how many are staged.
  std::int64_t stage(Stage &stage, const SourceRows &rows);

  // ---- then

  const RowFilter &filter() const { return *filter_; }
  // Lists the rows of the target that are gone from the source in gone_name, for Deletes::listed.
  void list_gone();

 private:
  ChangedRows(TablePair &pair, std::unique_ptr<RowFilter> filter) : pair_(pair), filter_(std::move(filter)) {}

  TablePair &pair_;
  const std::unique_ptr<RowFilter> filter_;
};

}  // namespace tablesync::pg
