// SQL text, for tests that look for what must not stand in it.
#pragma once

#include <regex>
#include <string>

namespace tablesync {

// The text without what stands in quotes.
inline std::string unquoted(const std::string &sql) {
  static const std::regex quoted(R"re(E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*")re");
  return std::regex_replace(sql, quoted, "Q");
}

}  // namespace tablesync
