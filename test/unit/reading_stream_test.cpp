#include "core/pivot/reading_stream.h"

#include <gtest/gtest.h>

#include <bit>
#include <string>

#include "copy_bytes.h"
#include "core/base/error.h"

namespace tablesync {
namespace {

using namespace std::string_literals;

void any_text(std::string_view) {}
[[noreturn]] void no_text(std::string_view) { throw Error("22021", "not a text"); }

ReadingPlan whole_plan() {
  ReadingPlan plan;
  plan.width = reading_columns;
  for (int n = 0; n < reading_columns; ++n) plan.places[static_cast<std::size_t>(n)] = n;
  return plan;
}

// The SQLSTATE of what `act` throws; empty where it throws nothing.
template <typename Act>
std::string state_of(Act act) {
  try {
    act();
  } catch (const Error &error) {
    return error.diagnostics().sqlstate;
  }
  return {};
}

class ReadingStreamTest : public testing::Test {
 protected:
  bool take(std::string message) {
    last_ = std::move(message);
    return stream_.take(last_.data(), last_.size());
  }
  std::string state_of_row(const std::string &row) {
    return state_of([&] {
      if (take(row)) stream_.reading();
    });
  }
  // A row whose fields are these; the rest is NULL.
  static std::string row(const std::string &channel, const std::string &time = copy_null,
                         const std::string &boolean = copy_null, const std::string &decimal = copy_null) {
    return copy_row({copy_field("ship"), channel, time, copy_null, boolean, copy_null, copy_null, decimal});
  }

