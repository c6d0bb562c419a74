#include "core/pivot/reading.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/base/same_text.h"

namespace tablesync {
namespace {

struct TypeName {
  ValueType type;
  std::string_view format;
  const char *sql_type;
};

constexpr std::array<TypeName, 4> types{{{ValueType::boolean, "Boolean", "boolean"},
                                         {ValueType::integer, "Integer", "bigint"},
                                         {ValueType::decimal, "Decimal", "double precision"},
                                         {ValueType::string, "String", "text"}}};

const TypeName &find(ValueType type) { return types[static_cast<size_t>(type)]; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string text_of_decimal(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  // Fixed-point where the exponent is in this range: double_to_shortest_decimal_bufn() in d2s.c.
  constexpr int first_exponent = -4, end_exponent = 15;
  char scientific[32];
  char *const end =
      std::to_chars(scientific, scientific + sizeof scientific, value, std::chars_format::scientific).ptr;
  const char *const e = std::find(scientific, end, 'e');
  int exponent = 0;
  std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, exponent);
  if (value != 0 && (exponent < first_exponent || exponent >= end_exponent)) return {scientific, end};
  char fixed[32];
  return {fixed, std::to_chars(fixed, fixed + sizeof fixed, value, std::chars_format::fixed).ptr};
}

template <typename Number>
std::optional<Value> parse(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const Value value = Value::of(number);
  return text_of(value) == text ? std::optional(value) : std::nullopt;
}

std::optional<Value> to_boolean(const Value &value) {
  switch (value.type) {
    case ValueType::integer:
      return value.integer == 0 || value.integer == 1 ? std::optional(Value::of(value.integer == 1))
                                                      : std::nullopt;
    case ValueType::string:
      return value.text == "true" || value.text == "false" ? std::optional(Value::of(value.text == "true"))
                                                           : std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<Value> to_integer(const Value &value) {
  constexpr double beyond = 9223372036854775808.0;  // 2^63
  switch (value.type) {
    case ValueType::boolean:
      return Value::of(static_cast<std::int64_t>(value.boolean));
    case ValueType::decimal:
      // A negative zero would lose its sign; values that are not finite fail the comparisons.
      if (!(value.decimal >= -beyond && value.decimal < beyond) ||
          std::trunc(value.decimal) != value.decimal || (value.decimal == 0 && std::signbit(value.decimal)))
        return std::nullopt;
      return Value::of(static_cast<std::int64_t>(value.decimal));
    case ValueType::string:
      return parse<std::int64_t>(value.text);
    default:
      return std::nullopt;
  }
}

std::optional<Value> to_decimal(const Value &value) {
  constexpr std::int64_t exact = std::int64_t{1} << 53;  // all integers up to it are doubles
  switch (value.type) {
    case ValueType::boolean:
      return Value::of(value.boolean ? 1.0 : 0.0);
    case ValueType::integer:
      if (value.integer < -exact || value.integer > exact) return std::nullopt;
      return Value::of(static_cast<double>(value.integer));
    case ValueType::string:
      return parse<double>(value.text);
    default:
      return std::nullopt;
  }
}

// Collects the values of a reading.
int collect(const RawValue &raw, std::optional<Value> (&found)[4]) {
  if (raw.bool_v) found[static_cast<size_t>(ValueType::boolean)] = Value::of(*raw.bool_v);
  if (raw.long_v) found[static_cast<size_t>(ValueType::integer)] = Value::of(*raw.long_v);
  if (raw.double_v) found[static_cast<size_t>(ValueType::decimal)] = Value::of(*raw.double_v);
  if (is_there(raw.str_v)) found[static_cast<size_t>(ValueType::string)] = Value::of(raw.str_v);
  return static_cast<int>(
      std::count_if(std::begin(found), std::end(found), [](const auto &v) { return v.has_value(); }));
}

// The digits of a number without leading and trailing zeros, and the power of ten of the first one.
struct Digits {
  std::string text;
  int exponent = 0;
  bool operator==(const Digits &) const = default;
};

// "-123.4500", or "1.5e-07".
Digits digits_of(std::string_view number) {
  Digits digits;
  int point = 0, exponent = 0;
  bool past_point = false;
  for (std::size_t n = 0; n < number.size(); ++n) {
    const char c = number[n];
    if (c == 'e') {
      const char *const first = number.data() + n + (number[n + 1] == '+' ? 2 : 1);
      std::from_chars(first, number.data() + number.size(), exponent);
      break;
    }
    if (c == '.') past_point = true;
    if (c < '0' || c > '9') continue;
    if (digits.text.empty() && c == '0') {
      point -= past_point ? 1 : 0;
      continue;
    }
    digits.text += c;
    point += past_point ? 0 : 1;
  }
  digits.text.erase(digits.text.find_last_not_of('0') + 1);
  digits.exponent = digits.text.empty() ? 0 : point + exponent;
  return digits;
}

}  // namespace

NumberRead read_number(MaybeText text) {
  if (!is_there(text)) return {};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_read = error == std::errc() && end == text.data() + text.size();
  const std::string shown = is_read ? text_of_decimal(number) : std::string();
  // Trailing zeros only show the scale.
  const bool same = is_read && (shown == text || digits_of(shown) == digits_of(text));
  return same ? NumberRead{number, {}} : NumberRead{std::nullopt, text};
}

const char *name_of(ValueType type) { return find(type).format.data(); }
const char *sql_type_of(ValueType type) { return find(type).sql_type; }

std::optional<ValueType> parse_value_format(std::string_view format) {
  if (format.empty()) return std::nullopt;
  // Their first letters differ.
  ValueType type{};
  switch (lower(format[0])) {
    case 'd':
      type = ValueType::decimal;
      break;
    case 'i':
      type = ValueType::integer;
      break;
    case 's':
      type = ValueType::string;
      break;
    case 'b':
      type = ValueType::boolean;
      break;
    default:
      return std::nullopt;
  }
  const std::string_view name = find(type).format;
  const bool same =
      is_same(format, name) || std::equal(format.begin(), format.end(), name.begin(), name.end(),
                                          [](char a, char b) { return lower(a) == lower(b); });
  return same ? std::optional(type) : std::nullopt;
}

Value Value::of(bool value) {
  Value made;
  made.type = ValueType::boolean;
  made.boolean = value;
  return made;
}

Value Value::of(std::int64_t value) {
  Value made;
  made.type = ValueType::integer;
  made.integer = value;
  return made;
}

Value Value::of(double value) {
  Value made;
  made.type = ValueType::decimal;
  made.decimal = value;
  return made;
}

Value Value::of(std::string_view value) {
  Value made;
  made.type = ValueType::string;
  made.text = value;
  return made;
}

// Identity, not equality: a negative zero differs from zero, and NaN is identical to NaN.
bool Value::operator==(const Value &other) const {
  if (type != other.type) return false;
  switch (type) {
    case ValueType::boolean:
      return boolean == other.boolean;
    case ValueType::integer:
      return integer == other.integer;
    case ValueType::decimal:
      return std::bit_cast<std::uint64_t>(decimal) == std::bit_cast<std::uint64_t>(other.decimal);
    default:
      return text == other.text;
  }
}

std::string text_of(const Value &value) {
  switch (value.type) {
    case ValueType::boolean:
      return value.boolean ? "true" : "false";
    case ValueType::integer:
      return std::to_string(value.integer);
    case ValueType::decimal:
      return text_of_decimal(value.decimal);
    default:
      return std::string(value.text);
  }
}

std::optional<Value> convert(const Value &value, ValueType to, std::string &room) {
  if (value.type == to) return value;
  switch (to) {
    case ValueType::boolean:
      return to_boolean(value);
    case ValueType::integer:
      return to_integer(value);
    case ValueType::decimal:
      return to_decimal(value);
    default:
      room = text_of(value);
      return Value::of(std::string_view(room));
  }
}

namespace {

// The usual case: the column that the format names has a value.
bool take_named(const RawValue &raw, ValueType format, Value &value) {
  value.type = format;
  switch (format) {
    case ValueType::boolean:
      if (raw.bool_v) value.boolean = *raw.bool_v;
      return raw.bool_v.has_value();
    case ValueType::integer:
      if (raw.long_v) value.integer = *raw.long_v;
      return raw.long_v.has_value();
    case ValueType::decimal:
      if (raw.double_v) value.decimal = *raw.double_v;
      return raw.double_v.has_value();
    default:
      value.text = raw.str_v;
      return is_there(raw.str_v);
  }
}

bool take_only(const RawValue &raw, std::optional<ValueType> format, Value &value, std::string &room,
               std::string &why) {
  std::optional<Value> found[4];
  const int count = collect(raw, found);
  const std::string named = is_there(raw.format) ? "its format is \"" + std::string(raw.format) + "\""
                                                 : std::string("it has no format");
  const bool beyond_double = is_there(raw.beyond_double);
  if (beyond_double && (count == 0 || format == ValueType::decimal)) {
    why = "its value, " + std::string(raw.beyond_double) + ", has more digits than double precision holds";
    return false;
  }
  if (count != 1 || beyond_double) {
    why = count == 0 ? "no value" : "more than one value, and " + named;
    return false;
  }
  const Value &only =
      **std::find_if(std::begin(found), std::end(found), [](const auto &v) { return v.has_value(); });
  const std::optional<Value> converted = format ? convert(only, *format, room) : only;
  if (converted)
    value = *converted;
  else
    why = "its value is of type " + std::string(name_of(only.type)) + ", but " + named;
  return converted.has_value();
}

}  // namespace

bool value_of(const RawValue &raw, Value &value, std::string &room, std::string &why) {
  const std::optional<ValueType> format = parse_value_format(raw.format);
  return (format && take_named(raw, *format, value)) || take_only(raw, format, value, room, why);
}

}  // namespace tablesync
