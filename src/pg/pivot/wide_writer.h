// Writes wide rows into a table of this database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/moment.h"
#include "core/pivot/pivot_buffer.h"

namespace tablesync::pg {

// How the time of a row is converted, where the table's column is of the other type.
enum class TimeForm { as_it_is, clock_to_moment, moment_to_clock };

struct WideTarget {
  unsigned int oid;
  int time_at;  // the attribute of the time, from 0
  TimeForm form;
  std::string time_zone;  // of times without zone
  bool time_has_zone = true;
};

using RowPointers = std::vector<const WideRow *>;

struct Attribute {
  int at;             // from 0
  unsigned int type;  // its oid
  const char *name;
};
using Attributes = std::vector<Attribute>;
// Whether the table still has these attributes. That cannot change before the end of the transaction.
bool has_attributes(const WideTarget &target, const Attributes &attributes);
// Whether the current user can store rows without SQL: a table with nothing but columns that may be NULL and
// indexes.
// `attributes`: those that rows have.
bool takes_plain_rows(const WideTarget &target, const Attributes &attributes);
// Whether it has no page, and so no row.
bool has_no_page(const WideTarget &target);
// Stores rows in a table that was created in this transaction and has no index: see heap_pages.h. Where
// changes are decoded from the WAL, works like store_indexed().
void store_first(const WideTarget &target, const RowPointers &rows);
// Stores rows in a table that takes plain rows, and in its indexes. Throws 23505 where it has a row of that
// time.
void store_indexed(const WideTarget &target, const RowPointers &rows);
// The outcome of an upsert of a row, with times as the table has them.
struct Upserted {
  std::optional<Moment> wanted;   // the time that was to be written; none where a trigger gave it another
  std::optional<Moment> written;  // none where a trigger swallowed the row
  bool replaced;                  // another value was overwritten
};
// Runs a statement of upsert_rows() or upsert_rows_with_triggers().
std::vector<Upserted> upsert(const WideTarget &target, const std::string &statement, const RowPointers &rows);
// The time of a row as the table has it.
Moment stored_time(const WideTarget &target, Moment time);

// Writes the header of a text in a row (see PivotBuffer), and returns such a text.
void set_text_header(char *text, std::size_t bytes);
std::string_view stored_text(std::uint64_t value);

}  // namespace tablesync::pg
