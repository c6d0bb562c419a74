#include "core/sql/deparse_wide_table.h"

#include <algorithm>

#include "core/sql/expression.h"

namespace tablesync {
namespace {

std::string toast_option(int target) { return "toast_tuple_target = " + std::to_string(target); }

}  // namespace

std::string create_wide_table(const QualifiedName &table, const NamedType &time,
                              const std::vector<NamedType> &columns, int toast_target) {
  // NOT NULL saves the primary key a scan.
  std::vector<std::string> all{quote_identifier(time.first) + " " + time.second + " NOT NULL"};
  for (const auto &[name, type] : columns) all.push_back(quote_identifier(name) + " " + type);
  return "CREATE TABLE " + quote_qualified(table) + " (" + join(all, ", ") + ")" +
         (toast_target > 0 ? " WITH (" + toast_option(toast_target) + ")" : "");
}

std::string add_wide_columns(const QualifiedName &table, const std::vector<NamedType> &columns,
                             int toast_target) {
  std::vector<std::string> all;
  for (const auto &[name, type] : columns) all.push_back("ADD COLUMN " + quote_identifier(name) + " " + type);
  if (toast_target > 0) all.push_back("SET (" + toast_option(toast_target) + ")");
  return "ALTER TABLE " + quote_qualified(table) + " " + join(all, ", ");
}

std::string widen_to_decimal(const QualifiedName &table, const std::vector<std::string> &columns) {
  std::vector<std::string> all;
  for (const std::string &name : columns)
    all.push_back("ALTER COLUMN " + quote_identifier(name) + " TYPE pg_catalog.float8");
  return "ALTER TABLE " + quote_qualified(table) + " " + join(all, ", ");
}

std::string has_integer_beyond_decimal(const QualifiedName &table, const std::vector<std::string> &columns) {
  std::vector<std::string> beyond;
  for (const std::string &name : columns)
    beyond.push_back(operation(quote_identifier(name), ">", "9007199254740992::pg_catalog.int8") + " OR " +
                     operation(quote_identifier(name), "<", "(-9007199254740992)::pg_catalog.int8"));
  return "SELECT EXISTS (SELECT FROM " + quote_qualified(table) + " WHERE " + join(beyond, " OR ") + ")";
}

std::string is_range_empty(const QualifiedName &table, const std::string &time, const std::string &lower,
                           const std::string &upper) {
  std::vector<std::string> conditions;
  const auto add = [&](const char *comparison, const std::string &bound) {
    if (!bound.empty())
      conditions.push_back(operation(quote_identifier(time), comparison, quote_literal(bound)));
  };
  add(">=", lower);
  add("<", upper);
  return "SELECT NOT EXISTS (SELECT FROM " + quote_qualified(table) + where(conditions) + ")";
}

namespace {

// The parts that both forms of an upsert share.
struct Upsert {
  std::string time, list;    // the column, and all columns
  std::string insert;        // up to the source of the rows
  std::string resolve;       // ON CONFLICT: the action for an existing row
  std::string merged, kept;  // the new row and the existing one
  std::string replaces;      // whether w, as written, replaced a value by another
};

std::string record_of(const std::vector<std::string> &values) {
  return "CAST(ROW(" + join(values, ", ") + ") AS pg_catalog.record)";
}

// `rows`: the qualifier of the columns of the new rows.
Upsert upsert_of(const QualifiedName &table, const std::string &time, const std::vector<std::string> &columns,
                 const std::string &rows, bool finds_replaced) {
  std::vector<std::string> names{quote_identifier(time)}, sets, merged, kept, before, after;
  for (const std::string &column : columns) {
    const std::string name = quote_identifier(column);
    names.push_back(name);
    merged.push_back("COALESCE(" + rows + "." + name + ", w." + name + ")");
    kept.push_back("w." + name);
    sets.push_back(name + " = COALESCE(excluded." + name + ", w." + name + ")");
    before.push_back("o." + name);
    after.push_back("CASE WHEN o." + name + " IS NOT NULL THEN w." + name + " END");
  }
  Upsert upsert;
  upsert.time = names[0];
  upsert.list = join(names, ", ");
  upsert.insert =
      "INSERT INTO " + quote_qualified(table) + " AS w (" + upsert.list + ") SELECT " + upsert.list;
  upsert.resolve = " ON CONFLICT (" + upsert.time + ") DO " +
                   (columns.empty() ? "NOTHING" : "UPDATE SET " + join(sets, ", "));
  upsert.merged = record_of(merged);
  upsert.kept = record_of(kept);
  // The statement does not see its own changes.
  upsert.replaces = !finds_replaced ? "false"
                                    : "EXISTS (SELECT FROM " + quote_qualified(table) + " AS o WHERE " +
                                          operation("o." + upsert.time, "=", "w." + upsert.time) + " AND " +
                                          operation(record_of(after), "*<>", record_of(before)) + ")";
  return upsert;
}

}  // namespace

std::string upsert_rows(const QualifiedName &table, const std::string &time,
                        const std::vector<std::string> &columns, bool finds_replaced) {
  const Upsert upsert = upsert_of(table, time, columns, "excluded", finds_replaced);
  return upsert.insert + " FROM " + quote_identifier(rows_name) + upsert.resolve +
         (columns.empty() ? "" : " WHERE " + operation(upsert.merged, "*<>", upsert.kept)) + " RETURNING w." +
         upsert.time + ", w." + upsert.time + ", " + upsert.replaces;
}

// Selects the rows to write before a trigger sees them.
std::string upsert_rows_with_triggers(const QualifiedName &table, const std::string &time,
                                      const std::vector<std::string> &columns, bool finds_replaced) {
  const Upsert upsert = upsert_of(table, time, columns, "r", finds_replaced);
  return "WITH changed AS MATERIALIZED (SELECT " + upsert.list + " FROM " + quote_identifier(rows_name) +
         " AS r WHERE NOT EXISTS (SELECT FROM " + quote_qualified(table) + " AS w WHERE " +
         operation("w." + upsert.time, "=", "r." + upsert.time) + " AND " +
         operation(upsert.merged, "*=", upsert.kept) + ")), written AS (" + upsert.insert + " FROM changed" +
         upsert.resolve + " RETURNING w." + upsert.time + ", " + upsert.replaces + " AS replaces) SELECT c." +
         upsert.time + ", w." + upsert.time + ", w.replaces FROM changed AS c FULL JOIN written AS w ON " +
         operation("c." + upsert.time, "=", "w." + upsert.time);
}

std::string select_rows(const QualifiedName &table, const std::string &time,
                        const std::vector<std::string> &columns, const std::vector<Moment> &times,
                        bool has_zone) {
  const std::string column = quote_identifier(time);
  std::vector<std::string> texts;
  for (const Moment moment : times) texts.push_back(text_of_moment(moment, has_zone));
  // No row has an infinite time.
  std::vector<std::string> selected{"CASE WHEN pg_catalog.isfinite(" + column +
                                    ") THEN CAST(pg_catalog.extract('epoch', " +
                                    operation(column, "-", moment_literal(0, has_zone)) +
                                    ") OPERATOR(pg_catalog.*) 1000000 AS pg_catalog.int8) ELSE " +
                                    quote_literal(std::to_string(before_all)) + "::pg_catalog.int8 END"};
  for (const std::string &name : columns) selected.push_back(quote_identifier(name));
  return "SELECT " + join(selected, ", ") + " FROM " + quote_qualified(table) + " WHERE " +
         operation(column, "=", "ANY (" + array_literal(texts) + ")");
}

std::string create_wide_view(const QualifiedName &view, const std::vector<WidePart> &parts,
                             const std::vector<std::string> &columns_in_order) {
  std::vector<std::string> times, joined;
  std::string tables;
  for (size_t n = 0; n < parts.size(); ++n) {
    const std::string alias = "t" + std::to_string(n + 1);
    const std::string time = alias + "." + quote_identifier(parts[n].time);
    if (n > 0) tables += " FULL JOIN ";
    tables += quote_qualified(parts[n].table) + " AS " + alias;
    if (n > 0)
      tables += " ON " + operation(time, "=", n == 1 ? times[0] : "COALESCE(" + join(times, ", ") + ")");
    times.push_back(time);
  }
  joined.push_back("COALESCE(" + join(times, ", ") + ") AS " + quote_identifier(parts[0].time));
  for (const std::string &column : columns_in_order)
    for (size_t n = 0; n < parts.size(); ++n)
      if (std::find(parts[n].columns.begin(), parts[n].columns.end(), column) != parts[n].columns.end())
        joined.push_back("t" + std::to_string(n + 1) + "." + quote_identifier(column));
  return "CREATE OR REPLACE VIEW " + quote_qualified(view) + " AS SELECT " + join(joined, ", ") + " FROM " +
         tables;
}

}  // namespace tablesync
