// The files that hold a target's rows, as one text. TRUNCATE and commands that rewrite a table (VACUUM FULL,
// CLUSTER, some forms of ALTER TABLE) give it a new file: then a watermark no longer proves anything about
// its rows.
#pragma once

#include <string>

#include "core/base/rows.h"
#include "core/table/table.h"

namespace tablesync {

// Takes $1: the oid of the target as text. Returns a row for each file: the oid of its table or partition,
// and its number.
std::string target_files_query();
std::string target_files(const Table &target, const Rows &files);

// Whether a table or partition has another file than before, or none of the earlier ones is left. Partitions
// that were added, or removed while others stay, do not count. False if one text is empty, or if they are of
// different tables, for example after a restore of the database.
bool was_rewritten(const std::string &before, const std::string &now);
// The reason to report in that case.
inline constexpr char rewritten[] =
    "the target was emptied or rewritten (TRUNCATE, VACUUM FULL, CLUSTER, ALTER TABLE)";

}  // namespace tablesync
