// Columns that several records have: errors and moments. core/base/record.h writes and reads records.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/base/moment.h"
#include "core/base/record.h"
#include "core/base/text.h"

namespace tablesync::pg {

// The fields of an error in a record. Without an error they are NULL, and empty when they are read.
template <typename Error, typename Visitor>
void each_error_column(Error &error, Visitor &&column) {
  column("sqlstate", or_null(error.sqlstate));
  column("message", or_null(error.message));
  column("detail", or_null(error.detail));
  column("hint", or_null(error.hint));
  column("context", or_null(error.context));
}

// The error to write to a record; empty if `error` is null.
inline Diagnostics recorded_error(const Diagnostics *error) {
  if (error != nullptr) return *error;
  Diagnostics none;
  none.sqlstate.clear();
  return none;
}

// A column of jsonb.
template <typename Text>
struct Jsonb {
  Text &value;
};
template <typename Text>
Jsonb(Text &) -> Jsonb<Text>;
template <typename Text>
const char *sql_type_of(const Jsonb<Text> &) {
  return "jsonb";
}
template <typename Text>
Cell encode_cell(const Jsonb<Text> &json) {
  return json.value;
}
template <typename Text>
void decode_cell(const Cell &cell, const Jsonb<Text> &json) {
  json.value = text_of(cell);
}

// A column that is written from a Unix time.
struct UnixTime {
  double seconds = 0;
};
inline const char *sql_type_of(UnixTime) { return "timestamptz"; }
inline Cell encode_cell(UnixTime time) {
  constexpr Moment from_1970 = 946684800000000;  // to 2000
  return text_of_moment(std::llround(time.seconds * 1e6) - from_1970);
}

}  // namespace tablesync::pg
