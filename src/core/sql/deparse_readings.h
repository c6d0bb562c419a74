// The SQL that reads a narrow table of readings, of this database or of another server. It runs with
// pg_catalog alone on the search_path, or with that of a view's reader: operators on the user's columns are
// their types' own.
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
  // What its readings are made of: SQL, of the types text, text, timestamptz or timestamp, text, boolean,
  // text, bigint, double precision or text. Empty where the source has no such column.
  std::array<std::string, reading_columns> expressions;
  std::array<std::string, reading_columns> types;  // of the expressions: names in pg_catalog
  // The column itself, for conditions.
  std::array<std::string, reading_columns> columns;
  // The place among the columns that are selected; below 0: none.
  std::array<int, reading_columns> places{};
  int width = 0;              // columns that are selected
  std::string ship;           // whose all readings are, where they do not say
  bool time_has_zone = true;  // its times are moments
  bool time_may_be_null = true;
  bool decimals_are_texts = false;  // double_v is numeric, and read with all of its digits
  std::string time_zone;            // of times without one
  std::string order_by;  // the column by which readings of one cell are told apart; empty: none was given

  const std::string &column(ReadingColumn which) const { return columns[static_cast<size_t>(which)]; }
  bool has(ReadingColumn which) const { return !column(which).empty(); }
  int place(ReadingColumn which) const { return places[static_cast<size_t>(which)]; }
};

// Finds the columns. Throws 42703 for one that is named and is not there, or must be there, 42804 for one of
// a type that it cannot have, 22023 where no ship is named and no column says it.
ReadingPlan plan_readings(const PivotSpec &spec, const Table &source);

// Conditions over its rows. Times are moments, whatever the column's type.
std::string time_from(const ReadingPlan &plan, Moment moment);
std::string time_before(const ReadingPlan &plan, Moment moment);
std::string time_is_null(const ReadingPlan &plan);
// None: every one.
std::vector<std::string> of_ships(const ReadingPlan &plan, const std::vector<std::string> &ships);
std::vector<std::string> of_channels(const ReadingPlan &plan, const std::vector<std::string> &channels);
// Of the call's channels, from its from_time to its cutoff_time; of any ship.
std::vector<std::string> of_call(const ReadingPlan &plan, const PivotSpec &spec);

// The readings for which all conditions hold.
std::string select_readings(const ReadingPlan &plan, const std::vector<std::string> &conditions);
// Those of ships within times, of which all the other conditions hold too.
struct SampleWindow {
  std::string ship;
  Moment from, before;
};
std::string select_windows(const ReadingPlan &plan, const std::vector<SampleWindow> &windows,
                           const std::vector<std::string> &conditions);
// The oldest and the newest time of these ships' readings, as parse_moment() takes them: one row. Each ship
// is looked for alone, so that an index on ship and time serves. `finite`: without those of infinity. Only
// where there are any: other databases that a foreign table may ask know no such bound.
std::string oldest_and_newest(const ReadingPlan &plan, const std::vector<std::string> &ships,
                              const std::vector<std::string> &conditions, bool finite);
// The time of any reading of these ships, as the clock of its column has it; and whether those who ask for
// that time find one: one boolean.
std::string any_time(const ReadingPlan &plan, const std::vector<std::string> &ships);
std::string finds_time(const ReadingPlan &plan, const std::vector<std::string> &ships, Moment clock);
// How many readings that the call asks for have times from its cutoff on, and the newest of these times.
std::string beyond_cutoff(const ReadingPlan &plan, const PivotSpec &spec);
// What the server thinks of a query: its total cost, in the unit of the planner ("Using EXPLAIN"), from the
// first line of EXPLAIN's answer; below 0 where that is something else.
std::string explain(const std::string &query);
double total_cost(const Rows &explained);
// Ships, and the newest time of each.
std::string newest_by_ship(const ReadingPlan &plan, const std::vector<std::string> &conditions);
std::string has_ship(const ReadingPlan &plan, const std::string &ship);  // one boolean
std::string list_ships(const ReadingPlan &plan);                         // up to a thousand
// What a narrow table must be read with, so that readings come in the order of its rows.
std::string in_order_of_rows();
// One boolean: whether all rows of the table are those of heaps, so that the transaction that wrote a row,
// and its place, tell its age.
std::string has_ages(const Table &source);
// The end of a SELECT of readings by which, of those of one cell, the later comes last: by the column
// order_by, then by age, where rows have one. Empty where there is neither.
std::string in_order_of_age(const ReadingPlan &plan, bool has_ages);

}  // namespace tablesync
