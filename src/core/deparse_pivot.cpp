#include "core/deparse_pivot.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/text.h"

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
      return is_builtin(column, {"float8"}) ? name : cast("float8");
    default:
      return is_builtin(column, {"text", "varchar"}) ? name : cast("text");
  }
}

const Column *find_source_column(const PivotSpec &spec, const Table &source, ReadingColumn which) {
  const std::optional<std::string> given = given_column(spec, which);
  if (given && given->empty()) return nullptr;
  const std::string name = given.value_or(name_of(which));
  const Column *column = source.find_column(name);
  const bool needed = given || which == ReadingColumn::ship_id || which == ReadingColumn::data_channel_id ||
                      which == ReadingColumn::created_time;
  if (column != nullptr || !needed) return column;
  std::vector<std::string> names;
  for (const Column &other : source.columns) names.push_back(other.name);
  const std::string near = nearest(name, names);
  throw Error(sqlstate::undefined_column,
              "column \"" + name + "\" of \"" + display_name(source.name) + "\" does not exist",
              near.empty() ? "" : "Perhaps it is \"" + near + "\".",
              std::string(R"(Name the columns of the source: options => '{"columns": {")") + name_of(which) +
                  R"(": "..."}}'.)");
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
                              const std::vector<std::string> &conditions) {
  const std::string &time = time_of(plan);
  const auto bounds = [&](std::vector<std::string> rows) {
    rows.insert(rows.end(), conditions.begin(), conditions.end());
    rows.push_back(operation(time, ">", "'-infinity'"));
    rows.push_back(operation(time, "<", "'infinity'"));
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

std::string upsert_rows(const QualifiedName &table, const std::string &time,
                        const std::vector<std::string> &columns) {
  std::vector<std::string> names{quote_identifier(time)}, sets, merged, kept;
  for (const std::string &column : columns) {
    const std::string name = quote_identifier(column);
    names.push_back(name);
    merged.push_back("COALESCE(excluded." + name + ", w." + name + ")");
    kept.push_back("w." + name);
    sets.push_back(name + " = " + merged.back());
  }
  const std::string list = join(names, ", ");
  return "INSERT INTO " + quote_qualified(table) + " AS w (" + list + ") SELECT " + list + " FROM " +
         quote_identifier(rows_name) + " ON CONFLICT (" + names[0] + ") DO " +
         (columns.empty() ? "NOTHING"
                          : "UPDATE SET " + join(sets, ", ") + " WHERE CAST(ROW(" + join(merged, ", ") +
                                ") AS pg_catalog.record) OPERATOR(pg_catalog.*<>) CAST(ROW(" +
                                join(kept, ", ") + ") AS pg_catalog.record)") +
         " RETURNING " + names[0];
}

std::string select_rows(const QualifiedName &table, const std::string &time,
                        const std::vector<std::string> &columns, Moment first, Moment last, bool has_zone) {
  const std::string column = quote_identifier(time);
  std::vector<std::string> selected{"CAST(pg_catalog.extract('epoch', " +
                                    operation(column, "-", moment_literal(0, has_zone)) +
                                    ") OPERATOR(pg_catalog.*) 1000000 AS pg_catalog.int8)"};
  for (const std::string &name : columns) selected.push_back(quote_identifier(name));
  return "SELECT " + join(selected, ", ") + " FROM " + quote_qualified(table) + " WHERE " +
         operation(column, ">=", moment_literal(first, has_zone)) + " AND " +
         operation(column, "<=", moment_literal(last, has_zone));
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
