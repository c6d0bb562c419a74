// Nothing that a statement of ours names is looked up in the search_path: others may write to a schema on it,
// here and on the source.
#include <gtest/gtest.h>

#include "core/range/chunk.h"
#include "core/range/incremental_field.h"
#include "core/sql/deparse.h"
#include "core/sql/deparse_readings.h"
#include "core/sql/deparse_source.h"
#include "core/sql/deparse_verify.h"
#include "core/sql/deparse_wide_table.h"
#include "core/table/conversion.h"
#include "core/table/describe.h"
#include "support/sql_text.h"
#include "support/tables.h"

namespace tablesync {
namespace {

using Statements = std::vector<std::string>;

void expect_qualified(const Statements &statements) {
  for (const std::string &statement : statements) EXPECT_EQ(looked_up(statement), "") << statement;
}

TEST(LookedUp, FindsEachKindOfName) {
  for (const char *statement :
       {"SELECT a = b", "SELECT a OPERATOR(pg_catalog.=) b || c", "SELECT s.a < 1",
        "SELECT -pg_catalog.sum(a)", "SELECT a IN ('b')", "SELECT a LIKE 'b'", "SELECT a BETWEEN b AND c",
        "SELECT NULLIF(a, b)", "SELECT a IS DISTINCT FROM b", "SELECT FROM s.a JOIN s.b USING (c)",
        "SELECT CASE a WHEN b THEN c END", "SELECT count(*) FROM s.a WHERE max(a) IS NULL", "SELECT now()",
        "SELECT a::text", "SELECT CAST(a AS text)", "SELECT TIMESTAMPTZ '2000-01-01'",
        "SELECT a COLLATE german", "SELECT FROM a", "INSERT INTO a SELECT"})
    EXPECT_NE(looked_up(statement), "") << statement;
}

TEST(LookedUp, LeavesWhatIsQualified) {
  expect_qualified(
      {"SELECT a OPERATOR(pg_catalog.=) -1, pg_catalog.count(*) FROM \"a\".\"b\" WHERE EXISTS (SELECT)",
       "UPDATE s.t SET \"a\" = s.\"a\", \"b\" = 'x = y'",
       "WITH a AS (SELECT) SELECT a.*, b::pg_catalog.text COLLATE pg_catalog.\"C\" FROM a"});
}

TEST(QualifiedType, HasASchemaWhereTheGrammarKnowsNone) {
  const auto qualified = [](const char *name, const char *formatted) {
    return qualified_type(TypeName{"pg_catalog", name}, formatted);
  };
  EXPECT_EQ(qualified("text", "text"), "pg_catalog.text");
  EXPECT_EQ(qualified("text", "text[]"), "pg_catalog.text[]");
  EXPECT_EQ(qualified("char", "\"char\""), "pg_catalog.\"char\"");
  EXPECT_EQ(qualified("bit", "\"bit\""), "pg_catalog.\"bit\"");
  EXPECT_EQ(qualified("bpchar", "bpchar"), "pg_catalog.bpchar");
  EXPECT_EQ(qualified("int4range", "int4range"), "pg_catalog.int4range");
  for (const char *formatted :
       {"bigint", "integer[]", "smallint", "boolean", "bit(3)", "bit varying(3)", "character varying(3)",
        "character(3)", "double precision", "real", "numeric(5,2)", "interval day to second(3)",
        "time(3) without time zone", "timestamp with time zone", "time with time zone",
        "timestamp(0) without time zone"})
    EXPECT_EQ(qualified("any", formatted), formatted);
  EXPECT_EQ(qualified_type(TypeName{"s", "t"}, "s.t"), "s.t");
  EXPECT_EQ(qualified_type(TypeName{"S", "t"}, "\"S\".t"), "\"S\".t");
  EXPECT_EQ(qualified_type(TypeName{"user", "t"}, "\"user\".t(3)"), "\"user\".t(3)");
  EXPECT_EQ(qualified_type(TypeName{"user", "t"}, "t(3)"), "\"user\".t(3)")
      << "where it is on the search_path";
  EXPECT_EQ(qualified_type(TypeName{"s", "text"}, "pg_catalog.text"), "pg_catalog.text")
      << "what a type becomes that does not exist here";
}

// Columns whose types are words of no grammar.
Table items() {
  return table({"s", "items"},
               {not_null(column("id", "uuid")), not_null(column("n", "text")), column("day", "date"),
                column("at", "timestamptz"), column("gone", "bool"), array_of(column("tags", "text")),
                user_type("box", "box3", "/ public.box3 -1")},
               {primary_key({"id", "n"})});
}

Table target() {
  Table made = items();
  made.name = {"t", "items"};
  made.columns[2] = column("day", "text");
  made.columns.back().binary_safe = false;
  return made;
}

SyncPlan plan() { return plan_sync(items(), target(), {}, false); }

TEST(SearchPath, IsNotAskedForTheTable) {
  for (const int version : {110000, 120000, 140000, 180000})
    expect_qualified({relation_query(), distributed_query(), columns_query(version), keys_query(),
                      held_relations_query(version),
                      result_columns_query(version, {{"a", 25, -1}, {"b", 20, -1}})});
}

TEST(SearchPath, IsNotAskedOnTheSource) {
  const Table source = items();
  SourceRows rows;
  rows.table = &source;
  Statements statements = {
      resolve_query(),
      position_query(),
      export_snapshot_query(),
      files_query(),
      feed_query(),
      feed_watermark_query(),
      sequence_cache_query(),
      column_index_query(),
      find_no_days({"day", FieldKind::yyyymmdd_text, true, "text"}, "20260101", "s.t", 100),
      "SELECT " + at_or_above({"day", FieldKind::yyyymmdd_integer, true, "int4"}, "20260101",
                              std::vector<std::string>{"0", "1"}),
      may_read_history_query(),
      history_exists_query(),
      history_query(),
      copy_out(rows, plan()),
      insert_selected({"s", "t"}, rows, plan()),
      "SELECT " + key_is_one_of(source, plan(), {{Cell("x"), Cell("y")}}),
      "SELECT " + written_since(source, 1000),
      nth_key(rows, plan(), 7),
      find_repeated_key(rows, plan())};
  for (const char kind : {'r', 'p', 'v', 'm', 'f'})
    statements.push_back(begin_reading(source.name, kind, 150000));
  for (const std::string &condition : rows_of({1, {"a", "b"}, {"c", "d"}}, ChunkBy::key, source, plan()))
    statements.push_back("SELECT " + condition);
  for (const std::string &condition : in_blocks(1, 2)) statements.push_back("SELECT " + condition);
  for (const char *type : {"bool", "int4", "numeric", "text", "bpchar", "date"})
    statements.push_back("SELECT " + is_soft_deleted(column("gone", type), "s"));
  expect_qualified(statements);
}

TEST(SearchPath, IsNotAskedOnTheTarget) {
  const Table source = items();
  const QualifiedName name{"t", "items"};
  SyncPlan keyless = plan();
  keyless.key.clear();
  SyncPlan marked = plan();
  marked.mark.emplace();
  marked.mark->name = "gone";
  std::vector<NewColumn> columns;
  for (const Column &column : source.columns) columns.push_back({&column, column.sql_type});
  Statements statements = {create_table(name, columns),
                           add_primary_key(name, {"id"}),
                           add_primary_key_in_parallel(name, {"id"}),
                           advance_identity(name, "id"),
                           is_empty(name),
                           count_rows(name),
                           analyze(name, {"id"}),
                           rename_table(name, "b"),
                           drop_table(name),
                           drop_received(),
                           table_exists(name),
                           create_stage(stage_name, plan()),
                           create_shared_stage(name, plan()),
                           create_received(plan()),
                           find_bad_key(stage_name, plan()),
                           staged_keys(plan(), 10),
                           count_staged(marked),
                           delete_repeated(name, plan()),
                           delete_missing(name, plan(), KeysOf::stage),
                           delete_missing(name, plan(), KeysOf::keys),
                           insert_absent_keys(name, plan()),
                           absent_keys(plan(), 0, 64),
                           delete_marked(name, marked),
                           merge(name, marked),
                           merge(name, plan()),
                           update_changed(name, plan()),
                           delete_changed(name, plan()),
                           insert_absent(name, plan()),
                           find_blocking_row(name, plan(), unique_key({"id"})),
                           create_difference(name, keyless),
                           sum_difference(),
                           delete_surplus(name, keyless),
                           insert_shortfall(name, keyless)};
  expect_qualified(statements);
}

TEST(SearchPath, IsNotAskedByAComparison) {
  const Table source = items();
  SourceRows rows;
  rows.table = &source;
  Statements statements = {hash_probe(1),
                           record_hash_probe(1),
                           create_staged_differences({"t", "items"}, plan(), true),
                           match_equal_keys(plan()),
                           count_differences(),
                           list_differences(3),
                           list_keys_to_fetch(2),
                           insert_extra_keys({"pg_temp", "gone"}, plan()),
                           delete_extra({"t", "items"}, plan())};
  for (const auto &[extended, record] :
       {std::pair{true, true}, std::pair{true, false}, std::pair{false, false}}) {
    const RowHash hash{extended, record, 7, true};
    const DigestedRows there = digested_source(rows, plan(), "true", 16, hash);
    const DigestedRows here = digested_target({"t", "items"}, plan(), 16, hash);
    for (const std::string &statement :
         {sum_buckets(there), list_rows(there, {1, 2}), create_differences(here, {1, 2})})
      statements.push_back(statement);
  }
  expect_qualified(statements);
}

TEST(SearchPath, IsNotAskedByAField) {
  for (const FieldKind kind : {FieldKind::timestamp, FieldKind::timestamptz, FieldKind::date,
                               FieldKind::yyyymmdd_text, FieldKind::yyyymmdd_integer, FieldKind::integer}) {
    Statements statements = {at_or_above({"at", kind, true, "any"}, "1"), highest_value(kind, "c"),
                             less_lookback(kind, "20240101", kind == FieldKind::integer ? "1" : "1 day")};
    if (kind != FieldKind::integer)
      statements.push_back(moment_in_field(kind, "2024-01-01+00", "2024-01-01"));
    for (const std::string &expression : statements)
      EXPECT_EQ(looked_up("SELECT " + expression), "") << expression;
  }
}

TEST(SearchPath, IsNotAskedByAPivot) {
  for (const char *type : {"timestamptz", "timestamp", "date"})
    for (const char *zone : {"", "Europe/Berlin"}) {
      PivotSpec spec;
      spec.time_zone = zone;
      spec.channels = {"a", "b"};
      spec.order_by = "double_v";
      spec.from = 0;
      const Table readings =
          table({"s", "readings"}, {column("ship_id", "varchar"), column("data_channel_id", "text"),
                                    column("created_time", type), column("double_v", "float4")});
      const ReadingPlan read = plan_readings(spec, readings);
      const Statements conditions = of_call(read, spec);
      Statements statements = {copy_of(select_readings(read, conditions)),
                               select_windows(read, {{"a", 0, 1}}, conditions),
                               oldest_and_newest(read, {}, conditions, false),
                               oldest_and_newest(read, {"a", "b"}, conditions, true),
                               newest_by_ship(read, conditions),
                               has_ship(read, "a"),
                               list_ships(read),
                               select_readings(read, of_ships(read, {"a", "b"})),
                               select_readings(read, {time_is_null(read)}),
                               select_readings(read, conditions) + in_order_of_age(read, true),
                               any_time(read, {"a"}),
                               finds_time(read, {"a"}, 0),
                               beyond_cutoff(read, spec)};
      statements.push_back(has_ages(readings));
      expect_qualified(statements);
    }
  const QualifiedName wide{"w", "t"};
  expect_qualified(
      {create_wide_table(wide, {"t", "timestamp with time zone"}, {{"a", "pg_catalog.text"}}, 128),
       add_wide_columns(wide, {{"a", "bigint"}}, 128), widen_to_decimal(wide, {"a", "b"}),
       has_integer_beyond_decimal(wide, {"a", "b"}), is_range_empty(wide, "t", "1", "2"),
       select_rows(wide, "t", {"a"}, {0, 1}, true), select_rows(wide, "t", {"a"}, {0, 1}, false),
       create_wide_view({"w", "v"}, {{wide, "t", {"x"}}, {wide, "t", {"y"}}, {wide, "t", {"z"}}}, {"x"})});
  // The rows are known to SPI by a name of their own, which no table can take.
  for (const bool finds_replaced : {false, true})
    for (const auto &upsert : {upsert_rows, upsert_rows_with_triggers})
      EXPECT_EQ(looked_up(std::regex_replace(std::regex_replace(upsert(wide, "t", {"a", "b"}, finds_replaced),
                                                                std::regex(R"("tablesync_rows")"), "s.r"),
                                             // Names of the statement itself.
                                             std::regex("(FROM|FULL JOIN) (changed|written)"), "$1 s.$2")),
                "");
}

// They run with the safe search_path, where NULLIF finds the server's own operator alone.
TEST(SearchPath, IsNotAskedByAConversion) {
  const char *const types[] = {"text",   "varchar", "bpchar", "int2",      "int8",        "numeric",
                               "float8", "bool",    "date",   "timestamp", "timestamptz", "time",
                               "uuid",   "jsonb",   "inet",   "interval",  "varbit"};
  std::set<std::string> expressions;
  int converted = 0;
  for (const char *from : types)
    for (const char *to : types)
      for (const int typmod : {-1, 14}) {
        const auto found = find_conversion(column("a", from), column("a", to, typmod), true);
        if (!found) continue;
        converted += found->convert.empty() ? 0 : 1;
        expressions.insert(found->read);
        expressions.insert(std::regex_replace(found->convert, std::regex("NULLIF"), "coalesce"));
      }
  for (const std::string &expression : expressions)
    EXPECT_EQ(looked_up("SELECT " + expression), "") << expression;
  EXPECT_GT(converted, 50);
}

}  // namespace
}  // namespace tablesync
