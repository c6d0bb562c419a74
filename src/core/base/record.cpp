#include "core/base/record.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/quote.h"

namespace tablesync {
namespace {

std::string in_alias(const std::string &alias, const std::string &column) {
  return alias.empty() ? column : alias + "." + column;
}

}  // namespace

std::string list_names(const std::vector<RecordColumn> &columns, const std::string &alias) {
  std::vector<std::string> names;
  for (const RecordColumn &column : columns) names.push_back(in_alias(alias, column.name));
  return join(names, ", ");
}

std::string list_selected(const std::vector<RecordColumn> &columns, const std::string &alias,
                          const Expressions &expressions) {
  size_t used = 0;
  std::vector<std::string> selected;
  for (const RecordColumn &column : columns) {
    const auto given = std::find_if(expressions.begin(), expressions.end(),
                                    [&](const auto &one) { return one.first == column.name; });
    used += given != expressions.end() ? 1 : 0;
    selected.push_back(given != expressions.end() ? given->second + " AS " + column.name
                                                  : in_alias(alias, column.name));
  }
  if (used != expressions.size())
    throw Error(sqlstate::internal, "an expression belongs to no column of its record");
  return join(selected, ", ");
}

std::string list_parameters(const std::vector<RecordColumn> &columns, int first, const std::string &suffix) {
  std::vector<std::string> parameters;
  for (const RecordColumn &column : columns)
    parameters.push_back("$" + std::to_string(first++) + "::" + column.type + suffix);
  return join(parameters, ", ");
}

RowReader::RowReader(const Row &row, size_t columns) : row_(row) {
  if (row.size() != columns)
    throw Error(sqlstate::protocol_violation, "a query returned " + std::to_string(row.size()) +
                                                  (row.size() == 1 ? " column" : " columns") +
                                                  " instead of " + std::to_string(columns));
}

const Cell &RowReader::next() { return row_.at(at_++); }

void RowReader::in_column(const char *name, const std::function<void()> &decode) {
  try {
    decode();
  } catch (const Error &error) {
    Diagnostics known = error.diagnostics();
    if (*name != '\0') add_context(known, "column " + std::string(name));
    throw Error(known);
  }
}

const Row &only_row(const Rows &rows) {
  if (rows.size() != 1)
    throw Error(sqlstate::protocol_violation,
                "a query returned " + std::to_string(rows.size()) + " rows instead of 1");
  return rows.front();
}

}  // namespace tablesync
