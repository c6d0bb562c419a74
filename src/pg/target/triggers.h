// What the target does by itself when its rows are written: triggers and foreign keys.
#pragma once

#include <string>
#include <vector>

#include "core/range/target.h"
#include "core/table/table.h"

namespace tablesync::pg {

// Names of enabled BEFORE ROW triggers: they can swallow rows.
std::vector<std::string> before_row_triggers(Target &target, const Table &table);

// Names of all enabled triggers of users.
std::vector<std::string> triggers_of(Target &target, const Table &table);

// Whether deleting a row may delete or change other rows of the same table: by a foreign key to itself, or by
// several in a circle.
bool cascades_to_itself(Target &target, const Table &table);

// Names of foreign keys of other tables that would delete or change rows there when rows here are deleted.
std::vector<std::string> cascading_references(Target &target, const Table &table);

}  // namespace tablesync::pg
