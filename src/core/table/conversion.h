// Conversion: how a value of one type becomes one of another without loss. Three methods are tried in this
// order: the value is sent unchanged; the source casts it, if no value can be lost; the source sends text,
// and the target converts it value by value and refuses a value that does not fit. Other pairs of types are
// refused.
#pragma once

#include <optional>
#include <string>

#include "core/table/table.h"

namespace tablesync {

struct Conversion {
  std::string read;       // expression over the source's row
  std::string wire_type;  // the type in which the value arrives, if not the target's
  std::string convert;    // then the expression over the received row r that yields the target's value; it
                          // raises an error of class 22 for a value that the target cannot hold unchanged
};

// The conversion of one column into another; nothing if there is none. `empty_string_as_null`: empty texts
// become NULL.
std::optional<Conversion> find_conversion(const Column &source, const Column &target,
                                          bool empty_string_as_null);

// Whether every value of `narrow` is one of `wide`, so that a column may be altered from one to the other.
bool is_widened(const Column &narrow, const Column &wide);

}  // namespace tablesync
