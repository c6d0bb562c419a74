#include "core/sql/deparse_pivot.h"

#include <algorithm>
#include <charconv>

#include "core/base/error.h"
#include "core/base/text.h"

namespace tablesync {
namespace {

constexpr std::array<ReadingColumn, reading_columns> all_columns = {
    ReadingColumn::ship_id,      ReadingColumn::data_channel_id, ReadingColumn::created_time,
    ReadingColumn::value_format, ReadingColumn::bool_v,          ReadingColumn::str_v,
    ReadingColumn::long_v,       ReadingColumn::double_v};

bool is_value(ReadingColumn which) {
  return which == ReadingColumn::bool_v || which == ReadingColumn::str_v || which == ReadingColumn::long_v ||
         which == ReadingColumn::double_v;
}

bool is_builtin(const Column &column, std::initializer_list<const char *> names) {
  return column.type.schema == "pg_catalog" && !column.type.is_array &&
         std::any_of(names.begin(), names.end(), [&](const char *name) { return column.type.name == name; });
}

[[noreturn]] void wrong_type(const Column &column, ReadingColumn which, const std::string &wanted) {
  throw Error("42804",
              "column \"" + column.name + "\" cannot be " + name_of(which) +
                  " of readings, since its type is " + column.sql_type,
              {},
              "It must be " + wanted + R"(. Name another column: options => '{"columns": {")" +
                  name_of(which) + R"(": "..."}}', or null where there is none.)");
}

struct TypedExpression {
  std::string sql;
  std::string type;  // of pg_catalog
};

// The column as the type that a reading has; without a cast where it is that, so that a scan need not
// project.
TypedExpression expression_of(const Column &column, ReadingColumn which) {
  const TypedExpression name{quote_identifier(column.name), column.type.name};
  const auto cast = [&](const char *type) {
    return TypedExpression{"CAST(" + name.sql + " AS pg_catalog." + type + ")", type};
  };
  switch (which) {
    case ReadingColumn::created_time:
      if (is_builtin(column, {"timestamptz", "timestamp"})) return name;
      if (is_builtin(column, {"date"})) return cast("timestamp");
      wrong_type(column, which, "timestamp with time zone, timestamp or date");
    case ReadingColumn::bool_v:
      if (!is_builtin(column, {"bool"})) wrong_type(column, which, "boolean");
      return name;
    case ReadingColumn::long_v:
      if (!is_builtin(column, {"int8", "int4", "int2"}))
        wrong_type(column, which, "bigint, integer or smallint");
      return is_builtin(column, {"int8"}) ? name : cast("int8");
    case ReadingColumn::double_v:
      if (!is_builtin(column, {"float8", "float4", "numeric", "int4", "int2"}))
        wrong_type(column, which, "double precision, real, numeric, integer or smallint");
      // Not all numbers of a numeric are double precision: see read_number().
      if (is_builtin(column, {"numeric"})) return cast("text");
      return is_builtin(column, {"float8"}) ? name : cast("float8");
    default:
      return is_builtin(column, {"text", "varchar"}) ? name : cast("text");
  }
}

[[noreturn]] void throw_absent(const Table &source, const std::string &name, const std::string &option) {
  std::vector<std::string> names;
  for (const Column &column : source.columns) names.push_back(column.name);
  const std::string near = nearest(name, names);
  throw Error(sqlstate::undefined_column,
              "column \"" + name + "\" of \"" + display_name(source.name) + "\" does not exist",
              near.empty() ? "" : "Perhaps it is \"" + near + "\".",
              "Name the columns of the source: " + option);
}

const Column *find_source_column(const PivotSpec &spec, const Table &source, ReadingColumn which) {
  const std::optional<std::string> given = given_column(spec, which);
  if (given && given->empty()) return nullptr;
  const std::string name = given.value_or(name_of(which));
  const Column *column = source.find_column(name);
  const bool needed = given || which == ReadingColumn::ship_id || which == ReadingColumn::data_channel_id ||
                      which == ReadingColumn::created_time;
  if (column != nullptr || !needed) return column;
  throw_absent(source, name,
               std::string(R"(options => '{"columns": {")") + name_of(which) + R"(": "..."}}'.)");
}

std::string where(const std::vector<std::string> &conditions) {
  return conditions.empty() ? "" : " WHERE " + join(conditions, " AND ");
}

std::string operation(const std::string &left, const char *name, const std::string &right) {
  return left + " OPERATOR(pg_catalog." + name + ") " + right;
}

// The literal of an array. Without a type: it takes that of what it is compared with.
std::string array_literal(const std::vector<std::string> &values) {
  std::string array = "{";
  for (const std::string &value : values) {
    if (array.size() > 1) array += ',';
    array += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') array += '\\';
      array += c;
    }
    array += '"';
  }
  return quote_literal(array + "}");
}

