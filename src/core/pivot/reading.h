// Readings of ships' instruments, as narrow tables have them: a ship, a channel, a time, and a value in one
// of four columns, which its format names. What the value of a reading is, and as what else it can be stored
// without loss.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tablesync {

// What a value is, and what the column of a wide table holds.
enum class ValueType : std::uint8_t { boolean, integer, decimal, string };
const char *name_of(ValueType type);      // as value_format has it: Boolean, Integer, Decimal, String
const char *sql_type_of(ValueType type);  // boolean, bigint, double precision, text
// What name_of() gives, case ignored; nothing for others.
std::optional<ValueType> parse_value_format(std::string_view format);

// A value; one of the three after `type`, or `text`, which views memory of whoever made it.
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

// A text that may be absent: its data() is null then. Smaller than an optional one, it travels in registers.
using MaybeText = std::string_view;
inline bool is_there(MaybeText text) { return text.data() != nullptr; }

// The five columns of a reading that make its value; absent where they are NULL.
struct RawValue {
  MaybeText format;
  std::optional<bool> bool_v;
  MaybeText str_v;
  std::optional<std::int64_t> long_v;
  std::optional<double> double_v;
  MaybeText beyond_double = {};  // instead of double_v: see NumberRead
};

// A number that came as numeric_out() writes it: the double precision that shows the same digits; where there
// is none, its text.
struct NumberRead {
  std::optional<double> double_v;
  MaybeText beyond_double;
};
// Absent: neither.
NumberRead read_number(MaybeText text);

// The text of a value as PostgreSQL's output function writes it (float8out with extra_float_digits 1: the
// shortest text that is read as the same number).
std::string text_of(const Value &value);

// The value as another type, where it then means the same and can be turned back: 5 is 5.0 and "5", but "05"
// is no number and 0.5 no integer. Nothing where that cannot be. `room` keeps the text.
std::optional<Value> convert(const Value &value, ValueType to, std::string &room);

// The value of a reading: that of the column which its format names. Where that is NULL, the only other one
// that there is, converted; where the format is none of the four, the only one that there is. Otherwise
// false, and `why` says what is wrong with it ("no value", ...). `room` keeps a converted text.
bool value_of(const RawValue &raw, Value &value, std::string &room, std::string &why);

}  // namespace tablesync
