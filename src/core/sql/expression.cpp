#include "core/sql/expression.h"

#include "core/base/quote.h"

namespace tablesync {

std::string where(const std::vector<std::string> &conditions) {
  return conditions.empty() ? "" : " WHERE " + join(conditions, " AND ");
}

std::string operation(const std::string &left, const char *name, const std::string &right) {
  return left + " OPERATOR(pg_catalog." + name + ") " + right;
}

std::string array_literal(const std::vector<std::string> &values) {
  std::string array = "{";
  for (const std::string &value : values) {
    if (array.size() > 1) array += ',';
    array += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') array += '\\';
      array += c;
    }
    array += '"';
  }
  return quote_literal(array + "}");
}

std::string moment_literal(Moment moment, bool has_zone) {
  return quote_literal(text_of_moment(moment, has_zone)) + "::pg_catalog." +
         (has_zone ? "timestamptz" : "timestamp");
}

}  // namespace tablesync
