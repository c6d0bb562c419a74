#include "core/pivot/pivot_buffer.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>

#include "pivot_texts.h"

namespace tablesync {
namespace {

using Outcome = PivotBuffer::Outcome;

// A cell as text, or "-".
std::string cell(const WideRow &row, std::int32_t at, ValueType type) {
  static const PivotBuffer any(plain_texts);
  if (at >= row.width || row.nulls[at]) return "-";
  return text_of(any.value_at(PivotColumn{nullptr, nullptr, nullptr, nullptr, at, type}, row));
}

class Pivot : public testing::Test {
 protected:
  PivotBuffer buffer{plain_texts};
  WideRows *table = buffer.add_table(1, 0);
};

TEST_F(Pivot, ReadingsOfOneTimeMakeOneRow) {
  PivotColumn *speed = buffer.add_column("s", "speed", table, 1, ValueType::decimal);
  PivotColumn *count = buffer.add_column("s", "count", table, 2, ValueType::integer);
  PivotColumn *name = buffer.add_column("s", "name", table, 3, ValueType::string);
  PivotColumn *on = buffer.add_column("s", "on", table, 4, ValueType::boolean);
  EXPECT_EQ(buffer.add(*speed, 10, Value::of(1.5)), Outcome::stored);
  EXPECT_EQ(buffer.add(*count, 10, Value::of(std::int64_t{-7})), Outcome::stored);
  EXPECT_EQ(buffer.add(*on, 20, Value::of(true)), Outcome::stored);
  EXPECT_EQ(buffer.add(*name, 10, Value::of(std::string_view("größe"))), Outcome::stored);
  ASSERT_EQ(table->rows.size(), 2U);
  EXPECT_EQ(buffer.rows(), 2U);
  const WideRow &first = table->rows[0], &second = table->rows[1];
  EXPECT_EQ(first.time, 10);
  EXPECT_EQ(first.values[0], 10U);
  EXPECT_FALSE(first.nulls[0]);
  EXPECT_EQ(cell(first, 1, ValueType::decimal), "1.5");
  EXPECT_EQ(cell(first, 2, ValueType::integer), "-7");
  EXPECT_EQ(cell(first, 3, ValueType::string), "größe");
  EXPECT_EQ(cell(first, 4, ValueType::boolean), "-");
  EXPECT_EQ(cell(second, 4, ValueType::boolean), "true");
}

TEST_F(Pivot, TheLastReadingOfAChannelAndTimeWins) {
  PivotColumn *speed = buffer.add_column("s", "speed", table, 1, ValueType::decimal);
  buffer.add(*speed, 10, Value::of(1.0));
  buffer.add(*speed, 20, Value::of(2.0));
  EXPECT_EQ(buffer.add(*speed, 10, Value::of(3.0)), Outcome::replaced);
  ASSERT_EQ(table->rows.size(), 2U);
  EXPECT_EQ(cell(table->rows[0], 1, ValueType::decimal), "3");
}

TEST_F(Pivot, ARepeatedValueIsNoOtherOne) {
  PivotColumn *speed = buffer.add_column("s", "speed", table, 1, ValueType::decimal);
  PivotColumn *name = buffer.add_column("s", "name", table, 2, ValueType::string);
  for (const double value : {0.0, std::numeric_limits<double>::quiet_NaN(), 3.0}) {
    buffer.add(*speed, 10, Value::of(value));
    EXPECT_EQ(buffer.add(*speed, 10, Value::of(value)), Outcome::repeated) << value;
  }
  EXPECT_EQ(buffer.add(*speed, 10, Value::of(std::int64_t{3})), Outcome::repeated) << "as it is stored";
  buffer.add(*speed, 10, Value::of(0.0));
  EXPECT_EQ(buffer.add(*speed, 10, Value::of(-0.0)), Outcome::replaced);
  buffer.add(*name, 10, Value::of(std::string_view("a")));
  EXPECT_EQ(buffer.add(*name, 10, Value::of(std::string_view("a"))), Outcome::repeated);
  EXPECT_EQ(buffer.add(*name, 10, Value::of(std::string_view("b"))), Outcome::replaced);
  EXPECT_EQ(table->replaced, 10);
}

TEST_F(Pivot, AColumnIsFoundByShipAndChannel) {
  PivotColumn *a = buffer.add_column("a", "bc", table, 1, ValueType::decimal);
  PivotColumn *b = buffer.add_column("ab", "c", table, 2, ValueType::decimal);
  EXPECT_EQ(buffer.find_column("a", "bc"), a);
  EXPECT_EQ(buffer.find_column("ab", "c"), b);
  EXPECT_EQ(buffer.find_column("a", "c"), nullptr);
  EXPECT_EQ(buffer.find_column("", ""), nullptr);
}

TEST_F(Pivot, AValueOfAnotherTypeIsConvertedOrRefused) {
  PivotColumn *count = buffer.add_column("s", "count", table, 1, ValueType::integer);
  EXPECT_EQ(buffer.add(*count, 10, Value::of(5.0)), Outcome::stored);
  EXPECT_EQ(buffer.add(*count, 20, Value::of(0.5)), Outcome::not_convertible);
  ASSERT_EQ(table->rows.size(), 1U) << "what is refused makes no row";
  EXPECT_EQ(cell(table->rows[0], 1, ValueType::integer), "5");
}

TEST_F(Pivot, AColumnBecomesWiderWithWhatItHas) {
  PivotColumn *count = buffer.add_column("s", "count", table, 1, ValueType::integer);
  buffer.add(*count, 10, Value::of(std::int64_t{5}));
  EXPECT_TRUE(buffer.change_type(*count, ValueType::decimal));
  EXPECT_EQ(buffer.add(*count, 20, Value::of(0.5)), Outcome::stored);
  EXPECT_EQ(cell(table->rows[0], 1, ValueType::decimal), "5");
  EXPECT_TRUE(buffer.change_type(*count, ValueType::string));
  EXPECT_EQ(cell(table->rows[1], 1, ValueType::string), "0.5");
  EXPECT_FALSE(buffer.change_type(*count, ValueType::integer));

  PivotColumn *large = buffer.add_column("s", "large", table, 2, ValueType::integer);
  buffer.add(*large, 10, Value::of((std::int64_t{1} << 60) + 1));
  EXPECT_FALSE(buffer.change_type(*large, ValueType::decimal)) << "a digit would be lost";
  EXPECT_EQ(large->type, ValueType::integer);
}

TEST_F(Pivot, AChannelThatComesLaterWidensTheRowsThatItHasReadingsFor) {
  PivotColumn *speed = buffer.add_column("s", "speed", table, 1, ValueType::decimal);
  buffer.add(*speed, 10, Value::of(1.0));
  buffer.add(*speed, 20, Value::of(2.0));
  PivotColumn *later = buffer.add_column("s", "later", table, 40, ValueType::decimal);
  buffer.add(*later, 10, Value::of(9.0));
  EXPECT_EQ(table->width, 41);
  EXPECT_EQ(cell(table->rows[0], 1, ValueType::decimal), "1");
  EXPECT_EQ(cell(table->rows[0], 40, ValueType::decimal), "9");
  EXPECT_EQ(cell(table->rows[0], 39, ValueType::decimal), "-");
  EXPECT_EQ(cell(table->rows[1], 40, ValueType::decimal), "-");
}

TEST_F(Pivot, RowsThatCameBackAfterTheyWereTakenOutAreLate) {
  PivotColumn *speed = buffer.add_column("s", "speed", table, 1, ValueType::decimal);
  buffer.add(*speed, 20, Value::of(1.0));
  buffer.add(*speed, 10, Value::of(1.0));
  EXPECT_FALSE(table->rows[1].late) << "nothing was taken out yet";
  buffer.clear();
  EXPECT_EQ(buffer.rows(), 0U);
  EXPECT_EQ(buffer.find_column("s", "speed"), speed);
  for (const std::int64_t time : {20, 21, 5, 15}) buffer.add(*speed, time, Value::of(1.0));
  EXPECT_TRUE(table->rows[0].late);
  EXPECT_FALSE(table->rows[1].late) << "it is beyond all that were taken out";
  EXPECT_FALSE(table->rows[2].late);
  EXPECT_TRUE(table->rows[3].late) << "nobody knows";
  buffer.clear();
  buffer.forget_times();
  buffer.add(*speed, 15, Value::of(1.0));
  EXPECT_FALSE(table->rows[0].late);
}

TEST_F(Pivot, PlacesCanBeChanged) {
  PivotColumn *speed = buffer.add_column("s", "speed", table, 1, ValueType::decimal);
  PivotColumn *name = buffer.add_column("s", "name", table, 2, ValueType::string);
  buffer.add(*speed, 10, Value::of(1.5));
  buffer.add(*name, 10, Value::of(std::string_view("x")));
  buffer.add(*speed, 20, Value::of(2.5));
  buffer.reorder(*table, {0, 2, 1});
  EXPECT_EQ(cell(table->rows[0], speed->at, ValueType::decimal), "1.5");
  EXPECT_EQ(cell(table->rows[0], name->at, ValueType::string), "x");
  EXPECT_EQ(cell(table->rows[1], 2, ValueType::decimal), "2.5");
  EXPECT_EQ(cell(table->rows[1], 1, ValueType::string), "-");
  buffer.add(*name, 20, Value::of(std::string_view("y")));
  EXPECT_EQ(cell(table->rows[1], 1, ValueType::string), "y");
}

TEST_F(Pivot, SmallIntegersTakeNoLargeOnes) {
  PivotColumn *count = buffer.add_column("s", "count", table, 1, ValueType::integer);
  for (const auto &[bytes, most] : {std::pair{2, std::int64_t{32767}}, {4, std::int64_t{2147483647}}}) {
    count->integer_bytes = static_cast<std::uint8_t>(bytes);
    EXPECT_NE(buffer.add(*count, 10, Value::of(most)), Outcome::not_convertible);
    EXPECT_EQ(buffer.add(*count, 10, Value::of(most + 1)), Outcome::not_convertible);
    EXPECT_NE(buffer.add(*count, 10, Value::of(-most - 1)), Outcome::not_convertible);
    EXPECT_EQ(buffer.add(*count, 10, Value::of(-most - 2)), Outcome::not_convertible);
  }
}

TEST_F(Pivot, ColumnsAreFoundInWhateverOrder) {
  std::vector<PivotColumn *> columns;
  for (const char *ship : {"s", "t"})
    for (const char *channel : {"a", "b", "c"})
      columns.push_back(buffer.add_column(ship, channel, table, table->width, ValueType::decimal));
  std::mt19937 random(7);
  for (int n = 0; n < 1000; ++n) {
    const size_t which = random() % 6;
    EXPECT_EQ(buffer.find_column(which < 3 ? "s" : "t", std::string_view("abc").substr(which % 3, 1)),
              columns[which]);
    if (n % 10 == 0) {
      EXPECT_EQ(buffer.find_column("s", "d"), nullptr);
      EXPECT_EQ(buffer.find_column("u", "a"), nullptr);
    }
  }
}

TEST_F(Pivot, MemoryIsToldAndGivenBack) {
  PivotColumn *name = buffer.add_column("s", "name", table, 1, ValueType::string);
  const std::string text(100'000, 'x');
  for (std::int64_t time = 0; time < 100; ++time) buffer.add(*name, time, Value::of(std::string_view(text)));
  EXPECT_GT(buffer.bytes(), 10'000'000U);
  EXPECT_LT(buffer.bytes(), 13'000'000U);
  EXPECT_EQ(cell(table->rows[50], 1, ValueType::string), text);
  buffer.clear();
  EXPECT_LE(buffer.bytes(), 1U << 20);
}

// Channel after channel: what rows leave when they become wider is used again, and nothing is lost.
TEST_F(Pivot, RowsThatBecomeWiderLeaveNoMemoryBehind) {
  constexpr std::int64_t times = 5000;
  constexpr int channels = 300;
  constexpr std::size_t limit = 20U << 20;
  const auto text_of_cell = [](int channel, std::int64_t time) {
    return std::to_string(channel) + " at " + std::to_string(time);
  };
  std::vector<PivotColumn *> columns;
  for (int channel = 0; channel < channels; ++channel) {
    const ValueType type = channel % 100 == 0 ? ValueType::string : ValueType::integer;
    columns.push_back(buffer.add_column("s", std::to_string(channel), table, channel + 1, type));
    for (std::int64_t time = 0; time < times; ++time) {
      const std::string text = text_of_cell(channel, time);
      buffer.add(*columns.back(), time,
                 type == ValueType::string ? Value::of(std::string_view(text)) : Value::of(channel * time));
      if (buffer.bytes() > limit) buffer.compact();
      ASSERT_LE(buffer.bytes(), limit) << channel;
    }
  }
  ASSERT_EQ(table->rows.size(), static_cast<size_t>(times));
  for (const WideRow &row : table->rows)
    for (int channel = 0; channel < channels; ++channel)
      ASSERT_EQ(cell(row, channel + 1, columns[static_cast<size_t>(channel)]->type),
                channel % 100 == 0 ? text_of_cell(channel, row.time) : std::to_string(channel * row.time));
}

TEST_F(Pivot, CompactingLeavesFullRowsAlone) {
  PivotColumn *name = buffer.add_column("s", "name", table, 1, ValueType::string);
  const std::string text(100'000, 'x');
  for (std::int64_t time = 0; time < 100; ++time) buffer.add(*name, time, Value::of(std::string_view(text)));
  const auto before = table->rows.front().values;
  buffer.compact();
  EXPECT_EQ(table->rows.front().values, before);
  // Half of the texts are replaced.
  for (std::int64_t time = 0; time < 100; time += 2)
    buffer.add(*name, time, Value::of(std::string_view("new")));
  for (std::int64_t time = 0; time < 100; time += 2)
    buffer.add(*name, time, Value::of(std::string_view("newest")));
  EXPECT_EQ(cell(table->rows[0], 1, ValueType::string), "newest");
  EXPECT_EQ(cell(table->rows[1], 1, ValueType::string), text);
}

// Readings at random, with repeated and unordered times, many ships, taken out at random: what comes out is
// what a map of (table, time, channel) holds.
TEST(PivotAtRandom, EqualsAMap) {
  std::mt19937 random(42);
  const auto any = [&](int end) { return static_cast<int>(random() % static_cast<unsigned>(end)); };
  PivotBuffer buffer(plain_texts);
  std::vector<WideRows *> tables;
  std::map<std::pair<int, int>, PivotColumn *> columns;
  std::map<std::tuple<int, std::int64_t, int>, std::string> expected, got;
  const auto take_out = [&] {
    for (const auto &[name, column] : columns)
      for (const WideRow &row : column->table->rows)
        if (const std::string text = cell(row, column->at, column->type); text != "-")
          got[{name.first, row.time, name.second}] = text;
    buffer.clear();
  };
  for (int ship = 0; ship < 5; ++ship) tables.push_back(buffer.add_table(2, 1));
  for (int n = 0; n < 100'000; ++n) {
    const int ship = any(5), channel = any(n < 50'000 ? 20 : 60);
    const std::string ship_name = "ship " + std::to_string(ship),
                      channel_name = "channel " + std::to_string(channel);
    PivotColumn *column = buffer.find_column(ship_name, channel_name);
    if (column == nullptr) {
      const auto type = static_cast<ValueType>(any(4));
      column = buffer.add_column(ship_name, channel_name, tables[static_cast<size_t>(ship)],
                                 tables[static_cast<size_t>(ship)]->width, type);
      columns[{ship, channel}] = column;
    }
    const std::int64_t time = n / 100 - any(50);
    const std::string text = "text " + std::to_string(n);
    const Value values[] = {Value::of(any(2) == 1), Value::of(std::int64_t{n}), Value::of(n / 7.0),
                            Value::of(std::string_view(text))};
    const Value &value = values[any(4)];
    std::string room;
    const std::optional<Value> stored = convert(value, column->type, room);
    const Outcome outcome = buffer.add(*column, time, value);
    EXPECT_EQ(outcome == Outcome::not_convertible, !stored);
    if (stored) expected[{ship, time, channel}] = text_of(*stored);
    if (any(5000) == 0) take_out();
    if (any(500) == 0) buffer.compact();
  }
  take_out();
  EXPECT_GT(expected.size(), 10'000U);
  EXPECT_EQ(got, expected);
}

}  // namespace
}  // namespace tablesync
