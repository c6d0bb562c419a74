#include "pg/record/state.h"

extern "C" {
#include "postgres.h"

#include "miscadmin.h"
#include "pg/server/compat.h"
}

#include <string_view>

#include "core/base/error.h"
#include "pg/server/spi.h"
#include "pg/server/transaction.h"

namespace tablesync::pg {
namespace {

constexpr std::string_view owner_name = "$owner";

// The statement with the current user's oid as its last parameter.
struct OwnStatement {
  std::string sql;
  Row parameters;
};

OwnStatement bind_owner(const std::string &sql, const Row &parameters) {
  OwnStatement bound{{}, parameters};
  bound.parameters.emplace_back(std::to_string(GetUserId()));
  const std::string parameter = "$" + std::to_string(bound.parameters.size()) + "::pg_catalog.oid";
  size_t from = 0;
  for (size_t at; (at = sql.find(owner_name, from)) != std::string::npos; from = at + owner_name.size())
    bound.sql += sql.substr(from, at - from) + parameter;
  if (from == 0)
    throw Error(sqlstate::internal, "a statement on a state table does not name the owner of its rows", sql);
  bound.sql += sql.substr(from);
  return bound;
}

}  // namespace

Rows own_state(const std::string &sql, const Row &parameters, const std::source_location &where) {
  const OwnStatement bound = bind_owner(sql, parameters);
  return as_extension_owner([&] { return query(bound.sql, bound.parameters, where); });
}

Rows latest_own_state(const std::string &sql, const Row &parameters, const std::source_location &where) {
  const OwnStatement bound = bind_owner(sql, parameters);
  return as_extension_owner([&] { return query_latest(bound.sql, bound.parameters, where); });
}

void each_own_state(const std::string &sql, const Row &parameters, const std::vector<unsigned int> &types,
                    const std::function<void(const std::uintptr_t *, const bool *)> &take,
                    const std::source_location &where) {
  const OwnStatement bound = bind_owner(sql, parameters);
  const auto take_all = [&](const std::uintptr_t *values, const bool *nulls) {
    take(values, nulls);
    return true;
  };
  const auto read = [&] { each_row(bound.sql, bound.parameters, types, take_all, where); };
  as_extension_owner([&] { with_safe_search_path(read); });
}

Rows state_of_all(const std::string &sql, const Row &parameters, const std::source_location &where) {
  return as_extension_owner([&] { return query(sql, parameters, where); });
}

std::string has_rights_of(const std::string &column) {
  return "pg_has_role($owner, " + column + "::oid, 'USAGE')";
}

std::string may_become(const std::string &column) {
  return "pg_has_role($owner, " + column + "::oid, '" + compat_become_privilege + "')";
}

}  // namespace tablesync::pg
