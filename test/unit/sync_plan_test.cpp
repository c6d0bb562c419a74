#include "core/sync_plan.h"

#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/tables.h"

namespace tablesync {
namespace {

constexpr char text_cast[] = "\"c\"::pg_catalog.text";

// The plan for one column "c" that has these types, in tables without a key.
ColumnPlan plan_pair(Column source, Column target) {
  source.name = target.name = "c";
  return plan_sync(table({"public", "s"}, {source}), table({"raw", "t"}, {target}), {}, false).columns.at(0);
}

ColumnPlan plan_pair(const std::string &source, const std::string &target) {
  return plan_pair(column("c", source), column("c", target));
}

ColumnPlan plan_pair(const std::string &type, int source_typmod, int target_typmod) {
  return plan_pair(column("c", type, source_typmod), column("c", type, target_typmod));
}

Diagnostics refusal(const Column &source, const Column &target) {
  return error_of([&] { plan_pair(source, target); });
}

bool refused(const std::string &type, int source_typmod, int target_typmod) {
  try {
    plan_pair(type, source_typmod, target_typmod);
    return false;
  } catch (const Error &error) {
    return error.diagnostics().sqlstate == "42804";
  }
}

void expect_as_it_is(const ColumnPlan &plan) {
  EXPECT_EQ(plan.read, "\"c\"");
  EXPECT_FALSE(plan.cast_in_merge);
  EXPECT_EQ(plan.stage_type, plan.target_type);
}

// ---- types
// -------------------------------------------------------------------------------------------------

TEST(PlanColumn, CarriesTheSameTypeAsItIs) {
  for (const char *type :
       {"int4", "int8", "float8", "numeric", "text", "timestamptz", "jsonb", "uuid", "bytea"})
    expect_as_it_is(plan_pair(type, type));
}

TEST(PlanColumn, CarriesArraysAndUserTypesOfOneSignatureAsTheyAre) {
  expect_as_it_is(plan_pair(array_of(column("c", "int4")), array_of(column("c", "int4"))));
  const Column mood = user_type("c", "mood", "/ public.mood -1");
  expect_as_it_is(plan_pair(mood, mood));
}

TEST(PlanColumn, CarriesWhatIsUnsafeInBinaryAsTextAndCastsItInTheMerge) {
  Column regclass = column("c", "regclass");
  regclass.binary_safe = false;
  const ColumnPlan plan = plan_pair(regclass, regclass);
  EXPECT_EQ(plan.read, text_cast);
  EXPECT_EQ(plan.stage_type, "pg_catalog.text");
  EXPECT_TRUE(plan.cast_in_merge);
  EXPECT_EQ(plan.target_type, "regclass");
}

TEST(PlanColumn, StagesTextThatWillBeCastWithoutTheTargetsCollation) {
  Column unsafe = user_type("c", "citext2", "/ public.citext2 -1");
  unsafe.binary_safe = false;
  unsafe.collation = QualifiedName{"pg_catalog", "C"};
  EXPECT_EQ(plan_pair(unsafe, unsafe).stage_collation, "");
}

TEST(PlanColumn, TakesTextWhereEitherSideIsUnsafe) {
  const Column safe = user_type("c", "box3", "/ public.box3 -1");
  Column unsafe = safe;
  unsafe.binary_safe = false;
  EXPECT_TRUE(plan_pair(safe, unsafe).cast_in_merge);
  EXPECT_TRUE(plan_pair(unsafe, safe).cast_in_merge);
}

TEST(PlanColumn, RefusesPairsThatWouldBeSilentGarbageInBinary) {
  // Each pair has the same size on the wire.
  struct Pair {
    const char *source, *target;
  };
  for (const Pair &pair :
       {Pair{"int8", "float8"}, Pair{"float8", "int8"}, Pair{"int4", "date"}, Pair{"date", "int4"},
        Pair{"timestamp", "int8"}, Pair{"timestamp", "timestamptz"}, Pair{"timestamptz", "timestamp"},
        Pair{"float4", "int4"}, Pair{"money", "int8"}, Pair{"oid", "int4"}, Pair{"xid", "int4"},
        Pair{"macaddr8", "int8"}, Pair{"json", "jsonb"}, Pair{"bytea", "uuid"}, Pair{"time", "int8"}}) {
    const Diagnostics said = refusal(column("c", pair.source), column("c", pair.target));
    EXPECT_EQ(said.sqlstate, "42804") << pair.source << " -> " << pair.target;
    EXPECT_EQ(said.message, std::string("column \"c\": source type ") + pair.source +
                                " cannot be assigned to " + pair.target);
  }
}

TEST(PlanColumn, SaysHowToMendATypeThatDoesNotFit) {
  const Diagnostics said = refusal(column("c", "int8"), column("c", "int4"));
  EXPECT_EQ(said.detail, "Values could be lost or changed on the way into raw.t.");
  EXPECT_EQ(
      said.hint,
      "Give the target column a type that holds every value of the source: ALTER TABLE raw.t ALTER COLUMN c "
      "TYPE ....");
}

TEST(PlanColumn, RefusesDomainsOfOneNameOverOtherTypes) {
  const Column source = user_type("c", "amount", "/ public.amount -1, /domain/ pg_catalog.int8 -1");
  const Column target = user_type("c", "amount", "/ public.amount -1, /domain/ pg_catalog.float8 -1");
  EXPECT_EQ(refusal(source, target).sqlstate, "42804");
}

TEST(PlanColumn, RefusesArraysOfElementsThatDiffer) {
  EXPECT_EQ(refusal(array_of(column("c", "int8")), array_of(column("c", "float8"))).sqlstate, "42804");
  EXPECT_EQ(refusal(array_of(column("c", "int4")), column("c", "int4")).sqlstate, "42804");
  EXPECT_EQ(refusal(array_of(column("c", "int2")), array_of(column("c", "int4"))).sqlstate, "42804");
}

TEST(PlanColumn, RefusesATypeOfTheSameNameInAnotherSchema) {
  Column target = user_type("c", "mood", "/ public.mood -1");
  target.type.schema = "other";
  EXPECT_EQ(refusal(user_type("c", "mood", "/ public.mood -1"), target).sqlstate, "42804");
}

TEST(PlanColumn, DoesNotTakeAUserTypeForTheBuiltInOneOfItsName) {
  const Column impostor = user_type("c", "int2", "/ public.int2 -1, /domain/ pg_catalog.int2 -1");
  EXPECT_EQ(refusal(impostor, column("c", "int4")).sqlstate, "42804");
  EXPECT_EQ(refusal(column("c", "int2"), user_type("c", "int4", "/ public.int4 -1")).sqlstate, "42804");
}

TEST(PlanColumn, LetsTheSourceWidenNumbers) {
  struct Pair {
    const char *source, *target;
  };
  for (const Pair &pair :
       {Pair{"int2", "int4"}, Pair{"int2", "int8"}, Pair{"int2", "numeric"}, Pair{"int4", "int8"},
        Pair{"int4", "numeric"}, Pair{"int8", "numeric"}, Pair{"int2", "float4"}, Pair{"int2", "float8"},
        Pair{"int4", "float8"}, Pair{"float4", "float8"}, Pair{"date", "timestamp"}}) {
    const ColumnPlan plan = plan_pair(pair.source, pair.target);
    EXPECT_EQ(plan.read, std::string("\"c\"::pg_catalog.") + pair.target) << "the wire has the target's type";
    EXPECT_EQ(plan.stage_type, pair.target);
    EXPECT_FALSE(plan.cast_in_merge);
  }
}

TEST(PlanColumn, RefusesNumbersThatCouldLoseDigits) {
  struct Pair {
    const char *source, *target;
  };
  for (const Pair &pair : {Pair{"int8", "int4"}, Pair{"int4", "int2"}, Pair{"numeric", "int8"},
                           Pair{"float8", "float4"}, Pair{"int4", "float4"}, Pair{"numeric", "float8"},
                           Pair{"float8", "numeric"}, Pair{"timestamp", "date"}})
    EXPECT_EQ(refusal(column("c", pair.source), column("c", pair.target)).sqlstate, "42804")
        << pair.source << " -> " << pair.target;
}

TEST(PlanColumn, RefusesToWidenIntoATypeThatIsItselfLimited) {
  EXPECT_EQ(refusal(column("c", "int4"), column("c", "numeric", numeric_typmod(5, 0))).sqlstate, "42804");
  EXPECT_EQ(refusal(column("c", "date"), column("c", "timestamp", 0)).sqlstate, "42804");
}

TEST(PlanColumn, CarriesStringsOfOtherTypesAsText) {
  for (const char *source : {"text", "varchar", "bpchar"})
    for (const char *target : {"text", "varchar", "bpchar"}) {
      if (std::string(source) == target) continue;
      const ColumnPlan plan = plan_pair(source, target);
      EXPECT_EQ(plan.read, text_cast);
      EXPECT_EQ(plan.stage_type, target);
      EXPECT_FALSE(plan.cast_in_merge) << "the wire format of text is theirs too";
    }
}

TEST(PlanColumn, KeepsAnythingInATextColumn) {
  for (const char *source : {"int4", "timestamptz", "jsonb", "bytea", "regclass"})
    for (const char *target : {"text", "varchar"}) EXPECT_EQ(plan_pair(source, target).read, text_cast);
  EXPECT_EQ(plan_pair(array_of(column("c", "int4")), column("c", "text")).read, text_cast);
  EXPECT_EQ(plan_pair(user_type("c", "mood", "/ public.mood -1"), column("c", "text")).read, text_cast);
}

TEST(PlanColumn, RefusesOtherTypesInAStringOfLimitedLength) {
  EXPECT_EQ(refusal(column("c", "int4"), column("c", "varchar", length_typmod(10))).sqlstate, "42804");
  EXPECT_EQ(refusal(column("c", "int4"), column("c", "bpchar")).sqlstate, "42804");
}

// ---- type modifiers
// ----------------------------------------------------------------------------------------

TEST(PlanTypmod, CarriesEqualOrUnlimitedOnesAsTheyAre) {
  expect_as_it_is(plan_pair("numeric", numeric_typmod(10, 2), numeric_typmod(10, 2)));
  expect_as_it_is(plan_pair("numeric", numeric_typmod(10, 2), -1));
  expect_as_it_is(plan_pair("interval", 7, 7));
  expect_as_it_is(plan_pair("bit", 8, 8));
}

TEST(PlanTypmod, RefusesToLimitWhatTheSourceDoesNotLimit) {
  EXPECT_TRUE(refused("numeric", -1, numeric_typmod(1000, 100)));
  EXPECT_TRUE(refused("timestamp", -1, 6));
  EXPECT_TRUE(refused("varbit", -1, 8));
  EXPECT_TRUE(refused("interval", -1, 6));
}

TEST(PlanTypmod, WidensNumericOnBothSidesOfThePoint) {
  expect_as_it_is(plan_pair("numeric", numeric_typmod(10, 2), numeric_typmod(12, 4)));
  expect_as_it_is(plan_pair("numeric", numeric_typmod(10, 2), numeric_typmod(11, 2)));
  EXPECT_TRUE(refused("numeric", numeric_typmod(10, 2), numeric_typmod(9, 2))) << "a digit before the point";
  EXPECT_TRUE(refused("numeric", numeric_typmod(10, 2), numeric_typmod(12, 1))) << "a digit behind the point";
  EXPECT_TRUE(refused("numeric", numeric_typmod(10, 2), numeric_typmod(11, 4)))
      << "8 digits before the point, then 7";
}

TEST(PlanTypmod, ReadsNegativeScalesOfNumeric) {
  // numeric(2,-3) holds -99000 to 99000 in steps of 1000.
  expect_as_it_is(plan_pair("numeric", numeric_typmod(2, -3), numeric_typmod(5, 0)));
  expect_as_it_is(plan_pair("numeric", numeric_typmod(2, -3), numeric_typmod(3, -2)));
  EXPECT_TRUE(refused("numeric", numeric_typmod(2, -3), numeric_typmod(4, 0)));
  EXPECT_TRUE(refused("numeric", numeric_typmod(5, 0), numeric_typmod(5, -1)));
  EXPECT_TRUE(refused("numeric", numeric_typmod(2, -3), numeric_typmod(2, -4)));
}

TEST(PlanTypmod, ReadsScalesAboveThePrecisionOfNumeric) {
  // numeric(3,5) holds up to 0.00999.
  expect_as_it_is(plan_pair("numeric", numeric_typmod(3, 5), numeric_typmod(5, 5)));
  EXPECT_TRUE(refused("numeric", numeric_typmod(5, 5), numeric_typmod(3, 5)));
  EXPECT_TRUE(refused("numeric", numeric_typmod(1000, 0), numeric_typmod(1000, 1000)));
}

TEST(PlanTypmod, WidensFractionsOfASecondOnly) {
  for (const char *type : {"timestamp", "timestamptz", "time", "timetz"}) {
    expect_as_it_is(plan_pair(type, 3, 6));
    EXPECT_TRUE(refused(type, 6, 3)) << type;
  }
}

TEST(PlanTypmod, WidensBitStringsOfVaryingLengthOnly) {
  expect_as_it_is(plan_pair("varbit", 8, 16));
  EXPECT_TRUE(refused("varbit", 16, 8));
  EXPECT_TRUE(refused("bit", 8, 16));
}

TEST(PlanTypmod, RefusesIntervalsOfOtherFields) {
  EXPECT_TRUE(refused("interval", 3, 6)) << "the modifier also holds the fields";
}

TEST(PlanTypmod, LetsTheServerCheckTheLengthOfStrings) {
  // A value that is too long raises 22001 on its way in.
  expect_as_it_is(plan_pair("varchar", length_typmod(5), length_typmod(10)));
  expect_as_it_is(plan_pair("varchar", length_typmod(10), length_typmod(5)));
  expect_as_it_is(plan_pair("varchar", -1, length_typmod(5)));
  expect_as_it_is(plan_pair("bpchar", length_typmod(3), length_typmod(5)));
  EXPECT_EQ(plan_pair(column("c", "text"), column("c", "varchar", length_typmod(5))).read, text_cast);
}

TEST(PlanTypmod, RefusesArraysWithOtherLimits) {
  EXPECT_EQ(refusal(array_of(column("c", "numeric", numeric_typmod(10, 2))),
                    array_of(column("c", "numeric", numeric_typmod(5, 2))))
                .sqlstate,
            "42804");
}

// ---- columns
// -----------------------------------------------------------------------------------------------

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

TEST(PlanSync, StagesWithTheTargetsCollation) {
  Table target = target_users;
  target.columns[1].collation = QualifiedName{"public", "Numeric \"x\""};
  const SyncPlan plan = plan_sync(source_users, target, {}, false);
  EXPECT_EQ(plan.columns[0].stage_collation, "");
  EXPECT_EQ(plan.columns[1].stage_collation, R"( COLLATE "public"."Numeric ""x""")");
}

TEST(PlanSync, NeedsAStageOnlyWhereSomethingIsCastInTheMerge) {
  EXPECT_FALSE(plan_sync(source_users, target_users, {}, false).needs_stage());
  Table source = source_users;
  source.columns[1].binary_safe = false;
  EXPECT_TRUE(plan_sync(source, target_users, {}, false).needs_stage());
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

// ---- keys
// --------------------------------------------------------------------------------------------------

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
  EXPECT_EQ(said.detail, "It is named in the key, and missing on the source.");
}

TEST(PlanKey, RefusesAColumnThatOnlyTheTargetHas) {
  Table target = target_users;
  target.columns.push_back(not_null(column("uid", "int8")));
  target.keys.push_back(unique_key({"uid"}));
  EXPECT_EQ(error_of([&] { plan_sync(source_users, target, {"uid"}, false); }).detail,
            "It is named in the key, and missing on the source.");
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
