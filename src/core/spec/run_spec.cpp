#include "core/spec/run_spec.h"

#include <algorithm>
#include <string_view>

#include "core/spec/option_value.h"

namespace tablesync {
namespace {

// 0 would be exceeded by every commit there.
std::int64_t to_lag(const std::string &key, const std::optional<std::string> &value) {
  const std::int64_t lag = to_timeout(key, value);
  if (lag == 0) bad_value(key, value, "Give a time above 0.");
  return lag;
}

}  // namespace

const std::vector<std::string> run_option_keys = {"if_running",          "max_rate", "max_source_lag",
                                                  "max_source_sessions", "restart",  "retry_delay",
                                                  "time_zone",           "timeout",  "trust_owner"};

const char *name_of(Command command) {
  switch (command) {
    case Command::sync:
      return "sync_table";
    case Command::pivot:
      return "pivot_ship";
    case Command::verify_pivot:
      return "verify_pivot";
    default:
      return "verify_table";
  }
}

std::string describe_spec(const RunSpec &spec) {
  return (spec.server.empty() ? "" : display_name(spec.server) + ": ") + spec.source + " -> " +
         display_name(spec.target);
}

bool set_run_option(RunSpec &spec, const std::string &key, const std::optional<std::string> &value) {
  if (key == "max_rate") {
    spec.max_rate = parse_rate(to_text(key, value, rate_hint));
  } else if (key == "restart") {
    spec.restart = to_bool(key, value);
  } else if (key == "trust_owner") {
    spec.trust_owner = to_bool(key, value);
  } else if (key == "max_source_lag") {
    spec.source_limits.lag_ms = to_lag(key, value);
  } else if (key == "max_source_sessions") {
    spec.source_limits.sessions = to_count(key, value);
  } else if (key == "retry_delay") {
    spec.retry_delay_ms = to_timeout(key, value);
  } else if (key == "timeout") {
    spec.timeout_ms = to_timeout(key, value);
  } else if (key == "time_zone") {
    spec.time_zone = to_text(key, value, "Give the name of a time zone, like \"Europe/Berlin\".");
  } else if (key == "if_running") {
    spec.if_running =
        to_word(key, value,
                {std::pair{"error", IfRunning::raise}, {"skip", IfRunning::skip}, {"wait", IfRunning::wait}});
  } else {
    return false;
  }
  return true;
}

std::string first_change(const std::string &then, const std::string &now) {
  // A value may hold new lines; then what follows the first is told as it is.
  const auto lines = [](const std::string &text) {
    std::vector<std::string> found;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      found.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return found;
  };
  const auto lacking = [](const std::vector<std::string> &some, const std::vector<std::string> &others) {
    for (const std::string &line : some)
      if (std::find(others.begin(), others.end(), line) == others.end()) return line;
    return std::string();
  };
  const std::string is = lacking(lines(now), lines(then)), was = lacking(lines(then), lines(now));
  return "Now " + (is.empty() ? "not given" : is) + "; then " + (was.empty() ? "not given" : was) + ".";
}

}  // namespace tablesync
