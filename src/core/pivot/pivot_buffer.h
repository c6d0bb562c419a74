// PivotBuffer: takes readings and builds rows of wide tables, in one pass and without a sort. A hash look-up
// finds the column of a reading; its row is that of the reading before it, or is looked up by time. Memory is
// bounded because the caller empties the buffer when it is full.
//
// A row is two arrays by attribute number, 8 bytes and one byte each, as heap_form_tuple() takes them: so a
// boolean, a bigint, a double precision or a timestamp is a Datum as it stands; a text is a pointer to 4
// bytes for a header, then its bytes.
#pragma once

#include <tsl/robin_map.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/pivot/reading.h"

namespace tablesync {

// Memory that is freed all at once. Memory that was taken stays in place until then.
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
  std::uint64_t touched;  // when its last reading came: PivotBuffer::now()
  bool late;              // a row of that time may have been flushed before
};

struct PivotColumn;

// The rows and columns of one wide table in the buffer. Columns are numbered by attribute, from 0.
struct WideRows {
  std::vector<PivotColumn *> columns;
  std::vector<WideRow> rows;  // in the order in which their times came
  std::int32_t width = 0;     // attributes of the table that are known
  std::int32_t time_at = 0;   // the attribute of the time
  // The first and the last time of the rows that were flushed; no rows if the last is before the first.
  std::int64_t flushed_from = 0, flushed_to = -1;
  std::int64_t cells = 0;     // with a value, in `rows`
  std::int64_t readings = 0;  // taken, also those no longer in `rows`
  std::int64_t replaced = 0;  // readings replaced by later ones of the same channel and time
  tsl::robin_map<std::int64_t, std::size_t> by_time;
  std::size_t last = 0;  // the row of the previous reading
};

// The column of one channel of one ship. It is small because with many ships each reading goes to another
// column, which is in no cache.
struct PivotColumn {
  WideRows *table;
  const std::string *ship, *channel;
  PivotColumn *next = nullptr;  // the column that was looked up after this one last time
  std::int32_t at;
  ValueType type;
  std::uint8_t integer_bytes = 8;  // the size of an integer column
  bool waits_exact = false;        // an integer that no decimal equals waits outside of the buffer
};

// How texts are stored in a row: functions that write the header of a text and return its bytes.
struct TextForm {
  void (*set_header)(char *text, std::size_t bytes);
  std::string_view (*bytes)(std::uint64_t text);
};

class PivotBuffer {
 public:
  explicit PivotBuffer(TextForm texts) : texts_(texts) {}
  PivotBuffer(const PivotBuffer &) = delete;
  PivotBuffer &operator=(const PivotBuffer &) = delete;

  // Adds a table with `width` attributes. Tables and columns live as long as the buffer.
  WideRows *add_table(std::int32_t width, std::int32_t time_at);
  // Makes attribute `at` of the table, a new or an existing one, the column for further readings of the
  // channel.
  PivotColumn *add_column(std::string_view ship, std::string_view channel, WideRows *table, std::int32_t at,
                          ValueType type);
  // Returns null if there is no such column. Loggers repeat their channels in the same order, so the column
  // that followed the last one before is tried first.
  PivotColumn *find_column(std::string_view ship, std::string_view channel);

  enum class Outcome { stored, repeated, replaced, not_convertible };
  // repeated, replaced: the buffer already had a reading of that channel and time, with the same or with
  // another value. The last one wins.
  Outcome add(const PivotColumn &column, std::int64_t time, const Value &value);

  // Returns the value as the column stores it, in `converted` if it is of another type; null where it is not
  // convertible. `room` holds a converted text.
  static const Value *fit(const PivotColumn &column, const Value &value, std::optional<Value> &converted,
                          std::string &room);

  // The value of the row in the column, which must not be NULL.
  Value value_at(const PivotColumn &column, const WideRow &row) const;

  // Changes the type of the column. Returns false and changes nothing if a value in the buffer, or one that
  // waits outside, would be lost.
  bool change_type(PivotColumn &column, ValueType type);

  // Reorders the attributes of a table: the nth becomes the `places[n]`th.
  void reorder(WideRows &table, const std::vector<std::int32_t> &places);

  std::size_t rows() const { return rows_; }
  std::size_t bytes() const { return arena_.bytes() + rows_ * bytes_per_row; }
  const std::deque<WideRows> &tables() const { return tables_; }
  // Frees the memory that rows left behind when they became wider, where that is a quarter of all or more.
  // Costs a copy of the rows, whose arrays move.
  void compact();
  // Removes rows that were touched before that moment, after they were written; keeps the columns.
  // `may_return`: further readings can have their times.
  void clear(std::uint64_t before = every_row, bool may_return = true);
  // Removes all rows, as if their values had never come.
  void take_back();
  // Call it if the next readings have other times than those before: none of their rows is late.
  void forget_times();

  // Moments are counted in readings.
  static constexpr std::uint64_t every_row = ~std::uint64_t{0};
  std::uint64_t now() const { return clock_; }
  // The moment before which rows are complete, as far as the order of the readings since the last clear()
  // shows: if they go on like that, one in 256 of them, at most, belongs to a row that was touched before.
  std::uint64_t complete_before() const;
  std::size_t rows_before(std::uint64_t moment) const;
  // Whether complete_before() may be wrong, because most rows have one reading so far, which came in no order
  // of time, or all are of one channel and the next one may have the same times.
  bool is_in_doubt() const;

 private:
  // Names that keep() returned: equal names are the same pointer.
  using Key = std::pair<const std::string *, const std::string *>;
  struct HashKey {
    std::size_t operator()(const Key &key) const;
  };
  struct HashName {
    std::size_t operator()(std::string_view name) const;
  };

  WideRow &find_row(WideRows &table, std::int64_t time);
  void widen(WideRow &row, std::int32_t width);
  void copy_arrays(WideRow &row);
  void move_rows(double growth);
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
  std::size_t text_bytes_ = 0;  // of the texts of rows
  std::size_t rows_ = 0;
  std::uint64_t clock_ = 0, cleared_ = 0;  // the last moment; that of the last clear()
  // Since then: readings of a row that others came after, by the width in bits of the number of readings in
  // between; the last one counts rows that may have been flushed.
  std::array<std::uint32_t, 65> returns_{};
};

}  // namespace tablesync
