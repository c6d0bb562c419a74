// Records: structs that list their columns once. That list yields the columns of a statement, its parameters,
// the decoding of its result, and the Row that one process sends to another.
//
//   struct Step {
//     std::string name;
//     std::int64_t rows = -1;
//
//     template <typename Record, typename Visitor>
//     static void each_column(Record &step, Visitor &&column) {
//       column("step", step.name);
//       column("rows", or_null(step.rows, -1));  // -1 is NULL in the row
//     }
//   };
//
//   own_state("INSERT INTO t (" + names_of<Step>() + ") VALUES (" + parameters_of<Step>() + ")",
//   encode(step)); decode_all<Step>(own_state("SELECT " + select_list<Step>() + " FROM t"));
//
// The third argument of column() is the SQL type of a parameter if its C++ type does not imply it: "pg_lsn".
// A decoded row must have as many cells as the record has columns, and each text must be a value of its
// column; otherwise the functions throw 08P01. NULL decodes to an empty text; for other types it needs
// std::optional or or_null(). values_of() and single() decode results that are no record.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/array.h"
#include "core/base/cell.h"
#include "core/base/rows.h"

namespace tablesync {

// ---- one value ---------------------------------------------------------------------------------------------
// A type of another header can be a column if its namespace has these three functions for it.

inline const char *sql_type_of(const std::string &) { return "text"; }
inline const char *sql_type_of(const Cell &) { return "text"; }
inline const char *sql_type_of(std::int64_t) { return "int8"; }
inline const char *sql_type_of(std::uint64_t) { return "int8"; }
inline const char *sql_type_of(int) { return "int4"; }
inline const char *sql_type_of(unsigned int) { return "oid"; }
inline const char *sql_type_of(double) { return "float8"; }
inline const char *sql_type_of(bool) { return "bool"; }
inline const char *sql_type_of(char) { return "\"char\""; }
inline const char *sql_type_of(const std::vector<std::string> &) { return "text[]"; }

inline Cell encode_cell(const std::string &value) { return value; }
inline Cell encode_cell(const Cell &value) { return value; }
inline Cell encode_cell(std::int64_t value) { return std::to_string(value); }
inline Cell encode_cell(std::uint64_t value) { return std::to_string(value); }
inline Cell encode_cell(int value) { return std::to_string(value); }
inline Cell encode_cell(unsigned int value) { return std::to_string(value); }
inline Cell encode_cell(double value) { return std::to_string(value); }
inline Cell encode_cell(bool value) { return value ? "t" : "f"; }
inline Cell encode_cell(char value) { return std::string(1, value); }
inline Cell encode_cell(const std::vector<std::string> &value) { return array_text(value); }
Cell encode_cell(const char *) = delete;

inline void decode_cell(const Cell &cell, std::string &value) { value = text_of(cell); }
inline void decode_cell(const Cell &cell, Cell &value) { value = cell; }
inline void decode_cell(const Cell &cell, std::int64_t &value) { value = as_int64(cell); }
inline void decode_cell(const Cell &cell, std::uint64_t &value) { value = as_uint64(cell); }
inline void decode_cell(const Cell &cell, int &value) { value = as_int(cell); }
inline void decode_cell(const Cell &cell, unsigned int &value) { value = as_oid(cell); }
inline void decode_cell(const Cell &cell, double &value) { value = as_double(cell); }
inline void decode_cell(const Cell &cell, bool &value) { value = as_bool(cell); }
// An empty text decodes to 0.
inline void decode_cell(const Cell &cell, char &value) {
  value = text_of(cell).empty() ? '\0' : text_of(cell).front();
}
inline void decode_cell(const Cell &cell, std::vector<std::string> &value) {
  value.clear();
  if (cell)
    for (const Cell &element : parse_array(*cell)) value.push_back(text_of(element));
}

template <typename T>
const char *sql_type_of(const std::optional<T> &) {
  return sql_type_of(T{});
}
template <typename T>
Cell encode_cell(const std::optional<T> &value) {
  return value ? encode_cell(*value) : Cell();
}
template <typename T>
void decode_cell(const Cell &cell, std::optional<T> &value) {
  value.reset();
  if (cell) decode_cell(cell, value.emplace());
}

// A column in which NULL stands for one of the type's values.
template <typename T>
struct OrNull {
  T &value;
  std::remove_const_t<T> null;
};
template <typename T>
OrNull<T> or_null(T &value, std::remove_const_t<T> null = {}) {
  return {value, std::move(null)};
}
template <typename T>
const char *sql_type_of(const OrNull<T> &column) {
  return sql_type_of(column.value);
}
template <typename T>
Cell encode_cell(const OrNull<T> &column) {
  return column.value == column.null ? Cell() : encode_cell(column.value);
}
template <typename T>
void decode_cell(const Cell &cell, const OrNull<T> &column) {
  if (cell)
    decode_cell(cell, column.value);
  else
    column.value = column.null;
}

// A column of an optional part: NULL if the part is absent or the text is empty. The part is present if one
// of its columns is not NULL.
template <typename Part, typename Column>
struct MemberColumn {
  Part &part;
  Column column;
};
template <typename Part, typename Column>
MemberColumn<Part, Column> member_of(Part &part, Column column) {
  return {part, column};
}
template <typename Part, typename Column>
const char *sql_type_of(const MemberColumn<Part, Column> &of) {
  using Whole = typename std::remove_const_t<Part>::value_type;
  return sql_type_of(Whole{}.*of.column);
}
template <typename Part, typename Column>
Cell encode_cell(const MemberColumn<Part, Column> &of) {
  if (!of.part) return {};
  Cell cell = encode_cell((*of.part).*of.column);
  return text_of(cell).empty() ? Cell() : std::move(cell);
}
template <typename Part, typename Column>
void decode_cell(const Cell &cell, const MemberColumn<Part, Column> &of) {
  if (!cell) return;
  if (!of.part) of.part.emplace();
  decode_cell(cell, (*of.part).*of.column);
}

// ---- the columns of a statement ----------------------------------------------------------------------------

struct RecordColumn {
  std::string name, type;
};

template <typename Record>
std::vector<RecordColumn> columns_of() {
  std::vector<RecordColumn> columns;
  const Record record{};
  Record::each_column(record, [&](const char *name, auto &&value, const char *type = nullptr) {
    columns.push_back({name, type != nullptr ? type : sql_type_of(value)});
  });
  return columns;
}

// SQL expressions for some of a record's columns, by their names.
using Expressions = std::vector<std::pair<std::string, std::string>>;

std::string list_names(const std::vector<RecordColumn> &columns, const std::string &alias);
std::string list_selected(const std::vector<RecordColumn> &columns, const std::string &alias,
                          const Expressions &expressions);
std::string list_parameters(const std::vector<RecordColumn> &columns, int first, const std::string &suffix);

// "run_id, status", or "r.run_id, r.status".
template <typename Record>
std::string names_of(const std::string &alias = {}) {
  return list_names(columns_of<Record>(), alias);
}
// The list of a SELECT: the columns of `alias`, or the expressions given for them. Throws XX000 for an
// expression whose column the record does not have.
template <typename Record>
std::string select_list(const std::string &alias = {}, const Expressions &expressions = {}) {
  return list_selected(columns_of<Record>(), alias, expressions);
}
// "$3::int8, $4::text": for encode(), after the first - 1 parameters.
template <typename Record>
std::string parameters_of(int first = 1) {
  return list_parameters(columns_of<Record>(), first, "");
}
// "$3::int8[], $4::text[]": for encode_arrays().
template <typename Record>
std::string array_parameters_of(int first = 1) {
  return list_parameters(columns_of<Record>(), first, "[]");
}

// ---- rows --------------------------------------------------------------------------------------------------

// Reads the cells of a row in order.
class RowReader {
 public:
  // The row must have `columns` cells; otherwise this throws 08P01.
  RowReader(const Row &row, size_t columns);

