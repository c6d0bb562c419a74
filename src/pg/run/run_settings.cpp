#include "pg/run/run_settings.h"

#include <string>

#include "pg/run/run_kind.h"
#include "pg/server/session_option.h"

namespace tablesync::pg {

void apply_settings(const RunSpec &spec) {
  set_session_option("lock_timeout", "60s");  // unless the caller has set one
  for (const auto &[name, value] : spec.settings)
    if (name != "lock_timeout" || value != "0") set_session_option(name.c_str(), value);
  set_session_option("default_transaction_isolation", kind_of(spec).isolation);
  // One text form for each value: rows without a key are compared as text.
  set_session_option("datestyle", "ISO");
  set_session_option("intervalstyle", "postgres");
  set_session_option("extra_float_digits", "1");
  set_session_option("bytea_output", "hex");
  // Settings of a role or a database that would change values or statements.
  set_session_option("array_nulls", "on");
  set_session_option("standard_conforming_strings", "on");
  set_session_option("xmloption", "content");
  set_session_option("jit", "off");
  // The limit covers the memory in use at one time: the stage's buffers and one hash or sort of the merge, or
  // the build of the key.
  const int kilobytes = spec.memory_limit_mb * 1024;
  set_session_option("temp_buffers", std::to_string(kilobytes / 4) + "kB");
  set_session_option("work_mem", std::to_string(kilobytes / 4) + "kB");
  set_session_option("hash_mem_multiplier", "1.5");
  set_session_option("maintenance_work_mem", std::to_string(kilobytes * 3 / 4) + "kB");
}

}  // namespace tablesync::pg
