// The only access to the state tables (schema tablesync): fixed statements, run as the extension's owner in a
// restricted operation that ends before any user's code can run. Neither a caller nor a trigger can forge
// them, and each statement must restrict the owner of its rows.
#pragma once

#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <vector>

#include "core/base/rows.h"

namespace tablesync::pg {

// Runs a statement on rows of the current user. It must contain "$owner", which stands for that user's oid: a
// row that leads to work, or is overwritten, deleted or returned, belongs to the current user, or to a role
// that the user may SET ROLE to (see may_become()). Parameters are texts, $1 and so on. Throws XX000 for a
// statement without $owner.
Rows own_state(const std::string &sql, const Row &parameters = {},
               const std::source_location &where = std::source_location::current());
// own_state() for a SELECT that must see the latest committed rows, also within REPEATABLE READ.
Rows latest_own_state(const std::string &sql, const Row &parameters = {},
                      const std::source_location &where = std::source_location::current());
// own_state() for a SELECT of many rows: see each_row().
void each_own_state(const std::string &sql, const Row &parameters, const std::vector<unsigned int> &types,
                    const std::function<void(const std::uintptr_t *values, const bool *nulls)> &take,
                    const std::source_location &where = std::source_location::current());
// Runs a statement on the rows of all roles. Only for upkeep, which removes obsolete rows, and finds work
// that then runs as the row's owner.
Rows state_of_all(const std::string &sql, const Row &parameters = {},
                  const std::source_location &where = std::source_location::current());

// A condition for rows that are only shown: the current user has the rights of the role in `column`, as a
// superuser or a member that inherits them. The policies of the tables have the same condition.
std::string has_rights_of(const std::string &column);
// A condition for rows that lead to work: the current user may SET ROLE to the role in `column`. The work
// runs as that role, never as the current user.
std::string may_become(const std::string &column);

}  // namespace tablesync::pg
