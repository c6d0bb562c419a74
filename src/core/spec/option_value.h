// Values of options, which come as text. Each function throws 22023 for what it does not take.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/quote.h"

namespace tablesync {

[[noreturn]] void bad_value(const std::string &key, const std::optional<std::string> &value,
                            const std::string &hint);
bool to_bool(const std::string &key, const std::optional<std::string> &value);
double to_fraction(const std::string &key, const std::optional<std::string> &value);
int to_count(const std::string &key, const std::optional<std::string> &value);
// One that is not empty.
const std::string &to_text(const std::string &key, const std::optional<std::string> &value, const char *hint);
// Milliseconds, as a timer of the server takes them.
std::int64_t to_timeout(const std::string &key, const std::optional<std::string> &value);

// Parses a duration like '90', '90s', '5 min', '2 hours', '3d' into milliseconds; a bare number is seconds.
std::int64_t parse_duration_ms(const std::string &text);

// One of the words that an option takes.
template <typename Word>
Word to_word(const std::string &key, const std::optional<std::string> &value,
             std::initializer_list<std::pair<const char *, Word>> words) {
  std::vector<std::string> valid;
  for (const auto &[name, word] : words) {
    if (value == name) return word;
    valid.emplace_back(name);
  }
  bad_value(key, value, "Valid: " + join(valid, ", ") + ".");
}

// Throws 22023 for a key that is none of these, with the nearest, or 0A000 for one of a later version.
[[noreturn]] void unknown_option(const std::string &key, const std::vector<std::string> &known,
                                 const std::vector<std::string> &later);

}  // namespace tablesync
