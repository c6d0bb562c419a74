#include "core/sql/deparse_readings.h"

#include <algorithm>
#include <charconv>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/sql/expression.h"

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
  throw Error(
      "42804",
      "column \"" + column.name + "\" of type " + column.sql_type + " cannot be used as " + name_of(which),
      {},
      "It must be " + wanted + R"(. Name another column: options => '{"columns": {")" + name_of(which) +
          R"(": "..."}}', or null if the source has none.)");
}

struct TypedExpression {
  std::string sql;
  std::string type;  // of pg_catalog
};

// The column as the type of the reading's part; without a cast if it has that type, so that a scan need not
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
              near.empty() ? "" : "Perhaps you meant the column \"" + near + "\".",
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

// IN would look for its operator in the search_path. One value is compared as such, so that an index on the
// column and the time still gives its rows in the order of time.
std::string is_one_of(const std::string &column, const std::vector<std::string> &values) {
  if (values.size() == 1) return operation(column, "=", quote_literal(values[0]));
  return operation(column, "=", "ANY (" + array_literal(values) + ")");
}

std::string time_literal(const ReadingPlan &plan, Moment moment) {
  const std::string with_zone = moment_literal(moment, true);
  if (plan.time_has_zone) return with_zone;
  // The clock of the zone at that moment.
  if (plan.time_zone == "UTC") return moment_literal(moment, false);
  return "pg_catalog.timezone(" + quote_literal(plan.time_zone) + ", " + with_zone + ")";
}

// A time of the source as text, in UTC without zone.
std::string utc_text(const ReadingPlan &plan, const std::string &time) {
  const std::string moment =
      plan.time_has_zone ? time : "pg_catalog.timezone(" + quote_literal(plan.time_zone) + ", " + time + ")";
  return "CAST(pg_catalog.timezone('UTC', " + moment + ") AS pg_catalog.text)";
}

const std::string &time_of(const ReadingPlan &plan) {
  return plan.expressions[static_cast<size_t>(ReadingColumn::created_time)];
}

// The columns of a reading, each at its position.
std::string selected(const ReadingPlan &plan) {
  std::vector<std::string> columns(static_cast<size_t>(plan.width));
  for (size_t n = 0; n < plan.expressions.size(); ++n)
    if (plan.places[n] >= 0) columns[static_cast<size_t>(plan.places[n])] = plan.expressions[n];
  return join(columns, ", ");
}

std::string from(const ReadingPlan &plan) { return " FROM " + quote_qualified(plan.source); }

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
    throw Error(sqlstate::undefined_column, "\"" + display_name(source.name) + "\" has no value column",
                "It has none of bool_v, str_v, long_v and double_v.",
                R"(Name one: options => '{"columns": {"double_v": "..."}}'.)");
  if (!plan.has(ReadingColumn::ship_id)) {
    if (spec.ships.size() != 1)
      throw Error(sqlstate::invalid_parameter, "a source without a ship column needs one ship_id", {},
                  "Pass ship_id => '...', the ship of all readings.");
    plan.ship = spec.ships[0];
  }
  if (!spec.order_by.empty()) {
    if (source.find_column(spec.order_by) == nullptr)
      throw_absent(source, spec.order_by, R"(options => '{"order_by": "..."}'.)");
    plan.order_by = quote_identifier(spec.order_by);
  }
  // In the order of the table's columns: if it has no others, a scan need not project.
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

// A join, so that each row is compared only with the window of its ship.
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

std::string oldest_and_newest(const ReadingPlan &plan, const std::vector<std::string> &ships,
                              const std::vector<std::string> &conditions, bool finite) {
  const std::string &time = time_of(plan);
  const auto bounds = [&](std::vector<std::string> rows) {
    rows.insert(rows.end(), conditions.begin(), conditions.end());
    if (finite) rows.push_back(operation(time, ">", "'-infinity'"));
    if (finite) rows.push_back(operation(time, "<", "'infinity'"));
    // Each of them can be the first or last row of an index.
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
  if (explained.empty() || explained.front().empty()) return -1;
  const std::string &line = text_of(explained.front().front());
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
  // In ORDER BY, names of selected columns take precedence.
  if (!plan.order_by.empty())
    keys.push_back(quote_qualified(plan.source) + "." + plan.order_by + " NULLS FIRST");
  if (has_ages)
    // A transaction that is more than 2^31 old looks like a future one.
    keys.push_back(
        "CASE WHEN pg_catalog.age(xmin) OPERATOR(pg_catalog.<) 0 THEN 2147483647 ELSE pg_catalog.age(xmin) "
        "END "
        "DESC, tableoid, ctid");
  return keys.empty() ? "" : " ORDER BY " + join(keys, ", ");
}

std::string in_order_of_rows() {
  return "SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0";
}

}  // namespace tablesync
