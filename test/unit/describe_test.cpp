#include "core/table/describe.h"

#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/tables.h"

namespace tablesync {
namespace {

const Row relation_row = {
    "16384",      "public", "Users", "p", "1204", "t", "people", "16000", "7301234567890123456",
    "arch.y2019", "f"};
const Row column_row = {"name",
                        "pg_catalog",
                        "varchar",
                        "f",
                        "14",
                        "character varying(10)",
                        "/ pg_catalog.varchar -1",
                        "t",
                        "t",
                        "",
                        "f",
                        "pg_catalog",
                        "C",
                        "as they write it",
                        "f"};

Column decode_column(Row row) {
  Table table;
  decode_columns(table, {std::move(row)});
  return table.columns.at(0);
}

Row with(Row row, size_t at, const Cell &value) {
  row[at] = value;
  return row;
}

TEST(DecodeRelation, ReadsEveryField) {
  const Table table = decode_relation(relation_row);
  EXPECT_EQ(table.oid, "16384");
  EXPECT_EQ(table.name, (QualifiedName{"public", "Users"}));
  EXPECT_EQ(table.kind, 'p');
  EXPECT_EQ(table.row_estimate, 1204);
  EXPECT_TRUE(table.has_children);
  EXPECT_EQ(table.comment, "people");
  EXPECT_EQ(table.database_oid, "16000");
  EXPECT_EQ(table.system_identifier, "7301234567890123456");
  EXPECT_EQ(table.outside_heap, "arch.y2019");
}

TEST(DecodeRelation, TakesNullsForWhatMayNotBeKnown) {
  const Table table = decode_relation({"1", "s", "t", "r", "-1", "f", {}, {}, {}, {}, "f"});
  EXPECT_EQ(table.row_estimate, -1);
  EXPECT_EQ(table.comment, "");
  EXPECT_EQ(table.system_identifier, "");
}

TEST(DecodeColumns, ReadsEveryField) {
  const Column column = decode_column(column_row);
  EXPECT_EQ(column.name, "name");
  EXPECT_EQ(column.type, (TypeName{"pg_catalog", "varchar", false}));
  EXPECT_EQ(column.typmod, 14);
  EXPECT_EQ(column.sql_type, "character varying(10)");
  EXPECT_EQ(column.signature, "/ pg_catalog.varchar -1");
  EXPECT_TRUE(column.binary_safe);
  EXPECT_TRUE(column.not_null);
  EXPECT_EQ(column.identity, 0);
  EXPECT_FALSE(column.generated);
  EXPECT_EQ(column.collation, (QualifiedName{"pg_catalog", "C"}));
  EXPECT_EQ(column.comment, "as they write it");
  EXPECT_FALSE(column.deterministic);
}

TEST(DecodeColumns, TellsArraysIdentitiesAndGeneratedColumns) {
  EXPECT_TRUE(decode_column(with(column_row, 3, "t")).type.is_array);
  EXPECT_EQ(decode_column(with(column_row, 9, "a")).identity, 'a');
  EXPECT_EQ(decode_column(with(column_row, 9, "d")).identity, 'd');
  EXPECT_TRUE(decode_column(with(column_row, 10, "t")).generated);
}

TEST(DecodeColumns, ReadsBooleansOfBothServers) {
  // libpq says t, a cast to text says true.
  EXPECT_TRUE(decode_column(with(column_row, 7, "true")).binary_safe);
  EXPECT_FALSE(decode_column(with(column_row, 7, "false")).binary_safe);
  EXPECT_EQ(error_of([] { decode_column(with(column_row, 7, {})); }).sqlstate, "08P01");
}

TEST(DecodeColumns, HasNoCollationWhereItIsTheTypesOwn) {
  EXPECT_EQ(decode_column(with(with(column_row, 11, {}), 12, {})).collation, std::nullopt);
}

TEST(DecodeColumns, KeepsTheirOrder) {
  Table table;
  decode_columns(table, {with(column_row, 0, "b"), with(column_row, 0, "a")});
  ASSERT_EQ(table.columns.size(), 2U);
  EXPECT_EQ(table.columns[0].name, "b");
  EXPECT_EQ(table.columns[1].name, "a");
}

TEST(DecodeKeys, CollectsTheColumnsOfEachIndex) {
  Table table;
  decode_keys(table, {{"pairs_pkey", "t", "b", "pg_catalog", "="},
                      {"pairs_pkey", "t", "a", "pg_catalog", "="},
                      {"pairs_v", "f", "v", "odd\"schema", "==="}});
  ASSERT_EQ(table.keys.size(), 2U);
  EXPECT_EQ(table.keys[0].index_name, "pairs_pkey");
  EXPECT_TRUE(table.keys[0].primary);
  EXPECT_EQ(table.keys[0].columns, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(table.keys[0].equality, (std::vector<std::string>(2, "OPERATOR(\"pg_catalog\".=)")));
  EXPECT_FALSE(table.keys[1].primary);
  EXPECT_EQ(table.keys[1].columns, (std::vector<std::string>{"v"}));
  EXPECT_EQ(table.keys[1].equality, (std::vector<std::string>{"OPERATOR(\"odd\"\"schema\".===)"}));
}

TEST(Table, FindsAColumnByItsExactName) {
  const Table users = table({"public", "users"}, {column("id", "int8"), column("Id", "int4")});
  EXPECT_EQ(users.find_column("Id")->type.name, "int4");
  EXPECT_EQ(users.find_column("ID"), nullptr);
}

TEST(Table, HasAPrimaryKeyOnlyWhereTheFirstKeyIsOne) {
  const std::vector<Column> columns = {column("id", "int8"), column("email", "text")};
  EXPECT_EQ(table({"s", "t"}, columns).primary_key(), nullptr);
  EXPECT_EQ(table({"s", "t"}, columns, {unique_key({"email"})}).primary_key(), nullptr);
  const Table keyed = table({"s", "t"}, columns, {primary_key({"id"}), unique_key({"email"})});
  EXPECT_EQ(keyed.primary_key(), &keyed.keys[0]);
}

TEST(Table, FindsAKeyByItsColumnsInAnyOrder) {
  const Table pairs = table({"s", "t"}, {column("a", "int4"), column("b", "int4"), column("c", "int4")},
                            {primary_key({"b", "a"}), unique_key({"c"})});
  EXPECT_EQ(pairs.find_key({"a", "b"}), &pairs.keys[0]);
  EXPECT_EQ(pairs.find_key({"c"}), &pairs.keys[1]);
  EXPECT_EQ(pairs.find_key({"a"}), nullptr) << "part of a key is not unique";
  EXPECT_EQ(pairs.find_key({"a", "b", "c"}), nullptr);
  EXPECT_EQ(pairs.find_key({"a", "a"}), nullptr);
}

TEST(ResultColumnsQuery, AsksForEachColumnByItsTypeInTheirOrder) {
  const std::string query =
      result_columns_query(150000, {{"b", 23, -1}, {"a'; DROP TABLE x; --\\", 4294967295U, 14}});
  EXPECT_NE(query.find(R"((VALUES (1, 'b', 23::pg_catalog.oid, -1), )"
                       R"((2, E'a''; DROP TABLE x; --\\', 4294967295::pg_catalog.oid, 14)))"),
            std::string::npos)
      << query;
  EXPECT_EQ(query.find("$1"), std::string::npos) << "it takes no parameter";
}

TEST(ResultColumnsQuery, AsksEachServerOnlyForWhatItHas) {
  const std::vector<ResultColumn> columns = {{"a", 23, -1}};
  for (const int version : {110022, 130023, 150004, 180000})
    EXPECT_EQ(result_columns_query(version, columns).find("attgenerated"), std::string::npos);
  EXPECT_EQ(result_columns_query(130023, columns).find("rngmultitypid"), std::string::npos);
  EXPECT_NE(result_columns_query(140000, columns).find("rngmultitypid"), std::string::npos);
}

TEST(ColumnsQuery, AsksEachServerOnlyForWhatItHas) {
  EXPECT_EQ(columns_query(110022).find("attgenerated"), std::string::npos);
  EXPECT_NE(columns_query(120000).find("attgenerated"), std::string::npos);
  EXPECT_EQ(columns_query(130023).find("rngmultitypid"), std::string::npos);
  EXPECT_NE(columns_query(140000).find("rngmultitypid"), std::string::npos);
}

}  // namespace
}  // namespace tablesync
