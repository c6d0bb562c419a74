#include "pg/target/make_table.h"

extern "C" {
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pg/server/compat.h"
#include "utils/acl.h"
}

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/sql/deparse.h"
#include "pg/server/airlock.h"
#include "pg/server/spi.h"
#include "pg/target/held_relation.h"
#include "pg/target/target_table.h"
#include "pg/target/trust.h"

namespace tablesync::pg {
namespace {

bool schema_exists(const std::string &schema) {
  return OidIsValid(call([&] { return get_namespace_oid(schema.c_str(), true); }));
}

void check_may_create_schema(const std::string &schema) {
  if (call([] { return compat_aclcheck_database(MyDatabaseId, GetUserId(), ACL_CREATE); }) == ACLCHECK_OK)
    return;
  const std::string database = call([] { return get_database_name(MyDatabaseId); });
  throw Error(sqlstate::insufficient_privilege, "permission denied to create schema \"" + schema + "\"", {},
              "GRANT CREATE ON DATABASE " + display_name(database) + " TO " +
                  display_name(current_user_name()) + ", or create the schema.");
}

void check_may_create_in(const std::string &schema) {
  Oid const oid = call([&] { return get_namespace_oid(schema.c_str(), false); });
  if (call([&] { return compat_aclcheck_schema(oid, GetUserId(), ACL_CREATE); }) != ACLCHECK_OK)
    fail_schema(schema, "CREATE");
}

// The source's type by the same name here, in SQL form; empty where there is none. Built from our own
// catalog, never from the text that the source sent.
std::string local_type(const Column &column) {
  return single_or<std::string>(
      query(R"(
SELECT pg_catalog.format_type(CASE WHEN $3::bool THEN t.typarray ELSE t.oid END, $4::int4)
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = $1::name
  AND t.typname = $2::name
  AND t.typtype <> 'p'
  AND t.typisdefined
  AND (t.typarray <> 0 OR NOT $3::bool))",
            {column.type.schema, column.type.name, column.type.is_array ? "true" : "false",
             std::to_string(column.typmod)}),
      "");
}

bool collation_exists(const QualifiedName &name) {
  return !query(R"(
SELECT FROM pg_catalog.pg_collation c
JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
WHERE n.nspname = $1::name
  AND c.collname = $2::name
  AND c.collencoding IN (
      -1,
      (SELECT d.encoding FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())))",
                {name.schema, name.name})
              .empty();
}

void notice(const std::string &text) {
  call([&] { ereport(NOTICE, (errmsg("%s", text.c_str()))); });
}

}  // namespace

void check_may_prepare(const std::string &schema, const RunSpec &spec) {
  if (schema == "tablesync" || schema.starts_with("pg_") || schema == "information_schema")
    throw Error(sqlstate::insufficient_privilege, "cannot make tables in schema \"" + schema + "\"");
  if (!schema_exists(schema)) return check_may_create_schema(schema);
  check_may_create_in(schema);
  check_schema_trust(schema, spec);
}

void prepare_schema(const std::string &schema, const RunSpec &spec) {
  check_may_prepare(schema, spec);
  if (!schema_exists(schema)) execute("CREATE SCHEMA " + quote_identifier(schema));
  // Another session may have renamed one to it, or made it, since.
  if (!OidIsValid(hold_schema(schema)))
    throw Error("40001", "schema \"" + schema + "\" was renamed or dropped during the run", {},
                "Run it again.");
  check_may_prepare(schema, spec);
}

void create_target(const QualifiedName &name, const Table &source, const RunSpec &spec) {
  prepare_schema(name.schema, spec);
  std::vector<NewColumn> columns;
  for (const Column &column : source.columns) {
    NewColumn made{&column, local_type(column), false};
    if (made.sql_type.empty()) {
      notice("type \"" + column.sql_type + "\" does not exist here: column \"" + column.name +
             "\" is created as text");
      made.sql_type = "pg_catalog.text";
    } else if (column.collation) {
      made.has_collation = collation_exists(*column.collation);
      if (!made.has_collation)
        notice("collation \"" + display_name(*column.collation) + "\" does not exist here: column \"" +
               column.name + "\" gets the default");
    }
    columns.push_back(made);
  }
  execute(create_table(name, columns));
  for (const std::string &comment : comments(name, source)) execute(comment);
}

namespace {

std::string required_type(const Column &column) {
  const std::string type = local_type(column);
  if (type.empty())
    throw Error(sqlstate::undefined_object,
                "type \"" + column.sql_type + "\" of column \"" + column.name + "\" does not exist here", {},
                "Create it, or pass options => '{\"on_schema_change\": \"ignore\"}'.");
  return qualified_type(column.type, type);
}

}  // namespace

void add_target_column(const QualifiedName &target, const Column &source) {
  // Rows that are there have no value yet: it cannot be NOT NULL.
  execute("ALTER TABLE " + quote_qualified(target) + " ADD COLUMN " + quote_identifier(source.name) + " " +
          required_type(source));
}

void widen_target_column(const QualifiedName &target, const Column &source) {
  execute("ALTER TABLE " + quote_qualified(target) + " ALTER COLUMN " + quote_identifier(source.name) +
          " TYPE " + required_type(source));
}

}  // namespace tablesync::pg
