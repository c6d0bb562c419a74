#include "core/sql/deparse_readings.h"
#include "core/sql/deparse_wide_table.h"

#include <gtest/gtest.h>

#include "../support/error_of.h"
#include "../support/tables.h"

namespace tablesync {
namespace {

Table readings() {
  return table({"public", "readings"},
               {column("ship_id", "text"), column("data_channel_id", "text"),
                not_null(column("created_time", "timestamptz")), column("value_format", "text"),
                column("bool_v", "bool"), column("str_v", "text"), column("long_v", "int8"),
                column("double_v", "float8")},
               {});
}

Table with(const std::string &name, const std::string &type) {
  Table changed = readings();
  for (Column &one : changed.columns)
    if (one.name == name) one = column(name, type);
  return changed;
}

TEST(ReadingPlan, ReadsAUsualTableAsItStands) {
  const ReadingPlan plan = plan_readings(PivotSpec{}, readings());
  EXPECT_EQ(
      select_readings(plan, {}),
      "SELECT \"ship_id\", \"data_channel_id\", \"created_time\", \"value_format\", \"bool_v\", \"str_v\", "
      "\"long_v\", \"double_v\" FROM \"public\".\"readings\"");
  EXPECT_EQ(plan.width, 8);
  EXPECT_TRUE(plan.time_has_zone);
  EXPECT_FALSE(plan.time_may_be_null);
}

TEST(ReadingPlan, KeepsTheOrderOfTheTable) {
  Table turned = readings();
  std::reverse(turned.columns.begin(), turned.columns.end());
  const ReadingPlan plan = plan_readings(PivotSpec{}, turned);
  EXPECT_EQ(plan.place(ReadingColumn::double_v), 0);
  EXPECT_EQ(plan.place(ReadingColumn::ship_id), 7);
}

TEST(ReadingPlan, CastsWhatIsOfAnotherType) {
  PivotSpec spec;
  const auto expression = [&](const Table &source, ReadingColumn which) {
    return plan_readings(spec, source).expressions[static_cast<size_t>(which)];
  };
  EXPECT_EQ(expression(with("long_v", "int4"), ReadingColumn::long_v), "CAST(\"long_v\" AS pg_catalog.int8)");
  EXPECT_EQ(expression(with("double_v", "numeric"), ReadingColumn::double_v),
            "CAST(\"double_v\" AS pg_catalog.text)");
  EXPECT_TRUE(plan_readings(spec, with("double_v", "numeric")).decimals_are_texts);
  EXPECT_EQ(expression(with("double_v", "float4"), ReadingColumn::double_v),
            "CAST(\"double_v\" AS pg_catalog.float8)");
  EXPECT_FALSE(plan_readings(spec, with("double_v", "float4")).decimals_are_texts);
  EXPECT_EQ(expression(with("ship_id", "int4"), ReadingColumn::ship_id),
            "CAST(\"ship_id\" AS pg_catalog.text)");
  EXPECT_EQ(expression(with("ship_id", "varchar"), ReadingColumn::ship_id), "\"ship_id\"");
  for (const auto &[name, type] :
       {std::pair{"created_time", "text"}, {"bool_v", "int4"}, {"long_v", "numeric"}, {"double_v", "text"}})
    EXPECT_EQ(error_of([&] { plan_readings(spec, with(name, type)); }).sqlstate, "42804") << name;
}

TEST(ReadingPlan, FindsMappedColumns) {
  PivotSpec spec;
  spec.ships = {"one"};
  spec.columns = {
      {"ship_id", ""}, {"data_channel_id", "signal"}, {"created_time", "ts"}, {"double_v", "value"}};
  const Table signals =
      table({"public", "signals"},
            {column("ts", "timestamp"), column("value", "float8"), column("signal", "text")}, {});
  const ReadingPlan plan = plan_readings(spec, signals);
  EXPECT_EQ(plan.ship, "one");
  EXPECT_EQ(plan.width, 3);
  EXPECT_EQ(plan.place(ReadingColumn::value_format), -1);
  EXPECT_EQ(select_readings(plan, {time_from(plan, 0)}),
            "SELECT \"ts\", \"value\", \"signal\" FROM \"public\".\"signals\" WHERE \"ts\" "
            "OPERATOR(pg_catalog.>=) '2000-01-01 00:00:00'::pg_catalog.timestamp");
  EXPECT_TRUE(of_ships(plan, spec.ships).empty()) << "it has no column for them";
  spec.ships = {"one", "two"};
  EXPECT_EQ(error_of([&] { plan_readings(spec, signals); }).sqlstate, "22023");
  spec.columns[3].second = "valu";
  const Diagnostics said = error_of([&] { plan_readings(spec, signals); });
  EXPECT_EQ(said.sqlstate, "42703");
  EXPECT_EQ(said.detail, "Perhaps you meant the column \"value\".");
}

TEST(ReadingPlan, ReadsWhatACallAsksFor) {
  PivotSpec spec;
  spec.cutoff = 1;
  const ReadingPlan plan = plan_readings(spec, readings());
  EXPECT_EQ(
      of_call(plan, spec),
      std::vector<std::string>{
          "\"created_time\" OPERATOR(pg_catalog.<) '2000-01-01 00:00:00.000001+00'::pg_catalog.timestamptz"});
  spec.channels = {"speed"};
  spec.from = 0;
  EXPECT_EQ(
      of_call(plan, spec),
      (std::vector<std::string>{
          "\"data_channel_id\" OPERATOR(pg_catalog.=) 'speed'",
          "\"created_time\" OPERATOR(pg_catalog.<) '2000-01-01 00:00:00.000001+00'::pg_catalog.timestamptz",
          "\"created_time\" OPERATOR(pg_catalog.>=) '2000-01-01 00:00:00+00'::pg_catalog.timestamptz"}));
}

TEST(ReadingPlan, TimesWithoutZoneAreOfTheZoneThatIsGiven) {
  PivotSpec spec;
  spec.time_zone = "Europe/Berlin";
  const ReadingPlan plan = plan_readings(spec, with("created_time", "timestamp"));
  EXPECT_FALSE(plan.time_has_zone);
  EXPECT_TRUE(plan.time_may_be_null);
  EXPECT_EQ(time_before(plan, 0),
            "\"created_time\" OPERATOR(pg_catalog.<) pg_catalog.timezone('Europe/Berlin', '2000-01-01 "
            "00:00:00+00'::pg_catalog.timestamptz)");
}

TEST(ReadingPlan, HostileNamesAreQuoted) {
  PivotSpec spec;
  spec.columns = {{"double_v", "a\"; DROP TABLE x; --"}};
  Table source = readings();
  source.columns.back().name = "a\"; DROP TABLE x; --";
  source.name = {"s\"", "t'"};
  const ReadingPlan plan = plan_readings(spec, source);
  EXPECT_NE(select_readings(plan, {}).find("\"a\"\"; DROP TABLE x; --\" FROM \"s\"\"\".\"t'\""),
            std::string::npos);
  EXPECT_EQ(of_ships(plan, {"it's"}).at(0), "\"ship_id\" OPERATOR(pg_catalog.=) 'it''s'");
  EXPECT_EQ(of_ships(plan, {"it's", "a\"b\\", ""}).at(0),
            R"("ship_id" OPERATOR(pg_catalog.=) ANY (E'{"it''s","a\\"b\\\\",""}'))");
}

TEST(SelectWindows, HoldsEachRowAgainstItsShipsWindow) {
  const ReadingPlan plan = plan_readings(PivotSpec{}, readings());
  const std::string select = select_windows(plan, {{"it's", 0, 1}, {"b", 2, 3}}, {"true"});
  EXPECT_NE(
      select.find(
          "FROM \"public\".\"readings\", (VALUES ('it''s', '2000-01-01 00:00:00+00'::pg_catalog.timestamptz, "
          "'2000-01-01 00:00:00.000001+00'::pg_catalog.timestamptz), ('b', "),
      std::string::npos)
      << select;
  EXPECT_NE(select.find("WHERE \"ship_id\" OPERATOR(pg_catalog.=) w.sampled_ship AND \"created_time\" "
                        "OPERATOR(pg_catalog.>=) w.sampled_from AND \"created_time\" OPERATOR(pg_catalog.<) "
                        "w.sampled_before AND true"),
            std::string::npos)
      << select;
}

TEST(TotalCost, IsThatOfTheFirstLine) {
  EXPECT_EQ(
      total_cost({{Cell("Seq Scan on t  (cost=0.00..75223.28 rows=1513499 width=71)")}, {Cell("  Filter")}}),
      75223.28);
  EXPECT_EQ(total_cost({{Cell("Result")}}), -1);
  EXPECT_EQ(total_cost({}), -1);
}

TEST(UpsertRows, KeepsWhatANullWouldOverwrite) {
  EXPECT_EQ(
      upsert_rows({"w", "t"}, "created_time", {"a"}, false),
      "INSERT INTO \"w\".\"t\" AS w (\"created_time\", \"a\") SELECT \"created_time\", \"a\" FROM "
      "\"tablesync_rows\" ON CONFLICT (\"created_time\") DO UPDATE SET \"a\" = COALESCE(excluded.\"a\", "
      "w.\"a\") WHERE CAST(ROW(COALESCE(excluded.\"a\", w.\"a\")) AS pg_catalog.record) "
      "OPERATOR(pg_catalog.*<>) CAST(ROW(w.\"a\") AS pg_catalog.record) RETURNING w.\"created_time\", "
      "w.\"created_time\", false");
}

TEST(UpsertRows, FindsOutWhetherAValueIsReplaced) {
  const std::string replaced =
      "EXISTS (SELECT FROM \"w\".\"t\" AS o WHERE o.\"created_time\" OPERATOR(pg_catalog.=) "
      "w.\"created_time\" AND CAST(ROW(CASE WHEN o.\"a\" IS NOT NULL THEN w.\"a\" END) AS "
      "pg_catalog.record) OPERATOR(pg_catalog.*<>) CAST(ROW(o.\"a\") AS pg_catalog.record))";
  EXPECT_TRUE(upsert_rows({"w", "t"}, "created_time", {"a"}, true).ends_with(", " + replaced));
  EXPECT_NE(
      upsert_rows_with_triggers({"w", "t"}, "created_time", {"a"}, true).find(replaced + " AS replaces)"),
      std::string::npos);
}

TEST(InOrderOfAge, IsByTheColumnThatIsGivenFirst) {
  PivotSpec spec;
  spec.order_by = "str_v";
  const ReadingPlan by_column = plan_readings(spec, readings()), plain = plan_readings({}, readings());
  EXPECT_EQ(in_order_of_age(plain, false), "");
  EXPECT_EQ(in_order_of_age(by_column, false), " ORDER BY \"public\".\"readings\".\"str_v\" NULLS FIRST");
  EXPECT_EQ(in_order_of_age(by_column, true),
            in_order_of_age(by_column, false) + ", " + in_order_of_age(plain, true).substr(10));
  spec.order_by = "str_w";
  const Diagnostics said = error_of([&] { plan_readings(spec, readings()); });
  EXPECT_EQ(said.sqlstate, "42703");
  EXPECT_EQ(said.detail, "Perhaps you meant the column \"str_v\".");
}

TEST(OldestAndNewest, AsksForFiniteTimesWhereThereAreOthersAlone) {
  const ReadingPlan plan = plan_readings({}, readings());
  EXPECT_EQ(oldest_and_newest(plan, {}, {}, false).find("infinity"), std::string::npos);
  EXPECT_NE(oldest_and_newest(plan, {}, {}, true).find("'-infinity'"), std::string::npos);
}

TEST(WideView, JoinsByTheTimeOfWhicheverTableHasTheRow) {
  EXPECT_EQ(create_wide_view({"w", "v"},
                             {{{"w", "a"}, "t", {"x"}}, {{"w", "b"}, "t", {"y"}}, {{"w", "c"}, "t", {"z"}}},
                             {"z", "x", "y"}),
            "CREATE OR REPLACE VIEW \"w\".\"v\" AS SELECT COALESCE(t1.\"t\", t2.\"t\", t3.\"t\") AS \"t\", "
            "t3.\"z\", "
            "t1.\"x\", t2.\"y\" FROM \"w\".\"a\" AS t1 FULL JOIN \"w\".\"b\" AS t2 ON t2.\"t\" "
            "OPERATOR(pg_catalog.=) t1.\"t\" FULL JOIN \"w\".\"c\" AS t3 ON t3.\"t\" OPERATOR(pg_catalog.=) "
            "COALESCE(t1.\"t\", t2.\"t\")");
}

}  // namespace
}  // namespace tablesync
