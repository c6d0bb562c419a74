// LocalRowFilter: a RowFilter for a table of this server. A scan of the table fills a table of hashes, 16
// bytes a row. Each row that arrives is formed as it would be stored, hashed in the same way and looked up by
// its key.
//
// "The same" is the identity of the stored image. Where a row is stored in another form than it arrives in,
// it passes, and the statements that apply the stage find that it is unchanged.
#pragma once

#include <memory>
#include <string>

#include "core/base/progress.h"
#include "core/range/row_filter.h"
#include "core/table/sync_plan.h"
#include "core/table/table.h"

namespace tablesync::pg {

// Scans the table, of which nobody else may change a row until the end of the transaction, and returns a
// filter for a stream of the plan's columns. Where that is not possible returns null, and `why_not` is a
// clause that follows "because". `memory`: bytes that the filter may use. Adds rows of the scan to
// progress.rows.
std::unique_ptr<RowFilter> make_local_filter(const Table &table, const SyncPlan &plan, std::int64_t memory,
                                             Progress &progress, std::string &why_not);

}  // namespace tablesync::pg
