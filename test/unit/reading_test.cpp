#include "core/pivot/reading.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tablesync {
namespace {

using namespace std::string_view_literals;

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Reading, FormatsAreFoundWhateverTheirCase) {
  EXPECT_EQ(parse_value_format("Decimal"), ValueType::decimal);
  EXPECT_EQ(parse_value_format("INTEGER"), ValueType::integer);
  EXPECT_EQ(parse_value_format("string"), ValueType::string);
  EXPECT_EQ(parse_value_format("bOOLEAN"), ValueType::boolean);
  for (const auto *other : {"", "Decimals", "Decima", "double", " Decimal"})
    EXPECT_EQ(parse_value_format(other), std::nullopt) << other;
  for (const auto type : {ValueType::boolean, ValueType::integer, ValueType::decimal, ValueType::string})
    EXPECT_EQ(parse_value_format(name_of(type)), type);
}

// What "SELECT x::float8::text" gives.
TEST(Reading, DecimalsAreWrittenAsPostgresqlWritesThem) {
  const std::pair<double, const char *> cases[] = {{0, "0"},
                                                   {-0.0, "-0"},
                                                   {0.1, "0.1"},
                                                   {100000, "100000"},
                                                   {1e14, "100000000000000"},
                                                   {123456789012345, "123456789012345"},
                                                   {1e15, "1e+15"},
                                                   {1.5e300, "1.5e+300"},
                                                   {0.0001, "0.0001"},
                                                   {0.00001, "1e-05"},
                                                   {5e-324, "5e-324"},
                                                   {1.0 / 3, "0.3333333333333333"},
                                                   {infinity, "Infinity"},
                                                   {-infinity, "-Infinity"},
                                                   {std::nan(""), "NaN"}};
  for (const auto &[value, text] : cases) EXPECT_EQ(text_of(Value::of(value)), text);
  EXPECT_EQ(text_of(Value::of(true)), "true");
  EXPECT_EQ(text_of(Value::of(std::numeric_limits<std::int64_t>::min())), "-9223372036854775808");
}

void expect_converted(const Value &value, const Value &expected) {
  std::string room;
  const std::optional<Value> got = convert(value, expected.type, room);
  ASSERT_TRUE(got) << text_of(value) << " as " << name_of(expected.type);
  EXPECT_EQ(*got, expected) << text_of(value) << " as " << name_of(expected.type) << ": " << text_of(*got);
}

void expect_lost(const Value &value, ValueType to) {
  std::string room;
  EXPECT_FALSE(convert(value, to, room)) << text_of(value) << " as " << name_of(to);
}

TEST(Reading, AValueIsConvertedWhereNothingIsLost) {
  const auto integer = [](std::int64_t number) { return Value::of(number); };
  expect_converted(integer(5), Value::of(5.0));
  expect_converted(Value::of(5.0), integer(5));
  expect_converted(Value::of("5"sv), integer(5));
  expect_converted(Value::of("0.25"sv), Value::of(0.25));
  expect_converted(Value::of("NaN"sv), Value::of(std::nan("")));
  expect_converted(Value::of("true"sv), Value::of(true));
  expect_converted(Value::of(true), integer(1));
  expect_converted(integer(0), Value::of(false));
  expect_converted(Value::of(1e15), Value::of("1e+15"sv));
  expect_converted(integer(std::int64_t{1} << 53), Value::of(9007199254740992.0));
  expect_converted(Value::of(-9223372036854775808.0), integer(std::numeric_limits<std::int64_t>::min()));
}

TEST(Reading, AValueIsNotConvertedWhereSomethingIsLost) {
  expect_lost(Value::of(0.5), ValueType::integer);
  expect_lost(Value::of(-0.0), ValueType::integer);
  expect_lost(Value::of(9223372036854775808.0), ValueType::integer);
  expect_lost(Value::of(infinity), ValueType::integer);
  expect_lost(Value::of(std::nan("")), ValueType::integer);
  expect_lost(Value::of((std::int64_t{1} << 53) + 1), ValueType::decimal);
  for (const auto text : {"05"sv, "5 "sv, "+5"sv, ""sv, "5x"sv, "9223372036854775808"sv}) {
    expect_lost(Value::of(text), ValueType::integer);
    // Two to the power of 63 is a decimal, written otherwise.
    expect_lost(Value::of(text), ValueType::decimal);
  }
  expect_lost(Value::of("1.0"sv), ValueType::decimal);
  expect_lost(Value::of("TRUE"sv), ValueType::boolean);
  expect_lost(Value::of(std::int64_t{2}), ValueType::boolean);
  expect_lost(Value::of(1.0), ValueType::boolean);
}

