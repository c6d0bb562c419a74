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

// `toast_target`: toast_tuple_target; 0: unchanged.
std::string create_wide_table(const QualifiedName &table, const NamedType &time,
                              const std::vector<NamedType> &columns, int toast_target);
std::string add_wide_columns(const QualifiedName &table, const std::vector<NamedType> &columns,
                             int toast_target);
std::string widen_to_decimal(const QualifiedName &table, const std::vector<std::string> &columns);
// Whether double precision cannot hold one of its integers: one boolean.
std::string has_integer_beyond_decimal(const QualifiedName &table, const std::vector<std::string> &columns);
std::string is_range_empty(const QualifiedName &table, const std::string &time, const std::string &lower,
                           const std::string &upper);  // one boolean

// Writes the rows of the relation `rows_name` into the table. A NULL never replaces a value, and an unchanged
// row is not written. Returns a row for each written row: the intended time, the time that was written, and
// with `finds_replaced` whether it replaced another value.
inline constexpr char rows_name[] = "tablesync_rows";
std::string upsert_rows(const QualifiedName &table, const std::string &time,
                        const std::vector<std::string> &columns, bool finds_replaced);
// upsert_rows() for a table with triggers, which can suppress a row or change its time: then one of the two
// times is NULL.
std::string upsert_rows_with_triggers(const QualifiedName &table, const std::string &time,
                                      const std::vector<std::string> &columns, bool finds_replaced);

// The rows with these times: the time in microseconds, as the server stores it, then these columns.
std::string select_rows(const QualifiedName &table, const std::string &time,
                        const std::vector<std::string> &columns, const std::vector<Moment> &times,
                        bool has_zone);

// One table of a view that joins the tables of one ship by their time.
struct WidePart {
  QualifiedName table;
  std::string time;
  std::vector<std::string> columns;
};
std::string create_wide_view(const QualifiedName &view, const std::vector<WidePart> &parts,
                             const std::vector<std::string> &columns_in_order);

}  // namespace tablesync
