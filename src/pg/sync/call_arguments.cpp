#include "pg/sync/call_arguments.h"

#include "core/error.h"
#include "pg/server/session_option.h"
#include "pg/server/spi.h"

namespace tablesync::pg {

std::string required(std::optional<std::string> value, const char *what) {
  if (!value) throw Error(sqlstate::null_not_allowed, std::string(what) + " must not be null");
  return *value;
}

std::string sql_text(const std::optional<std::string> &value, const char *name) {
  if (!value) return {};
  if (value->find_first_not_of(" \t\r\n\f;") == std::string::npos)
    throw Error("42601", std::string(name) + " is empty", {}, "Leave it out, or pass NULL.");
  return *value;
}

void check_range(const char *name, std::optional<int> value, int low, int high) {
  if (value && (*value < low || *value > high))
    throw Error(sqlstate::invalid_parameter,
                "\"" + std::string(name) + "\" must be between " + std::to_string(low) + " and " +
                    std::to_string(high),
                "It is " + std::to_string(*value) + ".");
}

void take_options(SyncSpec &spec, const std::optional<std::string> &json) {
  if (!json) return;
  for (const Row &row :
       query("SELECT key, value FROM pg_catalog.jsonb_each_text($1::pg_catalog.jsonb)", {*json}))
    set_option(spec, text_of(row[0]), row[1]);
}

void take_session_settings(SyncSpec &spec) {
  for (const char *name : {"search_path", "timezone", "lock_timeout", "synchronous_commit",
                           "temp_tablespaces", "default_tablespace", "tablesync.stall_timeout"})
    spec.settings.emplace_back(name, session_option(name));
}

}  // namespace tablesync::pg
