#include "pg/record/wide_record.h"

extern "C" {
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "pg/server/compat.h"
}

#include "pg/record/columns.h"
#include "pg/record/state.h"
#include "pg/server/airlock.h"

namespace tablesync::pg {
namespace {

// The tables of a pivot: a condition over tablesync.pivot_table p, and its parameters $1 to $4.
constexpr char of_pivot[] = R"(p.owner = $owner
  AND p.server IS NOT DISTINCT FROM $1::name
  AND p.source = $2
  AND p.target_schema = $3
  AND p.table_prefix = $4)";

Row parameters_of(const PivotIdentity &pivot) {
  return {optional_text(pivot.spec.server), pivot.source, pivot.spec.target.schema, pivot.spec.target.name};
}

std::string array_of(const std::vector<unsigned int> &oids) {
  Row texts;
  for (const unsigned int oid : oids) texts.emplace_back(std::to_string(oid));
  return array_text(texts);
}

}  // namespace

std::vector<KnownTable> wide_tables(const PivotIdentity &pivot) {
  const Expressions now = {
      {"schema_now", "n.nspname"}, {"name_now", "c.relname"}, {"table_owner", "c.relowner"}};
  return decode_all<KnownTable>(own_state("SELECT " + select_list<KnownTable>("p", now) + R"(
FROM tablesync.pivot_table p
JOIN pg_catalog.pg_class c ON c.oid = p.table_oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE )" + of_pivot + R"(
ORDER BY p.made_at, p.table_oid)",
                                          parameters_of(pivot)));
}

std::vector<ShipOfTable> ships_of_tables(const std::vector<unsigned int> &tables) {
  if (tables.empty()) return {};
  return decode_all<ShipOfTable>(state_of_all("SELECT DISTINCT " + select_list<ShipOfTable>("p") + R"(
FROM tablesync.pivot_table p
WHERE p.table_oid = ANY ($1::oid[]))",
                                              {array_of(tables)}));
}

void each_wide_column(const std::vector<unsigned int> &tables,
                      const std::function<void(const KnownColumn &)> &take) {
  const auto text_at = [](Datum datum) -> std::string_view {
    const varlena *const value = call([&] { return DatumGetTextPP(datum); });
    return {VARDATA_ANY(value), static_cast<size_t>(VARSIZE_ANY_EXHDR(value))};
  };
  each_own_state(R"(
SELECT table_oid, attnum, channel, column_name, column_type
FROM tablesync.pivot_column
WHERE table_oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
  AND owner OPERATOR(pg_catalog.=) $owner)",
                 {array_of(tables)}, {OIDOID, INT2OID, TEXTOID, NAMEOID, TEXTOID},
                 [&](const std::uintptr_t *values, const bool *) {
                   take({DatumGetObjectId(values[0]), DatumGetInt16(values[1]), text_at(values[2]),
                         NameStr(*DatumGetName(values[3])), text_at(values[4])});
                 });
}

void refresh_wide_columns(const PivotIdentity &pivot) {
  const Row which = parameters_of(pivot);
  const std::string of_tables = std::string(R"(c.owner = $owner
  AND c.table_oid IN (
      SELECT p.table_oid
      FROM tablesync.pivot_table p
      WHERE )") + of_pivot + ")";
  own_state(std::string(R"(
UPDATE tablesync.pivot_table p
SET change_id = DEFAULT
WHERE )") + of_pivot,
            which);
  own_state(R"(
DELETE FROM tablesync.pivot_column c
WHERE )" + of_tables +
                R"(
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = c.table_oid
        AND a.attnum = c.attnum
        AND NOT a.attisdropped))",
            which);
  own_state(R"(
UPDATE tablesync.pivot_column c
SET (column_name, column_type) = (a.attname, format_type(a.atttypid, a.atttypmod))
FROM pg_catalog.pg_attribute a
WHERE )" + of_tables +
                R"(
  AND a.attrelid = c.table_oid
  AND a.attnum = c.attnum
  AND (c.column_name, c.column_type) IS DISTINCT FROM (a.attname, format_type(a.atttypid, a.atttypmod)))",
            which);
}

std::vector<WideAttribute> wide_attributes(const std::vector<unsigned int> &tables) {
  const Expressions recorded = {{"channel", "c.channel"},
                                {"comment", "col_description(a.attrelid, a.attnum)"}};
  return decode_all<WideAttribute>(own_state("SELECT " + select_list<WideAttribute>("a", recorded) + R"(
FROM pg_catalog.pg_attribute a
LEFT JOIN tablesync.pivot_column c
       ON c.table_oid = a.attrelid
      AND c.attnum = a.attnum
      AND c.owner = $owner
WHERE a.attrelid = ANY ($1::oid[])
  AND a.attnum > 0
ORDER BY a.attrelid, a.attnum)",
                                             {array_of(tables)}));
}

std::string last_change() {
  // Ids do not become visible in order, but each one changes the sum.
  return single<std::string>(own_state(R"(
SELECT concat(sum(change_id), '/', count(*))
FROM tablesync.pivot_table
WHERE owner = $owner)"));
}

void record_wide_table(const PivotIdentity &pivot, const WideTableRecord &table) {
  own_state(R"(
INSERT INTO tablesync.pivot_table (owner, made_at, server, source, target_schema, table_prefix, request, )" +
                names_of<WideTableRecord>() + R"()
VALUES ($owner, clock_timestamp(), $1, $2, $3, $4, $5::jsonb, )" +
                tablesync::parameters_of<WideTableRecord>(6) + R"()
ON CONFLICT DO NOTHING)",
            parameters_of(pivot) + Row{to_kept(pivot.spec)} + encode(table));
}

void record_request(const PivotIdentity &pivot) {
  own_state(std::string(R"(
UPDATE tablesync.pivot_table p
SET request = $5::jsonb
WHERE )") + of_pivot +
                R"(
  AND (p.ship = ANY ($6::text[]) OR $6 = '{}'))",
            parameters_of(pivot) + Row{to_kept(pivot.spec), array_text(pivot.spec.ships)});
}

void record_wide_columns(unsigned int table, const std::vector<WideColumnRecord> &columns) {
  if (columns.empty()) return;
  const std::string oid = std::to_string(table);
  own_state(R"(
UPDATE tablesync.pivot_table
SET change_id = DEFAULT
WHERE table_oid = $1::oid
  AND owner = $owner)",
            {oid});
  const std::string names = names_of<WideColumnRecord>();
  const Expressions as_text = {{"column_type", "format_type(c.column_type, NULL)"}};
  own_state("INSERT INTO tablesync.pivot_column AS p (table_oid, owner, " + names + R"()
SELECT $1::oid, $owner, )" +
                select_list<WideColumnRecord>("c", as_text) + R"(
FROM unnest()" + array_parameters_of<WideColumnRecord>(2) +
                ") c (" + names + R"()
ON CONFLICT (table_oid, owner, attnum) DO UPDATE
SET (channel, column_name, column_type)
  = (excluded.channel, excluded.column_name, excluded.column_type))",
            Row{oid} + encode_arrays(columns));
}

void forget_wide_table(unsigned int table) {
  const Row oid{std::to_string(table)};
  own_state("DELETE FROM tablesync.pivot_table WHERE table_oid = $1::oid AND owner = $owner", oid);
  own_state("DELETE FROM tablesync.pivot_column WHERE table_oid = $1::oid AND owner = $owner", oid);
}

}  // namespace tablesync::pg
