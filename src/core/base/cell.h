// Parses the text of a cell: the only place where it becomes a number. text_of() in rows.h returns the text
// itself, and an empty one for NULL.
//
// The functions throw 08P01 for NULL and for a text that is not entirely such a value. This server never
// writes one, but another server may send anything.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/rows.h"

namespace tablesync {

std::int64_t as_int64(const Cell &cell);
int as_int(const Cell &cell);
std::uint64_t as_uint64(const Cell &cell);
unsigned int as_oid(const Cell &cell);
double as_double(const Cell &cell);  // NaN and the infinities too
bool as_bool(const Cell &cell);      // t, f, true, false

// The same, but NULL returns nullopt.
std::optional<std::int64_t> as_optional_int64(const Cell &cell);
std::optional<double> as_optional_double(const Cell &cell);

}  // namespace tablesync
