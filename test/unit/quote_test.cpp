#include "core/base/quote.h"

#include <gtest/gtest.h>

namespace tablesync {
namespace {

TEST(QuoteIdentifier, PutsEveryNameInDoubleQuotes) {
  EXPECT_EQ(quote_identifier("id"), R"("id")");
  EXPECT_EQ(quote_identifier("Order"), R"("Order")");
  EXPECT_EQ(quote_identifier(""), R"("")");
}

TEST(QuoteIdentifier, DoublesTheQuotesInside) {
  EXPECT_EQ(quote_identifier(R"(a"b)"), R"("a""b")");
  EXPECT_EQ(quote_identifier(R"(""")"), R"("""""""")");
  EXPECT_EQ(quote_identifier(R"(x"; DROP TABLE y; --)"), R"("x""; DROP TABLE y; --")");
}

TEST(QuoteIdentifier, LeavesAllOtherBytesAsTheyAre) {
  EXPECT_EQ(quote_identifier("a\nb\\c'd"), "\"a\nb\\c'd\"");
  EXPECT_EQ(quote_identifier("naïve 数"), "\"naïve 数\"");
}

TEST(QuoteQualified, QuotesBothPartsApart) {
  EXPECT_EQ(quote_qualified({"raw.data", R"(my "table")"}), R"("raw.data"."my ""table""")");
}

TEST(QuoteLiteral, DoublesSingleQuotes) {
  EXPECT_EQ(quote_literal(""), "''");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("'"), "''''");
}

TEST(QuoteLiteral, DoublesBackslashesInTheFormThatAlwaysReadsThemAsEscapes) {
  EXPECT_EQ(quote_literal(R"(a\b)"), R"(E'a\\b')");
  EXPECT_EQ(quote_literal(R"(\')"), R"(E'\\''')");
}

TEST(QuoteLiteral, LeavesNewlinesAndUnicodeAsTheyAre) { EXPECT_EQ(quote_literal("a\nb\"ü"), "'a\nb\"ü'"); }

TEST(DisplayName, LeavesPlainNamesUnquoted) {
  EXPECT_EQ(display_name("orders_2024"), "orders_2024");
  EXPECT_EQ(display_name("_x"), "_x");
}

TEST(DisplayName, QuotesWhatSqlWouldReadDifferently) {
  EXPECT_EQ(display_name("Orders"), R"("Orders")");
  EXPECT_EQ(display_name("2024"), R"("2024")");
  EXPECT_EQ(display_name("a b"), R"("a b")");
  EXPECT_EQ(display_name("a\"b"), R"("a""b")");
  EXPECT_EQ(display_name("größe"), R"("größe")");
  EXPECT_EQ(display_name(""), R"("")");
}

TEST(DisplayName, QuotesThePartsOfAQualifiedNameApart) {
  EXPECT_EQ(display_name(QualifiedName{"public", "Users"}), R"(public."Users")");
  EXPECT_EQ(display_name(QualifiedName{"a.b", "c"}), R"("a.b".c)");
}

TEST(Join, PutsTheSeparatorBetweenTheTextsOnly) {
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join({"a"}, ", "), "a");
  EXPECT_EQ(join({"a", "", "c"}, ", "), "a, , c");
}

}  // namespace
}  // namespace tablesync
