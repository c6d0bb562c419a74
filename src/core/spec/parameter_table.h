// The parts of the table of parameters. A new parameter is an entry there and a field of the specification,
// or an entry alone where the caller sees to it. doc/reference.md says what is written there: CONTRIBUTING.md
// has the command that writes its tables.
#pragma once

#include <span>

#include "core/spec/parameter.h"

namespace tablesync {

std::span<const Parameter> sync_parameters();
std::span<const Parameter> pivot_parameters();
std::span<const Parameter> run_parameters();

// A word for a value of an enumeration.
template <typename Enum>
constexpr Word spell(const char *name, Enum value) {
  return {name, static_cast<int>(value)};
}

}  // namespace tablesync