// IN would look for its operator in the search_path. One value is compared as such, so that an index on the
// column and the time still gives its rows in the order of time.
std::string is_one_of(const std::string &column, const std::vector<std::string> &values) {
  if (values.size() == 1) return operation(column, "=", quote_literal(values[0]));
  return operation(column, "=", "ANY (" + array_literal(values) + ")");
}

std::string moment_literal(Moment moment, bool has_zone) {
  return quote_literal(text_of_moment(moment, has_zone)) + "::pg_catalog." +
         (has_zone ? "timestamptz" : "timestamp");
}

std::string time_literal(const ReadingPlan &plan, Moment moment) {
  const std::string with_zone = moment_literal(moment, true);
  if (plan.time_has_zone) return with_zone;
  // Its clock, at that moment.
  if (plan.time_zone == "UTC") return moment_literal(moment, false);
  return "pg_catalog.timezone(" + quote_literal(plan.time_zone) + ", " + with_zone + ")";
}

// A time of the source, as text of UTC without zone.
std::string utc_text(const ReadingPlan &plan, const std::string &time) {
  const std::string moment =
      plan.time_has_zone ? time : "pg_catalog.timezone(" + quote_literal(plan.time_zone) + ", " + time + ")";
  return "CAST(pg_catalog.timezone('UTC', " + moment + ") AS pg_catalog.text)";
}

const std::string &time_of(const ReadingPlan &plan) {
  return plan.expressions[static_cast<size_t>(ReadingColumn::created_time)];
}

// The columns of a reading, each in its place.
std::string selected(const ReadingPlan &plan) {
  std::vector<std::string> columns(static_cast<size_t>(plan.width));
  for (size_t n = 0; n < plan.expressions.size(); ++n)
    if (plan.places[n] >= 0) columns[static_cast<size_t>(plan.places[n])] = plan.expressions[n];
  return join(columns, ", ");
}

std::string from(const ReadingPlan &plan) { return " FROM " + quote_qualified(plan.source); }

std::string toast_option(int target) { return "toast_tuple_target = " + std::to_string(target); }

}  // namespace

ReadingPlan plan_readings(const PivotSpec &spec, const Table &source) {
  ReadingPlan plan;
  plan.source = source.name;
  plan.time_zone = spec.time_zone.empty() ? "UTC" : spec.time_zone;
  plan.places.fill(-1);
  bool has_value = false;
  for (const ReadingColumn which : all_columns) {
    const Column *column = find_source_column(spec, source, which);
    if (column == nullptr) continue;
    const auto n = static_cast<size_t>(which);
    plan.columns[n] = quote_identifier(column->name);
    const auto [expression, type] = expression_of(*column, which);
    plan.expressions[n] = expression;
    plan.types[n] = type;
    has_value = has_value || is_value(which);
    if (which == ReadingColumn::double_v) plan.decimals_are_texts = type == "text";
    if (which != ReadingColumn::created_time) continue;
    plan.time_has_zone = is_builtin(*column, {"timestamptz"});
    plan.time_may_be_null = !column->not_null;
  }
  if (!has_value)
    throw Error(sqlstate::undefined_column, "\"" + display_name(source.name) + "\" has no column of values",
                "None of bool_v, str_v, long_v and double_v is there.",
                R"(Name one: options => '{"columns": {"double_v": "..."}}'.)");
  if (!plan.has(ReadingColumn::ship_id)) {
    if (spec.ships.size() != 1)
      throw Error(sqlstate::invalid_parameter, "readings without a column for the ship need one ship_id", {},
                  "Pass ship_id => '...': the ship that all readings are of.");
    plan.ship = spec.ships[0];
  }
  if (!spec.order_by.empty()) {
    if (source.find_column(spec.order_by) == nullptr)
      throw_absent(source, spec.order_by, R"(options => '{"order_by": "..."}'.)");
    plan.order_by = quote_identifier(spec.order_by);
  }
  // In the order of the table's columns: where these are all that it has, a scan gives its rows as they are.
  for (const Column &column : source.columns)
    for (size_t n = 0; n < plan.columns.size(); ++n)
      if (plan.columns[n] == quote_identifier(column.name)) plan.places[n] = plan.width++;
  return plan;
}

std::string time_from(const ReadingPlan &plan, Moment moment) {
  return operation(time_of(plan), ">=", time_literal(plan, moment));
}

