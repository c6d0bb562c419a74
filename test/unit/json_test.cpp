#include "core/base/json.h"

#include <gtest/gtest.h>

#include "support/error_of.h"

namespace tablesync {
namespace {

TEST(Json, IsReadAsItIsWritten) {
  for (const char *text :
       {"null", "true", "false", "0", "-1.5", "1e-05", "\"\"", "\"a b\"", "[]", "{}", "[1, \"2\", null]",
        R"({"a": {"b": [true, {}]}, "": "größe", "a\"b\\": "\u0001"})"})
    EXPECT_EQ(write_json(read_json(text)), text);
  EXPECT_EQ(read_json(R"("\"\\\/\b\f\n\r\t\u0000\u001f")"), Json(std::string("\"\\/\b\f\n\r\t\0\x1f", 10)));
}

TEST(Json, WritesTextsOfAnyBytes) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(read_json(write_json(bytes)), Json(bytes));
}

TEST(Json, KeepsTheOrderOfKeys) {
  const Json value = read_json(R"({"b": 1, "a": "2"})");
  ASSERT_EQ(value.members.size(), 2);
  EXPECT_EQ(value.members[0].first, "b");
  EXPECT_EQ(value.members[0].second, Json::number("1"));
  EXPECT_EQ(value.members[1].second, Json("2"));
}

TEST(Json, IsTextAsOfJsonbEachText) {
  EXPECT_EQ(Json().as_text(), std::nullopt);
  EXPECT_EQ(Json("a\"b").as_text(), "a\"b");
  EXPECT_EQ(Json::boolean(true).as_text(), "true");
  EXPECT_EQ(Json::number("1.50").as_text(), "1.50");
  EXPECT_EQ(read_json(R"({"a": ["b", null]})").as_text(), R"({"a": ["b", null]})");
}

TEST(Json, RefusesWhatJsonbDoesNotWrite) {
  for (const char *text : {"",
                           " ",
                           "nul",
                           "nullx",
                           "\"",
                           "\"a",
                           "\"\\",
                           "\"\\x\"",
                           "\"\\u00\"",
                           "\"\\u0g00\"",
                           "\"\\u00g0\"",
                           "\"\\u0080\"",
                           "\"\\u1234\"",
                           "[",
                           "[1",
                           "[1,2]",
                           "[1, ]",
                           "{",
                           "{\"a\"}",
                           "{\"a\":1}",
                           "{a: 1}",
                           "{\"a\": 1, }",
                           "{\"a\": 1",
                           "1 2",
                           "[] []",
                           "'a'"})
    EXPECT_EQ(error_of([&] { read_json(text); }).sqlstate, "XX000") << text;
}

TEST(Json, BoundsItsDepth) {
  EXPECT_NO_THROW(read_json(std::string(100, '[') + std::string(100, ']')));
  EXPECT_EQ(error_of([&] { read_json(std::string(1'000'000, '[')); }).sqlstate, "54000");
}

}  // namespace
}  // namespace tablesync
