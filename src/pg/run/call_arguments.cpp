#include "pg/run/call_arguments.h"

#include "core/base/error.h"
#include "pg/server/session_option.h"

namespace tablesync::pg {

std::string required(std::optional<std::string> value, const char *what) {
  if (!value) throw Error(sqlstate::null_not_allowed, std::string(what) + " must not be null");
  return *value;
}

void check_object(const char *what, const std::optional<std::string> &json) {
  if (json && !json->starts_with('{'))
    throw Error(sqlstate::invalid_parameter, std::string(what) + " must be an object", {},
                R"(Such as '{"timeout": "10min"}'.)");
}

void check_range(const char *name, std::optional<int> value, int low, int high) {
  if (value && (*value < low || *value > high))
    throw Error(sqlstate::invalid_parameter,
                "\"" + std::string(name) + "\" must be between " + std::to_string(low) + " and " +
                    std::to_string(high),
                "It is " + std::to_string(*value) + ".");
}

void take_session_settings(RunSpec &spec) {
  for (const char *name : {"search_path", "timezone", "lock_timeout", "synchronous_commit",
                           "temp_tablespaces", "default_tablespace", "tablesync.stall_timeout",
                           "tablesync.chunk_threshold", "tablesync.max_source_transaction"})
    spec.settings.emplace_back(name, session_option(name));
}

}  // namespace tablesync::pg
