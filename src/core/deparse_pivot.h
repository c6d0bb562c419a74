// The SQL of a pivot: what reads a narrow table, here or on another server, and what makes and fills wide
// tables here. What reads runs with pg_catalog alone on the search_path, or with that of a view's reader:
// operators on the user's columns are their types' own.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/moment.h"
#include "core/pivot_spec.h"
#include "core/quote.h"
#include "core/reading.h"
#include "core/rows.h"
#include "core/table.h"

namespace tablesync {

// ---- the narrow table ----------------------------------------------------------------------------------

// How a narrow table is read.
struct ReadingPlan {
  QualifiedName source;
  // What its readings are made of: SQL, of the types text, text, timestamptz or timestamp, text, boolean,
  // text, bigint, double precision. Empty where the source has no such column.
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
  std::string time_zone;  // of times without one

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
// Either, as a statement whose rows a client reads.
std::string copy_of(const std::string &select);
// The oldest and the newest finite time of these ships' readings, as parse_moment() takes them: one row. Each
// ship is looked for alone, so that an index on ship and time serves.
std::string oldest_and_newest(const ReadingPlan &plan, const std::vector<std::string> &ships,
                              const std::vector<std::string> &conditions);
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

// ---- wide tables ---------------------------------------------------------------------------------------

// Name and SQL type.
using NamedType = std::pair<std::string, std::string>;

// `toast_target`: toast_tuple_target; 0: as it is.
std::string create_wide_table(const QualifiedName &table, const NamedType &time,
                              const std::vector<NamedType> &columns, int toast_target);
std::string add_wide_columns(const QualifiedName &table, const std::vector<NamedType> &columns,
                             int toast_target);
std::string widen_to_decimal(const QualifiedName &table, const std::vector<std::string> &columns);
// Whether one of its integers is no double precision: one boolean.
std::string has_integer_beyond_decimal(const QualifiedName &table, const std::vector<std::string> &columns);
std::string is_range_empty(const QualifiedName &table, const std::string &time, const std::string &lower,
                           const std::string &upper);  // one boolean

// The rows of the relation `rows_name` into the table: a NULL never takes the place of a value, and a row
// that would stay as it is is not written. Returns the times of the rows that were.
inline constexpr char rows_name[] = "tablesync_rows";
std::string upsert_rows(const QualifiedName &table, const std::string &time,
                        const std::vector<std::string> &columns);

// The rows with times from `first` to `last`: the time in microseconds, as the server keeps it, then these
// columns.
std::string select_rows(const QualifiedName &table, const std::string &time,
                        const std::vector<std::string> &columns, Moment first, Moment last, bool has_zone);

// A view that joins tables of one ship by their time: of each, its columns.
struct WidePart {
  QualifiedName table;
  std::string time;
  std::vector<std::string> columns;
};
std::string create_wide_view(const QualifiedName &view, const std::vector<WidePart> &parts,
                             const std::vector<std::string> &columns_in_order);

}  // namespace tablesync
