// The SQL that makes and fills the wide tables of a pivot.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/base/moment.h"
#include "core/base/quote.h"

namespace tablesync {

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
// that would stay as it is is not written. Gives a row for each that is written: the time that was to be
// written, the time that was, and, with `finds_replaced`, whether it took the place of another value.
inline constexpr char rows_name[] = "tablesync_rows";
std::string upsert_rows(const QualifiedName &table, const std::string &time,
                        const std::vector<std::string> &columns, bool finds_replaced);
// The same for a table with triggers that can swallow a row, or give it another time: one of the two times is
// NULL then.
std::string upsert_rows_with_triggers(const QualifiedName &table, const std::string &time,
                                      const std::vector<std::string> &columns, bool finds_replaced);

// The rows of these times: the time in microseconds, as the server keeps it, then these columns.
std::string select_rows(const QualifiedName &table, const std::string &time,
                        const std::vector<std::string> &columns, const std::vector<Moment> &times,
                        bool has_zone);

// A view that joins tables of one ship by their time: of each, its columns.
struct WidePart {
  QualifiedName table;
  std::string time;
  std::vector<std::string> columns;
};
std::string create_wide_view(const QualifiedName &view, const std::vector<WidePart> &parts,
                             const std::vector<std::string> &columns_in_order);

}  // namespace tablesync
