#include "core/table/sync_plan.h"

#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/tables.h"

namespace tablesync {
namespace {

// ---- columns ----------------------------------------------------------------------------------------------

const Table source_users = table(
    {"public", "users"}, {not_null(column("id", "int8")), column("name", "text")}, {primary_key({"id"})});
const Table target_users =
    table({"raw", "users"}, {not_null(column("id", "int8")), column("name", "text")}, {primary_key({"id"})});

TEST(PlanSync, FollowsTheOrderOfTheSource) {
  const Table target = table({"raw", "users"}, {column("name", "text"), not_null(column("id", "int8"))},
                             {primary_key({"id"})});
  const SyncPlan plan = plan_sync(source_users, target, {}, false);
  ASSERT_EQ(plan.columns.size(), 2U);
  EXPECT_EQ(plan.columns[0].name, "id");
  EXPECT_EQ(plan.columns[1].name, "name");
}

TEST(PlanSync, RefusesASourceColumnWithoutCounterpart) {
  const Table target = table({"raw", "users"}, {not_null(column("id", "int8"))}, {primary_key({"id"})});
  const Diagnostics said = error_of([&] { plan_sync(source_users, target, {}, false); });
  EXPECT_EQ(said.sqlstate, "42703");
  EXPECT_EQ(said.message, "source column \"name\" has no target column in \"raw.users\"");
  EXPECT_EQ(said.hint, "ALTER TABLE raw.users ADD COLUMN name text.");
}

TEST(PlanSync, LeavesColumnsThatOnlyTheTargetHasAlone) {
  Table target = target_users;
  target.columns.push_back(column("loaded_at", "timestamptz"));
  EXPECT_EQ(plan_sync(source_users, target, {}, false).columns.size(), 2U);
}

TEST(PlanSync, LeavesGeneratedColumnsOfTheTargetAlone) {
  Table target = target_users;
  target.columns[1].generated = true;
  const SyncPlan plan = plan_sync(source_users, target, {}, false);
  ASSERT_EQ(plan.columns.size(), 1U);
  EXPECT_EQ(plan.columns[0].name, "id");
}

TEST(PlanSync, ReadsGeneratedColumnsOfTheSource) {
  Table source = source_users;
  source.columns[1].generated = true;
  EXPECT_EQ(plan_sync(source, target_users, {}, false).columns.size(), 2U);
}

TEST(PlanSync, StagesWithTheTargetsTypeAndCollation) {
  Table target = target_users;
  target.columns[1] = column("name", "varchar", length_typmod(20));
  target.columns[1].sql_type = "character varying(20)";
  target.columns[1].collation = QualifiedName{"public", "Numeric \"x\""};
  const SyncPlan plan = plan_sync(source_users, target, {}, false);
  EXPECT_EQ(plan.columns[0].target_type, "pg_catalog.int8");
  EXPECT_EQ(plan.columns[0].collation, "");
  EXPECT_EQ(plan.columns[1].target_type, "character varying(20)");
  EXPECT_EQ(plan.columns[1].collation, R"( COLLATE "public"."Numeric ""x""")");
}

TEST(PlanSync, ConvertsOnlyWhatArrivesInAnotherForm) {
  const SyncPlan same = plan_sync(source_users, target_users, {}, false);
  EXPECT_FALSE(same.converts());
  for (const ColumnPlan &column : same.columns) {
    EXPECT_FALSE(column.converted());
    EXPECT_EQ(column.read, quote_identifier(column.name));
    EXPECT_EQ(column.wire_type, "");
  }
  Table source = source_users;
  source.columns[1].binary_safe = false;
  const SyncPlan plan = plan_sync(source, target_users, {}, false);
  EXPECT_TRUE(plan.converts());
  EXPECT_FALSE(plan.columns[0].converted());
  EXPECT_TRUE(plan.columns[1].converted());
  EXPECT_EQ(plan.columns[1].read, R"("name"::pg_catalog.text)");
  EXPECT_EQ(plan.columns[1].wire_type, "pg_catalog.text");
}

TEST(PlanSync, RefusesTypesThatDoNotFit) {
  Table source = source_users;
  source.columns[1] = column("name", "money");
  Table target = target_users;
  target.columns[1] = column("name", "int8");
  const Diagnostics said = error_of([&] { plan_sync(source, target, {}, false); });
  EXPECT_EQ(said.sqlstate, "42804");
  EXPECT_EQ(said.message, "column \"name\": source type money cannot be assigned to int8");
  EXPECT_EQ(said.detail, "Copying values into raw.users could lose or change them.");
  EXPECT_EQ(said.hint,
            "Give the target column a type that holds every value of the source: ALTER TABLE raw.users ALTER "
            "COLUMN name TYPE ....");
}

TEST(PlanSync, MakesEmptyStringsNullsWhereThatIsAskedFor) {
  const auto read = [](bool empty_string_as_null) {
    return plan_sync(source_users, target_users, {}, false, empty_string_as_null).columns[1].read;
  };
  EXPECT_EQ(read(false), R"("name")");
  EXPECT_EQ(read(true), R"(CASE WHEN "name" OPERATOR(pg_catalog.<>) '' THEN "name" END)");
}

TEST(PlanSync, ReplacesRowsWhoseAlwaysIdentityIsNotTheKey) {
  Table target = target_users;
  target.columns[0] = identity(target.columns[0], 'a');
  EXPECT_FALSE(plan_sync(source_users, target, {}, false).updates_need_replace()) << "the key never changes";

  Table other = target_users;
  other.columns[1] = identity(column("name", "text"), 'a');
  EXPECT_TRUE(plan_sync(source_users, other, {}, false).updates_need_replace());
  other.columns[1] = identity(column("name", "text"), 'd');
  EXPECT_FALSE(plan_sync(source_users, other, {}, false).updates_need_replace());
}

TEST(PlanSync, UpdatesNothingWhereAllColumnsAreAlwaysIdentities) {
  EXPECT_TRUE(plan_sync(source_users, target_users, {}, false).has_updatable_columns());
  const Table source = table({"public", "s"}, {not_null(column("id", "int8"))}, {primary_key({"id"})});
  const Table target =
      table({"raw", "t"}, {identity(not_null(column("id", "int8")), 'a')}, {primary_key({"id"})});
  EXPECT_FALSE(plan_sync(source, target, {}, false).has_updatable_columns());
}

// ---- keys -------------------------------------------------------------------------------------------------

const std::vector<Column> ab_columns = {not_null(column("a", "int4")), not_null(column("b", "int4")),
                                        column("v", "text")};
using Names = std::vector<std::string>;

TEST(PlanKey, IsThePrimaryKeyOfTheSource) {
  const SyncPlan plan = plan_sync(source_users, target_users, {}, false);
  EXPECT_EQ(plan.key, (Names{"id"}));
  EXPECT_EQ(plan.key_equality, (Names{"OPERATOR(\"pg_catalog\".=)"}));
  EXPECT_TRUE(plan.keyed());
  EXPECT_TRUE(plan.key_proven);
  EXPECT_TRUE(plan.columns[0].key);
  EXPECT_FALSE(plan.columns[1].key);
}

TEST(PlanKey, IsWhatTheUserGave) {
  const Table source = table({"public", "s"}, ab_columns, {primary_key({"a"})});
  const Table target = table({"raw", "t"}, ab_columns, {primary_key({"a"}), unique_key({"b"})});
  const SyncPlan plan = plan_sync(source, target, {"b"}, false);
  EXPECT_EQ(plan.key, (Names{"b"}));
  EXPECT_FALSE(plan.key_proven);
}

TEST(PlanKey, IsThePrimaryKeyOfTheTargetWhereTheSourceHasNone) {
  const Table view = table({"public", "s"}, ab_columns);
  const Table target = table({"raw", "t"}, ab_columns, {primary_key({"a"})});
  const SyncPlan plan = plan_sync(view, target, {}, false);
  EXPECT_EQ(plan.key, (Names{"a"}));
  EXPECT_FALSE(plan.key_proven) << "nothing proves that the view has each key once";
}

TEST(PlanKey, IsNoneWhereNeitherSideHasOne) {
  const Table source = table({"public", "s"}, ab_columns, {unique_key({"a"})});
  const SyncPlan plan = plan_sync(source, table({"raw", "t"}, ab_columns, {unique_key({"a"})}), {}, false);
  EXPECT_FALSE(plan.keyed());
  EXPECT_FALSE(plan.key_proven);
  EXPECT_FALSE(plan.columns[0].key);
}

TEST(PlanKey, IsNotAPrimaryKeyOfTheTargetThatTheSourceLacks) {
  const Table source = table({"public", "s"}, {column("v", "text")});
  Table target =
      table({"raw", "t"}, {not_null(column("id", "int8")), column("v", "text")}, {primary_key({"id"})});
  EXPECT_FALSE(plan_sync(source, target, {}, false).keyed());
}

TEST(PlanKey, FollowsTheOrderOfTheTargetsIndex) {
  const Table source = table({"public", "s"}, ab_columns, {primary_key({"a", "b"})});
  UniqueKey index = primary_key({"b", "a"});
  index.equality = {"OPERATOR(\"x\".=)", "OPERATOR(\"y\".=)"};
  const SyncPlan plan = plan_sync(source, table({"raw", "t"}, ab_columns, {index}), {}, false);
  EXPECT_EQ(plan.key, (Names{"b", "a"}));
  EXPECT_EQ(plan.key_equality, index.equality);
  EXPECT_TRUE(plan.key_proven);
}

TEST(PlanKey, IsProvenOnlyByTheWholePrimaryKeyOfTheSource) {
  const Table source = table({"public", "s"}, ab_columns, {primary_key({"a", "b"})});
  const Table target = table({"raw", "t"}, ab_columns, {primary_key({"a"})});
  EXPECT_FALSE(plan_sync(source, target, {"a"}, false).key_proven);
  const Table unique_source = table({"public", "s"}, ab_columns, {unique_key({"a"})});
  EXPECT_FALSE(plan_sync(unique_source, target, {"a"}, false).key_proven) << "a unique index admits nulls";
}

TEST(PlanKey, IsNotProvenWhereItIsConverted) {
  // '1' and '1.0' are two texts and one number.
  const Table source = table({"public", "s"}, {not_null(column("id", "text"))}, {primary_key({"id"})});
  const Table target = table({"raw", "t"}, {not_null(column("id", "int8"))}, {primary_key({"id"})});
  const SyncPlan plan = plan_sync(source, target, {}, false);
  EXPECT_TRUE(plan.columns[0].converted());
  EXPECT_FALSE(plan.key_proven);
  EXPECT_TRUE(plan.key_is_coarser);
}

TEST(PlanColumns, NamesWhatATypeOfOneNameIsMadeOf) {
  Column there = column("s", "span"), here = there;
  there.type.schema = here.type.schema = "public";
  there.signature = "/ public.span -1, /field 1 'lo'/ pg_catalog.int4 -1";
  here.signature = "/ public.span -1, /field 1 'hi'/ pg_catalog.int4 -1";
  const Diagnostics said = error_of([&] {
    plan_sync(table({"public", "s"}, {there}), table({"raw", "t"}, {here}), {}, false);
  });
  EXPECT_EQ(said.sqlstate, "42804");
  EXPECT_NE(said.detail.find("'lo'"), std::string::npos);
  EXPECT_NE(said.detail.find("'hi'"), std::string::npos);
}

TEST(PlanKey, IsNotProvenByAParentOfOtherTables) {
  Table source = source_users;
  source.has_children = true;
  const SyncPlan plan = plan_sync(source, target_users, {}, false);
  EXPECT_FALSE(plan.key_proven);
  EXPECT_FALSE(plan.key_is_coarser);
  EXPECT_NE(plan.key_doubt.find("child tables"), std::string::npos) << plan.key_doubt;
  source.kind = 'p';
  EXPECT_TRUE(plan_sync(source, target_users, {}, false).key_proven) << "of a partitioned table it is";
}

TEST(PlanKey, IsNotProvenByAQuery) {
  Table source = source_users;
  source.is_query = true;
  const SyncPlan plan = plan_sync(source, target_users, {}, false);
  EXPECT_EQ(plan.key, (Names{"id"})) << "though it is still the one that rows are matched by";
  EXPECT_FALSE(plan.key_proven);
}

TEST(PlanKey, IsCoarserUnderACollationThatTheSourceHasNot) {
  Column fine = not_null(column("k", "text")), coarse = fine;
  coarse.collation = QualifiedName{"public", "ci"};
  coarse.deterministic = false;
  const auto plan_of = [](const Column &source, const Column &target) {
    return plan_sync(table({"public", "s"}, {source}, {primary_key({"k"})}),
                     table({"raw", "t"}, {target}, {primary_key({"k"})}), {}, false);
  };
  EXPECT_TRUE(plan_of(fine, coarse).key_is_coarser);
  EXPECT_FALSE(plan_of(fine, coarse).key_proven);
  EXPECT_NE(plan_of(fine, coarse).key_doubt.find("public.ci"), std::string::npos);
  EXPECT_TRUE(plan_of(coarse, coarse).key_proven) << "they are the same";
  EXPECT_TRUE(plan_of(coarse, fine).key_proven) << "what is equal there may be two here, which is nothing";
  Column other = coarse;
  other.collation = QualifiedName{"public", "other"};
  EXPECT_TRUE(plan_of(other, coarse).key_is_coarser);
  Column same_name = fine;
  same_name.collation = coarse.collation;
  EXPECT_TRUE(plan_of(same_name, coarse).key_is_coarser) << "of that name there is a finer one there";
}

TEST(PlanKey, CanStandAlone) {
  const Table source = table({"public", "s"}, ab_columns, {primary_key({"b", "a"})});
  const SyncPlan plan = plan_sync(source, table({"raw", "t"}, ab_columns, source.keys), {}, false);
  const SyncPlan alone = plan.key_alone();
  Names names;
  for (const ColumnPlan &column : alone.columns) names.push_back(column.name);
  EXPECT_EQ(names, (Names{"a", "b"}));
  EXPECT_EQ(alone.key, plan.key);
  EXPECT_EQ(alone.key_equality, plan.key_equality);
  EXPECT_EQ(plan.columns.size(), 3U) << "the plan itself stays whole";
}

TEST(PlanKey, WaitsForTheLoadWhereTheTargetIsNew) {
  const SyncPlan plan = plan_sync(source_users, table({"raw", "users"}, target_users.columns), {}, true);
  EXPECT_EQ(plan.key, (Names{"id"}));
  EXPECT_TRUE(plan.target_key_pending);
  EXPECT_TRUE(plan.key_proven);
  const SyncPlan keyless =
      plan_sync(table({"public", "s"}, ab_columns), table({"raw", "t"}, ab_columns), {}, true);
  EXPECT_FALSE(keyless.target_key_pending);
}

TEST(PlanKey, IsNotPendingWhereTheTargetStands) {
  EXPECT_FALSE(plan_sync(source_users, target_users, {}, false).target_key_pending);
}

TEST(PlanKey, RefusesAColumnGivenTwice) {
  const Diagnostics said = error_of([] {
    plan_sync(source_users, target_users, {"id", "name", "id"}, false);
  });
  EXPECT_EQ(said.sqlstate, "42701");
  EXPECT_EQ(said.message, "column \"id\" specified more than once in primary_key");
}

TEST(PlanKey, RefusesAColumnThatTheSourceLacks) {
  const Diagnostics said = error_of([] { plan_sync(source_users, target_users, {"uid"}, false); });
  EXPECT_EQ(said.sqlstate, "42703");
  EXPECT_EQ(said.message, "column \"uid\" of relation \"public.users\" does not exist");
  EXPECT_EQ(said.detail, "The key names it, but the source lacks it.");
}

TEST(PlanKey, RefusesAColumnThatOnlyTheTargetHas) {
  Table target = target_users;
  target.columns.push_back(not_null(column("uid", "int8")));
  target.keys.push_back(unique_key({"uid"}));
  EXPECT_EQ(error_of([&] { plan_sync(source_users, target, {"uid"}, false); }).detail,
            "The key names it, but the source lacks it.");
}

TEST(PlanKey, RefusesAGeneratedColumnOfTheTarget) {
  Table target = target_users;
  target.columns[0].generated = true;
  const Diagnostics said = error_of([&] { plan_sync(source_users, target, {}, false); });
  EXPECT_EQ(said.sqlstate, "42P10");
  EXPECT_EQ(said.message, "key column \"id\" of the target is generated");
}

TEST(PlanKey, NeedsAUniqueIndexOnExactlyTheseColumns) {
  const Table source = table({"public", "s"}, ab_columns, {primary_key({"a"})});
  for (const std::vector<UniqueKey> &keys :
       {std::vector<UniqueKey>{}, std::vector<UniqueKey>{unique_key({"b"})},
        std::vector<UniqueKey>{unique_key({"a", "b"})}}) {
    const Diagnostics said = error_of([&] {
      plan_sync(source, table({"raw", "t"}, ab_columns, keys), {}, false);
    });
    EXPECT_EQ(said.sqlstate, "42P10");
    EXPECT_EQ(said.message, "there is no usable unique index on key (a) of \"raw.t\"");
    EXPECT_EQ(said.hint, "ALTER TABLE raw.t ADD PRIMARY KEY (a), or pass primary_key => ARRAY[...].");
  }
}

TEST(PlanKey, QuotesNamesInTheStatementsOfItsHints) {
  const std::vector<Column> columns = {column("User Id", "int4")};
  const Table source = table({"public", "s"}, columns, {primary_key({"User Id"})});
  EXPECT_EQ(error_of([&] {
              plan_sync(source, table({"raw", "T"}, columns), {}, false);
            }).hint,
            "ALTER TABLE raw.\"T\" ADD PRIMARY KEY (\"User Id\"), or pass primary_key => ARRAY[...].");
}

TEST(PlanKey, RefusesAKeyColumnThatAllowsNulls) {
  const Table source = table({"public", "s"}, ab_columns);
  Table target = table({"raw", "t"}, ab_columns, {unique_key({"a", "v"})});
  const Diagnostics said = error_of([&] { plan_sync(source, target, {"v", "a"}, false); });
  EXPECT_EQ(said.sqlstate, "42P10");
  EXPECT_EQ(said.message, "key column \"v\" allows nulls");
  EXPECT_EQ(said.hint, "ALTER TABLE raw.t ALTER COLUMN v SET NOT NULL.");
  target.columns[2].not_null = true;
  EXPECT_NO_THROW(plan_sync(source, target, {"v", "a"}, false));
}

}  // namespace
}  // namespace tablesync
