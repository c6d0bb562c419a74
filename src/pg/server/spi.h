// Statements on this server, through SPI. Each function is a scope of its own: connect, run, finish. `where`
// is the caller, whose text it is (statement_check.h); a function that passes on a text has an argument like
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/rows.h"

namespace tablesync::pg {

// Runs one statement, with $n as text; returns its rows as text, as remote::Connection::query does. Runs with
// a safe search_path: for our own tables and the catalogs.
Rows query(const std::string &sql, const Row &parameters = {},
           const std::source_location &where = std::source_location::current());

// The same for a SELECT that must see what others have committed by now, also within REPEATABLE READ.
Rows query_latest(const std::string &sql, const Row &parameters = {},
                  const std::source_location &where = std::source_location::current());

// Gives each row of a SELECT to `take` as the executor makes it: Datums, and which are NULL. What they point
// to is there until it returns. `take` returns whether it wants more rows. With the session's own
// search_path. `types`: oids of the types that the columns must have; 40001 where they have others, before a
// Datum is touched.
void each_row(const std::string &sql, const Row &parameters, const std::vector<unsigned int> &types,
              const std::function<bool(const std::uintptr_t *values, const bool *nulls)> &take,
              const std::source_location &where = std::source_location::current());

// Runs one statement on the user's tables, with the session's own search_path, so that triggers see what they
// would see in the caller's session. Returns the number of rows that the executor processed.
std::uint64_t execute(const std::string &sql,
                      const std::source_location &where = std::source_location::current());

}  // namespace tablesync::pg
