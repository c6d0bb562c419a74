#include "core/table/describe.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

namespace tablesync {

const UniqueKey *Table::find_key(const std::vector<std::string> &key_columns) const {
  for (const UniqueKey &key : keys)
    if (key.columns.size() == key_columns.size() &&
        std::is_permutation(key.columns.begin(), key.columns.end(), key_columns.begin()))
      return &key;
  return nullptr;
}

std::string qualified_type(const TypeName &type, const std::string &formatted) {
  // Those that format_type() writes in a way of their own. With a schema some of them would not parse.
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
SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples::pg_catalog.int8,
       EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) c.oid),
       pg_catalog.obj_description(c.oid, 'pg_class'),
       (SELECT d.oid FROM pg_catalog.pg_database d
        WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()),
       CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
            THEN (SELECT s.system_identifier FROM pg_catalog.pg_control_system() s) END,
       (WITH RECURSIVE )" +
         parts_of_relation("c.oid") + R"(
        SELECT pg_catalog.min(pg_catalog.format('%I.%I', pn.nspname, pc.relname))
        FROM part p JOIN pg_catalog.pg_class pc ON pc.oid OPERATOR(pg_catalog.=) p.oid
        JOIN pg_catalog.pg_namespace pn ON pn.oid OPERATOR(pg_catalog.=) pc.relnamespace
        WHERE pc.relkind OPERATOR(pg_catalog.<>) 'p'
          AND NOT (pc.relkind OPERATOR(pg_catalog.=) 'r' AND pc.relam OPERATOR(pg_catalog.=) ANY ('{0,2}'))),
       pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text))";
}

Table decode_relation(const Row &row) {
  Table table;
  table.oid = text_of(row[0]);
  table.name = {text_of(row[1]), text_of(row[2])};
  table.kind = text_of(row[3]).empty() ? '?' : text_of(row[3])[0];
  table.row_estimate = std::strtoll(text_of(row[4]).c_str(), nullptr, 10);
  table.has_children = bool_of(row[5]);
  table.comment = text_of(row[6]);
  table.database_oid = text_of(row[7]);
  table.system_identifier = text_of(row[8]);
  table.outside_heap = text_of(row[9]);
  return table;
}

std::string distributed_query() {
  return "WITH RECURSIVE " + parts_of_relation("$1::pg_catalog.oid") + R"(
SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_partition d
               JOIN part p ON p.oid OPERATOR(pg_catalog.=) d.logicalrelid::pg_catalog.oid))";
}

// Types of one name may be different things on two servers, and in binary that would be silent garbage: so
// each is taken apart, into domains, array elements, ranges and fields of composite types. A row travels as
// its fields in their order, without names and without those that were dropped.
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

// The columns are those of the relation `attribute`, a query with the columns of pg_attribute that are used
// here.
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
SELECT a.name, n.nspname, coalesce(e.typname, t.typname), e.oid IS NOT NULL, a.typmod,
       pg_catalog.format_type(a.type, a.typmod), m.signature, m.binary_safe,
       a.not_null, a.identity, a.generated, cn.nspname, co.collname, a.comment, )" +
         (server_version_num >= 120000
              ? std::string("coalesce((SELECT d.collisdeterministic FROM pg_catalog.pg_collation d WHERE "
                            "d.oid OPERATOR(pg_catalog.=) a.collation_oid), true)")
              : std::string("true")) +
         R"(
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

void decode_columns(Table &table, const Rows &rows) {
  for (const Row &row : rows) {
    Column column;
    column.name = text_of(row[0]);
    column.type = {text_of(row[1]), text_of(row[2]), bool_of(row[3])};
    column.typmod = std::atoi(text_of(row[4]).c_str());
    column.sql_type = text_of(row[5]);
    column.signature = text_of(row[6]);
    column.binary_safe = bool_of(row[7]);
    column.not_null = bool_of(row[8]);
    const std::string &identity = text_of(row[9]);
    column.identity = identity.empty() ? '\0' : identity[0];
    column.generated = bool_of(row[10]);
    if (row[12]) column.collation = QualifiedName{text_of(row[11]), text_of(row[12])};
    column.comment = text_of(row[13]);
    column.deterministic = bool_of(row[14]);
    table.columns.push_back(std::move(column));
  }
}

std::string keys_query() {
  // 403 is the access method btree (pg_am.dat); strategy 3 of a btree operator family is equality.
  return R"(
SELECT c.relname, i.indisprimary, a.attname, on_.nspname, o.oprname
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
  for (const Row &row : rows) {
    if (table.keys.empty() || table.keys.back().index_name != text_of(row[0])) {
      UniqueKey key;
      key.index_name = text_of(row[0]);
      key.primary = bool_of(row[1]);
      table.keys.push_back(std::move(key));
    }
    table.keys.back().columns.push_back(text_of(row[2]));
    table.keys.back().equality.push_back("OPERATOR(" + quote_identifier(text_of(row[3])) + "." +
                                         text_of(row[4]) + ")");
  }
}

}  // namespace tablesync
