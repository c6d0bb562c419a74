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

// Whether the server accepts the moment as a timestamp or timestamptz: MIN_TIMESTAMP and END_TIMESTAMP in
// datatype/timestamp.h.
inline bool is_known(Moment moment) {
  constexpr Moment first = -211813488000000000, end = 9223371331200000000;
  return (moment >= first && moment < end) || moment == before_all || moment == after_all;
}

// "2026-01-31 23:59:59.5+00", which SQL accepts under any DateStyle; without zone: "2026-01-31 23:59:59.5".
std::string text_of_moment(Moment moment, bool with_zone = true);
// Parses what text_of_moment() returned; nothing for other texts.
std::optional<Moment> parse_moment(std::string_view text);

}  // namespace tablesync
