#include "core/deparse_source.h"

#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/tables.h"

namespace tablesync {
namespace {

const QualifiedName target_name{"raw \"data\"", "users"};

// ---- the transaction
// ---------------------------------------------------------------------------------------

TEST(BeginReading, ReadsOneSnapshotAndWritesNothing) {
  EXPECT_TRUE(begin_reading(target_name, 'r', 150000)
                  .starts_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;"));
}

TEST(BeginReading, ChangesNoSettingBeyondTheTransaction) {
  const std::string batch = begin_reading({"public", "t"}, 'r', 180000);
  for (size_t at = batch.find("SET "); at != std::string::npos; at = batch.find("SET ", at + 1))
    EXPECT_EQ(batch.substr(at, 10), "SET LOCAL ");
}

TEST(BeginReading, TakesTheLockBehindTheSettingsAndBeforeAnyQuery) {
  const std::string batch = begin_reading({"public", "t"}, 'r', 150000);
  EXPECT_TRUE(batch.ends_with(" LOCK TABLE \"public\".\"t\" IN ACCESS SHARE MODE;"));
  EXPECT_EQ(batch.find("SELECT"), std::string::npos) << "the snapshot would be older than the lock";
}

TEST(BeginReading, PinsWhatTheTextOfAValueDependsOn) {
  const std::string batch = begin_reading({"public", "t"}, 'r', 150000);
  for (const char *setting : {"search_path = pg_catalog, pg_temp", "datestyle = ISO",
                              "intervalstyle = postgres", "extra_float_digits = 3", "bytea_output = hex",
                              "standard_conforming_strings = on", "timezone = 'UTC'"})
    EXPECT_NE(batch.find(std::string("SET LOCAL ") + setting + ";"), std::string::npos) << setting;
}

TEST(BeginReading, FailsWhereAPolicyWouldHideRows) {
  EXPECT_NE(begin_reading({"public", "t"}, 'r', 150000).find("SET LOCAL row_security = off;"),
            std::string::npos);
}

TEST(BeginReading, LeavesAViewTheSearchPathOfItsFunctions) {
  EXPECT_EQ(begin_reading({"public", "v"}, 'v', 150000).find("search_path"), std::string::npos);
}

TEST(BeginReading, LocksOnlyWhatCanBeLocked) {
  for (const char kind : {'r', 'p', 'v'})
    EXPECT_NE(begin_reading({"public", "t"}, kind, 150000).find("LOCK TABLE"), std::string::npos) << kind;
  for (const char kind : {'m', 'f'})
    EXPECT_EQ(begin_reading({"public", "t"}, kind, 150000).find("LOCK TABLE"), std::string::npos) << kind;
}

TEST(BeginReading, AsksOldServersForNothingTheyLack) {
  EXPECT_EQ(begin_reading({"public", "t"}, 'r', 130000).find("client_connection_check_interval"),
            std::string::npos);
  EXPECT_NE(begin_reading({"public", "t"}, 'r', 140000).find("client_connection_check_interval"),
            std::string::npos);
}

// ---- COPY
// --------------------------------------------------------------------------------------------------

SourceRows all_of(const Table &source) {
  SourceRows rows;
  rows.table = &source;
  return rows;
}

SyncPlan plan_for(const Table &source) {
  Table target = source;
  for (Column &column : target.columns) column.generated = false;
  return plan_sync(source, target, {}, false);
}

TEST(CopyOut, CopiesAPlainTableDirectly) {
  const Table source = table({"public", "users"}, {column("id", "int8"), column("a b", "text")});
  EXPECT_EQ(copy_out(all_of(source), plan_for(source)),
            R"(COPY "public"."users" ("id", "a b") TO STDOUT (FORMAT binary))");
}

TEST(CopyOut, SelectsWhatCopyWouldLeaveOut) {
  const std::string query = "COPY (SELECT \"id\" FROM \"public\".\"users\"\n) TO STDOUT (FORMAT binary)";
  Table parent = table({"public", "users"}, {column("id", "int8")});
  parent.has_children = true;
  EXPECT_EQ(copy_out(all_of(parent), plan_for(parent)), query);
  for (const char kind : {'p', 'v', 'm', 'f'}) {
    Table source = table({"public", "users"}, {column("id", "int8")});
    source.kind = kind;
    EXPECT_EQ(copy_out(all_of(source), plan_for(source)), query) << kind;
  }
  const Table source = table({"public", "users"}, {generated(column("id", "int8"))});
  EXPECT_EQ(copy_out(all_of(source), plan_for(source)), query);
}

TEST(CopyOut, CastsOnTheSource) {
  const Table source = table({"public", "users"}, {column("id", "int4")});
  const Table target = table({"raw", "users"}, {column("id", "int8")});
  EXPECT_EQ(copy_out(all_of(source), plan_sync(source, target, {}, false)),
            "COPY (SELECT \"id\"::pg_catalog.int8 FROM \"public\".\"users\"\n) TO STDOUT (FORMAT binary)");
}

}  // namespace
}  // namespace tablesync
