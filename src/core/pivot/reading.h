// Readings of ships' instruments, as narrow tables have them: a ship, a channel, a time, and a value in one
// of four columns, which its format names. This file finds the value of a reading and converts it to other
// types without loss.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tablesync {

// The type of a value and of a column of a wide table.
enum class ValueType : std::uint8_t { boolean, integer, decimal, string };
const char *name_of(ValueType type);      // as value_format has it: Boolean, Integer, Decimal, String
const char *sql_type_of(ValueType type);  // boolean, bigint, double precision, text
// Parses what name_of() returns, ignoring case; nothing for other texts.
std::optional<ValueType> parse_value_format(std::string_view format);

// A value: a member of the union, or `text`, which views memory that the creator owns.
struct Value {
  ValueType type = ValueType::integer;
  union {
    bool boolean;
    std::int64_t integer = 0;
    double decimal;
  };
  std::string_view text;

  static Value of(bool value);
  static Value of(std::int64_t value);
  static Value of(double value);
  static Value of(std::string_view value);
  bool operator==(const Value &other) const;
};

// A value as a Datum stands for it; of a text its size.
inline std::uint64_t bits_of(const Value &value) {
  switch (value.type) {
    case ValueType::boolean:
      return value.boolean ? 1 : 0;
    case ValueType::integer:
      return static_cast<std::uint64_t>(value.integer);
    case ValueType::decimal:
      return std::bit_cast<std::uint64_t>(value.decimal);
    default:
      return value.text.size();
  }
}

// A text that may be absent: its data() is null then. It is smaller than an optional and fits into registers.
using MaybeText = std::string_view;
inline bool is_there(MaybeText text) { return text.data() != nullptr; }

// The five columns that make the value of a reading; absent if NULL.
struct RawValue {
  MaybeText format;
  std::optional<bool> bool_v;
  MaybeText str_v;
  std::optional<std::int64_t> long_v;
  std::optional<double> double_v;
  MaybeText beyond_double = {};  // instead of double_v: see NumberRead
};

// A number as numeric_out() writes it: the double precision that shows the same digits, or its text if there
// is none.
struct NumberRead {
  std::optional<double> double_v;
  MaybeText beyond_double;
};
// Returns neither of both for an absent text.
NumberRead read_number(MaybeText text);

// The text of a value as PostgreSQL's output function writes it (float8out with extra_float_digits 1: the
// shortest text that is read as the same number).
std::string text_of(const Value &value);

// Converts the value to another type if it keeps its meaning and can be converted back: 5 is 5.0 and "5", but
// "05" is no number and 0.5 no integer. Otherwise returns nothing. `room` holds the text.
std::optional<Value> convert(const Value &value, ValueType to, std::string &room);

// Finds the value of a reading: that of the column which its format names. If that is NULL, the only other
// value, converted; if the format is none of the four, the only value. Otherwise returns false, and `why` has
// the reason ("no value", ...). `room` holds a converted text.
bool value_of(const RawValue &raw, Value &value, std::string &room, std::string &why);

}  // namespace tablesync
