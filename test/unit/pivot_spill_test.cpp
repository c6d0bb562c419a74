#include "core/pivot/pivot_spill.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <tuple>

#include "pivot_texts.h"

namespace tablesync {
namespace {

using Outcome = PivotBuffer::Outcome;

class FilesInMemory final : public BlockFiles {
 public:
  void append(std::size_t file, std::string_view block) override {
    files[file].emplace_back(block);
    ++blocks;
  }
  std::string_view next(std::size_t file) override {
    std::vector<std::string> &all = files[file];
    std::size_t &at = read[file];
    if (at < all.size()) return all[at++];
    all.clear();
    at = 0;
    return {};
  }
  bool are_empty() const {
    return std::all_of(files.begin(), files.end(), [](const auto &file) { return file.second.empty(); });
  }

  std::map<std::size_t, std::vector<std::string>> files;
  std::map<std::size_t, std::size_t> read;
  std::size_t blocks = 0;
};

// Takes readings as a pivot does, and remembers which rows were written.
class PivotSpillTest : public testing::Test {
 protected:
  static constexpr std::size_t limit = 3U << 20;
  explicit PivotSpillTest(std::size_t rows = 1'000'000) : most_rows(rows) {}
  using Place = std::tuple<std::string, std::int64_t, std::string>;  // ship, time, channel

  PivotColumn *column_of(const std::string &ship, const std::string &channel, ValueType type) {
    if (PivotColumn *const known = buffer.find_column(ship, channel)) return known;
    const auto [table, is_new] = tables.try_emplace(ship);
    if (is_new) table->second = buffer.add_table(1, 0);
    return buffer.add_column(ship, channel, table->second, table->second->width, type);
  }
  Outcome add(const std::string &ship, std::int64_t time, const std::string &channel, const Value &value) {
    const Outcome outcome = spill.add(*column_of(ship, channel, value.type), time, value);
    if (spill.is_full()) make_room();
    most_bytes = std::max(most_bytes, buffer.bytes());
    return outcome;
  }
  void make_room() {
    if (const std::uint64_t before = spill.make_room(); before > 0) write(before);
  }
  void write(std::uint64_t before) {
    for (const WideRows &table : buffer.tables())
      for (const WideRow &row : table.rows)
        if (row.touched < before) {
          ++written[{&table, row.time}];
          late += row.late;
          for (const PivotColumn *const column : table.columns)
            if (column->at < row.width && !row.nulls[column->at])
              cells[{*column->ship, row.time, *column->channel}] = text_of(buffer.value_at(*column, row));
        }
    spill.clear(before);
  }
  void finish() {
    while (const PivotSpill::Reading *const reading = spill.next()) {
      EXPECT_NE(buffer.add(*reading->column, reading->time, reading->value), Outcome::not_convertible);
      if (spill.is_full()) make_room();
      most_bytes = std::max(most_bytes, buffer.bytes());
    }
    write(PivotBuffer::every_row);
    EXPECT_TRUE(files.are_empty());
  }
  void expect_rows_written_once(std::size_t rows) const {
    EXPECT_EQ(written.size(), rows);
    EXPECT_EQ(late, 0);
    EXPECT_TRUE(std::all_of(written.begin(), written.end(), [](const auto &row) { return row.second == 1; }));
  }

