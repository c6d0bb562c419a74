#include "core/base/retry.h"

#include <algorithm>

namespace tablesync {

bool is_transient(std::string_view sqlstate, bool on_source) {
  for (const char *anywhere : {"08000", "08003", "08006", "40001", "40P01"})
    if (sqlstate == anywhere) return true;
  if (!on_source) return false;
  for (const char *there : {"25P03", "25P04", "53300", "57P01", "57P02", "57P03", "57P05"})
    if (sqlstate == there) return true;
  return false;
}

std::int64_t retry_wait_ms(std::int64_t first_ms, int attempt, double chance) {
  constexpr std::int64_t longest = 300'000;
  std::int64_t wait = std::min(first_ms, longest);
  for (int doubled = 1; doubled < attempt && wait < longest; ++doubled) wait = std::min(2 * wait, longest);
  const std::int64_t half = wait / 2;
  return half + static_cast<std::int64_t>(static_cast<double>(wait - half) * chance);
}

}  // namespace tablesync
