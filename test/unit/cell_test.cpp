#include "core/base/cell.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "core/base/array.h"
#include "core/base/error.h"

namespace tablesync {
namespace {

std::string sqlstate_of(const std::function<void()> &action) {
  try {
    action();
  } catch (const Error &error) {
    return error.diagnostics().sqlstate;
  }
  return "none";
}

TEST(Cell, HoldsNumbersOfEachSize) {
  EXPECT_EQ(as_int64("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(as_uint64("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(as_int("-2147483648"), std::numeric_limits<int>::min());
  EXPECT_EQ(as_oid("4294967295"), std::numeric_limits<unsigned int>::max());
  EXPECT_EQ(as_double("1.5e-3"), 0.0015);
  EXPECT_TRUE(std::isnan(as_double("NaN")));
  EXPECT_EQ(as_double("-Infinity"), -std::numeric_limits<double>::infinity());
}

TEST(Cell, HoldsABoolean) {
  EXPECT_TRUE(as_bool("t"));
  EXPECT_TRUE(as_bool("true"));
  EXPECT_FALSE(as_bool("f"));
  EXPECT_FALSE(as_bool("false"));
}

TEST(Cell, OfAnotherValueIsRefused) {
  for (const char *text : {"", " 1", "1 ", "1x", "0x1", "+1", "1.0", "9223372036854775808", "NULL"})
    EXPECT_EQ(sqlstate_of([&] { as_int64(text); }), sqlstate::protocol_violation) << text;
  EXPECT_EQ(sqlstate_of([] { as_int("2147483648"); }), sqlstate::protocol_violation);
  EXPECT_EQ(sqlstate_of([] { as_uint64("-1"); }), sqlstate::protocol_violation);
  EXPECT_EQ(sqlstate_of([] { as_oid("4294967296"); }), sqlstate::protocol_violation);
  EXPECT_EQ(sqlstate_of([] { as_double("1,5"); }), sqlstate::protocol_violation);
  EXPECT_EQ(sqlstate_of([] { as_bool("1"); }), sqlstate::protocol_violation);
}

TEST(Cell, WithoutAValueIsRefusedWhereNullHasNoMeaning) {
  EXPECT_EQ(sqlstate_of([] { as_int64({}); }), sqlstate::protocol_violation);
  EXPECT_EQ(sqlstate_of([] { as_bool({}); }), sqlstate::protocol_violation);
  EXPECT_EQ(as_optional_int64({}), std::nullopt);
  EXPECT_EQ(as_optional_int64("7"), 7);
  EXPECT_EQ(as_optional_double({}), std::nullopt);
  EXPECT_EQ(sqlstate_of([] { as_optional_int64("seven"); }), sqlstate::protocol_violation);
}

TEST(Array, ComesBackAsItWas) {
  const Row elements{"a", "", "b \"c\"", "\\", "{x,y}", "NULL", Cell(), " "};
  EXPECT_EQ(parse_array(array_text(elements)), elements);
  EXPECT_EQ(parse_array(array_text(Row())), Row());
}

TEST(Array, IsReadAsTheServerWritesIt) {
  EXPECT_EQ(parse_array("{}"), Row());
  EXPECT_EQ(parse_array("{1,NULL,\"NULL\",\"a b\",\"\"}"), (Row{"1", Cell(), "NULL", "a b", ""}));
}

TEST(Array, OfAnotherFormIsRefused) {
  for (const char *text : {"", "{", "a", "{\"a}", "{\"a\"b}", "{a\\}", "{a}{b}"})
    EXPECT_EQ(sqlstate_of([&] { parse_array(text); }), sqlstate::protocol_violation) << text;
}

}  // namespace
}  // namespace tablesync
