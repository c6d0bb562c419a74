// Moments as the server keeps them: microseconds since 2000-01-01 00:00 UTC (timestamptz), or of a clock
// without zone (timestamp).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace tablesync {

using Moment = std::int64_t;

// How the server keeps '-infinity' and 'infinity'.
inline constexpr Moment before_all = std::numeric_limits<Moment>::min();
inline constexpr Moment after_all = std::numeric_limits<Moment>::max();

// Whether the server takes it as a value of timestamp or timestamptz: MIN_TIMESTAMP and END_TIMESTAMP in
// datatype/timestamp.h.
inline bool is_known(Moment moment) {
  constexpr Moment first = -211813488000000000, end = 9223371331200000000;
  return (moment >= first && moment < end) || moment == before_all || moment == after_all;
}

// "2026-01-31 23:59:59.5+00", as SQL takes it whatever DateStyle is; without zone: "2026-01-31 23:59:59.5".
std::string text_of_moment(Moment moment, bool with_zone = true);
// What it gave; nothing for other texts.
std::optional<Moment> parse_moment(std::string_view text);

}  // namespace tablesync
