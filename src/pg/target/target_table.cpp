#include "pg/target/target_table.h"

extern "C" {
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pg/server/compat.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"
}

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/sql/deparse.h"
#include "core/table/describe.h"
#include "pg/server/airlock.h"
#include "pg/server/spi.h"
#include "pg/target/trust.h"

namespace tablesync::pg {

std::string current_user_name() {
  return call([] { return GetUserNameFromId(GetUserId(), false); });
}

void fail_schema(const std::string &schema, const char *privilege) {
  throw Error(sqlstate::insufficient_privilege, "permission denied for schema " + schema, {},
              "GRANT " + std::string(privilege) + " ON SCHEMA " + display_name(schema) + " TO " +
                  display_name(current_user_name()) + ".");
}

QualifiedName resolve_target(const std::string &text) {
  struct Names {
    char *schema, *table;
    bool usable;
  };
  const Names names = call([&] {
    RangeVar *name = makeRangeVarFromNameList(compat_parse_name(text.c_str()));
    Oid const given = name->schemaname != nullptr ? get_namespace_oid(name->schemaname, true) : InvalidOid;
    if (OidIsValid(given) && compat_aclcheck_schema(given, GetUserId(), ACL_USAGE) != ACLCHECK_OK)
      return Names{name->schemaname, name->relname, false};
    Oid const found = RangeVarGetRelid(name, NoLock, true);
    Oid schema = InvalidOid;
    if (OidIsValid(found))
      schema = get_rel_namespace(found);
    else if (name->schemaname == nullptr)
      schema = RangeVarGetCreationNamespace(name);
    return Names{OidIsValid(schema) ? get_namespace_name(schema) : name->schemaname, name->relname, true};
  });
  if (!names.usable) fail_schema(names.schema, "USAGE");
  return {names.schema, names.table};
}

std::string sql_name(const std::string &text) {
  const char *const quoted = call([&] {
    List *names = compat_parse_name(text.c_str());
    makeRangeVarFromNameList(names);  // raises for a name of too many parts
    return NameListToQuotedString(names);
  });
  return quoted;
}

namespace {

std::string name_of(Oid oid) {
  const char *schema = call([&] { return get_namespace_name(get_rel_namespace(oid)); });
  const char *name = call([&] { return get_rel_name(oid); });
  return display_name(QualifiedName{schema != nullptr ? schema : "", name != nullptr ? name : ""});
}

bool is_ours(Oid oid) {
  return call([&] {
    Oid const extension = getExtensionOfObject(RelationRelationId, oid);
    return OidIsValid(extension) && extension == get_extension_oid("pg_tablesync", true);
  });
}

void check_privileges(Oid oid, bool deletes) {
  const AclMode needed = ACL_SELECT | ACL_INSERT | ACL_UPDATE | (deletes ? ACL_DELETE : 0);
  const AclMode has = call([&] { return pg_class_aclmask(oid, GetUserId(), needed, ACLMASK_ALL); });
  if (has == needed) return;
  std::vector<std::string> missing;
  if ((needed & ~has & ACL_SELECT) != 0) missing.emplace_back("SELECT");
  if ((needed & ~has & ACL_INSERT) != 0) missing.emplace_back("INSERT");
  if ((needed & ~has & ACL_UPDATE) != 0) missing.emplace_back("UPDATE");
  if ((needed & ~has & ACL_DELETE) != 0) missing.emplace_back("DELETE");
  throw Error(sqlstate::insufficient_privilege, "permission denied for table " + name_of(oid), {},
              "GRANT " + join(missing, ", ") + " ON " + name_of(oid) + " TO " +
                  display_name(current_user_name()) + ".");
}

}  // namespace

void check_target(unsigned int oid, bool deletes, const RunSpec &spec) {
  struct Facts {
    char kind;
    bool temporary, has_rules, is_system;
  };
  const Facts facts = call([&] {
    HeapTuple const tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(oid));
    if (!HeapTupleIsValid(tuple))
      ereport(ERROR,
              (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the target table was dropped during the call")));
    auto *row = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    Facts found{
        row->relkind, row->relpersistence == RELPERSISTENCE_TEMP, row->relhasrules,
        IsCatalogRelationOid(oid) || IsToastNamespace(row->relnamespace) || oid < FirstNormalObjectId};
    ReleaseSysCache(tuple);
    return found;
  });
  const std::string name = name_of(oid);
  if (facts.is_system)
    throw Error(sqlstate::insufficient_privilege, "permission denied: \"" + name + "\" is a system catalog");
  if (is_ours(oid))
    throw Error(sqlstate::insufficient_privilege,
                "permission denied: \"" + name + "\" belongs to the extension pg_tablesync");
  if (facts.kind != RELKIND_RELATION && facts.kind != RELKIND_PARTITIONED_TABLE)
    throw Error(sqlstate::wrong_object_type, "\"" + name + "\" is not a table");
  if (facts.temporary)
    throw Error(
        sqlstate::not_supported,
        "cannot sync into temporary table \"" + std::string(call([&] { return get_rel_name(oid); })) + "\"",
        "The work is done by a background worker, which is another session.",
        "Use a permanent or an unlogged table.");
  if (facts.has_rules)
    throw Error(sqlstate::not_supported, "cannot MERGE into \"" + name + "\": it has rules");
  if (call([&] { return check_enable_rls(oid, InvalidOid, true); }) == RLS_ENABLED)
    throw Error(sqlstate::not_supported,
                "user \"" + current_user_name() +
                    "\" cannot sync into relation with row-level security enabled: \"" + name + "\"",
                "Rows that a policy hides could be neither compared nor deleted.",
                "Call it as the table's owner, or as a role with BYPASSRLS.");
  check_privileges(oid, deletes);
  check_trust(oid, spec);
}

void check_not_locked_here(unsigned int oid) {
  const bool held = call([&] {
    LOCKTAG tag;
    SET_LOCKTAG_RELATION(tag, MyDatabaseId, oid);
    for (LOCKMODE mode = ShareUpdateExclusiveLock; mode <= AccessExclusiveLock; ++mode)
      if (compat_lock_held_by_me(&tag, mode)) return true;
    return compat_lock_held_by_me(&tag, RowExclusiveLock);
  });
  if (held)
    throw Error(sqlstate::active_transaction,
                "sync_table() cannot run in a transaction that has already changed data or locked \"" +
                    name_of(oid) + "\"",
                "The background worker would wait for this session, which waits for the worker.",
                "COMMIT first, then call it.");
}

unsigned int find_target(const QualifiedName &name) {
  return call([&] {
    if (!OidIsValid(get_namespace_oid(name.schema.c_str(), true))) return InvalidOid;
    RangeVar *range = makeRangeVar(pstrdup(name.schema.c_str()), pstrdup(name.name.c_str()), -1);
    return RangeVarGetRelid(range, NoLock, true);
  });
}

std::optional<HeldRelation> hold_target(const QualifiedName &name, bool deletes, const RunSpec &spec) {
  return hold_relation(name, HeldFor::writing, [&](unsigned int oid) { check_target(oid, deletes, spec); });
}

Table describe_target(const QualifiedName &name) {
  const Rows relation = query(relation_query(), {quote_qualified(name)});
  if (relation.empty())
    throw Error(sqlstate::undefined_table, "table \"" + display_name(name) + "\" does not exist");
  Table table = decode_relation(relation.front());
  decode_columns(table, query(columns_query(PG_VERSION_NUM), {table.oid}));
  decode_keys(table, query(keys_query(), {table.oid}));
  return table;
}

namespace {

// A relation that a user has named, and whether he may read it.
struct NamedRelation {
  QualifiedName name;
  std::string kind;
  bool readable = false;

  template <typename Record, typename Visitor>
  static void each_column(Record &found, Visitor &&column) {
    column("schema", found.name.schema);
    column("name", found.name.name);
    column("kind", found.kind);
    column("readable", found.readable);
  }
};

[[noreturn]] void fail_select(const std::string &name) {
  throw Error(sqlstate::insufficient_privilege, "permission denied for table " + name, {},
              "GRANT SELECT ON " + name + " TO " + display_name(current_user_name()) + ".");
}

}  // namespace

QualifiedName find_readable(const std::string &sql_name) {
  const auto found = decode_first<NamedRelation>(query(R"(
SELECT n.nspname AS schema,
       c.relname AS name,
       c.relkind AS kind,
       pg_catalog.has_table_privilege(c.oid, 'SELECT') AS readable
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass($1))",
                                                       {sql_name}));
  if (!found) throw Error(sqlstate::undefined_table, "relation " + sql_name + " does not exist");
  if (std::string_view("rpvmf").find(found->kind) == std::string_view::npos)
    throw Error(sqlstate::wrong_object_type, "\"" + display_name(found->name) + "\" is not a table or view");
  if (!found->readable) fail_select(display_name(found->name));
  return found->name;
}

std::optional<HeldRelation> hold_readable(const QualifiedName &name, HeldFor purpose) {
  return hold_relation(name, purpose, [](unsigned int oid) {
    if (call([&] { return pg_class_aclcheck(oid, GetUserId(), ACL_SELECT); }) != ACLCHECK_OK)
      fail_select(name_of(oid));
  });
}

Table describe_readable(const std::string &sql_name, HeldFor purpose) {
  const std::optional<HeldRelation> held = hold_readable(find_readable(sql_name), purpose);
  if (!held) throw Error(sqlstate::undefined_table, "relation " + sql_name + " does not exist");
  return describe_target(held->name);
}

std::string base_type(unsigned int table, const std::string &column) {
  const char *const name = column.c_str();
  return call([&] {
    AttrNumber const number = get_attnum(table, name);
    Oid type = InvalidOid, collation = InvalidOid;
    int32 typmod = -1;
    get_atttypetypmodcoll(table, number, &type, &typmod, &collation);
    type = getBaseTypeAndTypmod(type, &typmod);
    return format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
  });
}

bool may_analyze(Target &target, const Table &table) {
  const Rows found = target.query(R"(
SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE')
FROM pg_catalog.pg_class c
WHERE c.oid = $1::oid)",
                                  {table.oid});
  return single_or<bool>(found, false);
}

}  // namespace tablesync::pg
