#include "core/base/known_rows.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>
#include <vector>

namespace tablesync {
namespace {

using Found = KnownRows::Found;

TEST(KnownRows, FindsARowByItsKey) {
  KnownRows rows(true);
  rows.make_room(10);
  EXPECT_TRUE(rows.add({1, 100}));
  EXPECT_TRUE(rows.add({2, 200}));
  EXPECT_EQ(rows.take({1, 100}), Found::same);
  EXPECT_EQ(rows.take({2, 222}), Found::changed);
  EXPECT_EQ(rows.take({3, 300}), Found::nothing);
  EXPECT_EQ(rows.left(), 0);
}

TEST(KnownRows, SaysThatAKeyComesAgain) {
  KnownRows rows(true);
  rows.make_room(10);
  rows.add({1, 100});
  EXPECT_EQ(rows.take({1, 100}), Found::same);
  EXPECT_EQ(rows.take({1, 100}), Found::again);
  EXPECT_EQ(rows.take({1, 102}), Found::again);
}

TEST(KnownRows, KeepsTwoKeysOfOneHashApart) {
  KnownRows rows(true);
  rows.make_room(10);
  rows.add({1, 100});
  rows.add({1, 200});
  EXPECT_EQ(rows.take({1, 200}), Found::same);
  EXPECT_EQ(rows.take({1, 300}), Found::changed);
  EXPECT_EQ(rows.left(), 0);
}

TEST(KnownRows, CountsRowsWithoutAKey) {
  KnownRows rows(false);
  rows.make_room(2);
  const RowHashes often{1, 1ULL << 40}, once{2, 2ULL << 40};
  for (int n = 0; n < 1000; ++n) ASSERT_TRUE(rows.add(often));
  ASSERT_TRUE(rows.add(once));
  EXPECT_EQ(rows.left(), 1001);
  for (int n = 0; n < 999; ++n) ASSERT_EQ(rows.take(often), Found::same);
  std::uint64_t times = 0;
  rows.each_left(
      [&](const RowHashes &row, std::uint64_t more) { return row.key == 1 ? times += more : true; });
  EXPECT_EQ(times, 1U);
  EXPECT_EQ(rows.take(often), Found::same);
  EXPECT_EQ(rows.take(often), Found::nothing);
  EXPECT_EQ(rows.left(), 1);
}

TEST(KnownRows, RefusesMoreThanItHasRoomFor) {
  KnownRows rows(true);
  rows.make_room(100);
  std::uint64_t key = 0;
  while (rows.add({++key << 40, key})) ASSERT_LE(key, 100U);
  EXPECT_EQ(rows.left(), 100);
  EXPECT_EQ(rows.take({200ULL << 40, 1}), Found::nothing);  // the search ends
  rows.clear();
  EXPECT_EQ(rows.left(), 0);
  EXPECT_TRUE(rows.add({1, 1}));
}

TEST(KnownRows, FitsIntoTheBytes) {
  const std::int64_t rows = KnownRows::rows_in(48 << 20);
  EXPECT_GT(rows, 2'300'000);
  EXPECT_LE(KnownRows::bytes_of(rows), 48 << 20);
}

// Against a map, with keys and images of few values, so that all cases occur.
TEST(KnownRows, AgreesWithAMap) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    const bool keyed = round % 2 == 0;
    KnownRows rows(keyed);
    rows.make_room(64);
    std::multimap<std::uint64_t, std::uint64_t> known;
    for (int n = 0; n < 40; ++n) {
      const RowHashes row{(random() % 60 + 1) << 58, (random() % 3) << 40};
      if (keyed && known.contains(row.key)) continue;
      ASSERT_TRUE(rows.add(row));
      known.emplace(row.key, row.image);
    }
    std::map<std::uint64_t, bool> seen;
    for (int n = 0; n < 60; ++n) {
      const RowHashes row{(random() % 60 + 1) << 58, (random() % 3) << 40};
      const auto [from, to] = known.equal_range(row.key);
      Found expected = Found::nothing;
      auto at = from;
      while (at != to && at->second != row.image) ++at;
      if (at != to) expected = Found::same;
      if (keyed && at == to && from != to) expected = Found::changed;
      if (keyed && seen[row.key]) expected = Found::again;
      if (keyed && expected == Found::changed) at = from;
      ASSERT_EQ(rows.take(row), expected);
      if (expected == Found::same || expected == Found::changed) {
        known.erase(at);
        seen[row.key] = true;
      }
      ASSERT_EQ(rows.left(), static_cast<std::int64_t>(known.size()));
    }
  }
}

}  // namespace
}  // namespace tablesync
