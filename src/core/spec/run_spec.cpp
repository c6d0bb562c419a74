#include "core/spec/run_spec.h"

#include <algorithm>
#include <string_view>

namespace tablesync {
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

std::string first_change(const std::string &then, const std::string &now) {
  // A value may have several lines; then the later ones are shown without a name.
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
  if (was.empty()) return "This call has " + is + "; the earlier call did not.";
  if (is.empty()) return "The earlier call had " + was + "; this call does not.";
  return "This call has " + is + "; the earlier call had " + was + ".";
}

}  // namespace tablesync
