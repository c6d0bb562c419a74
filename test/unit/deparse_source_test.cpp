#include "core/sql/deparse_source.h"
#include "core/range/chunk.h"

#include <gtest/gtest.h>

#include <regex>

#include "support/error_of.h"
#include "support/sql_text.h"
#include "support/tables.h"

namespace tablesync {
namespace {

const QualifiedName target_name{"raw \"data\"", "users"};

// ---- the transaction --------------------------------------------------------------------------------------

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

TEST(BeginReading, TakesOverASnapshotBeforeAllElse) {
  EXPECT_TRUE(begin_reading({"public", "t"}, 'r', 150000, {0, "00'03-1", "UTC", {}})
                  .starts_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT "
                               "'00''03-1'; SET LOCAL "));
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
  // Before version 13 partitions would need a privilege of their own.
  const auto only = [](char kind, int version) {
    return begin_reading({"public", "t"}, kind, version).find("LOCK TABLE ONLY") != std::string::npos;
  };
  EXPECT_TRUE(only('p', 120000));
  EXPECT_FALSE(only('p', 130000));
  EXPECT_FALSE(only('r', 120000));
}

TEST(BeginReading, LocksWhatATryBeforeHasFound) {
  const std::string batch = begin_reading({"public", "m"}, 'm', 150000, {0, {}, "UTC", {"s.a", "s.\"B\""}});
  EXPECT_TRUE(batch.ends_with(" LOCK TABLE ONLY s.a, ONLY s.\"B\" IN ACCESS SHARE MODE;"));
}

TEST(BeginReading, RunsInTheZoneThatIsGiven) {
  EXPECT_NE(begin_reading({"public", "v"}, 'v', 150000, {0, {}, "it's", {}}).find("timezone = 'it''s';"),
            std::string::npos);
}

TEST(BeginReading, AsksOldServersForNothingTheyLack) {
  EXPECT_EQ(begin_reading({"public", "t"}, 'r', 130000).find("client_connection_check_interval"),
            std::string::npos);
  EXPECT_NE(begin_reading({"public", "t"}, 'r', 140000).find("client_connection_check_interval"),
            std::string::npos);
}

// ---- COPY -------------------------------------------------------------------------------------------------

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

TEST(CopyOut, ReadsTheUsersQueryInThePlaceOfTheTable) {
  const Table source = table({"public", "users"}, {column("id", "int8")});
  SourceRows rows = all_of(source);
  rows.query = "SELECT 1 AS id -- one";
  EXPECT_EQ(copy_out(rows, plan_for(source)),
            "COPY (SELECT \"id\" FROM (SELECT 1 AS id -- one\n) AS q\n) TO STDOUT (FORMAT binary)");
}

TEST(CopyOut, KeepsConditionsApart) {
  const Table source = table({"public", "users"}, {column("id", "int8")});
  SourceRows rows = all_of(source);
  rows.conditions = {"a = 1 OR b = 2", "c -- why"};
  EXPECT_EQ(copy_out(rows, plan_for(source)),
            "COPY (SELECT \"id\" FROM \"public\".\"users\" WHERE (a = 1 OR b = 2\n) AND (c -- why\n)\n) TO "
            "STDOUT (FORMAT binary)");
  rows.query = "TABLE x";
  EXPECT_EQ(select_of(rows, plan_for(source)),
            "SELECT \"id\" FROM (TABLE x\n) AS q WHERE (a = 1 OR b = 2\n) AND (c -- why\n)");
}

TEST(CopyOut, TakesTheColumnsOfTheKeyAlone) {
  const Table source = table({"public", "users"}, {not_null(column("id", "int8")), column("v", "text")},
                             {primary_key({"id"})});
  EXPECT_EQ(copy_out(all_of(source), plan_for(source).key_alone()),
            R"(COPY "public"."users" ("id") TO STDOUT (FORMAT binary))");
}

TEST(CopyOut, ReadsEmptyStringsAsNulls) {
  const Table source = table({"public", "users"}, {column("v", "text")});
  EXPECT_EQ(copy_out(all_of(source), plan_sync(source, source, {}, false, true)),
            "COPY (SELECT CASE WHEN \"v\" OPERATOR(pg_catalog.<>) '' THEN \"v\" END FROM "
            "\"public\".\"users\"\n) TO STDOUT (FORMAT binary)");
}

TEST(InsertSelected, TakesTheSameRowsByAnInsert) {
  const Table source = table({"public", "users"}, {column("id", "int8")});
  const SyncPlan plan = plan_for(source);
  EXPECT_EQ(insert_selected({"pg_temp", "stage"}, all_of(source), plan),
            "INSERT INTO \"pg_temp\".\"stage\" " + select_of(all_of(source), plan));
}

// ---- conditions -------------------------------------------------------------------------------------------

const Table keyed =
    table({"public", "users"},
          {not_null(column("a b", "int8")), not_null(column("code", "text")), column("v", "text")},
          {primary_key({"a b", "code"})});

TEST(KeyIsOneOf, ComparesEveryColumnOfTheKeyAsItsOwnType) {
  EXPECT_EQ(
      key_is_one_of(keyed, plan_for(keyed), {{"1", "x"}, {"2", "it's \\"}}),
      R"(("a b", "code") OPERATOR(pg_catalog.=) ANY (VALUES (CAST('1' AS pg_catalog.int8), CAST('x' AS pg_catalog.text)), )"
      R"((CAST('2' AS pg_catalog.int8), CAST(E'it''s \\' AS pg_catalog.text))))");
}

TEST(KeyIsOneOf, FollowsTheOrderOfTheKey) {
  SyncPlan plan = plan_for(keyed);
  std::swap(plan.key[0], plan.key[1]);
  EXPECT_EQ(
      key_is_one_of(keyed, plan, {{"x", "1"}}),
      R"(("code", "a b") OPERATOR(pg_catalog.=) ANY (VALUES (CAST('x' AS pg_catalog.text), CAST('1' AS pg_catalog.int8))))");
}

TEST(WrittenSince, ComparesAgesSinceTheTransactionOfTheSnapshot) {
  EXPECT_EQ(written_since(Table{}, 1000),
            "pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('1000'::pg_catalog.xid) AND "
            "pg_catalog.age(xmin) OPERATOR(pg_catalog.>=) 0");
}

TEST(WrittenSince, IncludesTablesThatWereAttached) {
  Table partitioned, parent;
  partitioned.kind = 'p';
  parent.has_children = true;
  const std::string rows = written_since(Table{}, 1000) + " OR tableoid OPERATOR(pg_catalog.=) ANY (ARRAY(";
  EXPECT_TRUE(written_since(partitioned, 1000).starts_with(rows));
  EXPECT_EQ(written_since(parent, 1000), written_since(partitioned, 1000));
}

TEST(WrittenSince, TakesTheTransactionWithoutItsEpoch) {
  constexpr std::uint64_t epoch = std::uint64_t{1} << 32;
  EXPECT_EQ(written_since(Table{}, 7 * epoch + 1000), written_since(Table{}, 1000));
  EXPECT_EQ(written_since(Table{}, epoch - 1), written_since(Table{}, 2 * epoch - 1));
  EXPECT_NE(written_since(Table{}, epoch - 1).find("'4294967295'"), std::string::npos);
}

TEST(WrittenSince, TakesTheTransactionBeforeThoseThatAreNone) {
  constexpr std::uint64_t epoch = std::uint64_t{1} << 32;
  for (const std::uint64_t none : {0, 1, 2})
    EXPECT_EQ(written_since(Table{}, epoch + none), written_since(Table{}, epoch - 1));
  EXPECT_NE(written_since(Table{}, epoch + 3).find("'3'"), std::string::npos);
}

TEST(IsSoftDeleted, SaysWhatEachTypeMeansByIt) {
  EXPECT_EQ(is_soft_deleted(column("gone", "bool"), ""), R"("gone")");
  for (const char *type : {"int2", "int4", "int8", "numeric"})
    EXPECT_EQ(is_soft_deleted(column("gone", type), ""), R"("gone" OPERATOR(pg_catalog.<>) 0)");
  for (const char *type : {"text", "varchar", "bpchar"})
    EXPECT_EQ(is_soft_deleted(column("gone", type), ""),
              R"(pg_catalog.upper(pg_catalog.btrim("gone"::pg_catalog.text)) OPERATOR(pg_catalog.=) )"
              R"(ANY (ARRAY['Y', 'YES', 'T', 'TRUE', '1']::pg_catalog.text[]))");
  for (const char *type : {"timestamp", "timestamptz", "date"})
    EXPECT_EQ(is_soft_deleted(column("gone", type), ""), R"("gone" IS NOT NULL)");
}

TEST(IsSoftDeleted, NamesTheRowWhereThereAreTwo) {
  EXPECT_EQ(is_soft_deleted(column("a\"b", "bool"), "s"), R"(s."a""b")");
  EXPECT_EQ(is_soft_deleted(column("gone", "date"), "s"), R"(s."gone" IS NOT NULL)");
}

TEST(IsSoftDeleted, RefusesTypesThatDoNotSay) {
  for (const Column &gone :
       {column("gone", "jsonb"), column("gone", "uuid"), column("gone", "float8"), column("gone", "bytea"),
        array_of(column("gone", "bool")), user_type("gone", "bool", "/ public.bool -1")}) {
    const Diagnostics said = error_of([&] { is_soft_deleted(gone, ""); });
    EXPECT_EQ(said.sqlstate, "42804");
    EXPECT_EQ(said.message,
              "column \"gone\" of type " + gone.sql_type + " cannot be used as soft_delete_column");
    EXPECT_EQ(said.hint, "It must be a boolean, a number, a text (Y, T, 1) or a timestamp.");
  }
}

// ---- hostile names and other people's search_path ---------------------------------------------------------

const std::string hostile = "a\"b\\c\nd'; DROP TABLE x; -- ü";

// What is sent of our own, beside SQL of the user.
std::vector<std::string> all_statements() {
  const Table source =
      table({hostile, hostile}, {not_null(column(hostile, "int8")), generated(column("g", "int4"))},
            {primary_key({hostile})});
  const SyncPlan plan = plan_for(source);
  std::vector<std::string> statements = {resolve_query(),
                                         begin_reading(source.name, 'r', 150000),
                                         position_query(),
                                         export_snapshot_query(),
                                         files_query(),
                                         may_read_history_query(),
                                         history_exists_query(),
                                         history_query(),
                                         feed_query(),
                                         feed_watermark_query(),
                                         copy_out(all_of(source), plan),
                                         select_of(all_of(source), plan),
                                         insert_selected(source.name, all_of(source), plan),
                                         key_is_one_of(source, plan, {{hostile}}),
                                         written_since(Table{}, 1000)};
  for (const ChunkBy by : {ChunkBy::ctid, ChunkBy::key}) {
    SyncPlan by_key = plan;
    by_key.key = {hostile};
    const std::string bound = by == ChunkBy::key ? hostile : "7";  // a ctid is a number of ours
    for (const std::string &condition : rows_of({1, {bound}, {bound}}, by, source, by_key))
      if (by == ChunkBy::key) statements.push_back(condition);
    statements.push_back(nth_key(all_of(source), by_key, 7));
  }
  for (const char *type : {"bool", "int4", "text", "timestamptz"})
    statements.push_back(is_soft_deleted(column(hostile, type), "s"));
  return statements;
}

TEST(DeparseSource, KeepsHostileNamesInsideTheirQuotes) {
  for (const std::string &statement : all_statements()) {
    const std::string bare = unquoted(statement);
    EXPECT_EQ(bare.find("DROP TABLE"), std::string::npos) << statement;
    EXPECT_EQ(bare.find_first_of("\\\"'"), std::string::npos) << statement;
  }
}

TEST(DeparseSource, QualifiesEveryOperator) {
  // The settings of BEGIN are no operators.
  static const std::regex harmless(R"re(SET LOCAL \w+ = |OPERATOR\([^)]*\))re");
  for (const std::string &statement : all_statements()) {
    EXPECT_EQ(bare_operator(std::regex_replace(unquoted(statement), harmless, "")), "");
  }
}

TEST(DeparseSource, QualifiesEveryFunctionAndType) {
  for (const std::string &statement : all_statements()) {
    const std::string bare = unquoted(statement);
    static const std::regex call(R"re([\w.]+(?=\())re"), cast(R"re(::\s*[\w.]+)re");
    for (auto at = std::sregex_iterator(bare.begin(), bare.end(), call); at != std::sregex_iterator(); ++at)
      EXPECT_TRUE(at->str().starts_with("pg_catalog.") || at->str() == "OPERATOR" ||
                  at->str() == "greatest" || at->str() == "EXISTS" || at->str() == "CAST" ||
                  at->str() == "coalesce" || at->str() == "RECURSIVE" || at->str() == "AS")
          << at->str() << " in " << bare;
    for (auto at = std::sregex_iterator(bare.begin(), bare.end(), cast); at != std::sregex_iterator(); ++at)
      EXPECT_TRUE(at->str().starts_with("::pg_catalog.")) << at->str() << " in " << bare;
  }
}

}  // namespace
}  // namespace tablesync
