// SQL text, for tests that look for what must not stand in it.
#pragma once

#include <regex>
#include <set>
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

// What a server would look up in the search_path for this statement: the first operator, function, type or
// relation that is not qualified. Empty where there is none. It knows the texts that we write, not all of
// SQL; the build with fault points asks the grammar (pg/server/statement_check.h), for what runs on the
// target.
inline std::string looked_up(const std::string &sql) {
  std::string text = unquoted(std::regex_replace(sql, std::regex("--[^\n]*"), ""));
  const auto without = [&](const char *pattern) {
    text = std::regex_replace(text, std::regex(pattern), " ; ");
  };
  const auto find = [&](const char *pattern) {
    std::smatch match;
    return std::regex_search(text, match, std::regex(pattern)) ? match.str() : "";
  };
  without(R"re(OPERATOR\((pg_catalog|Q)\.[^)]+\))re");
  without(R"re(count\(\*\)|\b\w+\.\*|[ (,]-(?=[0-9]))re");
  // Assignments and settings.
  without(R"re((SET|,) Q =|SET LOCAL \w+ =|\(\w+ = \w+\))re");
  if (const std::string found = bare_operator(text); !found.empty()) return found;
  for (
      const char *pattern :
      {R"re(\bIN \()re", R"re(\bI?LIKE\b)re", R"re(\bSIMILAR\b)re", R"re(\bBETWEEN\b)re", R"re(\bNULLIF\b)re",
       R"re(\bDISTINCT FROM\b)re", R"re(\bNATURAL\b)re", R"re(\bUSING \((?!SELECT))re",
       R"re(\bCASE (?!WHEN))re", R"re(::(?!\s*(pg_catalog|Q)\.)\s*\S+)re",
       R"re(\b(TIMESTAMPTZ|DATE|UUID) Q)re",
       R"re(\bAS (text|bool|bytea|date|float[48]|int[248]|jsonb?|name|oid|regclass|timestamptz|uuid|varchar)\b)re",
       R"re(\bCOLLATE (?!pg_catalog\.|Q\.)\S+)re"})
    if (const std::string found = find(pattern); !found.empty()) return found;

  // Words of the grammar that stand before a parenthesis like the name of a function; and queries of WITH.
  static const std::set<std::string> words = {"ANY",      "ARRAY",    "AS",       "CAST",
                                              "COALESCE", "EXISTS",   "OPERATOR", "ROW",
                                              "coalesce", "greatest", "least",    ";"};
  static const std::regex call(R"re(([\w.;]+)\()re"), query(R"re((\w+)(?: \([\w, ]*\))? AS \()re"),
      relation(R"re(\b(?:FROM|JOIN|INTO|ONLY|(?:LOCK|ALTER|DROP|CREATE) TABLE|ANALYZE|VIEW) ([\w.]+))re");
  std::set<std::string> queries = {"LATERAL", "ONLY"};
  for (auto at = std::sregex_iterator(text.begin(), text.end(), query); at != std::sregex_iterator(); ++at)
    queries.insert((*at)[1]);
  for (auto at = std::sregex_iterator(text.begin(), text.end(), call); at != std::sregex_iterator(); ++at)
    if ((*at)[1].str().find('.') == std::string::npos && !words.contains((*at)[1])) return at->str();
  for (auto at = std::sregex_iterator(text.begin(), text.end(), relation); at != std::sregex_iterator(); ++at)
    if ((*at)[1].str().find('.') == std::string::npos && !queries.contains((*at)[1])) return at->str();
  return {};
}

}  // namespace tablesync
