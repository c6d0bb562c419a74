// The pivot's engine against a map: whatever readings come, in whatever order, with columns that come, widen
// and move and buffers that are emptied in between, what comes out is the last reading of each cell.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <tuple>

#include "core/pivot/pivot_buffer.h"
#include "pivot_texts.h"

namespace tablesync {
namespace {

class Input {
 public:
  Input(const std::uint8_t *data, std::size_t size) : at_(data), end_(data + size) {}
  bool empty() const { return at_ == end_; }
  unsigned next(unsigned below) { return empty() ? 0 : *at_++ % below; }
  std::int64_t number() {
    constexpr std::int64_t odd[] = {
        0,      1,          -1,         127,       9007199254740992, 9007199254740993,
        -32768, 2147483647, 2147483648, INT64_MIN, INT64_MAX};
    return odd[next(11)];
  }
  double decimal() {
    constexpr double odd[] = {0.0, -0.0, 1.0, 0.5, -2.5, 1e300, 5e-324, 9007199254740994.0, HUGE_VAL};
    return odd[next(9)];
  }
  std::string text() { return std::string(next(40), static_cast<char>('0' + next(10))); }

 private:
  const std::uint8_t *at_, *end_;
};

void must(bool condition) {
  if (!condition) std::abort();
}

class Run {
 public:
  explicit Run(Input input) : input_(input) {}

  void run() {
    for (int n = 0; n < 2; ++n) tables_[n] = buffer_.add_table(1, 0);
    while (!input_.empty()) switch (input_.next(12)) {
        case 0:
          take_out();
          break;
        case 1:
          widen();
          break;
        case 2:
          reverse();
          break;
        default:
          add();
      }
    take_out();
    must(stored_ == expected_);
  }

 private:
  using Cell = std::tuple<int, std::int64_t, std::string>;

  PivotColumn &column(int table, const std::string &channel) {
    const std::string ship = table == 0 ? "a" : "b";
    if (PivotColumn *const known = buffer_.find_column(ship, channel)) return *known;
    const auto type = static_cast<ValueType>(input_.next(4));
    PivotColumn *const made = buffer_.add_column(ship, channel, tables_[table], tables_[table]->width, type);
    columns_[{table, channel}] = made;
    return *made;
  }

  Value value() {
    switch (input_.next(4)) {
      case 0:
        return Value::of(input_.next(2) == 1);
      case 1:
        return Value::of(input_.number());
      case 2:
        return Value::of(input_.decimal());
      default:
        text_ = input_.text();
        return Value::of(std::string_view(text_));
    }
  }

  void add() {
    const int table = static_cast<int>(input_.next(2));
    const std::string channel = "c" + std::to_string(input_.next(8));
    PivotColumn &to = column(table, channel);
    const auto time = static_cast<std::int64_t>(input_.next(6));
    const Value given = value();
    std::string room;
    const std::optional<Value> stored = convert(given, to.type, room);
    const PivotBuffer::Outcome outcome = buffer_.add(to, time, given);
    must((outcome == PivotBuffer::Outcome::not_convertible) == !stored.has_value());
    if (stored) expected_[{table, time, channel}] = text_of(*stored);
  }

  // What is out of the buffer keeps its text: the table's own column is changed by its server.
  void widen() {
    const int table = static_cast<int>(input_.next(2));
    const auto found = columns_.find({table, "c" + std::to_string(input_.next(8))});
    if (found == columns_.end()) return;
    const auto type = static_cast<ValueType>(input_.next(4));
    if (!buffer_.change_type(*found->second, type)) return;
    for (const WideRow &row : tables_[table]->rows)
      if (row.width > found->second->at && !row.nulls[found->second->at])
        expected_[{table, row.time, found->first.second}] = text_of(buffer_.value_at(*found->second, row));
  }

  void reverse() {
    WideRows &rows = *tables_[input_.next(2)];
    std::vector<std::int32_t> places(static_cast<std::size_t>(rows.width));
    for (std::size_t n = 0; n < places.size(); ++n)
      places[n] = static_cast<std::int32_t>(n == 0 ? 0 : places.size() - n);
    buffer_.reorder(rows, places);
  }

  void take_out() {
    for (const auto &[name, column] : columns_)
      for (const WideRow &row : tables_[name.first]->rows)
        if (row.width > column->at && !row.nulls[column->at])
          stored_[{name.first, row.time, name.second}] = text_of(buffer_.value_at(*column, row));
    buffer_.clear();
    must(buffer_.rows() == 0);
  }

  Input input_;
  PivotBuffer buffer_{plain_texts};
  WideRows *tables_[2] = {};
  std::map<std::pair<int, std::string>, PivotColumn *> columns_;
  std::map<Cell, std::string> expected_, stored_;
  std::string text_;
};

}  // namespace
}  // namespace tablesync

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  tablesync::Run(tablesync::Input(data, size)).run();
  return 0;
}
