// The parts of the table of parameters. A new parameter is an entry and a field of the specification, or only
// an entry if the caller handles it. doc/reference.md has the same texts: CONTRIBUTING.md has the command
// that writes its tables.
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