  template <typename Value>
  void read(const char *name, Value &&value) {
    const Cell &cell = next();
    in_column(name, [&] { decode_cell(cell, value); });
  }

 private:
  const Cell &next();
  // Adds the name of the column to the context of an error.
  static void in_column(const char *name, const std::function<void()> &decode);

  const Row &row_;
  size_t at_ = 0;
};

template <typename Record>
Record decode(const Row &row) {
  Record record{};
  size_t columns = 0;
  Record::each_column(record, [&](const char *, auto &&, const char * = nullptr) { ++columns; });
  RowReader reader(row, columns);
  Record::each_column(record, [&](const char *name, auto &&value, const char * = nullptr) {
    reader.read(name, std::forward<decltype(value)>(value));
  });
  return record;
}

template <typename Record>
std::vector<Record> decode_all(const Rows &rows) {
  std::vector<Record> records;
  for (const Row &row : rows) records.push_back(decode<Record>(row));
  return records;
}

template <typename Record>
std::optional<Record> decode_first(const Rows &rows) {
  return rows.empty() ? std::nullopt : std::optional(decode<Record>(rows.front()));
}

template <typename Record>
Row encode(const Record &record) {
  Row row;
  Record::each_column(
      record, [&](const char *, auto &&value, const char * = nullptr) { row.push_back(encode_cell(value)); });
  return row;
}

template <typename Record>
Rows encode_all(const std::vector<Record> &records) {
  Rows rows;
  for (const Record &record : records) rows.push_back(encode(record));
  return rows;
}

// Many records as one array for each column.
template <typename Record>
Row encode_arrays(const std::vector<Record> &records) {
  std::vector<Row> columns(columns_of<Record>().size());
  for (const Record &record : records) {
    size_t n = 0;
    for (Cell &cell : encode(record)) columns[n++].push_back(std::move(cell));
  }
  Row arrays;
  for (const Row &column : columns) arrays.push_back(array_text(column));
  return arrays;
}

// Concatenates the parameters of a statement.
inline Row operator+(Row first, const Row &second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// ---- results that are no record ----------------------------------------------------------------------------

// const auto [name, is_there] = values_of<std::string, bool>(row);
template <typename... Values>
std::tuple<Values...> values_of(const Row &row) {
  RowReader reader(row, sizeof...(Values));
  std::tuple<Values...> values;
  std::apply([&](auto &...value) { (reader.read("", value), ...); }, values);
  return values;
}

// The row of a query that must return one. Throws 08P01 if it returned another number of rows.
const Row &only_row(const Rows &rows);

// The value of a query that returns one row with one column.
template <typename Value>
Value single(const Rows &rows) {
  return std::get<0>(values_of<Value>(only_row(rows)));
}
// The same for a query that may return no row: `none` then.
template <typename Value>
Value single_or(const Rows &rows, Value none) {
  return rows.empty() ? std::move(none) : single<Value>(rows);
}
// The values of a query with one column.
template <typename Value>
std::vector<Value> only_column(const Rows &rows) {
  std::vector<Value> values;
  for (const Row &row : rows) values.push_back(std::get<0>(values_of<Value>(row)));
  return values;
}

}  // namespace tablesync
