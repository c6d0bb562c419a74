// Turns the arguments of the SQL functions that start a sync or a verification into a specification, and that
// into the task of a worker.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/spec/sync_spec.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

// Takes the keys of the argument `options`. Throws like set_option(), and 22023 where it is not an object.
void take_options(SyncSpec &spec, FunctionCallInfo fcinfo, unsigned function);
// Reads the arguments of sync_table, run_sync and sync_plan, which are the same. Throws 22004, 22023, 42601,
// 0A000.
SyncSpec sync_spec_from(FunctionCallInfo fcinfo);

// The task of the run that the specification asks for.
WorkerTask task_for(const SyncSpec &spec);

}  // namespace tablesync::pg
