#include "core/table/target_files.h"

#include <gtest/gtest.h>

namespace tablesync {
namespace {

std::string files(const Rows &rows, const std::string &database = "5") {
  Table target;
  target.oid = "100";
  target.database_oid = database;
  target.system_identifier = "77";
  return target_files(target, rows);
}

TEST(TargetFiles, AreTheSameWhereNothingHappened) {
  EXPECT_FALSE(was_rewritten(files({{"100", "100"}}), files({{"100", "100"}})));
  EXPECT_FALSE(was_rewritten(files({}), files({}))) << "a partitioned table without partitions";
}

TEST(TargetFiles, SeeAnotherFile) {
  EXPECT_TRUE(was_rewritten(files({{"100", "100"}}), files({{"100", "101"}})));
  EXPECT_TRUE(was_rewritten(files({{"1", "1"}, {"2", "2"}}), files({{"1", "1"}, {"2", "22"}})));
  EXPECT_TRUE(was_rewritten(files({{"1", "1"}}), files({{"1", "11"}})))
      << "a number that begins as the other one does";
}

TEST(TargetFiles, LetPartitionsComeAndGo) {
  EXPECT_FALSE(was_rewritten(files({{"1", "1"}}), files({{"1", "1"}, {"2", "2"}})));
  EXPECT_FALSE(was_rewritten(files({{"1", "1"}, {"2", "2"}}), files({{"2", "2"}})));
  EXPECT_FALSE(was_rewritten(files({}), files({{"2", "2"}})));
}

TEST(TargetFiles, SeeThatNoneIsLeft) {
  EXPECT_TRUE(was_rewritten(files({{"1", "1"}, {"2", "2"}}), files({{"3", "3"}})));
  EXPECT_TRUE(was_rewritten(files({{"1", "1"}}), files({})));
}

TEST(TargetFiles, SayNothingOfAnotherTable) {
  EXPECT_FALSE(was_rewritten("", files({{"100", "101"}})));
  EXPECT_FALSE(was_rewritten(files({{"100", "100"}}), ""));
  EXPECT_FALSE(was_rewritten(files({{"100", "100"}}), files({{"100", "101"}}, "6"))) << "it was restored";
}

}  // namespace
}  // namespace tablesync
