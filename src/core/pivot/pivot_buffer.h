// PivotBuffer: readings in, rows of wide tables out. One pass, no sort: a hash look-up finds the column of a
// reading, and the row is that of the reading before it, or is found by its time. Memory is bounded: the
// caller empties the buffer when it is full.
//
// A row is two arrays by attribute number, 8 bytes and one byte each, as heap_form_tuple() takes them: so a
// boolean, a bigint, a double precision or a timestamp is a Datum as it stands; a text is a pointer to 4
// bytes for a header, then its bytes.
#pragma once

#include <tsl/robin_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/pivot/reading.h"

namespace tablesync {

// Memory that is given back all at once. What was taken stays where it is until then.
class Arena {
 public:
  char *take(std::size_t size);  // aligned to 8 bytes
  void clear();                  // keeps the first block
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t block_size = 1 << 20;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char *at_ = nullptr;
  std::size_t left_ = 0;
  std::size_t bytes_ = 0;
};

struct WideRow {
  std::uint64_t *values;
  bool *nulls;  // true: there is no reading
  std::int64_t time;
  std::int32_t width;  // of both arrays; there is room for more
  std::int32_t room;
  bool late;  // a row of that time may have been taken out before it came
};

struct PivotColumn;

// What the buffer has of one wide table. Columns are counted by attribute, from 0.
struct WideRows {
  std::vector<PivotColumn *> columns;
  std::vector<WideRow> rows;  // in the order in which their times came
  std::int32_t width = 0;     // attributes of the table, as far as they are known
  std::int32_t time_at = 0;   // the attribute of the time
  // Of the rows that were taken out, the first time and the last; none where that is before the first.
  std::int64_t flushed_from = 0, flushed_to = -1;
  std::int64_t cells = 0;     // with a value, in `rows`
  std::int64_t readings = 0;  // that it took, also those that are not in `rows` any more
  std::int64_t replaced = 0;  // of them, by later ones of the same channel and time
  tsl::robin_map<std::int64_t, std::size_t> by_time;
  std::size_t last = 0;  // where the reading before went
};

// The column of one channel of one ship. Small: where there are many ships, each reading has another one,
// which is in no cache.
struct PivotColumn {
  WideRows *table;
  const std::string *ship, *channel;
  PivotColumn *next = nullptr;  // that was asked for after it, the last time
  std::int32_t at;
  ValueType type;
  std::uint8_t integer_bytes = 8;  // what it can hold where it is of integers
};

// How texts stand in a row: what writes the header of one of so many bytes, and its bytes by a pointer to it.
struct TextForm {
  void (*set_header)(char *text, std::size_t bytes);
  std::string_view (*bytes)(std::uint64_t text);
};

class PivotBuffer {
 public:
  explicit PivotBuffer(TextForm texts) : texts_(texts) {}
  PivotBuffer(const PivotBuffer &) = delete;
  PivotBuffer &operator=(const PivotBuffer &) = delete;

  // A table with so many attributes. It stays as long as the buffer, and so do columns.
  WideRows *add_table(std::int32_t width, std::int32_t time_at);
  // The column that readings of the channel go to from now on: a new attribute of the table, or one that it
  // has.
  PivotColumn *add_column(std::string_view ship, std::string_view channel, WideRows *table, std::int32_t at,
                          ValueType type);
  // Null where there is none. Loggers write their channels in the same order again and again: the one that
  // came after the last one before is looked at first.
  PivotColumn *find_column(std::string_view ship, std::string_view channel);

  enum class Outcome { stored, repeated, replaced, not_convertible };
  // repeated, replaced: there was a reading of that channel and time already, with the same value or with
  // another. The last one wins.
  Outcome add(const PivotColumn &column, std::int64_t time, const Value &value);

  // What the row has in the column, where that is not NULL.
  Value value_at(const PivotColumn &column, const WideRow &row) const;

  // Makes the column one of another type; false, and nothing has changed, where a value that is in the buffer
  // would be lost.
  bool change_type(PivotColumn &column, ValueType type);

  // Gives the attributes of a table other places: the nth is the `places[n]`th from now on.
  void reorder(WideRows &table, const std::vector<std::int32_t> &places);

  std::size_t rows() const { return rows_; }
  std::size_t bytes() const { return arena_.bytes() + rows_ * bytes_per_row; }
  const std::deque<WideRows> &tables() const { return tables_; }
  // After the rows were written: forgets them, not the columns.
  void clear();
  // The next readings are of other times than those before: no row of them is late.
  void forget_times();

 private:
  // Of names that keep() gave: equal ones are one.
  using Key = std::pair<const std::string *, const std::string *>;
  struct HashKey {
    std::size_t operator()(const Key &key) const;
  };
  struct HashName {
    std::size_t operator()(std::string_view name) const;
  };

  WideRow &find_row(WideRows &table, std::int64_t time);
  void widen(WideRow &row, std::int32_t width);
  std::uint64_t store(const Value &value);
  const std::string *keep(std::string_view name);

  static constexpr std::size_t bytes_per_row =
      sizeof(WideRow) + 4 * sizeof(std::uint64_t);  // with its place by time

  TextForm texts_;
  std::deque<WideRows> tables_;
  std::deque<PivotColumn> columns_;
  std::deque<std::string> names_;
  tsl::robin_map<std::string_view, const std::string *, HashName> kept_;
  tsl::robin_map<Key, PivotColumn *, HashKey> by_name_;
  PivotColumn *last_ = nullptr;  // that was found
  Arena arena_;
  std::size_t rows_ = 0;
};

}  // namespace tablesync
