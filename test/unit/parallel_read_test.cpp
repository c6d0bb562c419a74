#include "core/range/parallel_read.h"

#include <gtest/gtest.h>

#include "support/sql_text.h"
#include "support/tables.h"

namespace tablesync {
namespace {

// The blocks of one file, each as often as a range has it.
std::vector<int> times_read(const std::vector<BlockRange> &ranges, std::int64_t blocks) {
  std::vector<int> times(static_cast<size_t>(blocks));
  for (const BlockRange &range : ranges)
    for (std::int64_t block = range.begin; block < blocks && (range.end < 0 || block < range.end); ++block)
      ++times[static_cast<size_t>(block)];
  return times;
}

std::int64_t blocks_in(const BlockRange &range, const std::vector<std::int64_t> &files) {
  std::int64_t sum = 0;
  for (const std::int64_t size : files)
    for (std::int64_t block = range.begin; block < size && (range.end < 0 || block < range.end); ++block)
      ++sum;
  return sum;
}

TEST(SplitBlocks, ReadsEveryBlockOnce) {
  for (const std::vector<std::int64_t> &files : {std::vector<std::int64_t>{0},
                                                 {1},
                                                 {64},
                                                 {127},
                                                 {128},
                                                 {1000},
                                                 {100000},
                                                 {0, 500, 3},
                                                 {7, 7, 7, 5000}})
    for (const int readers : {1, 2, 3, 64}) {
      const auto ranges = split_blocks(files, readers);
      EXPECT_EQ(ranges.back().end, -1);
      for (const std::int64_t size : files)
        EXPECT_EQ(times_read(ranges, size), std::vector<int>(static_cast<size_t>(size), 1));
    }
}

TEST(SplitBlocks, LeavesASmallTableWhole) {
  EXPECT_EQ(split_blocks({}, 4), (std::vector<BlockRange>{{0, -1}}));
  EXPECT_EQ(split_blocks({127}, 4), (std::vector<BlockRange>{{0, -1}}));
  EXPECT_EQ(split_blocks({128}, 4), (std::vector<BlockRange>{{0, 64}, {64, -1}}));
}

TEST(SplitBlocks, MakesRangesThatHoldAboutAsMuchEach) {
  const std::vector<std::int64_t> files{100000, 20, 30000, 500};
  const auto ranges = split_blocks(files, 2);
  ASSERT_EQ(ranges.size(), 16u);
  for (const BlockRange &range : ranges) {
    EXPECT_GT(blocks_in(range, files), 8000);
    EXPECT_LT(blocks_in(range, files), 8400);
  }
}

TEST(RowsIn, AddsAConditionForEachEnd) {
  const Table source = table({"public", "t"}, {column("a", "int4")});
  SourceRows rows{&source, "", {"a > 1"}};
  EXPECT_EQ(rows_in(rows, {0, -1}).conditions, std::vector<std::string>{"a > 1"});
  EXPECT_EQ(rows_in(rows, {0, 8}).conditions,
            (std::vector<std::string>{"a > 1", "ctid OPERATOR(pg_catalog.<) '(8,0)'::pg_catalog.tid"}));
  EXPECT_EQ(
      copy_out(rows_in(rows, {8, 16}), plan_sync(source, source, {}, false)),
      "COPY (SELECT \"a\" FROM \"public\".\"t\" WHERE (a > 1\n) AND (ctid OPERATOR(pg_catalog.>=) "
      "'(8,0)'::pg_catalog.tid\n) AND (ctid OPERATOR(pg_catalog.<) '(16,0)'::pg_catalog.tid\n)\n) TO STDOUT "
      "(FORMAT binary)");
}

TEST(StandbySnapshots, AreSafeSinceNovember2026) {
  for (const int good : {140025, 150020, 150021, 160016, 170012, 180006, 190000})
    EXPECT_TRUE(shares_standby_snapshots(good)) << good;
  for (const int bad : {130023, 140024, 150019, 160015, 170011, 180005})
    EXPECT_FALSE(shares_standby_snapshots(bad)) << bad;
}

}  // namespace
}  // namespace tablesync
