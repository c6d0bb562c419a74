// Wide tables: what their names and columns are called, and how many columns a row has room for.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "core/pivot/reading.h"

namespace tablesync {

// NAMEDATALEN - 1
inline constexpr std::size_t most_name_bytes = 63;

// A name in lower case: ASCII letters alone, as unquoted names are folded.
std::string folded(std::string_view name);

// "<prefix><ship>", or with a group "<prefix><ship>_<group>", folded. Throws 42602 for an empty ship, 42622
// for a name of more than 63 bytes.
std::string wide_table_name(std::string_view prefix, std::string_view ship, std::string_view group = {});

// The column of a channel: its name as it stands. Where that has more than 63 bytes, is `taken`, or is a
// system column (ctid, xmin, ...): its beginning, an underscore and eight digits of a hash, which depend on
// the channel alone. Throws 42602 for an empty channel, 42710 where that is taken too.
std::string wide_column_name(std::string_view channel, const std::set<std::string> &taken);

// The comment of a channel's column, by which a dump knows it; and the channel of such a comment, empty where
// it is another.
std::string wide_column_comment(std::string_view channel);
std::string_view channel_of_comment(std::string_view comment);

// How large a row of a heap can get when all of its columns have values, in whatever order they are
// ("Database Page Layout"; heap_form_tuple()).
class RowSize {
 public:
  // Of a table with so many dropped columns, which count for ever.
  explicit RowSize(int dropped_columns = 0) : columns_(dropped_columns) {}
  // Adds a column where there is room for it: at most 1600 columns, and 8160 bytes with all of them there.
  bool add(ValueType type);
  bool has_room(ValueType type) const { return RowSize(*this).add(type); }
  bool add_timestamp() { return add_aligned(); }
  // A column of another type, of which there is a value in every row; also where there is no room.
  void add_other(int bytes);
  int columns() const { return columns_; }
  // The toast_tuple_target of the table: numbers and moved out texts stay in a row anyway, so its texts have
  // as much besides them as those of any table have in all (TOAST_TUPLE_TARGET). 0: the usual one.
  int toast_target() const;

 private:
  bool add_aligned();
  bool add_unaligned(int bytes);
  int bytes() const;
  bool fits() const;

  int columns_;
  int aligned_ = 0, unaligned_ = 0;  // columns
  int bytes_ = 0;                    // of the values
};

}  // namespace tablesync
