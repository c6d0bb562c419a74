#include "core/table/describe.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "core/base/record.h"

namespace tablesync {

const UniqueKey *Table::find_key(const std::vector<std::string> &key_columns) const {
  for (const UniqueKey &key : keys)
    if (key.columns.size() == key_columns.size() &&
        std::is_permutation(key.columns.begin(), key.columns.end(), key_columns.begin()))
      return &key;
  return nullptr;
}

std::string qualified_type(const TypeName &type, const std::string &formatted) {
  // Types that format_type() writes as keywords. With a schema some of them would not parse.
  static constexpr std::string_view words[] = {
      "bigint",           "bit varying", "bit(",     "boolean",    "character",
      "double precision", "integer",     "interval", "numeric",    "real",
      "smallint",         "time ",       "time(",    "timestamp ", "timestamp("};
  const auto begins = [&](std::string_view word) { return formatted.starts_with(word); };
  if (begins(quote_identifier(type.schema) + ".") || begins(display_name(type.schema) + ".") ||
      begins("pg_catalog."))
    return formatted;
  if (type.schema == "pg_catalog" && std::any_of(std::begin(words), std::end(words), begins))
    return formatted;
  return (type.schema == "pg_catalog" ? type.schema : quote_identifier(type.schema)) + "." + formatted;
}

std::string parts_of_relation(const std::string &root) {
  return R"(part (oid) AS (
    SELECT )" +
         root + R"(
    UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN part p ON i.inhparent OPERATOR(pg_catalog.=) p.oid
))";
}

std::string relation_query() {
  // Access method 2 is heap (pg_am.dat); before version 12 tables had none.
  return R"(
SELECT c.oid,
       n.nspname AS schema,
       c.relname,
       c.relkind AS kind,
       c.reltuples::pg_catalog.int8 AS row_estimate,
       EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) c.oid) AS has_children,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
       (SELECT d.oid FROM pg_catalog.pg_database d
        WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) AS database_oid,
       CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
            THEN (SELECT s.system_identifier FROM pg_catalog.pg_control_system() s) END AS system_identifier,
       (WITH RECURSIVE )" +
         parts_of_relation("c.oid") + R"(
        SELECT pg_catalog.min(pg_catalog.format('%I.%I', pn.nspname, pc.relname))
        FROM part p JOIN pg_catalog.pg_class pc ON pc.oid OPERATOR(pg_catalog.=) p.oid
        JOIN pg_catalog.pg_namespace pn ON pn.oid OPERATOR(pg_catalog.=) pc.relnamespace
        WHERE pc.relkind OPERATOR(pg_catalog.<>) 'p'
          AND NOT (pc.relkind OPERATOR(pg_catalog.=) 'r' AND pc.relam OPERATOR(pg_catalog.=) ANY ('{0,2}'))) AS outside_heap,
       pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL AS has_citus
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text))";
}

namespace {

// A row of relation_query().
struct RelationRow {
  Table table;

  template <typename Record, typename Visitor>
  static void each_column(Record &row, Visitor &&column) {
    column("oid", row.table.oid);
    column("schema", row.table.name.schema);
    column("name", row.table.name.name);
    column("kind", row.table.kind);
    column("row_estimate", row.table.row_estimate);
    column("has_children", row.table.has_children);
    column("comment", row.table.comment);
    column("database_oid", row.table.database_oid);
    column("system_identifier", row.table.system_identifier);
    column("outside_heap", row.table.outside_heap);
    column("has_citus", row.table.has_citus);
  }
};

}  // namespace

Table decode_relation(const Row &row) {
  Table table = decode<RelationRow>(row).table;
  if (table.kind == '\0') table.kind = '?';
  return table;
}

std::string distributed_query() {
  return "WITH RECURSIVE " + parts_of_relation("$1::pg_catalog.oid") + R"(
SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_partition d
               JOIN part p ON p.oid OPERATOR(pg_catalog.=) d.logicalrelid::pg_catalog.oid))";
}

