// The only way to the state tables (schema tablesync): fixed statements, run as the extension's owner in a
// restricted operation that ends before any user's code can run. Neither a caller nor a trigger can forge
// what they say, and no statement can forget whose rows it is about.
#pragma once

#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <vector>

#include "core/base/rows.h"

namespace tablesync::pg {

// Runs a statement about rows of the current user. "$owner" in it stands for that user's oid, and must be in
// it: a row that leads to work, or is overwritten, deleted or returned, is the current user's own, or one of
// a role that he may become (see may_become). Parameters are texts, $1 and so on. Throws XX000 for a
// statement without $owner.
Rows own_state(const std::string &sql, const Row &parameters = {},
               const std::source_location &where = std::source_location::current());
// The same for a SELECT that must see what others have committed by now, also within REPEATABLE READ.
Rows latest_own_state(const std::string &sql, const Row &parameters = {},
                      const std::source_location &where = std::source_location::current());
// The same for a SELECT of many rows: see each_row().
void each_own_state(const std::string &sql, const Row &parameters, const std::vector<unsigned int> &types,
                    const std::function<void(const std::uintptr_t *values, const bool *nulls)> &take,
                    const std::source_location &where = std::source_location::current());
// Runs a statement about everybody's rows. Only for upkeep: it removes what has become meaningless, and finds
// work that is then done as the row's owner.
Rows state_of_all(const std::string &sql, const Row &parameters = {},
                  const std::source_location &where = std::source_location::current());

// A condition for rows that are only shown: the current user has the rights of the role that `column` holds,
// as a superuser or a member that inherits them has. The policies of the tables say the same.
std::string has_rights_of(const std::string &column);
// A condition for rows that lead to work: the current user may SET ROLE to the role that `column` holds. The
// work then runs as that role, never as the current user.
std::string may_become(const std::string &column);

}  // namespace tablesync::pg
