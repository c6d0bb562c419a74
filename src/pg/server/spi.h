// Statements on this server, through SPI. Each function connects, runs and finishes. `where` is the caller
// that has the text of the statement (statement_check.h); a function that passes a text on has the same
// argument.
#pragma once

#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/rows.h"

namespace tablesync::pg {

// Runs one statement with text parameters and returns its rows as text, as remote::Connection::query() does.
// Uses a safe search_path: for our own tables and the catalogs.
Rows query(const std::string &sql, const Row &parameters = {},
           const std::source_location &where = std::source_location::current());

// query() for a SELECT that must see the latest committed rows, also within REPEATABLE READ.
Rows query_latest(const std::string &sql, const Row &parameters = {},
                  const std::source_location &where = std::source_location::current());

// Passes each row of a SELECT to `take` as the executor produces it: Datums, and which are NULL. They are
// valid until `take` returns. `take` returns whether it wants more rows. Uses the session's search_path.
// `types`: oids of the types that the columns must have; throws 40001 before reading a Datum of another type.
void each_row(const std::string &sql, const Row &parameters, const std::vector<unsigned int> &types,
              const std::function<bool(const std::uintptr_t *values, const bool *nulls)> &take,
              const std::source_location &where = std::source_location::current());

// Runs one statement on the user's tables with the session's search_path, so that triggers see the path of
// the caller's session. Returns the number of rows that the executor processed.
std::uint64_t execute(const std::string &sql,
                      const std::source_location &where = std::source_location::current());

}  // namespace tablesync::pg
