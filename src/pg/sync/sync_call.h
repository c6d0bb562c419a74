// What the SQL functions that start a sync or a verification make of their arguments, alike, and the task
// that they give to a worker.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/spec/sync_spec.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

// Takes the keys of the argument `options`. Throws as set_option(); 22023 where it is no object.
void take_options(SyncSpec &spec, FunctionCallInfo fcinfo, unsigned function);
// The arguments of sync_table, run_sync and sync_plan, which are the same. Throws 22004, 22023, 42601, 0A000.
SyncSpec sync_spec_from(FunctionCallInfo fcinfo);

// The run that the specification asks for.
WorkerTask task_for(const SyncSpec &spec);

}  // namespace tablesync::pg
