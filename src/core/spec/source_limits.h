// How busy a source is, and how busy it may be when a sync begins to read it.
#pragma once

#include <cstdint>
#include <string>

namespace tablesync {

struct SourceLimits {
  std::int64_t lag_ms = -1;  // of its standbys, and its own where it is one; below 0: no limit
  int sessions = -1;         // of others that are active; below 0: no limit
  bool any() const { return lag_ms >= 0 || sessions >= 0; }
  bool operator==(const SourceLimits &) const = default;
};

struct SourceLoad {
  double lag_seconds = 0;     // the longest
  std::string standby;        // that has it; empty: the source itself
  std::int64_t sessions = 0;  // that are active, without those that watch or read for tablesync
};

// What is above its limit, in words: "standby "s1" is 12.0 s behind (max_source_lag 5.0 s)". Empty: nothing.
std::string describe_excess(const SourceLimits &limits, const SourceLoad &load);

}  // namespace tablesync
