#include "pg/pivot/wide_catalog.h"

extern "C" {
#include "postgres.h"

#include "catalog/pg_class_d.h"
#include "catalog/pg_type_d.h"
#include "commands/comment.h"
}

#include <algorithm>

#include "core/base/error.h"
#include "core/pivot/wide_table.h"
#include "pg/server/airlock.h"
#include "pg/server/spi.h"
#include "pg/target/make_table.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {
namespace {

constexpr HeldType held_types[] = {{"boolean", BOOLOID, ValueType::boolean},
                                   {"smallint", INT2OID, ValueType::integer, 2},
                                   {"integer", INT4OID, ValueType::integer, 4},
                                   {"bigint", INT8OID, ValueType::integer},
                                   {"double precision", FLOAT8OID, ValueType::decimal},
                                   {"text", TEXTOID, ValueType::string},
                                   {"character varying", VARCHAROID, ValueType::string}};

template <typename F>
const HeldType *find_held(F is_it) {
  const HeldType *const held = std::find_if(std::begin(held_types), std::end(held_types), is_it);
  return held == std::end(held_types) ? nullptr : held;
}

}  // namespace

const HeldType *held_by(std::string_view name) {
  return find_held([&](const HeldType &one) { return one.name == name; });
}

const HeldType *held_by(unsigned int oid, int typmod) {
  return typmod >= 0 ? nullptr : find_held([&](const HeldType &one) { return one.oid == oid; });
}

unsigned int oid_of(ValueType type) { return held_by(sql_type_of(type))->oid; }

void check_may_fill(const PivotSpec &spec) {
  const Rows writable = query(R"(
SELECT FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1
  AND c.relkind IN ('r', 'p')
  AND pg_catalog.starts_with(pg_catalog.lower(c.relname COLLATE "C"), $2)
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
LIMIT 1)",
                              {spec.target.schema, folded(spec.target.name)});
  if (writable.empty()) check_may_prepare(spec.target.schema, spec);
}

void comment_on_column(unsigned int table, int attnum, const std::string &comment) {
  // One statement per column would take as long as adding the columns.
  const char *const text = comment.c_str();
  call([&] { CreateComments(table, RelationRelationId, attnum, text); });
}

void check_time_key(unsigned int oid, const QualifiedName &table, const std::string &time,
                    const std::string &ship) {
  const Rows keys = query(R"(
SELECT FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = $1::pg_catalog.oid
  AND i.indisunique
  AND i.indisvalid
  AND i.indimmediate
  AND i.indpred IS NULL
  AND i.indnkeyatts = 1
  AND a.attname = $2)",
                          {std::to_string(oid), time});
  if (keys.empty())
    throw Error(
        "42P10", "table \"" + display_name(table) + "\" has no primary key on \"" + time + "\"",
        "It exists already, and pivot_ship() would fill it as the wide table of ship \"" + ship + "\".",
        "ALTER TABLE " + display_name(table) + " ADD PRIMARY KEY (" + display_name(time) + ");");
}

}  // namespace tablesync::pg
