#include "core/base/moment.h"

#include <gtest/gtest.h>

#include <random>

namespace tablesync {
namespace {

constexpr Moment day = 86'400'000'000;

TEST(MomentTest, IsWrittenAsTheServerTakesIt) {
  EXPECT_EQ(text_of_moment(0), "2000-01-01 00:00:00+00");
  EXPECT_EQ(text_of_moment(0, false), "2000-01-01 00:00:00");
  EXPECT_EQ(text_of_moment(-1), "1999-12-31 23:59:59.999999+00");
  EXPECT_EQ(text_of_moment(1'500'000), "2000-01-01 00:00:01.5+00");
  EXPECT_EQ(text_of_moment(59 * day), "2000-02-29 00:00:00+00");
  EXPECT_EQ(text_of_moment(60 * day), "2000-03-01 00:00:00+00");
  EXPECT_EQ(text_of_moment(before_all), "-infinity");
  EXPECT_EQ(text_of_moment(after_all), "infinity");
}

// As PostgreSQL prints them: SELECT 'epoch'::timestamptz - ..., and the ends of its range.
TEST(MomentTest, KnowsTheWholeRange) {
  EXPECT_EQ(text_of_moment(-211813488000000000), "4714-11-24 00:00:00+00 BC");
  EXPECT_EQ(text_of_moment(9223371331199999999), "294276-12-31 23:59:59.999999+00");
  EXPECT_EQ(text_of_moment(-730'119 * day), "0001-01-01 00:00:00+00");
  EXPECT_EQ(text_of_moment(-730'119 * day - 1), "0001-12-31 23:59:59.999999+00 BC");
  EXPECT_EQ(text_of_moment(36'584 * day), "2100-03-01 00:00:00+00");
  EXPECT_EQ(text_of_moment(36'583 * day), "2100-02-28 00:00:00+00");
}

TEST(MomentTest, IsReadAsItWasWritten) {
  std::mt19937_64 random(1);
  std::uniform_int_distribution<Moment> any(-211813488000000000, 9223371331199999999);
  for (int n = 0; n < 10'000; ++n) {
    const Moment moment = any(random);
    ASSERT_EQ(parse_moment(text_of_moment(moment)), moment) << text_of_moment(moment);
    ASSERT_EQ(parse_moment(text_of_moment(moment, false)), moment);
  }
  for (const Moment moment : {before_all, after_all, Moment{0}, Moment{-1}, Moment{1'000'000}})
    EXPECT_EQ(parse_moment(text_of_moment(moment)), moment);
}

TEST(MomentTest, OtherTextsAreNone) {
  for (const char *text : {"", "now", "2000-01-01", "2000-01-01 00:00:00+01", "2000-01-01 00:00:00.1234567",
                           "2000-01-01 00:00:00.", "2000-01-01T00:00:00"})
    EXPECT_EQ(parse_moment(text), std::nullopt) << text;
}

}  // namespace
}  // namespace tablesync
