// What a cell holds, as a value: the only place where the text of a cell becomes a number. Its text itself is
// text_of() of rows.h, where NULL is empty.
//
// The functions throw 08P01 for NULL, and for a text that is not such a value, whole. This server never
// writes one; another that answers a query may send anything.
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

// The same where NULL has a meaning.
std::optional<std::int64_t> as_optional_int64(const Cell &cell);
std::optional<double> as_optional_double(const Cell &cell);

}  // namespace tablesync
