// Checks the text of each statement that runs on this server, in builds with fault points (fault.h): no name
// in it may be looked up where a user can create objects. In other builds check_statement() is empty.
//
// The server's own grammar parses the statement. The rules depend on the search_path:
//
//   session   the caller's: each operator, function, type, collation and relation is qualified. Constructs
//             that look up an operator themselves are refused, such as IN, BETWEEN, LIKE or JOIN ... USING.
//   safe      pg_catalog and pg_temp: each relation is qualified. Operators and functions are never looked up
//             in pg_temp, and types are looked up in pg_catalog first.
//
// Only files of the state module may name a table or view of the schema tablesync.
//
// If the environment variable TABLESYNC_STATEMENTS names a file, each statement is appended to it:
// file:line, the kind of the path, the text, separated by tabs. script/lint prints and checks that list.
#pragma once

#include <source_location>
#include <string>

namespace tablesync::pg {

enum class SearchPath { session, safe };

#ifdef TABLESYNC_FAULTS

// Throws Error (XX000) with the statement and the name that breaks a rule. `where`: the caller that has the
// text.
void check_statement(const std::string &sql, SearchPath path, const std::source_location &where);

#else

inline void check_statement(const std::string &, SearchPath, const std::source_location &) {}

#endif

}  // namespace tablesync::pg