  const std::size_t most_rows;
  PivotBuffer buffer{plain_texts};
  FilesInMemory files;
  PivotSpill spill{buffer, files, {limit, most_rows}};
  std::map<std::string, WideRows *> tables;
  std::map<std::pair<const WideRows *, std::int64_t>, int> written;
  std::map<Place, std::string> cells;
  std::size_t most_bytes = 0;
  int late = 0;  // rows that had to be looked for where they were written
};

constexpr std::int64_t times = 3000;
constexpr int channels = 200;

Value value_of(int channel, std::int64_t time) {
  return Value::of(static_cast<double>(time) / (channel + 1));
}

TEST_F(PivotSpillTest, TheOrderOfTimeWritesNoFile) {
  for (std::int64_t time = 0; time < times; ++time)
    for (int channel = 0; channel < channels; ++channel)
      add("s", time, std::to_string(channel), value_of(channel, time));
  EXPECT_GT(written.size(), 2000U) << "rows that are complete are written at once";
  finish();
  EXPECT_EQ(files.blocks, 0U);
  expect_rows_written_once(times);
}

TEST_F(PivotSpillTest, NeitherDoesNearlyTheOrderOfTime) {
  std::mt19937 random(3);
  for (std::int64_t time = 0; time < times; ++time)
    for (int channel = 0; channel < channels; ++channel) {
      const std::int64_t late = channel % 10 == 0 ? static_cast<std::int64_t>(random() % 5) : 0;
      // A reading of long ago, now and then.
      const bool is_lost = random() % 2000 == 0;
      add("s", is_lost ? time / 2 : std::max<std::int64_t>(time - late, 0), std::to_string(channel),
          value_of(channel, time));
    }
  finish();
  EXPECT_EQ(files.blocks, 0U);
  const auto again =
      std::count_if(written.begin(), written.end(), [](const auto &row) { return row.second > 1; });
  EXPECT_LT(again, times / 10);
}

TEST_F(PivotSpillTest, ShipsThatTakeTurnsAreInOrder) {
  for (std::int64_t time = 0; time < times; ++time)
    for (int channel = 0; channel < channels; ++channel)
      for (const char *ship : {"a", "b", "c"})
        add(ship, time, std::to_string(channel), value_of(channel, time));
  finish();
  EXPECT_EQ(files.blocks, 0U);
  expect_rows_written_once(3 * times);
}

TEST_F(PivotSpillTest, InAnyOrderEachRowIsWrittenOnce) {
  std::vector<std::pair<std::int64_t, int>> places;
  for (int channel = 0; channel < channels; ++channel)
    for (std::int64_t time = 0; time < times; ++time) places.emplace_back(time, channel);
  const auto by_channel = places;
  std::shuffle(places.begin(), places.end(), std::mt19937(5));
  for (const auto &order : {by_channel, places}) {
    written.clear();
    cells.clear();
    buffer.forget_times();
    for (const auto &[time, channel] : order)
      add("s", time, std::to_string(channel), value_of(channel, time));
    EXPECT_TRUE(written.empty());
    finish();
    EXPECT_GT(files.blocks, 1000U);
    expect_rows_written_once(times);
    EXPECT_EQ(cells.size(), places.size());
    EXPECT_EQ((cells[{"s", 7, "9"}]), text_of(value_of(9, 7)));
    EXPECT_EQ(tables["s"]->readings, times * channels);
    tables["s"]->readings = 0;
  }
  EXPECT_LT(most_bytes, limit + (1U << 20));
}

class FewRowsAtATime : public PivotSpillTest {
 protected:
  FewRowsAtATime() : PivotSpillTest(10) {}
};

// With memory for all rows, no file is needed.
TEST_F(FewRowsAtATime, InAnyOrderEachRowIsWrittenOnce) {
  std::vector<std::pair<std::int64_t, int>> by_time, by_channel;
  for (int channel = 0; channel < 20; ++channel)
    for (std::int64_t time = 0; time < times; ++time) by_channel.emplace_back(time, channel);
  auto shuffled = by_channel;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(5));
  by_time = by_channel;
  std::sort(by_time.begin(), by_time.end());
  for (const auto &order : {by_time, by_channel, shuffled}) {
    written.clear();
    buffer.forget_times();
    for (const auto &[time, channel] : order)
      add("s", time, std::to_string(channel), value_of(channel, time));
    EXPECT_EQ(written.size() > 2000, order == by_time);
    finish();
    EXPECT_EQ(files.blocks, 0U);
    expect_rows_written_once(times);
  }
}

// The first channel fills the buffer alone.
TEST_F(PivotSpillTest, AChannelWithMoreTimesThanThereIsRoomForIsNotTheOrderOfTime) {
  constexpr std::int64_t many = 60'000;
  for (int channel = 0; channel < 3; ++channel)
    for (std::int64_t time = 0; time < many; ++time)
      add("s", time, std::to_string(channel), value_of(channel, time));
  finish();
  EXPECT_GT(files.blocks, 0U);
  expect_rows_written_once(many);
}

// A part has more rows than fit, again and again.
TEST_F(PivotSpillTest, PartsAreSplitAgain) {
  const std::string text(2000, 'x');
  constexpr std::int64_t many = 100'000;
  for (int channel = 0; channel < 3; ++channel)
    for (std::int64_t time = 0; time < many; ++time)
      add("s", time, std::to_string(channel), Value::of(std::string_view(text)));
  finish();
  expect_rows_written_once(many);
  EXPECT_GT(files.files.rbegin()->first, 64U) << "a second level";
  EXPECT_LT(most_bytes, limit + (1U << 20));
}

TEST_F(PivotSpillTest, ARowThatDoesNotFitIsWrittenInPieces) {
  const std::string text(100'000, 'x');
  for (int channel = 0; channel < channels; ++channel)
    for (const char *ship : {"a", "b"})
      add(ship, 1, std::to_string(channel), Value::of(std::string_view(text)));
  finish();
  EXPECT_EQ(written.size(), 2U);
  EXPECT_EQ(cells.size(), 2U * channels);
  EXPECT_LT(most_bytes, limit + (1U << 20));
}

TEST_F(PivotSpillTest, AnIntegerThatWaitsKeepsItsDigits) {
  PivotColumn *const large = column_of("s", "large", ValueType::integer);
  PivotColumn *const small = column_of("s", "small", ValueType::integer);
  const std::int64_t beyond = (std::int64_t{1} << 60) + 1;
  add("s", 0, "large", Value::of(beyond));
  add("s", 0, "small", Value::of(std::int64_t{5}));
  for (int channel = 0; channel < channels; ++channel)
    for (std::int64_t time = 0; time < times; ++time)
      add("s", time, std::to_string(channel), value_of(channel, time));
  ASSERT_GT(files.blocks, 0U);
  EXPECT_EQ(add("s", 1, "small", Value::of(0.5)), Outcome::not_convertible);
  EXPECT_FALSE(buffer.change_type(*large, ValueType::decimal));
  EXPECT_TRUE(buffer.change_type(*small, ValueType::decimal));
  EXPECT_EQ(add("s", 1, "small", Value::of(0.5)), Outcome::stored);
  finish();
  EXPECT_EQ((cells[{"s", 0, "large"}]), std::to_string(beyond));
  EXPECT_EQ((cells[{"s", 0, "small"}]), "5");
  EXPECT_EQ((cells[{"s", 1, "small"}]), "0.5");
}

// Orders, types, duplicates and sizes at random: what is written is what a map holds, the last reading of a
// cell.
TEST_F(PivotSpillTest, EqualsAMap) {
  std::mt19937 random(42);
  const auto any = [&](int end) { return static_cast<int>(random() % static_cast<unsigned>(end)); };
  for (int round = 0; round < 4; ++round) {
    std::map<Place, std::string> expected;
    cells.clear();
    buffer.forget_times();
    for (int n = 0; n < 150'000; ++n) {
      const std::string ship(1, static_cast<char>('a' + any(3)));
      const int channel = round == 0 ? n / 1000 : any(150);
      const std::int64_t time = round == 1 ? n / 200 - any(200) : any(2000);
      const std::string text(static_cast<std::size_t>(any(1000) == 0 ? 20'000 : any(20)), 'x');
      const Value values[] = {Value::of(any(2) == 1), Value::of(std::int64_t{n}), Value::of(n / 7.0),
                              Value::of(std::string_view(text))};
      const Value &value = values[channel % 4];
      add(ship, time, std::to_string(channel), value);
      expected[{ship, time, std::to_string(channel)}] = text_of(value);
    }
    finish();
    EXPECT_EQ(cells, expected) << round;
  }
  EXPECT_GT(files.blocks, 0U);
  EXPECT_LT(most_bytes, limit + (2U << 20));
}

}  // namespace
}  // namespace tablesync
