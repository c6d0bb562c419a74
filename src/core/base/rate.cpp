#include "core/base/rate.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "core/base/error.h"

namespace tablesync {

Rate parse_rate(const std::string &text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  if (unit.ends_with("/s")) unit.remove_suffix(2);
  struct Unit {
    std::string_view name;
    double size;
  };
  static constexpr Unit units[] = {{"rows", 1}, {"kB", 1024}, {"MB", 1048576}, {"GB", 1073741824}};
  const auto *const found =
      std::find_if(std::begin(units), std::end(units), [&](const Unit &u) { return u.name == unit; });
  constexpr double most = 1e15;
  if (error != std::errc() || found == std::end(units) || !(number * found->size >= 1) ||
      number * found->size > most)
    throw Error(sqlstate::invalid_parameter, "invalid rate: \"" + text + "\"", {}, rate_hint);
  const auto amount = static_cast<std::int64_t>(number * found->size);
  return found->name == "rows" ? Rate{amount, 0} : Rate{0, amount};
}

Rate part_of(const Rate &whole, int readers) {
  const auto part = [&](std::int64_t amount) {
    return amount == 0 ? 0 : std::max<std::int64_t>(amount / readers, 1);
  };
  return {part(whole.rows), part(whole.bytes)};
}

std::int64_t ms_ahead(const Rate &rate, std::int64_t rows, std::int64_t bytes, std::int64_t elapsed_ms) {
  const auto due_ms = [](std::int64_t amount, std::int64_t per_second) {
    return per_second > 0 ? static_cast<std::int64_t>(static_cast<double>(amount) * 1000 /
                                                      static_cast<double>(per_second))
                          : 0;
  };
  return std::max<std::int64_t>(std::max(due_ms(rows, rate.rows), due_ms(bytes, rate.bytes)) - elapsed_ms, 0);
}

}  // namespace tablesync
