#include "core/pivot/pivot_buffer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "core/base/same_text.h"

namespace tablesync {
namespace {

// The header of a text: its length, as in varlena.
constexpr std::size_t header_size = 4;

bool has_room(const PivotColumn &column, std::int64_t value) {
  switch (column.integer_bytes) {
    case 2:
      return value == static_cast<std::int16_t>(value);
    case 4:
      return value == static_cast<std::int32_t>(value);
    default:
      return true;
  }
}

// How many rows came against the order of time that the others came in.
std::int64_t turns_of(const std::vector<WideRow> &rows) {
  std::int64_t later = 0;
  for (std::size_t n = 1; n < rows.size(); ++n) later += rows[n - 1].time < rows[n].time;
  return rows.empty() ? 0 : std::min(later, static_cast<std::int64_t>(rows.size()) - 1 - later);
}

// Whether the table had readings of one channel only so far.
bool has_one_channel(const WideRows &table) {
  if (table.flushed_from <= table.flushed_to) return false;
  const WideRow &first = table.rows.front();
  std::int32_t at = 0;
  while (at < first.width && (first.nulls[at] || at == table.time_at)) ++at;
  return std::all_of(table.rows.begin(), table.rows.end(), [&](const WideRow &row) {
    for (std::int32_t n = 0; n < row.width; ++n)
      if (!row.nulls[n] && n != table.time_at && n != at) return false;
    return true;
  });
}

}  // namespace

char *Arena::take(std::size_t size) {
  constexpr std::size_t alignment = 8;
  size = (size + alignment - 1) / alignment * alignment;
  if (size > left_) {
    const std::size_t block = std::max(size, block_size);
    blocks_.emplace_back(new char[block]);
    bytes_ += block;
    // A large value gets its own block; the current block is filled further.
    if (size >= block_size / 4 && at_ != nullptr) return blocks_.back().get();
    at_ = blocks_.back().get();
    left_ = block;
  }
  char *const taken = at_;
  at_ += size;
  left_ -= size;
  return taken;
}

void Arena::clear() {
  if (blocks_.size() > 1) blocks_.resize(1);
  bytes_ = blocks_.empty() ? 0 : block_size;
  at_ = blocks_.empty() ? nullptr : blocks_[0].get();
  left_ = bytes_;
}

std::size_t PivotBuffer::HashName::operator()(std::string_view name) const {
  return XXH3_64bits(name.data(), name.size());
}

std::size_t PivotBuffer::HashKey::operator()(const Key &key) const { return XXH3_64bits(&key, sizeof key); }

const std::string *PivotBuffer::keep(std::string_view name) {
  const auto known = kept_.find(name);
  if (known != kept_.end()) return known->second;
  const std::string *const kept = &names_.emplace_back(name);
  kept_.emplace(*kept, kept);
  return kept;
}

WideRows *PivotBuffer::add_table(std::int32_t width, std::int32_t time_at) {
  WideRows &table = tables_.emplace_back();
  table.width = width;
  table.time_at = time_at;
  return &table;
}

PivotColumn *PivotBuffer::add_column(std::string_view ship, std::string_view channel, WideRows *table,
                                     std::int32_t at, ValueType type) {
  PivotColumn &column =
      columns_.emplace_back(PivotColumn{table, keep(ship), keep(channel), nullptr, at, type});
  by_name_[Key{column.ship, column.channel}] = &column;
  table->columns.push_back(&column);
  table->width = std::max(table->width, at + 1);
  return &column;
}

PivotColumn *PivotBuffer::find_column(std::string_view ship, std::string_view channel) {
  PivotColumn *const next = last_ != nullptr ? last_->next : nullptr;
  if (next != nullptr) {
    // It is in the cache when it is needed.
    __builtin_prefetch(next->next);
    if (is_same(*next->channel, channel) && is_same(*next->ship, ship)) return last_ = next;
  }
  const auto ship_name = kept_.find(ship), channel_name = kept_.find(channel);
  if (ship_name == kept_.end() || channel_name == kept_.end()) return nullptr;
  const auto found = by_name_.find(Key{ship_name->second, channel_name->second});
  if (found == by_name_.end()) return nullptr;
  if (last_ != nullptr) last_->next = found->second;
  return last_ = found->second;
}

// Copies the arrays of the row to where there is its room.
void PivotBuffer::copy_arrays(WideRow &row) {
  const auto width = static_cast<std::size_t>(row.width), room = static_cast<std::size_t>(row.room);
  auto *const values = reinterpret_cast<std::uint64_t *>(arena_.take(room * sizeof(std::uint64_t)));
  auto *const nulls = reinterpret_cast<bool *>(arena_.take(room));
  std::copy_n(row.values, width, values);
  std::copy_n(row.nulls, width, nulls);
  std::fill(values + width, values + room, 0);
  std::fill(nulls + width, nulls + room, true);
  row.values = values;
  row.nulls = nulls;
}

// Extends the row to the current attributes of the table. Columns that are added one by one move it only a
// few times.
void PivotBuffer::widen(WideRow &row, std::int32_t width) {
  if (row.room < width) {
    row.room = std::max(width, 2 * row.width);
    copy_arrays(row);
  }
  row.width = width;
}

WideRow &PivotBuffer::find_row(WideRows &table, std::int64_t time) {
  if (table.last < table.rows.size() && table.rows[table.last].time == time) return table.rows[table.last];
  const auto [place, is_new] = table.by_time.try_emplace(time, table.rows.size());
  table.last = place->second;
  if (is_new) {
    WideRow &row = table.rows.emplace_back(WideRow{nullptr, nullptr, time, 0, 0, clock_,
                                                   table.flushed_from <= time && time <= table.flushed_to});
    if (row.late) ++returns_.back();
    widen(row, table.width);
    row.values[table.time_at] = static_cast<std::uint64_t>(time);
    row.nulls[table.time_at] = false;
    ++rows_;
  }
  return table.rows[table.last];
}

std::uint64_t PivotBuffer::store(const Value &value) {
  if (value.type != ValueType::string) return bits_of(value);
  text_bytes_ += header_size + value.text.size();
  char *const text = arena_.take(header_size + value.text.size());
  texts_.set_header(text, value.text.size());
  std::memcpy(text + header_size, value.text.data(), value.text.size());
  return reinterpret_cast<std::uint64_t>(text);
}

const Value *PivotBuffer::fit(const PivotColumn &column, const Value &value, std::optional<Value> &converted,
                              std::string &room) {
  const Value *fitting = &value;
  if (value.type != column.type) {
    converted = convert(value, column.type, room);
    if (!converted) return nullptr;
    fitting = &*converted;
  }
  return column.type == ValueType::integer && !has_room(column, fitting->integer) ? nullptr : fitting;
}

PivotBuffer::Outcome PivotBuffer::add(const PivotColumn &column, std::int64_t time, const Value &value) {
  std::string room;
  std::optional<Value> converted;
  const Value *const stored = fit(column, value, converted, room);
  if (stored == nullptr) return Outcome::not_convertible;
  WideRow &row = find_row(*column.table, time);
  const std::uint64_t gap = ++clock_ - row.touched;
  if (gap > 1) ++returns_[static_cast<std::size_t>(std::bit_width(gap))];
  row.touched = clock_;
  if (row.width <= column.at) widen(row, column.table->width);
  ++column.table->readings;
  const bool is_first = row.nulls[column.at];
  ++(is_first ? column.table->cells : column.table->replaced);
  if (!is_first) {
    const Value before = value_at(column, row);
    if (before == *stored) return Outcome::repeated;
    if (column.type == ValueType::string) text_bytes_ -= header_size + before.text.size();
  }
  row.values[column.at] = store(*stored);
  row.nulls[column.at] = false;
  return is_first ? Outcome::stored : Outcome::replaced;
}

Value PivotBuffer::value_at(const PivotColumn &column, const WideRow &row) const {
  const std::uint64_t bits = row.values[column.at];
  switch (column.type) {
    case ValueType::boolean:
      return Value::of(bits != 0);
    case ValueType::integer:
      return Value::of(static_cast<std::int64_t>(bits));
    case ValueType::decimal:
      return Value::of(std::bit_cast<double>(bits));
    default:
      return Value::of(texts_.bytes(bits));
  }
}

bool PivotBuffer::change_type(PivotColumn &column, ValueType type) {
  // Converts a text only if it can be converted back.
  if (column.type == ValueType::string) return type == ValueType::string;
  if (column.waits_exact && type == ValueType::decimal) return false;
  const auto has_value = [&](const WideRow &row) { return row.width > column.at && !row.nulls[column.at]; };
  std::string room;
  for (const WideRow &row : column.table->rows)
    if (has_value(row) && !convert(value_at(column, row), type, room)) return false;
  for (WideRow &row : column.table->rows)
    if (has_value(row)) row.values[column.at] = store(*convert(value_at(column, row), type, room));
  column.type = type;
  return true;
}

void PivotBuffer::reorder(WideRows &table, const std::vector<std::int32_t> &places) {
  std::vector<std::uint64_t> values;
  std::vector<char> nulls;
  for (WideRow &row : table.rows) {
    widen(row, table.width);
    values.assign(row.values, row.values + row.width);
    nulls.assign(row.nulls, row.nulls + row.width);
    for (std::size_t n = 0; n < places.size(); ++n) {
      row.values[places[n]] = values[n];
      row.nulls[places[n]] = nulls[n] != 0;
    }
  }
  for (PivotColumn *const column : table.columns) column->at = places[static_cast<std::size_t>(column->at)];
  table.time_at = places[static_cast<std::size_t>(table.time_at)];
}

void PivotBuffer::compact() {
  constexpr std::size_t bytes_per_cell = sizeof(std::uint64_t) + sizeof(bool);
  std::size_t used = text_bytes_;
  for (const WideRows &table : tables_)
    for (const WideRow &row : table.rows) used += static_cast<std::size_t>(row.width) * bytes_per_cell;
  // Each copy frees at least a quarter, so that copying costs a few times what filling did, at most.
  const std::size_t most = arena_.bytes() / 4 * 3;
  if (used > most) return;
  // Columns still come one by one, so that without room for them all rows would move again at the next one.
  move_rows(std::min(2.0, static_cast<double>(most) / static_cast<double>(std::max<std::size_t>(used, 1))));
}

// Copies the rows into a new arena, each with room for `growth` times as many columns as it has.
void PivotBuffer::move_rows(double growth) {
  const Arena before = std::exchange(arena_, Arena());
  text_bytes_ = 0;
  for (WideRows &table : tables_) {
    for (WideRow &row : table.rows) {
      row.room = static_cast<std::int32_t>(row.width * growth);
      copy_arrays(row);
    }
    for (const PivotColumn *const column : table.columns)
      if (column->type == ValueType::string)
        for (WideRow &row : table.rows)
          if (row.width > column->at && !row.nulls[column->at])
            row.values[column->at] = store(value_at(*column, row));
  }
}

void PivotBuffer::clear(std::uint64_t before, bool may_return) {
  std::size_t kept_rows = 0;
  for (WideRows &table : tables_) {
    if (table.rows.empty()) continue;
    table.cells = 0;
    table.by_time.clear();
    table.last = 0;
    std::size_t kept = 0;
    for (const WideRow &row : table.rows) {
      if (row.touched >= before) {
        table.cells += std::count(row.nulls, row.nulls + row.width, false) - 1;  // without the time
        table.by_time.emplace(row.time, kept);
        table.rows[kept++] = row;
        continue;
      }
      if (!may_return) continue;
      const bool first = table.flushed_to < table.flushed_from;
      table.flushed_from = first ? row.time : std::min(table.flushed_from, row.time);
      table.flushed_to = first ? row.time : std::max(table.flushed_to, row.time);
    }
    table.rows.resize(kept);
    kept_rows += kept;
  }
  rows_ = kept_rows;
  cleared_ = clock_;
  returns_ = {};
  if (rows_ > 0) return move_rows(1);
  text_bytes_ = 0;
  arena_.clear();
}

void PivotBuffer::take_back() {
  for (WideRows &table : tables_) {
    table.readings -= table.cells;
    table.cells = 0;
    table.rows.clear();
    table.by_time.clear();
    table.last = 0;
  }
  clear();
}

std::uint64_t PivotBuffer::complete_before() const {
  const std::uint64_t few = (clock_ - cleared_) / 256;
  std::uint64_t returned = 0;
  std::size_t width = returns_.size() - 1;
  while (width > 1 && (returned += returns_[width]) <= few) --width;
  // Rows to which the next reading would return after 2^width readings, or more.
  if (width >= 63 || clock_ + 2 <= std::uint64_t{1} << width) return 0;
  return clock_ + 2 - (std::uint64_t{1} << width);
}

std::size_t PivotBuffer::rows_before(std::uint64_t moment) const {
  std::size_t found = 0;
  for (const WideRows &table : tables_)
    found += static_cast<std::size_t>(std::count_if(
        table.rows.begin(), table.rows.end(), [&](const WideRow &row) { return row.touched < moment; }));
  return found;
}

bool PivotBuffer::is_in_doubt() const {
  std::int64_t cells = 0, turns = 0;
  bool one_channel = true;
  for (const WideRows &table : tables_) {
    cells += table.cells;
    turns += turns_of(table.rows);
    one_channel = one_channel && (table.rows.empty() || has_one_channel(table));
  }
  const auto rows = static_cast<std::int64_t>(rows_);
  return one_channel || (cells < 2 * rows && turns > rows / 16);
}

void PivotBuffer::forget_times() {
  for (WideRows &table : tables_) {
    table.flushed_from = 0;
    table.flushed_to = -1;
  }
  cleared_ = clock_;
  returns_ = {};
}

}  // namespace tablesync
