#include "core/table/conversion.h"

#include <algorithm>
#include <initializer_list>

namespace tablesync {
namespace {

bool is_one_of(const Column &column, std::initializer_list<const char *> types) {
  return column.type.schema == "pg_catalog" && !column.type.is_array &&
         std::any_of(types.begin(), types.end(), [&](const char *type) { return column.type.name == type; });
}

bool is_string(const Column &c) { return is_one_of(c, {"text", "varchar", "bpchar"}); }
bool is_integer(const Column &c) { return is_one_of(c, {"int2", "int4", "int8"}); }
bool is_float(const Column &c) { return is_one_of(c, {"float4", "float8"}); }
bool is_number(const Column &c) { return is_integer(c) || is_float(c) || is_one_of(c, {"numeric"}); }

bool same_type(const Column &a, const Column &b) { return a.type == b.type && a.signature == b.signature; }

// Whether every value of the source's typmod fits the target's unchanged. The encodings are those of the
// types' typmodin functions.
bool typmod_fits(const Column &source, const Column &target) {
  if (target.typmod == -1 || source.typmod == target.typmod) return true;
  if (target.type.is_array || source.typmod == -1) return false;
  if (is_one_of(target, {"numeric"})) {
    // numerictypmodin(): precision in the upper 16 bits, scale in the lower 11 (signed), plus 4.
    const auto precision = [](int typmod) { return ((typmod - 4) >> 16) & 0xffff; };
    const auto scale = [](int typmod) { return (((typmod - 4) & 0x7ff) ^ 1024) - 1024; };
    return scale(target.typmod) >= scale(source.typmod) &&
           precision(target.typmod) - scale(target.typmod) >= precision(source.typmod) - scale(source.typmod);
  }
  const bool by_size = is_one_of(target, {"varchar", "varbit", "timestamp", "timestamptz", "time", "timetz"});
  return by_size && target.typmod >= source.typmod;
}

// Pairs of different types without loss. The source casts the value, so that it arrives as the target's type.
std::optional<std::string> lossless_cast(const Column &source, const Column &target) {
  struct Pair {
    const char *from, *to;
  };
  static constexpr Pair pairs[] = {
      {"int2", "int4"},    {"int2", "int8"},     {"int2", "numeric"},   {"int4", "int8"},
      {"int4", "numeric"}, {"int8", "numeric"},  {"int2", "float4"},    {"int2", "float8"},
      {"int4", "float8"},  {"float4", "float8"}, {"date", "timestamp"},
  };
  if (target.typmod != -1) return std::nullopt;
  for (const Pair &pair : pairs)
    if (is_one_of(source, {pair.from}) && is_one_of(target, {pair.to}))
      return std::string("::pg_catalog.") + pair.to;
  // Any value can be kept as its text, as in a target that was created without the type.
  if (is_one_of(target, {"text", "varchar"})) return "::pg_catalog.text";
  return std::nullopt;
}

// ---- value by value ------------------------------------------------------------------------------------

std::string cast(const std::string &value, const std::string &type) {
  return "CAST(" + value + " AS " + type + ")";
}

// The SQLSTATE of a value that a type cannot hold (errcodes.txt).
const char *refusal_of(const Column &target) {
  if (is_string(target)) return "22001";  // string_data_right_truncation
  if (is_number(target)) return "22003";  // numeric_value_out_of_range
  return "22007";                         // invalid_datetime_format
}

// `value` if `holds`, otherwise an error.
std::string only_if(const std::string &holds, const std::string &value, const std::string &text,
                    const Column &target) {
  return "CASE WHEN " + holds + " THEN " + value + " ELSE " +
         cast("tablesync.refuse_value(" + text + ", " + quote_literal(target.sql_type) + ", '" +
                  refusal_of(target) + "')",
              qualified_type(target)) +
         " END";
}

// Casts a value to the target's type with its typmod; an error if the typmod would change the value.
std::string keep_typmod(const std::string &value, const std::string &text, const Column &target) {
  if (target.typmod == -1) return value;
  const std::string whole = cast(value, qualified_type(target));
  return only_if("(" + value + ") IS NULL OR (" + value + ") OPERATOR(pg_catalog.=) " + whole, whole, text,
                 target);
}

// Unambiguous dates: years first, or the month as a word. Words such as now and today are no dates.
constexpr char date_pattern[] =
    "([0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}|[0-9]{8}|"
    "[0-9]{1,2}[ -][A-Za-z]{3,9}[ -][0-9]{4}|[A-Za-z]{3,9} [0-9]{1,2},? [0-9]{4})";
constexpr char time_pattern[] = "[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6}0*)?)?";
constexpr char zone_pattern[] = " ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?(:[0-9]{2})?)";

std::string pattern_of(const std::string &type) {
  const std::string date = date_pattern;
  const std::string time = std::string("([T ](") + time_pattern + "|[0-9]{6}))?";
  if (type == "date") return "^(" + date + "([T ]00:00(:00([.]0+)?)?)?( BC)?|-?infinity)$";
  if (type == "timestamp") return "^(" + date + time + "( BC)?|-?infinity)$";
  if (type == "timestamptz") return "^(" + date + time + "(" + zone_pattern + ")?( BC)?|-?infinity)$";
  return std::string("^") + time_pattern + (type == "timetz" ? std::string(zone_pattern) : "") + "$";
}

// The expression that converts the source's text to the target's value; empty if there is none.
std::string convert_text(const Column &source, const Column &target) {
  const std::string text = "r." + quote_identifier(source.name);
  // Many exports write an empty text for a missing value.
  const std::string trimmed = "NULLIF(pg_catalog.btrim(" + text + "), '')";
  const std::string type = "pg_catalog." + target.type.name;
  const bool from_string = is_string(source);

  if (is_string(target)) {
    // Only its length must fit, whatever the source type.
    const std::string whole = cast(text, qualified_type(target));
    return only_if(text + " IS NULL OR " + cast(whole, "pg_catalog.text") + " OPERATOR(pg_catalog.=) " +
                       (is_one_of(target, {"bpchar"}) ? "pg_catalog.rtrim(" + text + ", ' ')" : text),
                   whole, text, target);
  }
  if (is_integer(target) && (from_string || is_number(source)))
    return cast("pg_catalog.regexp_replace(" + trimmed + ", '[.]0*$', '')", type);
  if (is_one_of(target, {"numeric"}) && (from_string || is_number(source)))
    return keep_typmod(cast(trimmed, type), text, target);
  if (is_float(target)) {
    const std::string value = cast(trimmed, type);
    if (from_string) return value;
    // An exact number must be unchanged when it is converted back.
    if (is_number(source))
      return only_if(text + " IS NULL OR " + cast(cast(value, "pg_catalog.text"), "pg_catalog.numeric") +
                         " OPERATOR(pg_catalog.=) " + cast(text, "pg_catalog.numeric"),
                     value, text, target);
  }
  if (is_one_of(target, {"bool"}) && from_string) return cast(trimmed, type);
  const bool moment = is_one_of(target, {"date", "timestamp", "timestamptz"});
  const bool dated = from_string || same_type(source, target) ||
                     (is_one_of(target, {"date"}) && is_one_of(source, {"timestamp", "int4", "int8"}));
  if ((moment && dated) ||
      (is_one_of(target, {"time", "timetz"}) && (from_string || same_type(source, target)))) {
    const std::string spaced =
        moment ? "pg_catalog.regexp_replace(" + trimmed + ", '^([0-9]{8})([0-9]{6})$', '\\1T\\2')" : trimmed;
    const std::string known = only_if(trimmed + " IS NULL OR " + spaced + " OPERATOR(pg_catalog.~*) " +
                                          quote_literal(pattern_of(target.type.name)),
                                      cast(spaced, type), text, target);
    return keep_typmod("(" + known + ")", text, target);
  }
  if (from_string &&
      is_one_of(target, {"uuid", "json", "jsonb", "inet", "cidr", "macaddr", "macaddr8", "interval"}) &&
      target.typmod == -1)
    return cast(trimmed, type);
  if (same_type(source, target) && is_one_of(target, {"varbit"}))
    return keep_typmod(cast(text, type), text, target);
  return {};
}

}  // namespace

std::optional<Conversion> find_conversion(const Column &source, const Column &target,
                                          bool empty_string_as_null) {
  const std::string name = quote_identifier(source.name);
  const bool nullable_text = empty_string_as_null && is_string(source) && is_string(target);
  const std::string read =
      nullable_text ? "CASE WHEN " + name + " OPERATOR(pg_catalog.<>) '' THEN " + name + " END" : name;
  if (same_type(source, target) && typmod_fits(source, target)) {
    if (source.binary_safe && target.binary_safe) return Conversion{read, {}, {}};
    // From text to regclass there is a function that does not know '-'; from bpchar it is the type's own
    // input.
    return Conversion{name + "::pg_catalog.text", "pg_catalog.text",
                      cast(cast("r." + name, "pg_catalog.bpchar"), qualified_type(target))};
  }
  if (const auto lossless = lossless_cast(source, target)) return Conversion{read + *lossless, {}, {}};
  const std::string convert = convert_text(source, target);
  if (convert.empty()) return std::nullopt;
  // The text of a bpchar loses its blanks, which are no part of its value.
  return Conversion{read + "::pg_catalog.text", "pg_catalog.text", convert};
}

bool is_widened(const Column &narrow, const Column &wide) {
  if (same_type(narrow, wide)) return typmod_fits(narrow, wide) && narrow.typmod != wide.typmod;
  return lossless_cast(narrow, wide).has_value() && (!is_string(wide) || is_string(narrow));
}

}  // namespace tablesync
