// Checks in the catalogs whether tables can be wide tables, and which types of columns can store readings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/quote.h"
#include "core/pivot/reading.h"
#include "core/spec/pivot_spec.h"

namespace tablesync::pg {

// A type that can store readings.
struct HeldType {
  const char *name;  // as format_type() writes it
  unsigned int oid;
  ValueType type;
  std::uint8_t integer_bytes = 8;
};
// Finds it by its name, or by its oid and modifier. Null for other types, such as a varchar with a length.
const HeldType *held_by(std::string_view name);
const HeldType *held_by(unsigned int oid, int typmod);
// The oid of the type of the columns that are created.
unsigned int oid_of(ValueType type);

// Throws 42501 where the current user may neither create tables in the pivot's schema nor write to a table of
// it whose name begins with its prefix.
void check_may_fill(const PivotSpec &spec);

// Sets the comment of a column of a table that the current user has just altered, like COMMENT ON COLUMN.
void comment_on_column(unsigned int table, int attnum, const std::string &comment);

// Throws 42P10 where no unique index is on the time alone. Rows are found by it.
void check_time_key(unsigned int oid, const QualifiedName &table, const std::string &time,
                    const std::string &ship);

}  // namespace tablesync::pg
