#include "core/spec/source_limits.h"

#include <vector>

#include "core/base/quote.h"
#include "core/base/text.h"

namespace tablesync {

std::string describe_excess(const SourceLimits &limits, const SourceLoad &load) {
  std::vector<std::string> reasons;
  const double lag_limit = static_cast<double>(limits.lag_ms) / 1000;
  if (limits.lag_ms >= 0 && load.lag_seconds > lag_limit)
    reasons.push_back((load.standby.empty() ? "the source, a standby," : "standby \"" + load.standby + "\"") +
                      " lags by " + human_seconds(load.lag_seconds) + " (max_source_lag " +
                      human_seconds(lag_limit) + ")");
  if (limits.sessions >= 0 && load.sessions > limits.sessions)
    reasons.push_back(with_commas(load.sessions) + (load.sessions == 1 ? " session is" : " sessions are") +
                      " active (max_source_sessions " + with_commas(limits.sessions) + ")");
  return join(reasons, " and ");
}

}  // namespace tablesync
