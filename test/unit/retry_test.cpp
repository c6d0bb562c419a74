#include "core/base/retry.h"

#include <gtest/gtest.h>

namespace tablesync {
namespace {

TEST(IsTransient, TellsWhatPassesFromWhatNeedsSomebody) {
  for (const char *state : {"08006", "40001", "40P01"}) {
    EXPECT_TRUE(is_transient(state, true)) << state;
    EXPECT_TRUE(is_transient(state, false)) << state;
  }
  // A lock timeout, a full disk, a wrong password, bad data, a bug.
  for (const char *state :
       {"08001", "08P01", "22003", "28P01", "42P01", "53100", "53200", "55P03", "57014", "XX000"}) {
    EXPECT_FALSE(is_transient(state, true)) << state;
    EXPECT_FALSE(is_transient(state, false)) << state;
  }
}

TEST(IsTransient, KnowsWhoWasTerminated) {
  for (const char *state : {"53300", "57P01", "57P02", "57P03"}) {
    EXPECT_TRUE(is_transient(state, true)) << state;
    EXPECT_FALSE(is_transient(state, false)) << state;
  }
}

TEST(RetryWait, DoublesUpToFiveMinutes) {
  EXPECT_EQ(retry_wait_ms(2000, 1, 1), 2000);
  EXPECT_EQ(retry_wait_ms(2000, 2, 1), 4000);
  EXPECT_EQ(retry_wait_ms(2000, 3, 1), 8000);
  EXPECT_EQ(retry_wait_ms(2000, 9, 1), 300000);
  EXPECT_EQ(retry_wait_ms(2000, 1000000000, 1), 300000);
  EXPECT_EQ(retry_wait_ms(3'600'000, 1, 1), 300000);
}

TEST(RetryWait, LeavesTheLaterHalfToChance) {
  EXPECT_EQ(retry_wait_ms(2000, 2, 0), 2000);
  EXPECT_EQ(retry_wait_ms(2000, 2, 0.5), 3000);
  EXPECT_EQ(retry_wait_ms(0, 5, 0.5), 0);
}

}  // namespace
}  // namespace tablesync
