#include "core/reading.h"

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

}  // namespace
}  // namespace tablesync
