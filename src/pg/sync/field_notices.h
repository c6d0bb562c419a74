// NOTICEs about the source, for syncs by an incremental field. Each is raised once in a run.
#pragma once

#include <optional>
#include <string>

#include "core/range/incremental_field.h"
#include "pg/pair/table_pair.h"

namespace tablesync::pg {

// Raises NOTICEs about its horizon, which must be read: a standby, transactions that are hidden or old.
void notice_horizon(TablePair &pair);

// Raises NOTICEs where other servers, or sessions with cached sequence values, write rows late. If a sync by
// the same field fills the source, returns its watermark.
std::optional<std::string> notice_feed(TablePair &pair, const IncrementalField &field);

}  // namespace tablesync::pg
