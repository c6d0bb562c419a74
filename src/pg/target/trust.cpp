#include "pg/target/trust.h"

extern "C" {
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "storage/lockdefs.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

#include <vector>

#include "core/base/error.h"
#include "pg/server/airlock.h"
#include "pg/target/held_relation.h"

namespace tablesync::pg {
namespace {

// Only server calls.
Oid owner_in(int cache, Oid object) {
  HeapTuple const row = SearchSysCache1(cache, ObjectIdGetDatum(object));
  if (!HeapTupleIsValid(row)) return InvalidOid;
  Oid owner = InvalidOid;
  if (cache == RELOID)
    owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(row))->relowner;
  else if (cache == NAMESPACEOID)
    owner = reinterpret_cast<Form_pg_namespace>(GETSTRUCT(row))->nspowner;
  else
    owner = reinterpret_cast<Form_pg_database>(GETSTRUCT(row))->datdba;
  ReleaseSysCache(row);
  return owner;
}

// Who pg_database_owner is, the database says.
Oid real_owner(Oid owner) {
  if (owner != ROLE_PG_DATABASE_OWNER) return owner;
  return call([] { return owner_in(DATABASEOID, MyDatabaseId); });
}

bool is_trusted(Oid role) {
  return call([&] {
    Oid const user = GetUserId();
    if (role == user || !OidIsValid(role) || superuser_arg(role)) return true;
    return !superuser_arg(user) && is_member_of_role_nosuper(user, role);
  });
}

std::string role_name(Oid role) {
  return call([&] { return GetUserNameFromId(role, true); });
}

[[noreturn]] void refuse(const std::string &what, Oid owner) {
  const std::string name = role_name(owner);
  throw Error(sqlstate::insufficient_privilege,
              "refusing to write to " + what + ": it belongs to role \"" + name + "\"",
              "Triggers, defaults and domains of that role would run with the rights of role \"" +
                  role_name(GetUserId()) + "\".",
              "Call the function as that role (SET ROLE " + display_name(name) +
                  "), or allow it: options => '{\"trust_owner\": true}'.");
}

std::string relation_name(Oid relation) {
  const char *schema = call([&] { return get_namespace_name(get_rel_namespace(relation)); });
  const char *name = call([&] { return get_rel_name(relation); });
  return display_name(QualifiedName{schema != nullptr ? schema : "", name != nullptr ? name : ""});
}

}  // namespace

void check_trust(unsigned int table, const RunSpec &spec) {
  if (spec.trust_owner) return;
  for (const Oid relation : with_descendants(table)) {
    Oid const owner = real_owner(call([&] { return owner_in(RELOID, relation); }));
    if (!is_trusted(owner)) refuse("table \"" + relation_name(relation) + "\"", owner);
  }
}

void check_schema_trust(const std::string &schema, const RunSpec &spec) {
  if (spec.trust_owner || !call([] { return superuser(); })) return;
  const char *const name = schema.c_str();
  Oid const owner = real_owner(call([&] { return owner_in(NAMESPACEOID, get_namespace_oid(name, false)); }));
  if (!is_trusted(owner)) refuse("schema \"" + schema + "\"", owner);
}

}  // namespace tablesync::pg