  ReadingPlan plan_ = whole_plan();
  ReadingStream stream_{plan_, any_text};
  std::string last_;
};

TEST_F(ReadingStreamTest, RowsComeWithTheHeaderOrBehindIt) {
  EXPECT_FALSE(take(copy_header()));
  EXPECT_TRUE(take(row(copy_field("a"))));
  ReadingStream other(plan_, any_text);
  std::string both = copy_header() + row(copy_field("b"));
  EXPECT_TRUE(other.take(both.data(), both.size()));
  EXPECT_EQ(other.reading().channel, "b");
}

TEST_F(ReadingStreamTest, AReadingHasTheValuesOfItsFields) {
  take(copy_header());
  ASSERT_TRUE(take(copy_row({copy_field("ship"), copy_field("channel"), copy_number<8>(-5),
                             copy_field("Decimal"), copy_number<1>(1), copy_field(""),
                             copy_number<8>(1LL << 40), copy_number<8>(std::bit_cast<std::int64_t>(-2.5))})));
  const Reading reading = stream_.reading();
  EXPECT_EQ(reading.ship, "ship");
  EXPECT_EQ(reading.channel, "channel");
  EXPECT_EQ(reading.time, -5);
  EXPECT_EQ(reading.value.format, "Decimal");
  EXPECT_EQ(reading.value.bool_v, true);
  EXPECT_TRUE(is_there(reading.value.str_v));
  EXPECT_EQ(reading.value.long_v, 1LL << 40);
  EXPECT_EQ(reading.value.double_v, -2.5);
}

TEST_F(ReadingStreamTest, NullsAreAbsent) {
  take(copy_header());
  ASSERT_TRUE(take(row(copy_null)));
  const Reading reading = stream_.reading();
  EXPECT_FALSE(is_there(reading.channel));
  EXPECT_FALSE(is_there(reading.value.str_v));
  EXPECT_FALSE(reading.time || reading.value.bool_v || reading.value.long_v || reading.value.double_v);
}

TEST_F(ReadingStreamTest, TheShipOfTheCallIsThatOfAllRows) {
  ReadingPlan plan = whole_plan();
  plan.ship = "called";
  plan.places[0] = -1;
  ReadingStream stream(plan, any_text);
  std::string message = copy_header() + row(copy_field("a"));
  ASSERT_TRUE(stream.take(message.data(), message.size()));
  EXPECT_EQ(stream.reading().ship, "called");
}

TEST_F(ReadingStreamTest, TextsThatAreNotAsciiAreChecked) {
  ReadingStream stream(plan_, no_text);
  std::string header = copy_header();
  stream.take(header.data(), header.size());
  const auto state = [&](const std::string &channel) {
    std::string message = row(copy_field(channel));
    return state_of([&] {
      stream.take(message.data(), message.size());
      stream.reading();
    });
  };
  EXPECT_EQ(state("plain"), "");
  EXPECT_EQ(state("gr\xc3\xb6\xc3\x9f"), "22021");
  EXPECT_EQ(state("\xff"), "22021");
  EXPECT_EQ(state("a\0b"s), "22021");
}

TEST_F(ReadingStreamTest, WhatIsNotTheFormatIsRefused) {
  EXPECT_EQ(state_of_row("PGCOPY"), "22P04");
  EXPECT_EQ(state_of_row(row(copy_field("a"))), "22P04") << "a row without the header";
}

TEST_F(ReadingStreamTest, RowsOfAnotherShapeAreRefused) {
  take(copy_header());
  EXPECT_EQ(state_of_row(copy_row({copy_null})), "22P04") << "too few fields";
  const std::string good = row(copy_field("a"));
  EXPECT_EQ(state_of_row(good + "x"), "22P04");
  for (std::size_t size = 1; size < good.size(); ++size)
    EXPECT_EQ(state_of_row(good.substr(0, size)), "22P04") << size;
  EXPECT_EQ(state_of_row(copy_row({"\xff\xff\xff\xfe"s})), "22P04") << "a length below that of NULL";
}

TEST_F(ReadingStreamTest, ValuesOfAnotherSizeAreRefused) {
  take(copy_header());
  const std::string channel = copy_field("a");
  EXPECT_EQ(state_of_row(row(channel, copy_number<4>(1))), "22P04");
  EXPECT_EQ(state_of_row(row(channel, copy_field(""))), "22P04");
  EXPECT_EQ(state_of_row(row(channel, copy_null, copy_number<2>(1))), "22P04");
  EXPECT_EQ(state_of_row(row(channel, copy_null, copy_null, copy_number<4>(1))), "22P04");
}

// What the server could store and never show again: timestamp_recv() refuses it too.
TEST_F(ReadingStreamTest, TimesBeyondThoseOfTheServerAreRefused) {
  constexpr Moment first = -211813488000000000, end = 9223371331200000000;  // timestamp.h
  take(copy_header());
  const auto state = [&](Moment time) { return state_of_row(row(copy_field("a"), copy_number<8>(time))); };
  EXPECT_EQ(state(first - 1), "22008");
  EXPECT_EQ(state(end), "22008");
  EXPECT_EQ(state(before_all + 1), "22008");
  EXPECT_EQ(state(after_all - 1), "22008");
  for (const Moment time : {first, end - 1, before_all, after_all}) EXPECT_EQ(state(time), "") << time;
}

TEST_F(ReadingStreamTest, TheEndIsTheTrailer) {
  take(copy_header());
  take(row(copy_field("a")));
  EXPECT_EQ(state_of([&] { stream_.finish(); }), "22P04");
  EXPECT_FALSE(take(copy_trailer()));
  EXPECT_EQ(state_of([&] { stream_.finish(); }), "");
  EXPECT_EQ(state_of_row(row(copy_field("a"))), "22P04") << "a row behind the trailer";
}

TEST_F(ReadingStreamTest, NumbersCanComeAsTexts) {
  plan_.decimals_are_texts = true;
  EXPECT_TRUE(take(copy_header() + row(copy_field("a"), copy_null, copy_null, copy_field("21.50"))));
  EXPECT_EQ(stream_.reading().value.double_v, 21.5);
  EXPECT_TRUE(take(row(copy_field("a"), copy_null, copy_null, copy_field("9007199254740993"))));
  EXPECT_FALSE(stream_.reading().value.double_v);
  EXPECT_EQ(stream_.reading().value.beyond_double, "9007199254740993");
  EXPECT_TRUE(take(row(copy_field("a"))));
  EXPECT_FALSE(stream_.reading().value.double_v);
  EXPECT_FALSE(is_there(stream_.reading().value.beyond_double));
}

}  // namespace
}  // namespace tablesync
