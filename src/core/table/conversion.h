// Conversion: how a value of one type becomes one of another without loss. Three ways, in this order: it
// travels as it is; the source casts it, where no value can be lost; it travels as text and is converted
// here, value by value, where a value that does not fit is an error. Pairs of types for which none will do
// are refused.
#pragma once

#include <optional>
#include <string>

#include "core/table/table.h"

namespace tablesync {

struct Conversion {
  std::string read;       // expression over the source's row
  std::string wire_type;  // where the value arrives as another type than the target's: that one
  std::string convert;  // and the expression over the received row r that makes the target's value of it; it
                        // raises an error of class 22 for a value that the target cannot hold unchanged
};

// The conversion of one column into another; nothing where there is none. `empty_string_as_null`: texts
// without a character become NULL.
std::optional<Conversion> find_conversion(const Column &source, const Column &target,
                                          bool empty_string_as_null);

// Whether every value of `narrow` is one of `wide`, so that a column may be altered from one to the other.
bool is_widened(const Column &narrow, const Column &wide);

}  // namespace tablesync
