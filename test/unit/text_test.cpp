#include "core/base/text.h"

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

TEST(Counted, PutsTheNounInThePlural) {
  EXPECT_EQ(counted(0, "row"), "0 rows");
  EXPECT_EQ(counted(1, "row"), "1 row");
  EXPECT_EQ(counted(1204, "row"), "1,204 rows");
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
  EXPECT_EQ(sanitize("", utf8_character), "");
  EXPECT_EQ(sanitize("duplicate key\n\tvalue \"ü\" 数 😀", utf8_character),
            "duplicate key\n\tvalue \"ü\" 数 😀");
}

TEST(Sanitize, EscapesControlCharacters) {
  EXPECT_EQ(sanitize("\033[2J", utf8_character), "\\x1b[2J");
  EXPECT_EQ(sanitize(std::string_view("a\0b\r\x7f", 5), utf8_character), "a\\x00b\\x0d\\x7f");
}

TEST(Sanitize, EscapesTheControlCharactersAboveAscii) {
  // U+009B is what ESC [ is to a terminal.
  EXPECT_EQ(sanitize("\u009b2J", utf8_character), "\\xc2\\x9b2J");
  EXPECT_EQ(sanitize("\u0080 \u009f", utf8_character), "\\xc2\\x80 \\xc2\\x9f");
  EXPECT_EQ(sanitize("\u00a0", utf8_character), "\u00a0");
}

TEST(Sanitize, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(sanitize("a\xff\xfe z", utf8_character), "a?? z");
  EXPECT_EQ(sanitize("\x80", utf8_character), "?");                 // a continuation without a lead
  EXPECT_EQ(sanitize("\xc3", utf8_character), "?");                 // cut off
  EXPECT_EQ(sanitize("\xc3(", utf8_character), "?(");               // followed by something else
  EXPECT_EQ(sanitize("\xc0\x80", utf8_character), "??");            // overlong NUL
  EXPECT_EQ(sanitize("\xe0\x9f\xbf", utf8_character), "???");       // overlong, three bytes
  EXPECT_EQ(sanitize("\xed\xa0\x80", utf8_character), "???");       // a surrogate
  EXPECT_EQ(sanitize("\xf0\x8f\xbf\xbf", utf8_character), "????");  // overlong, four bytes
  EXPECT_EQ(sanitize("\xf4\x90\x80\x80", utf8_character), "????");  // above U+10FFFF
  EXPECT_EQ(sanitize("\xf5\x80\x80\x80", utf8_character), "????");
}

TEST(Sanitize, KeepsTheEdgesOfUtf8) {
  for (const char *edge :
       {"\u00a0", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"})
    EXPECT_EQ(sanitize(edge, utf8_character), edge);
}

// EUC_JP without its three-byte characters.
size_t pair_of_high_bytes(std::string_view text) {
  return text.size() > 1 && static_cast<unsigned char>(text[1]) >= 0xa1 ? 2 : 0;
}

TEST(Sanitize, KnowsTheCharactersOfTheEncodingItIsGiven) {
  EXPECT_EQ(sanitize("gr\xfc\xdf", [](std::string_view) { return size_t{1}; }), "gr\xfc\xdf");
  EXPECT_EQ(sanitize("\xc6\xfc\xcb", pair_of_high_bytes), "\xc6\xfc?");
  EXPECT_EQ(sanitize("\xc6|\xfc\xcb", pair_of_high_bytes), "?|\xfc\xcb");
}

TEST(Sanitize, CutsNoCharacterOfAnotherEncodingInTwo) {
  std::string text = "x";
  for (int i = 0; i < 5000; ++i) text += "\xc6\xfc";
  const std::string cut = sanitize(text, pair_of_high_bytes);
  EXPECT_EQ(cut.size(), 8193U + 4U);
  EXPECT_EQ(cut.find('?'), std::string::npos);
}

TEST(InvalidBytes, AreNoneInAValidText) {
  for (const char *valid : {"", "a\033 z", "ü 数 😀", "\u0080"})
    EXPECT_EQ(invalid_bytes(valid, utf8_character), "") << valid;
  EXPECT_EQ(invalid_bytes("\xc6\xfc", pair_of_high_bytes), "");
}

TEST(InvalidBytes, AreTheFirstOnesThatAreNoCharacter) {
  EXPECT_EQ(invalid_bytes("a\xff\xfe z\xfd", utf8_character), "\xff\xfe");
  EXPECT_EQ(invalid_bytes("v\xe2\x82", utf8_character), "\xe2\x82");
  EXPECT_EQ(invalid_bytes("\xc3(", utf8_character), "\xc3");
  EXPECT_EQ(invalid_bytes(std::string(20, '\xff'), utf8_character), "\xff\xff\xff\xff");
  EXPECT_EQ(invalid_bytes("\xc6\xfc\xc6", pair_of_high_bytes), "\xc6");
}

TEST(InvalidBytes, AreZeroBytesToo) {
  using namespace std::string_view_literals;
  EXPECT_EQ(invalid_bytes("a\0b"sv, utf8_character), "\0"sv);
}

TEST(Sanitize, CutsEndlessTextAndSaysSo) {
  const std::string text = sanitize(std::string(1'000'000, 'x'), utf8_character);
  EXPECT_EQ(text, std::string(8192, 'x') + " ...");
  EXPECT_EQ(sanitize(std::string(8192, 'x'), utf8_character), std::string(8192, 'x'));
}

TEST(Sanitize, NeverCutsACharacterInTwo) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "数";
  std::string cut = sanitize(text, utf8_character);
  cut.resize(cut.size() - 4);
  EXPECT_EQ(cut.size() % 3, 0U);
  EXPECT_EQ(sanitize(cut, utf8_character).find('?'), std::string::npos);
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
