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
  static const std::regex comment("--[^\n]*");
  static const std::regex harmless[] = {
      std::regex(R"re(OPERATOR\((pg_catalog|Q)\.[^)]+\))re"),
      std::regex(R"re(count\(\*\)|\b\w+\.\*|[ (,]-(?=[0-9]))re"),
      std::regex(R"re((SET|,) Q =|SET LOCAL \w+ =|\(\w+ = \w+\))re")};  // assignments and settings
  static const std::regex found(
      R"re(\b(IN \(|I?LIKE\b|SIMILAR\b|BETWEEN\b|NULLIF\b|DISTINCT FROM\b|NATURAL\b|USING \((?!SELECT)|CASE (?!WHEN)|(TIMESTAMPTZ|DATE|UUID) Q))re"
      R"re(|::(?!\s*(pg_catalog|Q)\.)\s*\S+)re"
      R"re(|\bAS (text|bool|bytea|date|float[48]|int[248]|jsonb?|name|oid|regclass|timestamptz|uuid|varchar)\b)re"
      R"re(|\bCOLLATE (?!pg_catalog\.|Q\.)\S+)re");
  // Words of the grammar that stand before a parenthesis like the name of a function; and queries of WITH.
  static const std::set<std::string> words = {"ANY",      "ARRAY",    "AS",       "CAST",
                                              "COALESCE", "EXISTS",   "OPERATOR", "ROW",
                                              "coalesce", "greatest", "least",    ";"};
  static const std::regex call(R"re(([\w.;]+)\()re"), query(R"re((\w+)(?: \([\w, ]*\))? AS \()re"),
      relation(R"re(\b(?:FROM|JOIN|INTO|ONLY|(?:LOCK|ALTER|DROP|CREATE) TABLE|ANALYZE|VIEW) ([\w.]+))re");

  std::string text = unquoted(std::regex_replace(sql, comment, ""));
  for (const std::regex &pattern : harmless) text = std::regex_replace(text, pattern, " ; ");
  if (const std::string bare = bare_operator(text); !bare.empty()) return bare;
  std::smatch match;
  if (std::regex_search(text, match, found)) return match.str();
  std::set<std::string> queries = {"LATERAL", "ONLY"};
  const std::sregex_iterator end;
  for (auto at = std::sregex_iterator(text.begin(), text.end(), query); at != end; ++at)
    queries.insert((*at)[1]);
  for (auto at = std::sregex_iterator(text.begin(), text.end(), call); at != end; ++at)
    if ((*at)[1].str().find('.') == std::string::npos && !words.contains((*at)[1])) return at->str();
  for (auto at = std::sregex_iterator(text.begin(), text.end(), relation); at != end; ++at)
    if ((*at)[1].str().find('.') == std::string::npos && !queries.contains((*at)[1])) return at->str();
  return {};
}

}  // namespace tablesync
