// What the SQL functions that start a run make of their arguments, alike, and the task that they give to a
// worker.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include <optional>
#include <string>

#include "core/sync_spec.h"
#include "pg/server/worker.h"

namespace tablesync::pg {

// The value; throws 22004 where it is null. `what`: how the message names it.
std::string required(std::optional<std::string> value, const char *what);
// SQL of the user, or empty where it is null. Throws 42601 where it is blank.
std::string sql_text(const std::optional<std::string> &value, const char *name);
// Throws 22023 where a value is given and out of range.
void check_range(const char *name, std::optional<int> value, int low, int high);
// Takes the keys of `options jsonb`, given as JSON. Throws as set_option(); 22023 where it is no object.
void take_options(SyncSpec &spec, const std::optional<std::string> &json);
// Settings of the caller that triggers, types or tablespaces of the target may depend on, and our own.
void take_session_settings(RunSpec &spec);

// The arguments of sync_table, run_sync and sync_plan, which are the same. Throws 22004, 22023, 42601, 0A000.
SyncSpec sync_spec_from(FunctionCallInfo fcinfo);
inline constexpr int sync_arg_wait = 19;  // the one that is not of the spec

// The run that the specification asks for.
WorkerTask task_for(const SyncSpec &spec);

}  // namespace tablesync::pg
