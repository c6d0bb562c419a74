// The incremental field: the order of its values, their form for a moment, and the SQL that compares them.
// Watermarks are text in the form of the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/table/table.h"

namespace tablesync {

enum class FieldKind { timestamp, timestamptz, date, yyyymmdd_text, yyyymmdd_integer, integer };

struct IncrementalField {
  std::string name;
  FieldKind kind = FieldKind::timestamptz;
  bool nullable = true;
  std::string column_type;  // of the source, as SQL
};

// Finds the field by name. `declared`: incremental_field_type, or empty. Throws 42703 (no such column), 22023
// (unknown declared type), 42804 (the column has another type than declared, or an unsupported one), 42883
// (its type has no order).
IncrementalField find_incremental_field(const Table &source, const std::string &name,
                                        const std::string &declared);

// Whether a bound is a whole day: then rows of that day are read again.
bool is_day_grained(FieldKind kind);

// ---- SQL --------------------------------------------------------------------------------------------------

// The type to which a watermark is cast for comparison: timestamp, timestamptz, date, text, int8.
std::string watermark_type(FieldKind kind);

// Whether the field can have values that are no day ('', 0, 20240230) and have no place in its order.
bool may_hold_no_day(FieldKind kind);

// A condition over the source's rows: those at or above `bound`, and those that no bound can order (NULL,
// -infinity, values that are no day), which every run reads. `no_days`: the values below the bound that are
// no day, as texts, if they are known; otherwise each row is checked, without an index.
std::string at_or_above(const IncrementalField &field, const std::string &bound,
                        const std::optional<std::vector<std::string>> &no_days = std::nullopt);
// The values of the field below `bound` that are no day, as texts, found with an index on the field: one
// probe for each distinct value, at most `most_looks`. If these do not suffice, a last row, marked with true,
// has the value at which the probes ended. `from`: the source's relation.
std::string find_no_days(const IncrementalField &field, const std::string &bound, const std::string &from,
                         std::int64_t most_looks);

// The highest proper value of a column that holds the field in the source's type.
std::string highest_value(FieldKind kind, const std::string &column);

// An expression for the moment in the form of the field. `instant`: a timestamptz as text, in UTC; `local`:
// the same moment without zone, as the field's writers would write it.
std::string moment_in_field(FieldKind kind, const std::string &instant, const std::string &local);

// An expression for the watermark less a lookback: a duration in milliseconds, rounded up to whole days if
// the field has days; or a number of values of an integer field.
std::string less_lookback(FieldKind kind, const std::string &watermark, const std::string &lookback);

}  // namespace tablesync
