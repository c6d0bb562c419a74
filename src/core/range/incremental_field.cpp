#include "core/range/incremental_field.h"

#include <charconv>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/spec/option_value.h"
#include "core/spec/sync_spec.h"

namespace tablesync {
namespace {

bool builtin(const Column &column, std::initializer_list<const char *> names) {
  if (column.type.schema != "pg_catalog" || column.type.is_array) return false;
  for (const char *name : names)
    if (column.type.name == name) return true;
  return false;
}

[[noreturn]] void fail_type(const Column &column, const std::string &declared, const std::string &hint) {
  throw Error(sqlstate::datatype_mismatch,
              "column \"" + column.name + "\" of type " + column.sql_type +
                  " cannot be used as incremental_field" +
                  (declared.empty() ? "" : " of type \"" + declared + "\""),
              {}, hint);
}

FieldKind kind_of(const Column &column, const std::string &declared) {
  const bool integer = builtin(column, {"int2", "int4", "int8"});
  const bool text = builtin(column, {"text", "varchar", "bpchar"});
  const bool timestamp = builtin(column, {"timestamp"}), timestamptz = builtin(column, {"timestamptz"});
  if (builtin(column,
              {"json", "xml", "xid", "cid", "point", "box", "path", "polygon", "line", "lseg", "circle"}))
    throw Error("42883", "column \"" + column.name + "\" cannot be used as incremental_field",
                "Type " + column.sql_type + " has no ordering operator.");
  if (declared.empty()) {
    if (timestamp) return FieldKind::timestamp;
    if (timestamptz) return FieldKind::timestamptz;
    if (builtin(column, {"date"})) return FieldKind::date;
    if (integer) return FieldKind::integer;
    fail_type(column, declared,
              text ? "If it holds days like 20240131, pass incremental_field_type => 'yyyymmdd'."
                   : "Give a column of type timestamp, timestamptz, date or an integer, or cast it in "
                     "custom_select.");
  }
  if (declared == "timestamp" || declared == "datetime") {
    if (timestamp) return FieldKind::timestamp;
    if (timestamptz) return FieldKind::timestamptz;
  } else if (declared == "date") {
    if (builtin(column, {"date"})) return FieldKind::date;
  } else if (declared == "yyyymmdd") {
    if (text) return FieldKind::yyyymmdd_text;
    if (builtin(column, {"int4", "int8"})) return FieldKind::yyyymmdd_integer;
  } else if (declared == "integer") {
    if (integer) return FieldKind::integer;
  } else {
    throw Error(
        sqlstate::invalid_parameter, "unrecognized incremental_field_type \"" + declared + "\"", {},
        "Valid values are timestamp, datetime, date, yyyymmdd and integer. Leave it out to derive it from "
        "the column.");
  }
  fail_type(column, declared, "Leave incremental_field_type out to derive it from the column.");
}

std::string quoted_cast(const std::string &value, const std::string &type) {
  return "CAST(" + quote_literal(value) + " AS " + type + ")";
}

}  // namespace

IncrementalField find_incremental_field(const Table &source, const std::string &name,
                                        const std::string &declared) {
  const Column *column = source.find_column(name);
  if (column == nullptr) {
    std::vector<std::string> names;
    for (const Column &candidate : source.columns) names.push_back(candidate.name);
    const std::string near = nearest(name, names);
    throw Error(sqlstate::undefined_column,
                "incremental_field \"" + name + "\" is not a column of \"" + display_name(source.name) +
                    "\" on the source",
                {}, near.empty() ? "" : "Perhaps you meant the column \"" + near + "\".");
  }
  return {name, kind_of(*column, declared), !column->not_null, column->sql_type};
}

bool is_day_grained(FieldKind kind) {
  return kind == FieldKind::date || kind == FieldKind::yyyymmdd_text || kind == FieldKind::yyyymmdd_integer;
}

std::string watermark_type(FieldKind kind) {
  switch (kind) {
    case FieldKind::timestamp:
      return "pg_catalog.timestamp";
    case FieldKind::timestamptz:
      return "pg_catalog.timestamptz";
    case FieldKind::date:
      return "pg_catalog.date";
    case FieldKind::yyyymmdd_text:
      return "pg_catalog.text";
    case FieldKind::yyyymmdd_integer:
    case FieldKind::integer:
      return "pg_catalog.int8";
  }
  return {};
}

bool may_hold_no_day(FieldKind kind) {
  return kind == FieldKind::yyyymmdd_text || kind == FieldKind::yyyymmdd_integer;
}

namespace {

// Exactly the days of the Gregorian calendar from the year 1 to 9999.
constexpr char day_pattern[] =
    "^(?!0000)([0-9]{4}((0[13578]|1[02])(0[1-9]|[12][0-9]|3[01])|(0[469]|11)(0[1-9]|[12][0-9]|30)|"
    "02(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)0229)$";

std::string is_day(const std::string &column, const char *comparison) {
  return "CAST(" + column + " AS pg_catalog.text) OPERATOR(pg_catalog." + comparison + ") '" + day_pattern +
         "'";
}

}  // namespace

std::string at_or_above(const IncrementalField &field, const std::string &bound,
                        const std::optional<std::vector<std::string>> &no_days) {
  const std::string column = quote_identifier(field.name);
  std::string condition =
      column + " OPERATOR(pg_catalog.>=) " + quoted_cast(bound, watermark_type(field.kind));
  if (field.nullable) condition += " OR " + column + " IS NULL";
  const bool has_infinity = field.kind == FieldKind::timestamp || field.kind == FieldKind::timestamptz ||
                            field.kind == FieldKind::date;
  if (has_infinity)
    condition +=
        " OR " + column + " OPERATOR(pg_catalog.=) " + quoted_cast("-infinity", watermark_type(field.kind));
  if (!may_hold_no_day(field.kind)) return condition;
  if (!no_days) return condition + " OR " + is_day(column, "!~");
  std::vector<std::string> values;
  for (const std::string &value : *no_days) values.push_back(quoted_cast(value, watermark_type(field.kind)));
  return values.empty() ? condition
                        : condition + " OR " + column + " OPERATOR(pg_catalog.=) ANY (ARRAY[" +
                              join(values, ", ") + "])";
}

std::string find_no_days(const IncrementalField &field, const std::string &bound, const std::string &from,
                         std::int64_t most_looks) {
  const std::string most = std::to_string(most_looks), column = quote_identifier(field.name);
  const std::string least = "SELECT pg_catalog.min(t." + column + ") FROM " + from + " AS t WHERE t." +
                            column + " OPERATOR(pg_catalog.<) " +
                            quoted_cast(bound, watermark_type(field.kind));
  return "WITH RECURSIVE look (value, number) AS (SELECT (" + least + "), 1 UNION ALL SELECT (" + least +
         " AND t." + column +
         " OPERATOR(pg_catalog.>) l.value), l.number OPERATOR(pg_catalog.+) 1 FROM look l "
         "WHERE l.value IS NOT NULL AND l.number OPERATOR(pg_catalog.<) " +
         most + ") SELECT CAST(l.value AS pg_catalog.text), l.number OPERATOR(pg_catalog.=) " + most +
         " FROM look l WHERE l.value IS NOT NULL AND (" + is_day("l.value", "!~") +
         " OR l.number OPERATOR(pg_catalog.=) " + most + ")";
}

std::string highest_value(FieldKind kind, const std::string &column) {
  const std::string value = "CAST(" + column + " AS " + watermark_type(kind) + ")";
  std::string highest =
      "pg_catalog.max(" + value + (kind == FieldKind::yyyymmdd_text ? " COLLATE pg_catalog.\"C\"" : "") + ")";
  if (may_hold_no_day(kind)) return highest + " FILTER (WHERE " + is_day(column, "~") + ")";
  if (kind == FieldKind::integer) return highest;
  return highest + " FILTER (WHERE pg_catalog.isfinite(" + value + "))";
}

std::string moment_in_field(FieldKind kind, const std::string &instant, const std::string &local) {
  const std::string day = quoted_cast(local, "pg_catalog.timestamp");
  switch (kind) {
    case FieldKind::timestamptz:
      return quoted_cast(instant, "pg_catalog.timestamptz");
    case FieldKind::timestamp:
      return day;
    case FieldKind::date:
      return "CAST(" + day + " AS pg_catalog.date)";
    case FieldKind::yyyymmdd_text:
      return "pg_catalog.to_char(" + day + ", 'YYYYMMDD')";
    case FieldKind::yyyymmdd_integer:
      return "CAST(pg_catalog.to_char(" + day + ", 'YYYYMMDD') AS pg_catalog.int8)";
    case FieldKind::integer:
      break;
  }
  throw Error(sqlstate::internal, "an integer field holds no times");
}

std::string less_lookback(FieldKind kind, const std::string &watermark, const std::string &lookback) {
  if (kind == FieldKind::integer) {
    std::int64_t values = 0;
    const auto [end, error] = std::from_chars(lookback.data(), lookback.data() + lookback.size(), values);
    if (error != std::errc() || end != lookback.data() + lookback.size() || values < 0)
      throw Error(sqlstate::invalid_parameter, "invalid value for option \"lookback\": \"" + lookback + "\"",
                  "The incremental field is an integer.",
                  "Give the number of values to go back, like \"10000\".");
    // greatest() prevents an overflow for the lowest integers.
    return "greatest(" + quoted_cast(watermark, "pg_catalog.int8") +
           ", '-9000000000000000000') OPERATOR(pg_catalog.-) " +
           quoted_cast(std::to_string(std::min<std::int64_t>(values, 200000000000000000)), "pg_catalog.int8");
  }
  const std::int64_t milliseconds = parse_duration_ms(lookback);
  if (!is_day_grained(kind))
    return quoted_cast(watermark, watermark_type(kind)) + " OPERATOR(pg_catalog.-) " +
           quoted_cast(std::to_string(milliseconds) + " milliseconds", "pg_catalog.interval");
  constexpr std::int64_t day = 86'400'000;
  const std::string days = quoted_cast(std::to_string((milliseconds + day - 1) / day), "pg_catalog.int4");
  if (kind == FieldKind::date)
    return quoted_cast(watermark, "pg_catalog.date") + " OPERATOR(pg_catalog.-) " + days;
  // Subtracts calendar days, not numbers.
  return "pg_catalog.to_char(CAST(pg_catalog.to_date(" + quote_literal(watermark) +
         ", 'YYYYMMDD') OPERATOR(pg_catalog.-) " + days + " AS pg_catalog.timestamp), 'YYYYMMDD')";
}

}  // namespace tablesync
