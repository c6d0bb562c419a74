// Wide tables: the names of tables and columns, and how many columns fit into a row.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "core/pivot/reading.h"

namespace tablesync {

// NAMEDATALEN - 1
inline constexpr std::size_t most_name_bytes = 63;

// A name in lower case: only ASCII letters, as the server folds unquoted names.
std::string folded(std::string_view name);

// "<prefix><ship>", or with a group "<prefix><ship>_<group>", folded. Throws 42602 for an empty ship, 42622
// for a name of more than 63 bytes.
std::string wide_table_name(std::string_view prefix, std::string_view ship, std::string_view group = {});

// The column of a channel: the name of the channel. If that has more than 63 bytes, is `taken`, or is a
// system column (ctid, xmin, ...): its beginning, an underscore and eight digits of a hash, which depend only
// on the channel. Throws 42602 for an empty channel, 42710 if that name is taken, too.
std::string wide_column_name(std::string_view channel, const std::set<std::string> &taken);

// The comment of a channel's column, which identifies it after a restore; and the channel of such a comment,
// empty for another comment.
std::string wide_column_comment(std::string_view channel);
std::string_view channel_of_comment(std::string_view comment);

// How large a row of a heap can get if all of its columns have values, in any order
// ("Database Page Layout"; heap_form_tuple()).
class RowSize {
 public:
  // Dropped columns of the table count, too.
  explicit RowSize(int dropped_columns = 0) : columns_(dropped_columns) {}
  // Adds a column if there is room for it: at most 1600 columns, and 8160 bytes if all have values.
  bool add(ValueType type);
  bool has_room(ValueType type) const { return RowSize(*this).add(type); }
  bool add_timestamp() { return add_aligned(); }
  // Adds a column of another type, with a value in every row; also without room.
  void add_other(int bytes);
  int columns() const { return columns_; }
  // The toast_tuple_target of the table. Numbers and pointers to toasted texts stay in the row, so the target
  // is raised by their size (TOAST_TUPLE_TARGET). 0: the default.
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
