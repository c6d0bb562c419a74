#include "core/pivot/wide_table.h"

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

TEST(WideTable, ItsNameIsFolded) {
  EXPECT_EQ(wide_table_name("tbl_data_timeseries_", "IMO9976903"), "tbl_data_timeseries_imo9976903");
  EXPECT_EQ(wide_table_name("Wide_", "Ship", "Engine"), "wide_ship_engine");
  EXPECT_EQ(wide_table_name("", "Größe"), "größe");
}

TEST(WideTable, AColumnSaysItsChannel) {
  for (const char *channel : {"speed", "Readings of channel speed", " ", "/engine/é\n\"'"})
    EXPECT_EQ(channel_of_comment(wide_column_comment(channel)), channel);
  for (const char *comment :
       {"", "speed", "readings of channel speed", "Readings of channel ", "Readings of channel"})
    EXPECT_EQ(channel_of_comment(comment), "") << comment;
}

TEST(WideTable, ANameThatIsNoneIsRefused) {
  EXPECT_EQ(sqlstate_of([] { wide_table_name("p", ""); }), "42602");
  EXPECT_EQ(sqlstate_of([] { wide_table_name("p", std::string(62, 'x')); }), "none");
  EXPECT_EQ(sqlstate_of([] { wide_table_name("p", std::string(63, 'x')); }), "42622");
  EXPECT_EQ(sqlstate_of([] { wide_table_name("p", std::string(60, 'x'), "group"); }), "42622");
}

TEST(WideTable, AColumnIsCalledAsItsChannel) {
  for (const auto *channel : {"/hs4sd_v1/me01/rpm", "Größe \"in\"\nmetres", "select", "🚢", " "})
    EXPECT_EQ(wide_column_name(channel, {"created_time"}), channel);
  EXPECT_EQ(wide_column_name(std::string(63, 'x'), {}), std::string(63, 'x'));
  EXPECT_EQ(sqlstate_of([] { wide_column_name("", {}); }), "42602");
}

TEST(WideTable, AChannelThatCannotBeAColumnGetsAShortName) {
  const std::string long_name(300, 'x');
  const std::string name = wide_column_name(long_name, {});
  EXPECT_EQ(name.size(), 63U);
  EXPECT_EQ(name.substr(0, 55), std::string(54, 'x') + "_");
  EXPECT_EQ(name, wide_column_name(long_name, {"something"})) << "it depends on the channel alone";
  EXPECT_NE(name, wide_column_name(long_name + "x", {}));
  EXPECT_EQ(wide_column_name("created_time", {"created_time"}).substr(0, 13), "created_time_");
  EXPECT_EQ(wide_column_name("xmin", {}).substr(0, 5), "xmin_");
  EXPECT_EQ(sqlstate_of([&] { wide_column_name(long_name, {name}); }), "42710")
      << "two channels are never one column";
}

TEST(WideTable, ACharacterIsNotCutInTwo) {
  for (std::size_t ascii = 44; ascii <= 54; ++ascii) {
    std::string channel(ascii, 'x');
    for (int n = 0; n < 10; ++n) channel += "🚢";
    const std::string name = wide_column_name(channel, {});
    EXPECT_LE(name.size(), 63U);
    EXPECT_EQ((name.size() - ascii - 9) % 4, 0U) << name;
  }
}

int most_of(ValueType type, int dropped = 0) {
  RowSize size(dropped);
  EXPECT_TRUE(size.add_timestamp());
  int count = 0;
  while (size.add(type)) ++count;
  return count;
}

// A row with all of 1,016 double precision fits too, since it needs no bitmap; but not one that lacks a few.
TEST(WideTable, ARowHasRoomForSoManyColumns) {
  EXPECT_EQ(most_of(ValueType::decimal), 1000);
  EXPECT_EQ(most_of(ValueType::boolean), 1599);
  EXPECT_EQ(most_of(ValueType::boolean, 1000), 599);
  EXPECT_EQ(most_of(ValueType::string), 384);
}

// So a further table is known by it.
TEST(WideTable, WhereAnyColumnHasNoRoomATextHasNone) {
  for (const ValueType first : {ValueType::boolean, ValueType::integer, ValueType::string})
    for (const ValueType second : {ValueType::boolean, ValueType::decimal, ValueType::string})
      for (const int before : {0, 1, 7, 100, 300}) {
        RowSize size;
        size.add_timestamp();
        for (int n = 0; n < before; ++n) size.add(first);
        EXPECT_TRUE(size.has_room(ValueType::string));
        while (size.add(second)) continue;
        EXPECT_FALSE(size.has_room(ValueType::string));
      }
}

int toast_target_of(ValueType type, int count) {
  RowSize size;
  size.add_timestamp();
  for (int n = 0; n < count; ++n) EXPECT_TRUE(size.add(type));
  return size.toast_target();
}

// The header and the bitmap of 301 columns have 64 bytes, the values 8 each.
TEST(WideTable, TextsHaveTheirUsualRoomBesidesNumbers) {
  EXPECT_EQ(toast_target_of(ValueType::decimal, 10), 0) << "as it is";
  EXPECT_EQ(toast_target_of(ValueType::decimal, 300), 64 + 8 * 301 + 2032);
  EXPECT_EQ(toast_target_of(ValueType::decimal, 1000), 8160) << "the most that it can be";
  EXPECT_EQ(toast_target_of(ValueType::string, 300), 8160);
}

}  // namespace
}  // namespace tablesync
