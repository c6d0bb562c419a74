// Quoting of names and values for SQL text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tablesync {

// A table's name, already resolved: never depends on search_path.
struct QualifiedName {
  std::string schema;
  std::string name;
  bool operator==(const QualifiedName &) const = default;
};

// An identifier for SQL: always in double quotes, so that no keyword list is needed.
std::string quote_identifier(std::string_view name);

// "schema"."name" for SQL.
std::string quote_qualified(const QualifiedName &name);

// A string constant for SQL: safe with either setting of standard_conforming_strings.
std::string quote_literal(std::string_view value);

// A name as a person would write it, quoted only if needed. For messages and records.
std::string display_name(std::string_view name);
std::string display_name(const QualifiedName &name);

// The texts with `separator` between them.
std::string join(const std::vector<std::string> &texts, std::string_view separator);

}  // namespace tablesync
