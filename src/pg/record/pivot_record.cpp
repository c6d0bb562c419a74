#include "pg/record/pivot_record.h"

extern "C" {
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "pg/server/compat.h"
}

#include <cstdlib>

#include "core/base/quote.h"
#include "core/base/text.h"
#include "pg/record/state.h"
#include "pg/server/airlock.h"

namespace tablesync::pg {
namespace {

std::string number(std::int64_t value) { return std::to_string(value); }

// The text of an array, as array_in() takes it.
std::string array_of(const Row &cells) {
  std::string text = "{";
  for (const Cell &cell : cells) {
    if (text.size() > 1) text += ',';
    if (!cell) {
      text += "NULL";
      continue;
    }
    text += '"';
    for (const char c : *cell) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text + "}";
}

Row cells_of(const std::vector<std::string> &texts) { return Row(texts.begin(), texts.end()); }

// One member of each, as an array.
template <typename Item, typename F>
Cell column_of(const std::vector<Item> &items, F member) {
  Row cells;
  for (const Item &item : items) cells.push_back(member(item));
  return array_of(cells);
}

}  // namespace

namespace {

// The tables of a pivot: a condition over tablesync.pivot_table p, and its parameters $1 to $4.
constexpr char of_pivot[] =
    "p.owner = $owner AND p.server IS NOT DISTINCT FROM $1::name AND p.source = $2 AND p.target_schema = $3 "
    "AND "
    "p.table_prefix = $4";

Row parameters_of(const PivotIdentity &pivot) {
  return {optional_text(pivot.spec.server), pivot.source, pivot.spec.target.schema, pivot.spec.target.name};
}

}  // namespace

std::vector<KnownTable> wide_tables(const PivotIdentity &pivot) {
  const Rows rows = own_state(
      std::string("SELECT p.table_oid, p.ship, p.group_name, n.nspname, c.relname, p.target_schema, "
                  "p.table_name, p.made_here, p.time_column, p.time_attnum, p.time_has_zone, c.relowner FROM "
                  "tablesync.pivot_table p JOIN pg_catalog.pg_class c ON c.oid = p.table_oid JOIN "
                  "pg_catalog.pg_namespace "
                  "n ON n.oid = c.relnamespace WHERE ") +
          of_pivot + " ORDER BY p.made_at, p.table_oid",
      parameters_of(pivot));
  std::vector<KnownTable> tables;
  for (const Row &row : rows) {
    const auto text = [&](size_t n) { return text_of(row.at(n)); };
    tables.push_back({text(0),
                      text(1),
                      text(2),
                      {text(3), text(4)},
                      {text(5), text(6)},
                      static_cast<unsigned int>(std::strtoul(text(11).c_str(), nullptr, 10)),
                      bool_of(row.at(7)),
                      text(8),
                      std::atoi(text(9).c_str()),
                      bool_of(row.at(10))});
  }
  return tables;
}

std::vector<std::pair<std::string, std::string>> ships_of_tables(const std::vector<std::string> &tables) {
  if (tables.empty()) return {};
  std::vector<std::pair<std::string, std::string>> ships;
  for (const Row &row : state_of_all("SELECT DISTINCT p.table_oid, p.ship FROM tablesync.pivot_table p WHERE "
                                     "p.table_oid = ANY ($1::oid[])",
                                     {array_of(cells_of(tables))}))
    ships.emplace_back(text_of(row.at(0)), text_of(row.at(1)));
  return ships;
}

void each_wide_column(const std::vector<std::string> &tables,
                      const std::function<void(const KnownColumn &)> &take) {
  const auto text_at = [](Datum datum) -> std::string_view {
    const varlena *const value = call([&] { return DatumGetTextPP(datum); });
    return {VARDATA_ANY(value), static_cast<size_t>(VARSIZE_ANY_EXHDR(value))};
  };
  each_own_state(
      "SELECT table_oid, attnum, channel, column_name, column_type FROM tablesync.pivot_column WHERE "
      "table_oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[]) AND owner OPERATOR(pg_catalog.=) $owner",
      {array_of(cells_of(tables))}, {OIDOID, INT2OID, TEXTOID, NAMEOID, TEXTOID},
      [&](const std::uintptr_t *values, const bool *) {
        take({DatumGetObjectId(values[0]), DatumGetInt16(values[1]), text_at(values[2]),
              NameStr(*DatumGetName(values[3])), text_at(values[4])});
      });
}

void refresh_wide_columns(const PivotIdentity &pivot) {
  const Row which = parameters_of(pivot);
  const std::string of_tables =
      "c.owner = $owner AND c.table_oid IN (SELECT p.table_oid FROM "
      "tablesync.pivot_table p WHERE " +
      std::string(of_pivot) + ")";
  own_state(std::string("UPDATE tablesync.pivot_table p SET change_id = DEFAULT WHERE ") + of_pivot, which);
  own_state("DELETE FROM tablesync.pivot_column c WHERE " + of_tables +
                " AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.table_oid AND "
                "a.attnum = "
                "c.attnum AND NOT a.attisdropped)",
            which);
  own_state(
      "UPDATE tablesync.pivot_column c SET (column_name, column_type) = (a.attname, "
      "format_type(a.atttypid, a.atttypmod)) FROM pg_catalog.pg_attribute a WHERE " +
          of_tables +
          " AND a.attrelid = c.table_oid AND a.attnum = c.attnum AND (c.column_name, c.column_type) IS "
          "DISTINCT FROM (a.attname, format_type(a.atttypid, a.atttypmod))",
      which);
}

Rows wide_attributes(const std::vector<std::string> &tables) {
  return own_state(
      "SELECT a.attrelid, a.attnum, c.channel, a.attisdropped, a.attname, a.atttypid, a.attlen, a.atttypmod, "
      "col_description(a.attrelid, a.attnum) "
      "FROM pg_catalog.pg_attribute a LEFT JOIN tablesync.pivot_column c ON c.table_oid = a.attrelid AND "
      "c.attnum = "
      "a.attnum AND c.owner = $owner WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 ORDER BY "
      "a.attrelid, "
      "a.attnum",
      {array_of(cells_of(tables))});
}

std::string last_change() {
  return text_of(
      // Ids are not seen in their order, but each one makes the sum another.
      own_state(
          "SELECT concat(sum(change_id), '/', count(*)) FROM tablesync.pivot_table WHERE owner = $owner")
          .at(0)
          .at(0));
}

void record_wide_table(const PivotIdentity &pivot, const WideTableRecord &table) {
  own_state(
      "INSERT INTO tablesync.pivot_table (table_oid, owner, server, source, ship, group_name, target_schema, "
      "table_prefix, table_name, time_column, made_here, made_at, request, time_attnum, time_has_zone) "
      "VALUES ($1::oid, $owner, $2, $3, $4, $5, $6, $7, $8, $9, $10::bool, clock_timestamp(), $11::jsonb, "
      "$12::int2, $13::bool) ON CONFLICT DO NOTHING",
      {table.oid, optional_text(pivot.spec.server), pivot.source, table.ship, optional_text(table.group),
       pivot.spec.target.schema, pivot.spec.target.name, table.name, table.time_column,
       std::string(table.made_here ? "t" : "f"), to_kept(pivot.spec), number(table.time_attnum),
       std::string(table.time_has_zone ? "t" : "f")});
}

void record_request(const PivotIdentity &pivot) {
  Row parameters = parameters_of(pivot);
  parameters.emplace_back(to_kept(pivot.spec));
  parameters.emplace_back(array_of(cells_of(pivot.spec.ships)));
  own_state(std::string("UPDATE tablesync.pivot_table p SET request = $5::jsonb WHERE ") + of_pivot +
                " AND (p.ship = ANY ($6::text[]) OR $6 = '{}')",
            parameters);
}

void record_wide_columns(const std::string &table, const std::vector<WideColumnRecord> &columns) {
  if (columns.empty()) return;
  own_state(
      "UPDATE tablesync.pivot_table SET change_id = DEFAULT WHERE table_oid = $1::oid AND owner = $owner",
      {table});
  own_state(
      "INSERT INTO tablesync.pivot_column AS p (table_oid, owner, attnum, channel, column_name, column_type) "
      "SELECT $1::oid, $owner, c.attnum, c.channel, c.name, format_type(c.type, NULL) FROM "
      "unnest($2::int2[], "
      "$3::text[], $4::text[], $5::oid[]) c (attnum, channel, name, type) ON CONFLICT (table_oid, owner, "
      "attnum) DO UPDATE SET (channel, column_name, column_type) = (excluded.channel, excluded.column_name, "
      "excluded.column_type)",
      {table, column_of(columns, [](const WideColumnRecord &c) -> Cell { return number(c.attnum); }),
       column_of(columns, [](const WideColumnRecord &c) -> Cell { return c.channel; }),
       column_of(columns, [](const WideColumnRecord &c) -> Cell { return c.name; }),
       column_of(columns, [](const WideColumnRecord &c) -> Cell { return number(c.type); })});
}

void forget_wide_table(const std::string &table) {
  own_state("DELETE FROM tablesync.pivot_table WHERE table_oid = $1::oid AND owner = $owner", {table});
  own_state("DELETE FROM tablesync.pivot_column WHERE table_oid = $1::oid AND owner = $owner", {table});
}

void add_counts(std::int64_t run_id, const std::vector<TableCounts> &counts) {
  if (counts.empty()) return;
  const auto text = [](std::string TableCounts::*member) {
    return [=](const TableCounts &c) { return optional_text(c.*member); };
  };
  const auto count = [](std::int64_t TableCounts::*member) {
    return [=](const TableCounts &c) -> Cell { return number(c.*member); };
  };
  // In one order, since several workers add to the same rows.
  own_state(
      "INSERT INTO tablesync.pivot_run AS r (run_id, ship, target_table, rows_read, rows_written, "
      "cells_written, columns_added, rows_replaced, rows_rejected, updated_at) SELECT o.run_id, c.*, "
      "clock_timestamp() FROM tablesync.run o, unnest($2::text[], $3::text[], $4::int8[], $5::int8[], "
      "$6::int8[], $7::int4[], "
      "$8::int8[], $9::int8[]) c WHERE o.run_id = $1::int8 AND o.owner = $owner ORDER BY 2, 3 ON CONFLICT "
      "(run_id, (COALESCE(ship, '')), "
      "(COALESCE(target_table, ''))) DO UPDATE SET (rows_read, rows_written, cells_written, columns_added, "
      "rows_replaced, rows_rejected, updated_at) = (r.rows_read + excluded.rows_read, r.rows_written + "
      "excluded.rows_written, r.cells_written + excluded.cells_written, r.columns_added + "
      "excluded.columns_added, r.rows_replaced + excluded.rows_replaced, r.rows_rejected + "
      "excluded.rows_rejected, excluded.updated_at)",
      {number(run_id), column_of(counts, text(&TableCounts::ship)),
       column_of(counts, text(&TableCounts::table)), column_of(counts, count(&TableCounts::read)),
       column_of(counts, count(&TableCounts::written)), column_of(counts, count(&TableCounts::cells)),
       column_of(counts, count(&TableCounts::columns)), column_of(counts, count(&TableCounts::replaced)),
       column_of(counts, count(&TableCounts::rejected))});
}

Rows find_counts(std::int64_t run_id) {
  return latest_own_state(
      "SELECT p.run_id, p.ship, p.target_table, p.rows_read, p.rows_written, p.cells_written, "
      "p.columns_added, p.rows_rejected, p.updated_at - r.started_at FROM tablesync.pivot_run p JOIN "
      "tablesync.run r USING (run_id) WHERE p.run_id = $1::int8 AND r.owner = $owner ORDER BY p.ship, "
      "p.target_table",
      {number(run_id)});
}

void record_rejected(std::int64_t run_id, const PivotSpec &spec,
                     const std::vector<RejectedReading> &readings) {
  if (readings.empty()) return;
  const auto all = [&](Cell RejectedReading::*member) {
    return column_of(readings, [=](const RejectedReading &reading) { return reading.*member; });
  };
  own_state(
      "INSERT INTO tablesync.reject (run_id, owner, target, row_key, column_name, \"row\", sqlstate, "
      "message, rejected_at) SELECT $1::int8, $owner, $2, 'ship ' || COALESCE(ship, '?') || ' at ' || "
      "COALESCE(\"time\", '?'), channel, jsonb_build_object('ship_id', ship, 'data_channel_id', channel, "
      "'created_time', \"time\", 'value_format', format, 'bool_v', bool_v::bool, 'str_v', str_v, 'long_v', "
      "long_v::int8, 'double_v', CASE WHEN double_v IN ('NaN', 'Infinity', '-Infinity') THEN "
      "to_jsonb(double_v) ELSE to_jsonb(double_v::numeric) END), '22023', why, clock_timestamp() FROM "
      "unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], "
      "$10::text[], $11::text[]) r (ship, channel, \"time\", format, bool_v, str_v, long_v, double_v, why)",
      {number(run_id), display_name(spec.target), all(&RejectedReading::ship), all(&RejectedReading::channel),
       all(&RejectedReading::time), all(&RejectedReading::format), all(&RejectedReading::bool_v),
       all(&RejectedReading::str_v), all(&RejectedReading::long_v), all(&RejectedReading::double_v),
       column_of(readings, [](const RejectedReading &reading) -> Cell { return reading.why; })});
}

void record_failed_chunk(const PivotIdentity &pivot, std::int64_t run_id, std::int64_t chunk_no,
                         const std::string &start, const std::string &end, const Diagnostics &said) {
  const PivotSpec &spec = pivot.spec;
  if (spec.failed_chunk != 0) {
    own_state(
        "UPDATE tablesync.chunk_to_redo SET (attempts, sqlstate, message, failed_at) = (attempts + 1, $2, "
        "$3, "
        "clock_timestamp()) WHERE failed_chunk_id = $1::int8 AND owner = $owner",
        {number(spec.failed_chunk), said.sqlstate, said.message});
    return;
  }
  own_state(
      "INSERT INTO tablesync.chunk_to_redo AS f (ship_id, start_time, end_time, owner, server, source, "
      "target_schema, table_prefix, request, run_id, chunk_no, attempts, sqlstate, message, failed_at) "
      "VALUES ($1, $2::timestamptz, $3::timestamptz, $owner, $4, $5, $6, $7, $8::jsonb, $9::int8, $10::int8, "
      "1, $11, $12, clock_timestamp()) ON CONFLICT (run_id, chunk_no) DO UPDATE SET (attempts, sqlstate, "
      "message, failed_at) = (f.attempts + 1, excluded.sqlstate, excluded.message, excluded.failed_at) WHERE "
      "f.owner = $owner",
      {spec.ships.size() == 1 ? Cell(spec.ships[0]) : Cell(), optional_text(start), optional_text(end),
       optional_text(spec.server), pivot.source, spec.target.schema, spec.target.name, to_kept(spec),
       number(run_id), number(chunk_no), said.sqlstate, said.message});
}

void forget_failed_chunk(std::int64_t run_id, std::int64_t chunk_no) {
  own_state(
      "DELETE FROM tablesync.chunk_to_redo WHERE run_id = $1::int8 AND chunk_no = $2::int8 AND owner = "
      "$owner",
      {number(run_id), number(chunk_no)});
}

void forget_failed_chunk(std::int64_t failed_chunk_id) {
  const Rows gone = own_state(
      "DELETE FROM tablesync.chunk_to_redo WHERE failed_chunk_id = $1::int8 AND owner = $owner RETURNING "
      "run_id, chunk_no",
      {number(failed_chunk_id)});
  if (gone.empty() || !gone[0][0] || !gone[0][1]) return;
  // The run that it is of need not do it again; where nothing else of it is left, it is complete.
  const Rows subject = own_state(
      "UPDATE tablesync.chunk SET status = 'succeeded' WHERE run_id = $1::int8 AND chunk_no = $2::int8 AND "
      "owner = $owner RETURNING subject",
      gone[0]);
  if (!subject.empty())
    own_state(
        "DELETE FROM tablesync.checkpoint c WHERE c.subject = $1 AND c.owner = $owner AND c.complete AND NOT "
        "EXISTS (SELECT FROM tablesync.chunk k WHERE k.subject = c.subject AND k.owner = c.owner AND "
        "k.status "
        "<> 'succeeded')",
        subject[0]);
}

std::vector<ChunkToRedo> chunks_to_redo(const std::optional<std::string> &ship,
                                        std::optional<std::int64_t> run_id) {
  const Rows rows = latest_own_state(
      "SELECT c.failed_chunk_id, c.ship_id, c.start_time, c.end_time, c.request, c.server, "
      "c.source, c.target_schema, c.table_prefix, c.owner::oid FROM tablesync.chunk_to_redo c WHERE " +
          may_become("c.owner") +
          " AND ($1 IS NULL OR c.ship_id = $1 OR c.ship_id IS NULL) AND ($2::int8 IS NULL OR c.run_id = "
          "$2::int8) ORDER BY c.failed_chunk_id",
      {ship, run_id ? Cell(number(*run_id)) : Cell()});
  std::vector<ChunkToRedo> chunks;
  for (const Row &row : rows)
    chunks.push_back({row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8],
                      static_cast<unsigned int>(std::strtoul(text_of(row[9]).c_str(), nullptr, 10))});
  return chunks;
}

Rows pivots_of(const ChunkToRedo &chunk) {
  return own_state(
      "SELECT DISTINCT ON (p.server, p.source, p.target_schema, p.table_prefix) p.server, p.source, "
      "p.target_schema, p.table_prefix, p.request FROM tablesync.pivot_table p WHERE p.ship = "
      "$1 AND p.owner = $6::oid AND " +
          may_become("p.owner") +
          " AND ($2 IS NULL OR COALESCE(p.server, '') = $2) AND ($3 IS NULL OR p.source = $3 OR "
          "split_part(p.source, '.', 2) = $3) AND ($4 IS NULL OR p.target_schema = $4) AND ($5 IS NULL OR "
          "p.table_prefix = $5) ORDER BY p.server, p.source, p.target_schema, p.table_prefix",
      {chunk.ship, chunk.server, chunk.source, chunk.schema, chunk.prefix, number(chunk.owner)});
}

void record_pivot_differences(std::int64_t run_id, const std::vector<PivotDifference> &differences) {
  const auto text = [](std::string PivotDifference::*member) {
    return [=](const PivotDifference &d) -> Cell { return d.*member; };
  };
  own_state(
      "INSERT INTO tablesync.pivot_difference (run_id, difference_no, ship, channel, reading_time, kind, "
      "expected, found) SELECT r.run_id, d.n, d.ship, d.channel, d.\"time\", d.kind, d.expected, d.found "
      "FROM tablesync.run r, ROWS FROM (unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], "
      "$6::text[], $7::text[])) "
      "WITH "
      "ORDINALITY AS d (ship, channel, \"time\", kind, expected, found, n) WHERE r.run_id = $1::int8 AND "
      "r.owner = $owner",
      {number(run_id), column_of(differences, text(&PivotDifference::ship)),
       column_of(differences, text(&PivotDifference::channel)),
       column_of(differences, text(&PivotDifference::time)),
       column_of(differences, text(&PivotDifference::kind)),
       column_of(differences, text(&PivotDifference::expected)),
       column_of(differences, [](const PivotDifference &d) { return d.found; })});
}

Rows find_pivot_differences(std::int64_t run_id) {
  return latest_own_state(
      "SELECT d.ship, d.channel, d.reading_time, d.kind, d.expected, d.found FROM tablesync.pivot_difference "
      "d "
      "JOIN tablesync.run r USING (run_id) WHERE d.run_id = $1::int8 AND r.owner = $owner ORDER BY "
      "d.difference_no",
      {number(run_id)});
}

}  // namespace tablesync::pg
