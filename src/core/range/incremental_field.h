// The incremental field: how its values are ordered, how a moment is written in them, and the SQL that
// compares them. Watermarks are text in the field's own form.
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

// The field by that name. `declared`: incremental_field_type, or empty. Throws 42703 (no such column), 22023
// (an unknown declared type), 42804 (the column is not of the declared type, or of none that can be used),
// 42883 (its type has no order).
IncrementalField find_incremental_field(const Table &source, const std::string &name,
                                        const std::string &declared);

// A bound of whole days is a day: rows of the day itself are read again.
bool is_day_grained(FieldKind kind);

// ---- SQL --------------------------------------------------------------------------------------------------

// What a watermark is cast to, to be compared: timestamp, timestamptz, date, text, int8.
std::string watermark_type(FieldKind kind);

// Whether values of the field can be such as name no day ('', 0, 20240230): they have no place in its order.
bool may_hold_no_day(FieldKind kind);

// A condition over the source's rows: those at or above `bound`, and those that no bound can order (NULL,
// -infinity, what names no day), which are read every time. `no_days`: the values below the bound that name
// no day, as texts, where they are known; else each row is looked at, which no index helps.
std::string at_or_above(const IncrementalField &field, const std::string &bound,
                        const std::optional<std::vector<std::string>> &no_days = std::nullopt);
// The values of the field below `bound` that name no day, as texts, found by an index on the field: one look
// into it for each value that there is, at most so many. With each, whether the looks did not suffice; then
// the last value is among them, and others are not. `from`: the source's relation.
std::string find_no_days(const IncrementalField &field, const std::string &bound, const std::string &from,
                         std::int64_t most_looks);

// Over a column that holds the field in the source's type: its highest value that is a proper one.
std::string highest_value(FieldKind kind, const std::string &column);

// An expression for the moment in the form of the field. `instant`: a timestamptz as text, in UTC; `local`:
// the same moment without zone, as the field's writers would have it.
std::string moment_in_field(FieldKind kind, const std::string &instant, const std::string &local);

// An expression for the watermark less a lookback: a duration in milliseconds, in whole days where the field
// is of days; or that many values of an integer field.
std::string less_lookback(FieldKind kind, const std::string &watermark, const std::string &lookback);

}  // namespace tablesync