// Why the reading has no value; empty where it has one.
std::string rejected(const RawValue &raw) {
  std::string room, why;
  Value value;
  return value_of(raw, value, room, why) ? "" : why;
}

struct Case {
  RawValue raw;
  std::optional<Value> expected;
  const char *why = "";
};

TEST(Reading, TheFormatSaysWhichValueCounts) {
  const std::int64_t five = 5;
  const Case cases[] = {
      {{"Integer"sv, {}, {}, five, {}}, Value::of(five)},
      {{"decimal"sv, {}, {}, five, 0.5}, Value::of(0.5)},
      {{"String"sv, true, "x"sv, five, 0.5}, Value::of("x"sv)},
      {{"Boolean"sv, false, {}, {}, {}}, Value::of(false)},
      // The only other value, where it is one of the format.
      {{"Decimal"sv, {}, {}, five, {}}, Value::of(5.0)},
      {{"Integer"sv, {}, {}, {}, 5.0}, Value::of(five)},
      {{"String"sv, {}, {}, {}, 0.5}, Value::of("0.5"sv)},
      {{"Integer"sv, {}, {}, {}, 0.5}, {}, "its value is of type Decimal, but its format is \"Integer\""},
      {{"Integer"sv, {}, "x"sv, {}, 5.0}, {}, "more than one value, and its format is \"Integer\""},
      // No format that is known.
      {{"Float"sv, {}, {}, {}, 0.5}, Value::of(0.5)},
      {{{}, {}, "x"sv, {}, {}}, Value::of("x"sv)},
      {{{}, true, "x"sv, {}, {}}, {}, "more than one value, and it has no format"},
      {{"Integer"sv, {}, {}, {}, {}}, {}, "no value"},
      {{{}, {}, {}, {}, {}}, {}, "no value"}};
  for (const Case &c : cases) {
    std::string room, why;
    Value value;
    const std::optional<Value> got = value_of(c.raw, value, room, why) ? std::optional(value) : std::nullopt;
    EXPECT_TRUE(got == c.expected) << why;
    EXPECT_EQ(why, c.why);
  }
}

TEST(NumberRead, IsTheDoublePrecisionOfTheSameDigits) {
  for (const auto &[text, number] : {std::pair{"0", 0.0},
                                     {"0.00", 0.0},
                                     {"-21.50", -21.5},
                                     {"100000", 1e5},
                                     {"0.1", 0.1},
                                     {"0.000001", 1e-6},
                                     {"12345678901234500000000", 1.23456789012345e22},
                                     {"9007199254740992", 9007199254740992.0},
                                     {"NaN", std::numeric_limits<double>::quiet_NaN()},
                                     {"Infinity", infinity},
                                     {"-Infinity", -infinity}}) {
    const NumberRead read = read_number(text);
    ASSERT_TRUE(read.double_v) << text;
    EXPECT_EQ(Value::of(*read.double_v), Value::of(number)) << text;
    EXPECT_FALSE(is_there(read.beyond_double)) << text;
  }
  const std::string tiny = "0." + std::string(330, '0') + "1", huge = "1" + std::string(309, '0');
  for (const std::string &text :
       {std::string("9007199254740993"), std::string("0.12345678901234567"),
        std::string("1180591620717411303424"), std::string("-0.10000000000000001"), tiny, huge}) {
    const NumberRead read = read_number(text);
    EXPECT_FALSE(read.double_v) << text;
    EXPECT_EQ(read.beyond_double, text);
  }
  EXPECT_FALSE(read_number({}).double_v);
  EXPECT_FALSE(is_there(read_number({}).beyond_double));
}

TEST(ValueOf, SaysThatANumberHasMoreDigits) {
  const std::string why = "its value, 9007199254740993, has more digits than double precision holds";
  RawValue raw;
  raw.beyond_double = "9007199254740993";
  for (const char *format : {"Decimal", "Integer", "String", "Float"}) {
    raw.format = format;
    EXPECT_EQ(rejected(raw), why) << format;
  }
  raw.long_v = 5;
  raw.format = "Decimal";
  EXPECT_EQ(rejected(raw), why) << "its column has it";
  raw.format = "Float";
  EXPECT_EQ(rejected(raw), "more than one value, and its format is \"Float\"");
  raw.format = "Integer";
  EXPECT_EQ(rejected(raw), "") << "another column has it";
}

}  // namespace
}  // namespace tablesync
