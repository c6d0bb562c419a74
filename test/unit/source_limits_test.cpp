#include "core/spec/source_limits.h"

#include <gtest/gtest.h>

namespace tablesync {
namespace {

TEST(DescribeExcess, IsEmptyAtTheLimitsAndWithoutAny) {
  EXPECT_EQ(describe_excess({5000, 50}, {5, "s1", 50}), "");
  EXPECT_EQ(describe_excess({}, {1e9, "s1", 1'000'000}), "");
  EXPECT_EQ(describe_excess({5000, 0}, {}), "");
}

TEST(DescribeExcess, NamesWhatIsAboveWithItsLimit) {
  EXPECT_EQ(describe_excess({5000, -1}, {5.1, "s1", 1000}),
            "standby \"s1\" lags by 5.1 s (max_source_lag 5.0 s)");
  EXPECT_EQ(describe_excess({60'000, -1}, {95, "", 0}),
            "the source, a standby, lags by 1 min 35 s (max_source_lag 1 min 0 s)");
  EXPECT_EQ(describe_excess({-1, 0}, {1e9, "s1", 1}), "1 session is active (max_source_sessions 0)");
  EXPECT_EQ(describe_excess({5000, 50}, {6, "s1", 1051}),
            "standby \"s1\" lags by 6.0 s (max_source_lag 5.0 s) and "
            "1,051 sessions are active (max_source_sessions 50)");
}

}  // namespace
}  // namespace tablesync
