#include "core/spec/option_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "core/base/error.h"

namespace tablesync {

void bad_value(const std::string &key, const std::optional<std::string> &value, const std::string &hint) {
  throw Error(sqlstate::invalid_parameter,
              "invalid value for option \"" + key + "\": " + (value ? "\"" + *value + "\"" : "null"), {},
              hint);
}

bool to_bool(const std::string &key, const std::optional<std::string> &value) {
  if (value == "true") return true;
  if (value == "false") return false;
  bad_value(key, value, "Give true or false.");
}

double to_fraction(const std::string &key, const std::optional<std::string> &value) {
  double number = -1;
  if (value) {
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    if (error != std::errc() || end != value->data() + value->size()) number = -1;
  }
  if (!(number >= 0 && number <= 1)) bad_value(key, value, "Give a number from 0 to 1.");
  return number;
}

int to_count(const std::string &key, const std::optional<std::string> &value) {
  int number = -1;
  if (value) {
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    if (error != std::errc() || end != value->data() + value->size()) number = -1;
  }
  if (number < 0) bad_value(key, value, "Give a number of 0 or more.");
  return number;
}

const std::string &to_text(const std::string &key, const std::optional<std::string> &value,
                           const char *hint) {
  if (!value || value->empty()) bad_value(key, value, hint);
  return *value;
}

std::int64_t parse_duration_ms(const std::string &text) {
  struct Unit {
    std::string_view name;
    double milliseconds;
  };
  static constexpr Unit units[] = {{"", 1000},        {"s", 1000},         {"sec", 1000},
                                   {"second", 1000},  {"seconds", 1000},   {"ms", 1},
                                   {"min", 60'000},   {"minute", 60'000},  {"minutes", 60'000},
                                   {"h", 3'600'000},  {"hour", 3'600'000}, {"hours", 3'600'000},
                                   {"d", 86'400'000}, {"day", 86'400'000}, {"days", 86'400'000}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view name(end, static_cast<size_t>(text.data() + text.size() - end));
  while (name.starts_with(' ')) name.remove_prefix(1);
  const auto *const unit =
      std::find_if(std::begin(units), std::end(units), [&](const Unit &u) { return u.name == name; });
  constexpr double longest = 100.0 * 366 * 86'400'000;
  if (error != std::errc() || unit == std::end(units) || !(number >= 0) ||
      number * unit->milliseconds > longest)
    throw Error(sqlstate::invalid_parameter, "invalid duration: \"" + text + "\"", {},
                "Give seconds, or a number with a unit: ms, s, min, h, d.");
  // 0 means no limit, so a duration below a millisecond must not be rounded to it.
  return static_cast<std::int64_t>(std::ceil(number * unit->milliseconds));
}

std::int64_t to_timeout(const std::string &key, const std::optional<std::string> &value) {
  const std::int64_t timeout =
      parse_duration_ms(to_text(key, value, "Give seconds, or a number with a unit: ms, s, min, h, d."));
  // A timer of the server takes an int of milliseconds.
  if (timeout > 2147483647) bad_value(key, value, "It must be at most 24 days.");
  return timeout;
}

}  // namespace tablesync
