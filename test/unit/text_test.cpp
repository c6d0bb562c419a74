#include "core/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace tablesync {
namespace {

TEST(WithCommas, GroupsDigitsByThree) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(with_commas(std::numeric_limits<std::int64_t>::max()), "9,223,372,036,854,775,807");
}

TEST(WithCommas, PutsNoCommaBehindTheSign) {
  EXPECT_EQ(with_commas(-100), "-100");
  EXPECT_EQ(with_commas(-1000), "-1,000");
  EXPECT_EQ(with_commas(-123456), "-123,456");
  EXPECT_EQ(with_commas(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(HumanBytes, CountsInPowersOf1024) {
  EXPECT_EQ(human_bytes(0), "0 bytes");
  EXPECT_EQ(human_bytes(1023), "1023 bytes");
  EXPECT_EQ(human_bytes(1024), "1.0 kB");
  EXPECT_EQ(human_bytes(1536), "1.5 kB");
  EXPECT_EQ(human_bytes(std::int64_t{5} << 20), "5.0 MB");
  EXPECT_EQ(human_bytes(std::int64_t{3} << 30), "3.0 GB");
  EXPECT_EQ(human_bytes(std::int64_t{2} << 40), "2.0 TB");
}

TEST(HumanBytes, HasNoUnitAboveTerabytes) { EXPECT_EQ(human_bytes(std::int64_t{5000} << 40), "5000.0 TB"); }

TEST(HumanSeconds, UsesTheUnitsThatFitTheSize) {
  EXPECT_EQ(human_seconds(0.4), "0.4 s");
  EXPECT_EQ(human_seconds(59.9), "59.9 s");
  EXPECT_EQ(human_seconds(60), "1 min 0 s");
  EXPECT_EQ(human_seconds(95.9), "1 min 35 s");
  EXPECT_EQ(human_seconds(3599), "59 min 59 s");
  EXPECT_EQ(human_seconds(3600), "1 h 0 min");
  EXPECT_EQ(human_seconds(90061), "25 h 1 min");
}

TEST(HumanSeconds, IsZeroForAClockThatWentBack) { EXPECT_EQ(human_seconds(-3), "0.0 s"); }

TEST(Sanitize, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(sanitize("", true), "");
  EXPECT_EQ(sanitize("duplicate key\n\tvalue \"ü\" 数 😀", true), "duplicate key\n\tvalue \"ü\" 数 😀");
}

TEST(Sanitize, EscapesControlCharacters) {
  EXPECT_EQ(sanitize("\033[2J", true), "\\x1b[2J");
  EXPECT_EQ(sanitize(std::string_view("a\0b\r\x7f", 5), true), "a\\x00b\\x0d\\x7f");
}

TEST(Sanitize, EscapesTheControlCharactersAboveAscii) {
  // U+009B is what ESC [ is to a terminal.
  EXPECT_EQ(sanitize("\u009b2J", true), "\\xc2\\x9b2J");
  EXPECT_EQ(sanitize("\u0080 \u009f", true), "\\xc2\\x80 \\xc2\\x9f");
  EXPECT_EQ(sanitize("\u00a0", true), "\u00a0");
}

TEST(Sanitize, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(sanitize("a\xff\xfe z", true), "a?? z");
  EXPECT_EQ(sanitize("\x80", true), "?");                 // a continuation without a lead
  EXPECT_EQ(sanitize("\xc3", true), "?");                 // cut off
  EXPECT_EQ(sanitize("\xc3(", true), "?(");               // followed by something else
  EXPECT_EQ(sanitize("\xc0\x80", true), "??");            // overlong NUL
  EXPECT_EQ(sanitize("\xe0\x9f\xbf", true), "???");       // overlong, three bytes
  EXPECT_EQ(sanitize("\xed\xa0\x80", true), "???");       // a surrogate
  EXPECT_EQ(sanitize("\xf0\x8f\xbf\xbf", true), "????");  // overlong, four bytes
  EXPECT_EQ(sanitize("\xf4\x90\x80\x80", true), "????");  // above U+10FFFF
  EXPECT_EQ(sanitize("\xf5\x80\x80\x80", true), "????");
}

TEST(Sanitize, KeepsTheEdgesOfUtf8) {
  for (const char *edge :
       {"\u00a0", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"})
    EXPECT_EQ(sanitize(edge, true), edge);
}

TEST(Sanitize, PassesHighBytesWhereTheEncodingIsNotUtf8) {
  EXPECT_EQ(sanitize("gr\xfc\xdf", false), "gr\xfc\xdf");
}

TEST(Sanitize, CutsEndlessTextAndSaysSo) {
  const std::string text = sanitize(std::string(1'000'000, 'x'), true);
  EXPECT_EQ(text, std::string(8192, 'x') + " ...");
  EXPECT_EQ(sanitize(std::string(8192, 'x'), true), std::string(8192, 'x'));
}

TEST(Sanitize, NeverCutsACharacterInTwo) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "数";
  std::string cut = sanitize(text, true);
  cut.resize(cut.size() - 4);
  EXPECT_EQ(cut.size() % 3, 0U);
  EXPECT_EQ(sanitize(cut, true).find('?'), std::string::npos);
}

constexpr char own_statement[] =
    "MERGE INTO \"raw\".\"t\" AS t USING pg_temp.tablesync_stage AS s ON t.\"id\" OPERATOR(\"pg_catalog\".=) "
    "s.\"id\"";

TEST(ShortenOwnStatements, CutsOursToTheirBeginning) {
  const std::string statement = own_statement;
  EXPECT_EQ(shorten_own_statements("SQL statement \"" + statement + "\""),
            "SQL statement \"" + statement.substr(0, 60) + " ...\"");
}

TEST(ShortenOwnStatements, KeepsTheOtherLinesInTheirOrder) {
  const std::string statement = own_statement;
  EXPECT_EQ(shorten_own_statements("PL/pgSQL function f() line 3 at RAISE\nSQL statement \"" + statement +
                                   "\"\nrun 17 of sync_table"),
            "PL/pgSQL function f() line 3 at RAISE\nSQL statement \"" + statement.substr(0, 60) +
                " ...\"\nrun 17 of sync_table");
}

TEST(ShortenOwnStatements, FindsTheEndOfAStatementOfManyLines) {
  const std::string statement =
      "UPDATE \"a\nb\" SET x = y FROM pg_temp.tablesync_stage WHERE\nlong = enough to be cut here";
  EXPECT_EQ(shorten_own_statements("SQL statement \"" + statement + "\"\nnext"),
            "SQL statement \"" + statement.substr(0, 60) + " ...\"\nnext");
}

TEST(ShortenOwnStatements, LeavesStatementsOfOthersWhole) {
  const std::string context =
      "SQL statement \"INSERT INTO audit SELECT " + std::string(200, 'x') + "\"\nline 2";
  EXPECT_EQ(shorten_own_statements(context), context);
}

TEST(ShortenOwnStatements, LeavesAnEmptyContextEmpty) { EXPECT_EQ(shorten_own_statements(""), ""); }

const std::vector<std::string> options = {"host", "hostaddr", "port", "dbname", "connect_timeout"};

TEST(Nearest, FindsTheWordThatWasMeant) {
  EXPECT_EQ(nearest("hots", options), "host");
  EXPECT_EQ(nearest("prt", options), "port");
  EXPECT_EQ(nearest("dbnam", options), "dbname");
  EXPECT_EQ(nearest("conect_timout", options), "connect_timeout");
}

TEST(Nearest, FindsNothingWhereNothingIsNear) {
  EXPECT_EQ(nearest("zzz", options), "");
  EXPECT_EQ(nearest("hxyz", options), "") << "one letter of four";
  EXPECT_EQ(nearest("", options), "");
  EXPECT_EQ(nearest("host", {}), "");
}

TEST(Nearest, TakesTheNearestOfSeveral) {
  EXPECT_EQ(nearest("hostadr", options), "hostaddr");
  EXPECT_EQ(nearest("host", options), "host");
}

TEST(Nearest, RefusesHostileLengths) { EXPECT_EQ(nearest(std::string(65, 'h'), options), ""); }

}  // namespace
}  // namespace tablesync
