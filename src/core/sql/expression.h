// Parts of SQL statements. None of their names depends on the search_path.
#pragma once

#include <string>
#include <vector>

#include "core/base/moment.h"

namespace tablesync {

// " WHERE " and the conditions, joined by AND; empty without conditions.
std::string where(const std::vector<std::string> &conditions);
// left OPERATOR(pg_catalog.name) right
std::string operation(const std::string &left, const char *name, const std::string &right);
// The literal of an array. It is untyped and takes the type of the other operand.
std::string array_literal(const std::vector<std::string> &values);
// A literal of type timestamptz, or of type timestamp in UTC.
std::string moment_literal(Moment moment, bool has_zone);

}  // namespace tablesync
