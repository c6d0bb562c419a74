// Parses values of options, which come as text. Each function throws 22023 for a bad value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tablesync {

[[noreturn]] void bad_value(const std::string &key, const std::optional<std::string> &value,
                            const std::string &hint);
bool to_bool(const std::string &key, const std::optional<std::string> &value);
double to_fraction(const std::string &key, const std::optional<std::string> &value);
int to_count(const std::string &key, const std::optional<std::string> &value);
// A text that is not empty.
const std::string &to_text(const std::string &key, const std::optional<std::string> &value, const char *hint);
// Milliseconds, as a timer of the server takes them.
std::int64_t to_timeout(const std::string &key, const std::optional<std::string> &value);

// Parses a duration like '90', '90s', '5 min', '2 hours', '3d' into milliseconds; a bare number is seconds.
std::int64_t parse_duration_ms(const std::string &text);

}  // namespace tablesync