std::string time_before(const ReadingPlan &plan, Moment moment) {
  return operation(time_of(plan), "<", time_literal(plan, moment));
}

std::string time_is_null(const ReadingPlan &plan) {
  return plan.column(ReadingColumn::created_time) + " IS NULL";
}

std::vector<std::string> of_ships(const ReadingPlan &plan, const std::vector<std::string> &ships) {
  if (ships.empty() || !plan.has(ReadingColumn::ship_id)) return {};
  return {is_one_of(plan.column(ReadingColumn::ship_id), ships)};
}

std::vector<std::string> of_channels(const ReadingPlan &plan, const std::vector<std::string> &channels) {
  if (channels.empty()) return {};
  return {is_one_of(plan.column(ReadingColumn::data_channel_id), channels)};
}

std::vector<std::string> of_call(const ReadingPlan &plan, const PivotSpec &spec) {
  std::vector<std::string> all = of_channels(plan, spec.channels);
  all.push_back(time_before(plan, spec.cutoff));
  if (spec.from != before_all) all.push_back(time_from(plan, spec.from));
  return all;
}

std::string select_readings(const ReadingPlan &plan, const std::vector<std::string> &conditions) {
  return "SELECT " + selected(plan) + from(plan) + where(conditions);
}

// Joined, so that each row is held against its ship's window alone.
std::string select_windows(const ReadingPlan &plan, const std::vector<SampleWindow> &windows,
                           const std::vector<std::string> &conditions) {
  std::vector<std::string> rows;
  for (const SampleWindow &window : windows)
    rows.push_back("(" + quote_literal(window.ship) + ", " + time_literal(plan, window.from) + ", " +
                   time_literal(plan, window.before) + ")");
  std::vector<std::string> all{operation(time_of(plan), ">=", "w.sampled_from"),
                               operation(time_of(plan), "<", "w.sampled_before")};
  const std::string &ship = plan.expressions[static_cast<size_t>(ReadingColumn::ship_id)];
  if (!ship.empty()) all.insert(all.begin(), operation(ship, "=", "w.sampled_ship"));
  all.insert(all.end(), conditions.begin(), conditions.end());
  return "SELECT " + selected(plan) + from(plan) + ", (VALUES " + join(rows, ", ") +
         ") AS w (sampled_ship, sampled_from, sampled_before)" + where(all);
}

std::string copy_of(const std::string &select) { return "COPY (" + select + ") TO STDOUT (FORMAT binary)"; }

std::string oldest_and_newest(const ReadingPlan &plan, const std::vector<std::string> &ships,
                              const std::vector<std::string> &conditions, bool finite) {
  const std::string &time = time_of(plan);
  const auto bounds = [&](std::vector<std::string> rows) {
    rows.insert(rows.end(), conditions.begin(), conditions.end());
    if (finite) rows.push_back(operation(time, ">", "'-infinity'"));
    if (finite) rows.push_back(operation(time, "<", "'infinity'"));
    // Each of them can be the first row of an index.
    return "SELECT (SELECT pg_catalog.min(" + time + ")" + from(plan) + where(rows) +
           ") AS oldest, (SELECT pg_catalog.max(" + time + ")" + from(plan) + where(rows) + ") AS newest";
  };
  std::vector<std::string> parts;
  for (const std::string &ship : ships)
    for (const std::string &condition : of_ships(plan, {ship})) parts.push_back(bounds({condition}));
  if (parts.empty()) parts.push_back(bounds({}));
  return "SELECT " + utc_text(plan, "pg_catalog.min(oldest)") + ", " +
         utc_text(plan, "pg_catalog.max(newest)") + " FROM (" + join(parts, " UNION ALL ") + ") AS r";
}

std::string any_time(const ReadingPlan &plan, const std::vector<std::string> &ships) {
  std::vector<std::string> conditions = of_ships(plan, ships);
  conditions.push_back(plan.column(ReadingColumn::created_time) + " IS NOT NULL");
  const std::string clock =
      plan.time_has_zone ? utc_text(plan, time_of(plan)) : "CAST(" + time_of(plan) + " AS pg_catalog.text)";
  return "SELECT " + clock + from(plan) + where(conditions) + " LIMIT 1";
}

std::string finds_time(const ReadingPlan &plan, const std::vector<std::string> &ships, Moment clock) {
  std::vector<std::string> conditions = of_ships(plan, ships);
  conditions.push_back(operation(time_of(plan), ">=", moment_literal(clock, plan.time_has_zone)));
  conditions.push_back(operation(time_of(plan), "<", moment_literal(clock + 1, plan.time_has_zone)));
  return "SELECT EXISTS (SELECT" + from(plan) + where(conditions) + ")";
}

