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

// The text from the first character of an operator on; empty where it has none.
inline std::string bare_operator(const std::string &sql) {
  const size_t at = sql.find_first_of("=<>+-*/~!@#%^&|");
  return at == std::string::npos ? "" : sql.substr(at);
}

}  // namespace tablesync
