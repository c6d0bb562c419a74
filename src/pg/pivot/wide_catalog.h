// What the catalogs say of tables that are to be wide tables: which ones are there, whether they can be, and
// which types of columns readings can be stored in.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/quote.h"
#include "core/reading.h"

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

// The relations of a schema whose names begin so, by their folded names.
class SchemaNames {
 public:
  SchemaNames(const std::string &schema, const std::string &prefix);
  // The name as it is there, in whichever spelling; empty where there is none. Throws 42725 where there are
  // several.
  std::string find(const std::string &name) const;

 private:
  std::string schema_;
  std::multimap<std::string, std::string, std::less<>> names_;
};
// Throws 42P10 where no unique index is on the time alone, by which a row is found.
void check_time_key(unsigned int oid, const QualifiedName &table, const std::string &time,
                    const std::string &ship);

}  // namespace tablesync::pg
