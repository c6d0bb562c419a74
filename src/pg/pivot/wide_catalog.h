// What the catalogs say of tables that are to be wide tables: whether they can be, and which types of columns
// readings can be stored in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/quote.h"
#include "core/pivot/reading.h"
#include "core/spec/pivot_spec.h"

namespace tablesync::pg {

// A type that readings can be stored in.
struct HeldType {
  const char *name;  // as format_type() writes it
  unsigned int oid;
  ValueType type;
  std::uint8_t integer_bytes = 8;
};
// By its name, or its oid and modifier. Null for other types, such as a varchar with a length.
const HeldType *held_by(std::string_view name);
const HeldType *held_by(unsigned int oid, int typmod);
// Of the columns that are made.
unsigned int oid_of(ValueType type);

// Throws 42501 where the current user may neither make tables in the pivot's schema nor write to one there
// whose name begins with its prefix.
void check_may_fill(const PivotSpec &spec);

// The comment of a column of a table that the current user has just altered, as COMMENT ON COLUMN writes it.
void comment_on_column(unsigned int table, int attnum, const std::string &comment);

// Throws 42P10 where no unique index is on the time alone, by which a row is found.
void check_time_key(unsigned int oid, const QualifiedName &table, const std::string &time,
                    const std::string &ship);

}  // namespace tablesync::pg
