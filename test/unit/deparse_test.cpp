#include "core/sql/deparse.h"

#include <gtest/gtest.h>

#include <regex>

#include "core/sql/deparse_source.h"
#include "support/sql_text.h"
#include "support/tables.h"

namespace tablesync {
namespace {

const std::string hostile = "a\"b\\c\nd'; DROP TABLE x; -- ü";
const QualifiedName target_name{"raw \"data\"", hostile};

Table source_table() {
  return table({"public", "users"}, {not_null(column("id", "int8")), column(hostile, "text")},
               {primary_key({"id"})});
}

// A plan with a key, for a target by the same columns.
SyncPlan keyed_plan() {
  Table target = source_table();
  target.name = target_name;
  return plan_sync(source_table(), target, {}, false);
}

SyncPlan keyless_plan() {
  const std::vector<Column> columns = {column("id", "int8"), column(hostile, "text")};
  return plan_sync(table({"public", "users"}, columns), table(target_name, columns), {}, false);
}

// One column of which arrives as text.
SyncPlan converting_plan() {
  Table source = source_table();
  source.columns[1] = user_type(hostile, "box3", "/ public.box3 -1");
  source.columns[1].binary_safe = false;
  Table target = source;
  target.name = target_name;
  return plan_sync(source, target, {}, false);
}

// The same for rows some of which are marked as deleted.
SyncPlan marking(SyncPlan plan) {
  plan.mark.emplace();
  plan.mark->name = hostile;
  plan.mark->read = is_soft_deleted(column(hostile, "text"), "");
  plan.mark->target_type = "pg_catalog.bool";
  return plan;
}

// Every statement that runs with the caller's search_path.
std::vector<std::string> statements_on_the_target(const SyncPlan &plan) {
  std::vector<std::string> statements = {create_difference(target_name, plan),
                                         delete_surplus(target_name, plan),
                                         insert_shortfall(target_name, plan)};
  if (plan.converts()) statements.push_back(convert_received(stage_name, plan));
  if (plan.keyed())
    for (const std::string &statement :
         {delete_missing(target_name, plan, KeysOf::stage), delete_missing(target_name, plan, KeysOf::keys),
          insert_absent_keys(target_name, plan), absent_keys(plan, 0, 64),
          delete_marked(target_name, marking(plan)), merge(target_name, marking(plan)),
          merge(target_name, plan), update_changed(target_name, plan), delete_changed(target_name, plan),
          insert_absent(target_name, plan), find_bad_key(plan.stage, plan), staged_keys(plan, 10),
          count_staged(marking(plan)), delete_repeated(target_name, plan),
          find_blocking_row(target_name, plan, unique_key({hostile, "id"}))})
      statements.push_back(statement);
  return statements;
}

std::vector<std::string> all_statements_on_the_target() {
  std::vector<std::string> all;
  for (const SyncPlan &plan : {keyed_plan(), keyless_plan(), converting_plan()})
    for (const std::string &statement : statements_on_the_target(plan)) all.push_back(statement);
  return all;
}

// ---- hostile names ----------------------------------------------------------------------------------------

TEST(Deparse, KeepsHostileNamesInsideTheirQuotes) {
  const Table source = source_table();
  std::vector<std::string> statements = all_statements_on_the_target();
  for (const std::string &statement :
       {create_stage({"pg_temp", hostile}, keyed_plan()), create_received(converting_plan()),
        create_table(target_name, {{&source.columns[1], "text"}}), add_primary_key(target_name, {hostile}),
        advance_identity(target_name, hostile), is_empty(target_name), count_rows(target_name),
        analyze(target_name), analyze(target_name, {hostile})})
    statements.push_back(statement);
  for (const std::string &statement : statements) {
    const std::string bare = unquoted(statement);
    EXPECT_EQ(bare.find("DROP TABLE"), std::string::npos) << statement;
    EXPECT_EQ(bare.find_first_of("\\\"'"), std::string::npos) << statement;
  }
}

TEST(Deparse, WritesHostileNamesWhole) {
  const std::string quoted = "\"a\"\"b\\c\nd'; DROP TABLE x; -- ü\"";
  const std::string statement = merge(target_name, keyed_plan());
  EXPECT_NE(statement.find("MERGE INTO \"raw \"\"data\"\"\"." + quoted + " AS t"), std::string::npos)
      << statement;
  EXPECT_NE(statement.find("SET \"id\" = s.\"id\", " + quoted + " = s." + quoted), std::string::npos)
      << statement;
}

TEST(Deparse, QualifiesEveryOperatorOnTheTarget) {
  static const std::regex harmless(R"re(OPERATOR\([^)]*\)|count\(\*\)|SELECT s\.\*|-1|Q = s\.Q)re");
  for (const std::string &statement : all_statements_on_the_target()) {
    EXPECT_EQ(bare_operator(std::regex_replace(unquoted(statement), harmless, "")), "");
  }
}

TEST(Deparse, QualifiesEveryFunctionAndTypeOnTheTarget) {
  static const std::regex called(R"re((\S*?)(?:sum|count|row_number|text|int8|record)\b)re");
  for (const std::string &statement : all_statements_on_the_target()) {
    const std::string bare = unquoted(statement);
    for (auto at = std::sregex_iterator(bare.begin(), bare.end(), called); at != std::sregex_iterator(); ++at)
      EXPECT_TRUE((*at)[1].str().ends_with("pg_catalog.")) << at->str() << " in " << bare;
  }
}

// ---- on the target ----------------------------------------------------------------------------------------

TEST(CreateTable, KeepsNotNullIdentityAndCollation) {
  Column name = column("name", "text");
  name.collation = QualifiedName{"pg_catalog", "C"};
  const Column id = identity(not_null(column("id", "int8")), 'a');
  const Column n = identity(not_null(column("n", "int4")), 'd');
  EXPECT_EQ(
      create_table({"raw", "t"}, {{&id, "bigint"}, {&n, "integer"}, {&name, "text", true}, {&name, "text"}}),
      R"(CREATE TABLE "raw"."t" ("id" bigint NOT NULL GENERATED ALWAYS AS IDENTITY, )"
      R"("n" integer NOT NULL GENERATED BY DEFAULT AS IDENTITY, )"
      R"("name" pg_catalog.text COLLATE "pg_catalog"."C", "name" pg_catalog.text))");
}

TEST(CreateTable, WritesTheTypeThatExistsHereNotTheSourcesText) {
  Column c = column("c", "int4");
  c.sql_type = "integer); DROP TABLE x; --";
  EXPECT_EQ(create_table({"raw", "t"}, {{&c, "integer"}}), R"(CREATE TABLE "raw"."t" ("c" integer))");
}

TEST(Comments, QuoteWhatPeopleWrote) {
  Table source = source_table();
  source.comment = "who's \\ who";
  source.columns[0].comment = "it's";
  EXPECT_EQ(comments({"raw", "t"}, source),
            (std::vector<std::string>{R"(COMMENT ON TABLE "raw"."t" IS E'who''s \\ who')",
                                      R"(COMMENT ON COLUMN "raw"."t"."id" IS 'it''s')"}));
}

TEST(Comments, AreNoneWhereTheSourceHasNone) { EXPECT_TRUE(comments({"raw", "t"}, source_table()).empty()); }

TEST(AddPrimaryKey, KeepsTheOrderOfTheKey) {
  EXPECT_EQ(add_primary_key({"raw", "t"}, {"b", "a"}), R"(ALTER TABLE "raw"."t" ADD PRIMARY KEY ("b", "a"))");
  EXPECT_EQ(
      add_primary_key_in_parallel({"raw", "t"}, {"a"}),
      R"(ALTER TABLE "raw"."t" SET (parallel_workers = 1); ALTER TABLE "raw"."t" ADD PRIMARY KEY ("a"); )"
      R"(ALTER TABLE "raw"."t" RESET (parallel_workers))");
}

TEST(AdvanceIdentity, NamesTheTableOnceAsAValueAndElseAsAName) {
  const std::string statement = advance_identity({"raw", "it's"}, "id");
  EXPECT_NE(statement.find(R"(pg_get_serial_sequence('"raw"."it''s"', 'id'))"), std::string::npos);
  EXPECT_NE(statement.find(R"(max(t."id") FROM "raw"."it's" t)"), std::string::npos);
}

SyncPlan simple_plan() {
  const std::vector<Column> columns = {not_null(column("id", "int8")), column("v", "text")};
  return plan_sync(table({"public", "s"}, columns, {primary_key({"id"})}),
                   table({"raw", "t"}, columns, {primary_key({"id"})}), {}, false);
}

// The same, with a column that arrives as text.
SyncPlan converting_simple_plan() {
  SyncPlan plan = simple_plan();
  plan.columns[0].collation = " COLLATE \"x\"";
  plan.columns[1].wire_type = "pg_catalog.text";
  plan.columns[1].convert = "convert(r.\"v\")";
  plan.columns[1].target_type = "regclass";
  plan.columns[1].collation = " COLLATE \"y\"";
  return plan;
}

TEST(CreateStage, HasTheTargetsTypesAndGoesWithTheTransaction) {
  EXPECT_EQ(
      create_stage(stage_name, converting_simple_plan()),
      R"(CREATE TEMPORARY TABLE "tablesync_stage" ("id" pg_catalog.int8 COLLATE "x", "v" regclass COLLATE "y") USING heap ON COMMIT DROP)");
}

TEST(CreateSharedStage, IsSeenByOtherSessions) {
  EXPECT_EQ(
      create_shared_stage({"raw", "h"}, converting_simple_plan()),
      R"(CREATE UNLOGGED TABLE "raw"."h" ("id" pg_catalog.int8 COLLATE "x", "v" regclass COLLATE "y") USING heap )"
      "WITH (autovacuum_enabled = off)");
}

TEST(Stage, CanBeAnotherTable) {
  SyncPlan plan = keyed_plan();
  plan.stage = {"raw", hostile};
  const std::string stage = quote_qualified(plan.stage) + " AS s";
  for (const std::string &statement :
       {merge(target_name, plan), delete_missing(target_name, plan, KeysOf::stage),
        insert_absent(target_name, plan), update_changed(target_name, plan),
        delete_changed(target_name, plan), find_bad_key(plan.stage, plan),
        insert_absent_keys(target_name, plan), delete_marked(target_name, marking(plan)),
        merge(target_name, marking(plan)), staged_keys(plan, 10), count_staged(plan),
        find_blocking_row(target_name, plan, unique_key({hostile, "id"})),
        create_difference(target_name, plan), insert_shortfall(target_name, plan)}) {
    EXPECT_EQ(statement.find("tablesync_stage"), std::string::npos) << statement;
    EXPECT_NE(statement.find(quote_qualified(plan.stage)), std::string::npos) << statement;
  }
  EXPECT_NE(merge(target_name, plan).find("USING " + stage), std::string::npos);
}

TEST(RenameAndDrop, NameTheTableAlone) {
  EXPECT_EQ(rename_table({"raw", "a"}, "b"), R"(ALTER TABLE "raw"."a" RENAME TO "b")");
  EXPECT_EQ(drop_table({"raw", "a"}), R"(DROP TABLE "raw"."a")");
}

TEST(CreateReceived, HasTheTypesThatArrive) {
  EXPECT_EQ(
      create_received(converting_simple_plan()),
      R"(CREATE TEMPORARY TABLE "tablesync_received" ("id" pg_catalog.int8 COLLATE "x", "v" pg_catalog.text) USING heap ON COMMIT DROP)");
}

TEST(ConvertReceived, ConvertsWhatArrivedInAnotherFormIntoTheStage) {
  EXPECT_EQ(
      convert_received(stage_name, converting_simple_plan()),
      R"(INSERT INTO "pg_temp"."tablesync_stage" SELECT r."id", convert(r."v") FROM pg_temp.tablesync_received AS r)");
  EXPECT_EQ(drop_received(), R"(DROP TABLE "pg_temp"."tablesync_received")");
}

constexpr char id_matches[] = R"(t."id" OPERATOR("pg_catalog".=) s."id")";
constexpr char rows_differ[] =
    R"(ROW(t."id", t."v")::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(s."id", s."v")::pg_catalog.record)";

TEST(Merge, WritesOnlyRowsThatAreNewOrNotIdentical) {
  EXPECT_EQ(merge({"raw", "t"}, simple_plan()),
            std::string(R"(MERGE INTO "raw"."t" AS t USING pg_temp.tablesync_stage AS s ON )") + id_matches +
                " WHEN MATCHED AND " + rows_differ +
                R"( THEN UPDATE SET "id" = s."id", "v" = s."v" WHEN NOT MATCHED THEN INSERT ("id", "v"))"
                R"( VALUES (s."id", s."v"))");
}

TEST(Merge, MatchesByEveryKeyColumnWithItsOwnEquality) {
  SyncPlan plan = simple_plan();
  plan.key = {"id", "v"};
  plan.key_equality = {"OPERATOR(\"x\".=)", "OPERATOR(\"y\".===)"};
  EXPECT_NE(merge({"raw", "t"}, plan)
                .find(R"( ON t."id" OPERATOR("x".=) s."id" AND t."v" OPERATOR("y".===) s."v" )"),
            std::string::npos);
}

TEST(Merge, InsertsButNeverUpdatesAnAlwaysIdentity) {
  SyncPlan plan = simple_plan();
  plan.columns[0].always_identity = true;
  const std::string statement = merge({"raw", "t"}, plan);
  EXPECT_NE(statement.find(R"(THEN UPDATE SET "v" = s."v" WHEN)"), std::string::npos);
  EXPECT_NE(statement.find(R"(INSERT ("id", "v") OVERRIDING SYSTEM VALUE VALUES)"), std::string::npos);
}

TEST(Merge, OnlyInsertsWhereNothingCanBeUpdated) {
  SyncPlan plan = simple_plan();
  plan.columns.pop_back();
  plan.columns[0].always_identity = true;
  EXPECT_EQ(merge({"raw", "t"}, plan).find("UPDATE"), std::string::npos);
}

TEST(DeleteMissing, DeletesByKeyWhatTheStageOrTheKeysLack) {
  for (const auto &[keys_of, table] :
       {std::pair(KeysOf::stage, "tablesync_stage"), std::pair(KeysOf::keys, "tablesync_keys")})
    EXPECT_EQ(delete_missing({"raw", "t"}, simple_plan(), keys_of),
              std::string(R"(DELETE FROM "raw"."t" AS t WHERE NOT EXISTS (SELECT FROM pg_temp.)") + table +
                  " AS s WHERE " + id_matches + ")");
}

TEST(InsertAbsentKeys, LooksInTheTargetAndInTheStage) {
  SyncPlan plan = simple_plan();
  EXPECT_EQ(
      insert_absent_keys({"raw", "t"}, plan),
      std::string(R"(INSERT INTO "pg_temp"."tablesync_absent" ("id") SELECT s."id" FROM )"
                  R"(pg_temp.tablesync_keys AS s WHERE NOT EXISTS (SELECT FROM "raw"."t" AS t WHERE )") +
          id_matches + R"() AND NOT EXISTS (SELECT FROM "pg_temp"."tablesync_stage" AS t WHERE )" +
          id_matches + ")");
}

TEST(AbsentKeys, ReadsARangeOfBlocks) {
  SyncPlan plan = simple_plan();
  plan.key = {"v", "id"};
  EXPECT_EQ(
      absent_keys(plan, 64, 64),
      R"(SELECT s."v"::pg_catalog.text, s."id"::pg_catalog.text FROM "pg_temp"."tablesync_absent" AS s )"
      "WHERE s.ctid OPERATOR(pg_catalog.>=) '(64,0)'::pg_catalog.tid "
      "AND s.ctid OPERATOR(pg_catalog.<) '(128,0)'::pg_catalog.tid");
}

TEST(DeleteMarked, DeletesByKeyWhatTheStageMarks) {
  SyncPlan plan = simple_plan();
  plan.mark.emplace();
  plan.mark->name = "gone";
  EXPECT_EQ(delete_marked({"raw", "t"}, plan),
            std::string(R"(DELETE FROM "raw"."t" AS t USING pg_temp.tablesync_stage AS s WHERE )") +
                id_matches + R"( AND s."gone")");
}

TEST(Merge, LeavesOutWhatIsMarked) {
  const std::string statement = merge({"raw", "t"}, marking(simple_plan()));
  EXPECT_NE(statement.find(R"(USING (SELECT m."id", m."v" FROM pg_temp.tablesync_stage AS m WHERE NOT m.)" +
                           quote_identifier(hostile) + ") AS s ON "),
            std::string::npos)
      << statement;
  EXPECT_EQ(merge({"raw", "t"}, simple_plan()).find("AS m"), std::string::npos);
}

TEST(StagedPlan, HasTheMarkAsItsLastColumn) {
  const SyncPlan plan = marking(simple_plan());
  EXPECT_EQ(plan.staged().columns.size(), plan.columns.size() + 1);
  EXPECT_EQ(plan.staged().columns.back().name, hostile);
  EXPECT_EQ(simple_plan().staged().columns.size(), simple_plan().columns.size());
  EXPECT_FALSE(plan.key_alone().mark);
}

TEST(FindBlockingRow, FindsARowOfAnotherKeyWithTheValuesOfTheIndex) {
  UniqueKey index = unique_key({"v"});
  index.equality = {"OPERATOR(\"y\".===)"};
  EXPECT_EQ(find_blocking_row({"raw", "t"}, simple_plan(), index),
            std::string(R"(SELECT (ROW(t."id")::pg_catalog.record)::pg_catalog.text, )"
                        R"((ROW(t."v")::pg_catalog.record)::pg_catalog.text FROM "raw"."t" AS t )"
                        R"(JOIN pg_temp.tablesync_stage AS s ON t."v" OPERATOR("y".===) s."v" WHERE NOT ()") +
                id_matches +
                R"() AND NOT EXISTS (SELECT FROM "pg_temp"."tablesync_stage" AS o )"
                R"(WHERE o."id" OPERATOR("pg_catalog".=) t."id") LIMIT 1)");
}

TEST(Stage, IsAskedForAndDroppedByItsQualifiedName) {
  EXPECT_EQ(table_exists(stage_name),
            R"(SELECT pg_catalog.to_regclass('"pg_temp"."tablesync_stage"') IS NOT NULL)");
  EXPECT_EQ(drop_table(stage_name), R"(DROP TABLE "pg_temp"."tablesync_stage")");
}

TEST(UpdateChanged, UpdatesOnlyRowsThatDiffer) {
  EXPECT_EQ(
      update_changed({"raw", "t"}, simple_plan()),
      std::string(
          R"(UPDATE "raw"."t" AS t SET "id" = s."id", "v" = s."v" FROM pg_temp.tablesync_stage AS s WHERE )") +
          id_matches + " AND " + rows_differ);
}

TEST(UpdateChanged, LeavesAnAlwaysIdentityAlone) {
  SyncPlan plan = simple_plan();
  plan.columns[0].always_identity = true;
  EXPECT_NE(update_changed({"raw", "t"}, plan).find(R"( SET "v" = s."v" FROM )"), std::string::npos);
}

TEST(DeleteChanged, DeletesOnlyRowsThatDiffer) {
  EXPECT_EQ(delete_changed({"raw", "t"}, simple_plan()),
            std::string(R"(DELETE FROM "raw"."t" AS t USING pg_temp.tablesync_stage AS s WHERE )") +
                id_matches + " AND " + rows_differ);
}

TEST(InsertAbsent, InsertsByKeyWhatTheTargetLacks) {
  EXPECT_EQ(insert_absent({"raw", "t"}, simple_plan()),
            std::string(
                R"(INSERT INTO "raw"."t" ("id", "v") SELECT s."id", s."v" FROM pg_temp.tablesync_stage AS s )"
                R"(WHERE NOT EXISTS (SELECT FROM "raw"."t" AS t WHERE )") +
                id_matches + ")");
}

TEST(FindBadKey, LooksForNullsAndForRepeats) {
  SyncPlan plan = simple_plan();
  plan.key = {"id", "v"};
  const std::string statement = find_bad_key(plan.stage, plan);
  EXPECT_NE(statement.find(R"(WHERE s."id" IS NULL OR s."v" IS NULL LIMIT 1)"), std::string::npos);
  EXPECT_NE(
      statement.find(R"(GROUP BY s."id", s."v" HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1)"),
      std::string::npos);
}

TEST(Multiset, ComparesTheTextOfWholeRows) {
  const std::string statement = create_difference({"raw", "t"}, simple_plan());
  EXPECT_NE(statement.find(R"((ROW(s."id", s."v")::pg_catalog.record)::pg_catalog.text AS image, 1 AS n)"),
            std::string::npos);
  EXPECT_NE(
      statement.find(R"((ROW(t."id", t."v")::pg_catalog.record)::pg_catalog.text, -1 FROM "raw"."t" AS t)"),
      std::string::npos);
}

TEST(Multiset, DeletesRowsOfPartitionsByTableAndPlace) {
  const std::string statement = delete_surplus({"raw", "t"}, simple_plan());
  EXPECT_TRUE(statement.ends_with(
      "t.tableoid OPERATOR(pg_catalog.=) g.tableoid AND t.ctid OPERATOR(pg_catalog.=) g.ctid"));
}

TEST(Multiset, OverridesAnAlwaysIdentity) {
  SyncPlan plan = simple_plan();
  plan.columns[0].always_identity = true;
  EXPECT_TRUE(
      insert_shortfall({"raw", "t"}, plan)
          .starts_with(
              R"(INSERT INTO "raw"."t" ("id", "v") OVERRIDING SYSTEM VALUE SELECT s."id", s."v" FROM )"));
}

}  // namespace
}  // namespace tablesync