// Types of the same name may differ between two servers, which would silently corrupt binary data. So each
// type is split into its domains, array elements, ranges and fields of composite types. A composite value is
// sent as its fields in order, without names and without dropped ones.
std::string parts_of_types(int server_version_num) {
  const std::string multirange =
      server_version_num >= 140000
          ? "UNION ALL SELECT 'multirange', r.rngtypid, -1 FROM "
            "pg_catalog.pg_range r WHERE r.rngmultitypid OPERATOR(pg_catalog.=) t.oid"
          : "";
  return R"(part (root, path, type, typmod) AS (
    SELECT DISTINCT a.type, '/'::pg_catalog.text, a.type, -1 FROM attribute a
  UNION ALL
    SELECT p.root, p.path OPERATOR(pg_catalog.||) i.step OPERATOR(pg_catalog.||) '/', i.type, i.typmod
    FROM part p JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) p.type
    CROSS JOIN LATERAL (
        SELECT 'domain', t.typbasetype, t.typtypmod WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
        UNION ALL SELECT 'element', t.typelem, -1
            WHERE t.typcategory OPERATOR(pg_catalog.=) 'A' AND t.typlen OPERATOR(pg_catalog.=) -1
              AND t.typelem OPERATOR(pg_catalog.<>) 0
        UNION ALL SELECT 'range', r.rngsubtype, -1 FROM pg_catalog.pg_range r
            WHERE r.rngtypid OPERATOR(pg_catalog.=) t.oid
        )" +
         multirange + R"(
        UNION ALL SELECT pg_catalog.concat('field ', (
                SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute e
                WHERE e.attrelid OPERATOR(pg_catalog.=) f.attrelid AND e.attnum OPERATOR(pg_catalog.>) 0
                  AND e.attnum OPERATOR(pg_catalog.<=) f.attnum AND NOT e.attisdropped),
                ' ', pg_catalog.quote_literal(f.attname::pg_catalog.text COLLATE pg_catalog."default")),
               f.atttypid, f.atttypmod
            FROM pg_catalog.pg_attribute f
            WHERE t.typtype OPERATOR(pg_catalog.=) 'c' AND f.attrelid OPERATOR(pg_catalog.=) t.typrelid
              AND f.attnum OPERATOR(pg_catalog.>) 0 AND NOT f.attisdropped
    ) AS i (step, type, typmod)
))";
}

namespace {

// Describes the columns in the relation `attribute`, a query with the required columns of pg_attribute.
std::string describe_columns(int server_version_num, const std::string &attribute) {
  return R"(
WITH RECURSIVE attribute (number, name, type, typmod, not_null, identity, generated, collation_oid, comment) AS ()" +
         attribute + "\n), " + parts_of_types(server_version_num) +
         R"(, made_of (root, signature, binary_safe) AS (
    SELECT p.root,
           pg_catalog.string_agg(pg_catalog.concat(p.path, n.nspname, '.', t.typname, ' ', p.typmod), ', '
                                 ORDER BY p.path COLLATE pg_catalog."C"),
           -- reg* types carry oids, which mean something else elsewhere; tsvector's order of lexemes
           -- depends on the machine; an empty int2vector or oidvector cannot be received.
           pg_catalog.bool_and(t.typsend::pg_catalog.oid OPERATOR(pg_catalog.<>) 0
               AND t.typreceive::pg_catalog.oid OPERATOR(pg_catalog.<>) 0
               AND NOT (n.nspname OPERATOR(pg_catalog.=) 'pg_catalog'
                        AND (t.typname OPERATOR(pg_catalog.~~) 'reg%'
                             OR t.typname OPERATOR(pg_catalog.~~) 'pg\_%'
                                AND t.typname OPERATOR(pg_catalog.<>) ALL ('{pg_lsn,pg_snapshot}')
                             OR t.typname OPERATOR(pg_catalog.=) ANY (
                                '{tsvector,gtsvector,int2vector,oidvector}'))))
    FROM part p JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) p.type
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
    GROUP BY p.root
)
SELECT a.name,
       n.nspname AS type_schema,
       coalesce(e.typname, t.typname) AS type_name,
       e.oid IS NOT NULL AS is_array,
       a.typmod,
       pg_catalog.format_type(a.type, a.typmod) AS sql_type,
       m.signature,
       m.binary_safe,
       a.not_null,
       a.identity,
       a.generated,
       cn.nspname AS collation_schema,
       co.collname AS collation_name,
       a.comment,
       )" +
         (server_version_num >= 120000
              ? std::string("coalesce((SELECT d.collisdeterministic FROM pg_catalog.pg_collation d WHERE "
                            "d.oid OPERATOR(pg_catalog.=) a.collation_oid), true)")
              : std::string("true")) +
         R"( AS deterministic
FROM attribute a
JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.type
LEFT JOIN pg_catalog.pg_type e
       ON e.oid OPERATOR(pg_catalog.=) t.typelem AND t.typcategory OPERATOR(pg_catalog.=) 'A'
          AND t.typlen OPERATOR(pg_catalog.=) -1 AND e.typarray OPERATOR(pg_catalog.=) t.oid
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) coalesce(e.typnamespace, t.typnamespace)
JOIN made_of m ON m.root OPERATOR(pg_catalog.=) a.type
LEFT JOIN pg_catalog.pg_collation co
       ON co.oid OPERATOR(pg_catalog.=) a.collation_oid
          AND a.collation_oid OPERATOR(pg_catalog.<>) t.typcollation
LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid OPERATOR(pg_catalog.=) co.collnamespace
ORDER BY a.number)";
}

}  // namespace

std::string columns_query(int server_version_num) {
  const std::string generated =
      server_version_num >= 120000 ? "a.attgenerated OPERATOR(pg_catalog.<>) ''" : "false";
  return describe_columns(server_version_num, R"(
    SELECT a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, )" +
                                                  generated +
                                                  R"(,
           a.attcollation, pg_catalog.col_description(a.attrelid, a.attnum)
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.>) 0
      AND NOT a.attisdropped)");
}

std::string result_columns_query(int server_version_num, const std::vector<ResultColumn> &columns) {
  std::vector<std::string> rows;
  for (const ResultColumn &column : columns)
    rows.push_back("(" + std::to_string(rows.size() + 1) + ", " + quote_literal(column.name) + ", " +
                   std::to_string(column.type_oid) + "::pg_catalog.oid, " + std::to_string(column.typmod) +
                   ")");
  return describe_columns(server_version_num, R"(
    SELECT r.number, r.name, r.type, r.typmod, false, ''::pg_catalog.text, false, 0::pg_catalog.oid, NULL::pg_catalog.text
    FROM (VALUES )" + join(rows, ", ") + ") AS r (number, name, type, typmod)");
}

namespace {

// A row of columns_query().
struct ColumnRow {
  Column described;

  template <typename Record, typename Visitor>
  static void each_column(Record &row, Visitor &&column) {
    auto &described = row.described;
    column("name", described.name);
    column("type_schema", described.type.schema);
    column("type_name", described.type.name);
    column("is_array", described.type.is_array);
    column("typmod", described.typmod);
    column("sql_type", described.sql_type);
    column("signature", described.signature);
    column("binary_safe", described.binary_safe);
    column("not_null", described.not_null);
    column("identity", described.identity);
    column("generated", described.generated);
    column("collation_schema", member_of(described.collation, &QualifiedName::schema));
    column("collation_name", member_of(described.collation, &QualifiedName::name));
    column("comment", described.comment);
    column("deterministic", described.deterministic);
  }
};

// A row of keys_query(): a column of a key.
struct KeyColumnRow {
  std::string index_name;
  bool primary = false;
  std::string name;
  std::string operator_schema, operator_name;

  template <typename Record, typename Visitor>
  static void each_column(Record &row, Visitor &&column) {
    column("index_name", row.index_name);
    column("is_primary", row.primary);
    column("column_name", row.name);
    column("operator_schema", row.operator_schema);
    column("operator_name", row.operator_name);
  }
};

}  // namespace

void decode_columns(Table &table, const Rows &rows) {
  for (const Row &row : rows) table.columns.push_back(decode<ColumnRow>(row).described);
}

std::string keys_query() {
  // 403 is the access method btree (pg_am.dat); strategy 3 of a btree operator family is equality.
  return R"(
SELECT c.relname AS index_name,
       i.indisprimary AS is_primary,
       a.attname AS column_name,
       on_.nspname AS operator_schema,
       o.oprname AS operator_name
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid AND c.relam OPERATOR(pg_catalog.=) 403
CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts OPERATOR(pg_catalog.-) 1) AS k (at)
JOIN pg_catalog.pg_attribute a
  ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) i.indkey[k.at]
JOIN pg_catalog.pg_opclass oc ON oc.oid OPERATOR(pg_catalog.=) i.indclass[k.at]
JOIN pg_catalog.pg_amop ao
  ON ao.amopfamily OPERATOR(pg_catalog.=) oc.opcfamily AND ao.amoplefttype OPERATOR(pg_catalog.=) oc.opcintype
     AND ao.amoprighttype OPERATOR(pg_catalog.=) oc.opcintype AND ao.amopstrategy OPERATOR(pg_catalog.=) 3
JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) ao.amopopr
JOIN pg_catalog.pg_namespace on_ ON on_.oid OPERATOR(pg_catalog.=) o.oprnamespace
WHERE i.indrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND i.indisunique AND i.indisvalid AND i.indisready
  AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indisprimary DESC, c.relname::pg_catalog.text COLLATE pg_catalog."C", k.at)";
}

void decode_keys(Table &table, const Rows &rows) {
  for (const KeyColumnRow &column : decode_all<KeyColumnRow>(rows)) {
    if (table.keys.empty() || table.keys.back().index_name != column.index_name)
      table.keys.push_back({column.index_name, column.primary, {}, {}});
    table.keys.back().columns.push_back(column.name);
    table.keys.back().equality.push_back("OPERATOR(" + quote_identifier(column.operator_schema) + "." +
                                         column.operator_name + ")");
  }
}

}  // namespace tablesync
