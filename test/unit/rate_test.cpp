#include "core/base/rate.h"

#include <gtest/gtest.h>

#include "core/base/error.h"

namespace tablesync {
namespace {

TEST(ParseRate, TakesRowsAndBytes) {
  EXPECT_EQ(parse_rate("5000 rows"), (Rate{5000, 0}));
  EXPECT_EQ(parse_rate("5000rows/s"), (Rate{5000, 0}));
  EXPECT_EQ(parse_rate("10 MB"), (Rate{0, 10485760}));
  EXPECT_EQ(parse_rate("0.5 MB/s"), (Rate{0, 524288}));
  EXPECT_EQ(parse_rate("1kB"), (Rate{0, 1024}));
  EXPECT_EQ(parse_rate("2 GB/s"), (Rate{0, 2147483648}));
}

TEST(ParseRate, RefusesAnythingElse) {
  for (const char *text : {"", "5000", "10 mb", "MB", "-1 MB", "0 rows", "0.1 rows", "10 MB/h", "1e300 GB",
                           "nan rows", "inf MB", "10 MB x", " 1 MB"}) {
    try {
      parse_rate(text);
      ADD_FAILURE() << "\"" << text << "\" was taken";
    } catch (const Error &error) {
      EXPECT_EQ(error.diagnostics().sqlstate, "22023") << text;
      EXPECT_NE(error.diagnostics().hint.find("10 MB"), std::string::npos);
    }
  }
}

TEST(MsAhead, IsTheTimeThatTheRowsOrBytesShouldHaveTaken) {
  EXPECT_EQ(ms_ahead(Rate{1000, 0}, 500, 1 << 30, 0), 500);
  EXPECT_EQ(ms_ahead(Rate{1000, 0}, 500, 1 << 30, 200), 300);
  EXPECT_EQ(ms_ahead(Rate{1000, 0}, 500, 0, 600), 0);
  EXPECT_EQ(ms_ahead(Rate{0, 1024}, 1, 2048, 0), 2000);
  EXPECT_EQ(ms_ahead(Rate{}, 1 << 30, 1 << 30, 0), 0);
}

}  // namespace
}  // namespace tablesync
