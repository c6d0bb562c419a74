// The load of a source, and the limits above which a sync does not begin to read it.
#pragma once

#include <cstdint>
#include <string>

namespace tablesync {

struct SourceLimits {
  std::int64_t lag_ms = -1;  // of its standbys, and its own if it is one; below 0: no limit
  int sessions = -1;         // active ones of other clients; below 0: no limit
  bool any() const { return lag_ms >= 0 || sessions >= 0; }
  bool operator==(const SourceLimits &) const = default;
};

struct SourceLoad {
  double lag_seconds = 0;     // the longest
  std::string standby;        // with that lag; empty: the source itself
  std::int64_t sessions = 0;  // active ones, without those of tablesync
};

// Describes the limits that are exceeded: "standby "s1" lags by 12.0 s (max_source_lag 5.0 s)". Empty: none.
std::string describe_excess(const SourceLimits &limits, const SourceLoad &load);

}  // namespace tablesync
