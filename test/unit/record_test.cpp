#include "core/base/record.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/base/error.h"

namespace tablesync {
namespace {

std::string sqlstate_of(const std::function<void()> &action) {
  try {
    action();
  } catch (const Error &error) {
    return error.diagnostics().sqlstate;
  }
  return "none";
}

struct Place {
  std::uint64_t xmin = 0;
  std::string lsn;

  template <typename Record, typename Visitor>
  static void each_column(Record &place, Visitor &&column) {
    column("xmin", place.xmin);
    column("lsn", place.lsn);
  }
};

struct Step {
  std::string name, comment;
  std::int64_t rows = -1;
  std::optional<int> percent;
  bool done = false;
  unsigned int table = 0;
  std::vector<std::string> keys;
  std::optional<Place> place;

  template <typename Record, typename Visitor>
  static void each_column(Record &step, Visitor &&column) {
    column("step", step.name, "name");
    column("comment", or_null(step.comment));
    column("rows", or_null(step.rows, -1));
    column("percent", step.percent);
    column("done", step.done);
    column("table_oid", step.table);
    column("keys", or_null(step.keys));
    column("xmin", member_of(step.place, &Place::xmin));
    column("lsn", member_of(step.place, &Place::lsn), "pg_lsn");
  }
};

const Row empty_row{"copy", Cell(), Cell(), Cell(), "f", "0", Cell(), Cell(), Cell()};

TEST(Record, NamesItsColumnsForAStatement) {
  EXPECT_EQ(names_of<Step>(), "step, comment, rows, percent, done, table_oid, keys, xmin, lsn");
  EXPECT_EQ(names_of<Step>("s").substr(0, 17), "s.step, s.comment");
  EXPECT_EQ(parameters_of<Step>(3),
            "$3::name, $4::text, $5::int8, $6::int4, $7::bool, $8::oid, $9::text[], $10::int8, $11::pg_lsn");
  EXPECT_EQ(array_parameters_of<Place>(), "$1::int8[], $2::text[]");
}

TEST(Record, SelectsExpressionsByTheNamesOfItsColumns) {
  EXPECT_EQ(select_list<Place>("p"), "p.xmin, p.lsn");
  EXPECT_EQ(select_list<Place>("p", {{"lsn", "coalesce(p.lsn, '0/0')"}}),
            "p.xmin, coalesce(p.lsn, '0/0') AS lsn");
  EXPECT_EQ(sqlstate_of([] { select_list<Place>("p", {{"lns", "p.lsn"}}); }), sqlstate::internal);
}

TEST(Record, IsNullWhereItHasNothing) {
  Step step;
  step.name = "copy";
  EXPECT_EQ(encode(step), empty_row);
  const auto decoded = decode<Step>(empty_row);
  EXPECT_EQ(decoded.rows, -1);
  EXPECT_FALSE(decoded.percent || decoded.place);
}

TEST(Record, ComesBackAsItWas) {
  Step step{"merge", "two \"words\"", 0,           100,
            true,    4294967295,      {"a,b", ""}, Place{18446744073709551615u, "0/1"}};
  const auto decoded = decode<Step>(encode(step));
  EXPECT_EQ(encode(decoded), encode(step));
  EXPECT_EQ(decoded.keys, step.keys);
  EXPECT_EQ(decoded.place->xmin, step.place->xmin);
}

TEST(Record, OfAnotherNumberOfColumnsIsRefused) {
  Row shorter = empty_row, longer = empty_row;
  shorter.pop_back();
  longer.emplace_back("x");
  EXPECT_EQ(sqlstate_of([&] { decode<Step>(shorter); }), sqlstate::protocol_violation);
  EXPECT_EQ(sqlstate_of([&] { decode<Step>(longer); }), sqlstate::protocol_violation);
}

TEST(Record, SaysWhichColumnHasNoSuchValue) {
  Row row = empty_row;
  row.at(2) = "many";
  try {
    decode<Step>(row);
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.diagnostics().sqlstate, sqlstate::protocol_violation);
    EXPECT_EQ(error.diagnostics().context, "column rows");
  }
}

TEST(Record, TravelsAsOneArrayForEachColumn) {
  EXPECT_EQ(encode_arrays(std::vector<Place>{{1, "a"}, {2, "b,c"}}),
            (Row{"{\"1\",\"2\"}", "{\"a\",\"b,c\"}"}));
  EXPECT_EQ(encode_arrays(std::vector<Place>()), (Row{"{}", "{}"}));
}

TEST(Result, HasTheColumnsThatAreReadFromIt) {
  const auto [name, rows, known] = values_of<std::string, int, std::optional<bool>>({"a", "5", Cell()});
  EXPECT_EQ(name, "a");
  EXPECT_EQ(rows, 5);
  EXPECT_FALSE(known);
  EXPECT_EQ(sqlstate_of([] { values_of<int, int>({"1"}); }), sqlstate::protocol_violation);
}

TEST(Result, IsOneValueWhereThatIsAskedFor) {
  EXPECT_EQ(single<int>({{"5"}}), 5);
  EXPECT_EQ(single_or<int>({}, 7), 7);
  EXPECT_EQ(only_column<int>({{"5"}, {"6"}}), (std::vector<int>{5, 6}));
  for (const Rows &rows : {Rows(), Rows{{"5", "6"}}, Rows{{"5"}, {"6"}}})
    EXPECT_EQ(sqlstate_of([&] { single<int>(rows); }), sqlstate::protocol_violation);
}

}  // namespace
}  // namespace tablesync
