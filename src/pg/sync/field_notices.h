// What somebody who syncs by a field should know of the source: told once in a run, as NOTICEs.
#pragma once

#include <optional>
#include <string>

#include "core/range/incremental_field.h"
#include "pg/pair/table_pair.h"

namespace tablesync::pg {

// What its horizon, which is read, says: a standby, transactions that are hidden or old.
void notice_horizon(TablePair &pair);

// That other servers, or sessions with numbers in stock, write rows late. Where a sync by the same field
// fills the source: how far that is.
std::optional<std::string> notice_feed(TablePair &pair, const IncrementalField &field);

}  // namespace tablesync::pg
