// What the SQL functions that start a sync or a verification make of their arguments, alike, and the task
// that they give to a worker.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include <optional>
#include <string>

#include "core/spec/sync_spec.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

// SQL of the user, or empty where it is null. Throws 42601 where it is blank.
std::string sql_text(const std::optional<std::string> &value, const char *name);
// Takes the keys of `options jsonb`, given as JSON. Throws as set_option(); 22023 where it is no object.
void take_options(SyncSpec &spec, const std::optional<std::string> &json);
// The arguments of sync_table, run_sync and sync_plan, which are the same. Throws 22004, 22023, 42601, 0A000.
SyncSpec sync_spec_from(FunctionCallInfo fcinfo);
inline constexpr int sync_arg_wait = 19;  // the one that is not of the spec

// The run that the specification asks for.
WorkerTask task_for(const SyncSpec &spec);

}  // namespace tablesync::pg
