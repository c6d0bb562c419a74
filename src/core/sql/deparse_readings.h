// The SQL that reads a narrow table of readings, of this database or of another server. The search_path is
// pg_catalog, or that of a view's reader. Operators on the user's columns are those of their types.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/base/moment.h"
#include "core/base/quote.h"
#include "core/base/rows.h"
#include "core/spec/pivot_spec.h"
#include "core/table/table.h"

namespace tablesync {

// How a narrow table is read.
struct ReadingPlan {
  QualifiedName source;
  // SQL expressions for the parts of a reading, of the types text, text, timestamptz or timestamp, text,
  // boolean, text, bigint, double precision or text. Empty if the source has no such column.
  std::array<std::string, reading_columns> expressions;
  std::array<std::string, reading_columns> types;  // of the expressions: names in pg_catalog
  // The columns themselves, for conditions.
  std::array<std::string, reading_columns> columns;
  // The positions among the selected columns; below 0: none.
  std::array<int, reading_columns> places{};
  int width = 0;              // number of selected columns
  std::string ship;           // the ship of all readings, if no column has it
  bool time_has_zone = true;  // its times have a zone
  bool time_may_be_null = true;
  bool decimals_are_texts = false;  // double_v is numeric and read with all its digits
  std::string time_zone;            // of times without one
  std::string order_by;             // the column that orders readings of one cell; empty: none was given

  const std::string &column(ReadingColumn which) const { return columns[static_cast<size_t>(which)]; }
  bool has(ReadingColumn which) const { return !column(which).empty(); }
  int place(ReadingColumn which) const { return places[static_cast<size_t>(which)]; }
};

// Finds the columns. Throws 42703 for a named or required column that does not exist, 42804 for an
// unsupported type, 22023 if the source has no ship column and the call does not name one ship.
ReadingPlan plan_readings(const PivotSpec &spec, const Table &source);

// Conditions over its rows. The times are moments, whatever the column's type.
std::string time_from(const ReadingPlan &plan, Moment moment);
std::string time_before(const ReadingPlan &plan, Moment moment);
std::string time_is_null(const ReadingPlan &plan);
// An empty list means all.
std::vector<std::string> of_ships(const ReadingPlan &plan, const std::vector<std::string> &ships);
std::vector<std::string> of_channels(const ReadingPlan &plan, const std::vector<std::string> &channels);
// The conditions for the call's channels and its time range, from from_time to cutoff_time; for any ship.
std::vector<std::string> of_call(const ReadingPlan &plan, const PivotSpec &spec);

// The readings for which all conditions hold.
std::string select_readings(const ReadingPlan &plan, const std::vector<std::string> &conditions);
// Selects readings of ships within time windows for which the other conditions hold, too.
struct SampleWindow {
  std::string ship;
  Moment from, before;
};
std::string select_windows(const ReadingPlan &plan, const std::vector<SampleWindow> &windows,
                           const std::vector<std::string> &conditions);
// The oldest and the newest time of these ships' readings, as parse_moment() accepts them: one row. Each ship
// is queried separately, so that an index on ship and time is used. `finite`: ignores infinite times. Pass it
// only if there are any, because other databases behind a foreign table may not support infinity.
std::string oldest_and_newest(const ReadingPlan &plan, const std::vector<std::string> &ships,
                              const std::vector<std::string> &conditions, bool finite);
// The time of any reading of these ships, as its column shows it; and whether a query for that time finds a
// reading: one boolean.
std::string any_time(const ReadingPlan &plan, const std::vector<std::string> &ships);
std::string finds_time(const ReadingPlan &plan, const std::vector<std::string> &ships, Moment clock);
// How many readings of the call's ships and channels are at or after its cutoff, and the newest of their
// times.
std::string beyond_cutoff(const ReadingPlan &plan, const PivotSpec &spec);
// The planner's total cost of a query ("Using EXPLAIN"), from the first line of EXPLAIN's answer; below 0 if
// that line has another form.
std::string explain(const std::string &query);
double total_cost(const Rows &explained);
// Ships, and the newest time of each.
std::string newest_by_ship(const ReadingPlan &plan, const std::vector<std::string> &conditions);
std::string has_ship(const ReadingPlan &plan, const std::string &ship);  // one boolean
std::string list_ships(const ReadingPlan &plan);                         // up to a thousand
// Settings for reading a narrow table, so that readings come in the order of its rows.
std::string in_order_of_rows();
// One boolean: whether all rows of the table are in heaps, so that xmin and ctid show the age of a row.
std::string has_ages(const Table &source);
// ORDER BY of a SELECT of readings, so that of the readings of one cell the latest comes last: by the column
// order_by, then by age if rows have one. Empty if there is neither.
std::string in_order_of_age(const ReadingPlan &plan, bool has_ages);

}  // namespace tablesync