std::string beyond_cutoff(const ReadingPlan &plan, const PivotSpec &spec) {
  std::vector<std::string> conditions = of_ships(plan, spec.ships);
  for (const std::string &condition : of_channels(plan, spec.channels)) conditions.push_back(condition);
  conditions.push_back(time_from(plan, spec.cutoff));
  return "SELECT pg_catalog.count(*), " + utc_text(plan, "pg_catalog.max(" + time_of(plan) + ")") +
         from(plan) + where(conditions);
}

std::string explain(const std::string &query) { return "EXPLAIN (FORMAT text) " + query; }

double total_cost(const Rows &explained) {
  if (explained.empty() || explained[0].empty()) return -1;
  const std::string &line = text_of(explained[0][0]);
  const size_t at = line.find("(cost="), dots = line.find("..", at == std::string::npos ? 0 : at);
  double cost = -1;
  if (at != std::string::npos && dots != std::string::npos)
    std::from_chars(line.data() + dots + 2, line.data() + line.size(), cost);
  return cost;
}

std::string newest_by_ship(const ReadingPlan &plan, const std::vector<std::string> &conditions) {
  const std::string &ship = plan.expressions[static_cast<size_t>(ReadingColumn::ship_id)];
  return "SELECT " + (ship.empty() ? quote_literal(plan.ship) : ship) + ", " +
         utc_text(plan, "pg_catalog.max(" + time_of(plan) + ")") + from(plan) + where(conditions) +
         (ship.empty() ? " HAVING pg_catalog.max(" + time_of(plan) + ") IS NOT NULL" : " GROUP BY 1");
}

std::string has_ship(const ReadingPlan &plan, const std::string &ship) {
  return "SELECT EXISTS (SELECT" + from(plan) + where(of_ships(plan, {ship})) + ")";
}

std::string list_ships(const ReadingPlan &plan) {
  const std::string &ship = plan.expressions[static_cast<size_t>(ReadingColumn::ship_id)];
  return "SELECT DISTINCT " + ship + from(plan) + " WHERE " + plan.column(ReadingColumn::ship_id) +
         " IS NOT NULL LIMIT 1000";
}

std::string has_ages(const Table &source) {
  if (source.kind != 'r' && source.kind != 'p' && source.kind != 'm') return "SELECT false";
  return "WITH RECURSIVE t (relation) AS (SELECT " + quote_literal(source.oid) +
         "::pg_catalog.oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN t ON "
         "i.inhparent OPERATOR(pg_catalog.=) t.relation) SELECT pg_catalog.bool_and(c.relkind "
         "OPERATOR(pg_catalog.=) 'p' OR COALESCE(a.amname OPERATOR(pg_catalog.=) 'heap', false)) FROM t JOIN "
         "pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.relation LEFT JOIN pg_catalog.pg_am a ON "
         "a.oid OPERATOR(pg_catalog.=) c.relam";
}

std::string in_order_of_age(const ReadingPlan &plan, bool has_ages) {
  std::vector<std::string> keys;
  // Names of what is selected come first there.
  if (!plan.order_by.empty())
    keys.push_back(quote_qualified(plan.source) + "." + plan.order_by + " NULLS FIRST");
  if (has_ages)
    // A transaction that is more than 2^31 ago looks like one to come.
    keys.push_back(
        "CASE WHEN pg_catalog.age(xmin) OPERATOR(pg_catalog.<) 0 THEN 2147483647 ELSE pg_catalog.age(xmin) "
        "END "
        "DESC, tableoid, ctid");
  return keys.empty() ? "" : " ORDER BY " + join(keys, ", ");
}

std::string in_order_of_rows() {
  return "SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0";
}

std::string create_wide_table(const QualifiedName &table, const NamedType &time,
                              const std::vector<NamedType> &columns, int toast_target) {
  // So that the primary key need not look for it.
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

// The parts of an upsert, by which both of its forms are the same.
struct Upsert {
  std::string time, list;    // the column, and all columns
  std::string insert;        // up to where the rows come from
  std::string resolve;       // what becomes of a row that is there
  std::string merged, kept;  // the row that would be, and the one that is
  std::string replaces;      // whether w, as it was written, has another value in place of one
};

std::string record_of(const std::vector<std::string> &values) {
  return "CAST(ROW(" + join(values, ", ") + ") AS pg_catalog.record)";
}

// `rows`: what the columns of the new rows are qualified with.
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
  // The statement does not see what it writes itself.
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

// Which rows are to be written is known before a trigger sees one.
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
  // No time of a row is infinity.
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
