#include "core/base/progress.h"

#include <gtest/gtest.h>

#include <set>

namespace tablesync {
namespace {

constexpr std::int64_t megabyte = 1024 * 1024;

// 450,000 rows in 5 seconds.
ProgressReading copying(std::int64_t rows_expected) {
  return {Phase::copy, 450'000, 85 * megabyte, rows_expected, 0, 5.0};
}

TEST(PhaseName, IsItsOwnForEachPhase) {
  std::set<std::string> names;
  for (const Phase phase : {Phase::starting, Phase::waiting, Phase::describe, Phase::copy, Phase::key,
                            Phase::remove, Phase::merge, Phase::commit})
    names.insert(name_of(phase));
  EXPECT_EQ(names.size(), 8U);
  EXPECT_EQ(names.count(""), 0U);
}

TEST(Progress, IsReadAsItWasWritten) {
  Progress progress;
  progress.phase = static_cast<int>(Phase::merge);
  progress.rows = 12;
  progress.bytes = 34;
  progress.rows_expected = 56;
  progress.memory_bytes = 78;
  progress.phase_started_us = 1'000'000;
  const ProgressReading reading = read(progress, 3'500'000);
  EXPECT_EQ(reading.phase, Phase::merge);
  EXPECT_EQ(reading.rows, 12);
  EXPECT_EQ(reading.bytes, 34);
  EXPECT_EQ(reading.rows_expected, 56);
  EXPECT_EQ(reading.memory_bytes, 78);
  EXPECT_DOUBLE_EQ(reading.seconds, 2.5);
}

TEST(Progress, KnowsNothingAtTheStart) {
  const ProgressReading reading = read(Progress{}, 0);
  EXPECT_EQ(reading.phase, Phase::starting);
  EXPECT_LT(reading.rate(), 0);
  EXPECT_LT(reading.percent(), 0);
  EXPECT_LT(reading.seconds_left(), 0);
}

TEST(Progress, TakesNoTimeForAClockThatWentBack) {
  Progress progress;
  progress.phase_started_us = 5'000'000;
  EXPECT_EQ(read(progress, 1'000'000).seconds, 0);
}

TEST(Progress, EstimatesFromWhatIsExpected) {
  const ProgressReading reading = copying(2'000'000);
  EXPECT_DOUBLE_EQ(reading.rate(), 90'000);
  EXPECT_DOUBLE_EQ(reading.percent(), 22.5);
  EXPECT_NEAR(reading.seconds_left(), 17.2, 0.05);
}

TEST(Progress, IsNeverDoneBeforeItIsDone) {
  EXPECT_EQ(copying(450'000).percent(), 99);
  EXPECT_EQ(copying(1'000).percent(), 99);
  EXPECT_LT(copying(450'000).seconds_left(), 0);
  EXPECT_LT(copying(1'000).seconds_left(), 0);
}

TEST(Progress, GivesNoShareWhereNothingIsExpected) {
  EXPECT_LT(copying(0).percent(), 0);
  EXPECT_LT(copying(-1).percent(), 0);
  EXPECT_LT(copying(-1).seconds_left(), 0);
}

TEST(Progress, GivesNoTimeLeftWhereNothingMoves) {
  const ProgressReading stuck = {Phase::copy, 0, 0, 100, 0, 60};
  EXPECT_LT(stuck.seconds_left(), 0);
}

TEST(Tell, SaysAllThatIsKnownOfACopy) {
  EXPECT_EQ(describe(copying(2'000'000)),
            "copy: 450,000 of about 2,000,000 rows (22 %), 85.0 MB, 90,000 rows/s, about 17.2 s left");
}

TEST(Tell, LeavesOutWhatIsUnknown) {
  EXPECT_EQ(describe(copying(-1)), "copy: 450,000 rows, 85.0 MB, 90,000 rows/s");
  EXPECT_EQ(describe({Phase::copy, 0, 0, -1, 0, 0}), "copy: 0 rows, 0 bytes");
}

TEST(Tell, CountsRowsButNoBytesOfAMerge) {
  EXPECT_EQ(describe({Phase::merge, 1000, 5000, 2000, 0, 1.0}),
            "merge: 1,000 of about 2,000 rows (50 %), 1,000 rows/s, about 1.0 s left");
  EXPECT_EQ(describe({Phase::remove, 7, 0, -1, 0, 0}), "delete: 7 rows");
}

TEST(Tell, GivesOnlyTheTimeOfOtherPhases) {
  EXPECT_EQ(describe({Phase::key, 5, 5, 5, 0, 65}), "primary key: 1 min 5 s");
  EXPECT_EQ(describe({Phase::waiting, 0, 0, -1, 0, 2}), "waiting: 2.0 s");
}

}  // namespace
}  // namespace tablesync
