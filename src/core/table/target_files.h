// The files that hold a target's rows, as one text. TRUNCATE, and what rewrites a table (VACUUM FULL,
// CLUSTER, some forms of ALTER TABLE), gives it a new file: then what a watermark says of its rows is not
// proven any more.
#pragma once

#include <string>

#include "core/base/rows.h"
#include "core/table/table.h"

namespace tablesync {

// Takes $1: the oid of the target as text. A row for each file: the oid of the table or partition that it is
// of, and its number.
std::string target_files_query();
std::string target_files(const Table &target, const Rows &files);

// Whether a table or partition that is there has another file than it had, or none is left of those that
// there were. Partitions that came, or went while others stay, say nothing. False where one text is empty, or
// they are of two tables: of a database that was restored, say.
bool was_rewritten(const std::string &before, const std::string &now);
// What is told then.
inline constexpr char rewritten[] =
    "the target was emptied or rewritten (TRUNCATE, VACUUM FULL, CLUSTER, ALTER TABLE)";

}  // namespace tablesync
