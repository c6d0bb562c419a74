#include "core/range/chunk.h"

#include <gtest/gtest.h>

#include "../support/tables.h"

namespace tablesync {
namespace {

Table orders() {
  return table({"shop", "orders"}, {not_null(column("region", "text")), not_null(column("id", "int8"))},
               {primary_key({"region", "id"})});
}

SyncPlan plan_by(const std::vector<std::string> &key) {
  SyncPlan plan;
  plan.key = key;
  return plan;
}

std::string only(const std::vector<std::string> &conditions) {
  EXPECT_EQ(conditions.size(), 1U);
  return conditions.empty() ? "" : conditions[0];
}

TEST(RowsOfChunk, ByCtidGoFromOnePageToBeforeAnother) {
  const Table source = orders();
  const auto of = [&](const Bound &lower, const Bound &upper) {
    return rows_of({1, lower, upper}, ChunkBy::ctid, source, plan_by({"id"}));
  };
  EXPECT_TRUE(of({}, {}).empty());
  EXPECT_EQ(only(of({}, {"7"})), "ctid OPERATOR(pg_catalog.<) '(7,0)'::pg_catalog.tid");
  EXPECT_EQ(only(of({"7"}, {})), "ctid OPERATOR(pg_catalog.>=) '(7,0)'::pg_catalog.tid");
  EXPECT_EQ(of({"7"}, {"9"}).size(), 2U);
}

TEST(RowsOfChunk, ByKeyGoFromAboveOneKeyToAnother) {
  const Table source = orders();
  const auto of = [&](const Bound &lower, const Bound &upper) {
    return rows_of({1, lower, upper}, ChunkBy::key, source, plan_by({"id"}));
  };
  EXPECT_EQ(only(of({"7"}, {})), R"("id" OPERATOR(pg_catalog.>) CAST('7' AS pg_catalog.int8))");
  EXPECT_EQ(only(of({}, {"7"})), R"("id" OPERATOR(pg_catalog.<=) CAST('7' AS pg_catalog.int8))");
}

TEST(RowsOfChunk, ByAKeyOfTwoColumnsCompareTheFirstFirst) {
  EXPECT_EQ(
      only(rows_of({1, {"x", "7"}, {}}, ChunkBy::key, orders(), plan_by({"region", "id"}))),
      R"("region" OPERATOR(pg_catalog.>=) CAST('x' AS pg_catalog.text) AND ("region" OPERATOR(pg_catalog.>) )"
      R"(CAST('x' AS pg_catalog.text) OR "region" OPERATOR(pg_catalog.=) CAST('x' AS pg_catalog.text) AND )"
      R"(("id" OPERATOR(pg_catalog.>) CAST('7' AS pg_catalog.int8))))");
}

TEST(RowsOfChunk, TheLastHasTheNullsOfItsKey) {
  Table source = orders();
  source.columns[1].not_null = false;
  const SyncPlan plan = plan_by({"id"});
  EXPECT_TRUE(only(rows_of({1, {"7"}, {}}, ChunkBy::key, source, plan)).ends_with(R"( OR "id" IS NULL)"));
  for (const std::string &condition : rows_of({1, {"7"}, {"9"}}, ChunkBy::key, source, plan))
    EXPECT_EQ(condition.find("NULL"), std::string::npos);
}

TEST(RowsOfChunk, QuotesHostileBounds) {
  EXPECT_NE(only(rows_of({1, {"a' OR true --"}, {}}, ChunkBy::key, orders(), plan_by({"region"})))
                .find("'a'' OR true --'"),
            std::string::npos);
}

TEST(NthKey, IsFoundInTheOrderThatBoundsAreComparedBy) {
  const Table source = orders();
  SourceRows rows;
  rows.table = &source;
  rows.conditions = {"paid"};
  EXPECT_EQ(
      nth_key(rows, plan_by({"region", "id"}), 100),
      R"(SELECT "region"::pg_catalog.text, "id"::pg_catalog.text FROM (SELECT "region", "id" FROM "shop"."orders" WHERE (paid)"
      "\n"
      R"() ORDER BY "region" USING OPERATOR(pg_catalog.<), "id" USING OPERATOR(pg_catalog.<) OFFSET 99 LIMIT 1) AS k)");
}

TEST(BoundOf, IsOpenWhereOnlyNullsAreLeft) {
  EXPECT_EQ(bound_of({}), Bound());
  EXPECT_EQ(bound_of({{"x", "7"}}), Bound({"x", "7"}));
  EXPECT_EQ(bound_of({{"x", std::nullopt}}), Bound());
}

TEST(SmallerChunkSize, IsNeverNothing) {
  EXPECT_EQ(smaller_chunk_size(400), 100);
  EXPECT_EQ(smaller_chunk_size(3), 1);
}

TEST(NextChunkSize, GrowsWhileThereIsRoomAndShrinksWhereThereIsNone) {
  const ChunkLimits limits{5, 64 << 20};
  EXPECT_EQ(next_chunk_size(100, 0, 0, limits), 400);           // nothing to go by
  EXPECT_EQ(next_chunk_size(100, 0.1, 1 << 20, limits), 400);   // no more than four times
  EXPECT_EQ(next_chunk_size(100, 2.5, 1 << 20, limits), 200);   // by time
  EXPECT_EQ(next_chunk_size(100, 0.1, 128 << 20, limits), 50);  // by bytes
  EXPECT_EQ(next_chunk_size(100, 1000, 1 << 20, limits), 10);   // no less than a tenth
  EXPECT_EQ(next_chunk_size(1, 1000, 1 << 20, limits), 1);      // never nothing
}

}  // namespace
}  // namespace tablesync
