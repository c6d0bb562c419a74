// What the SQL functions of pivots make of their arguments, and the task that they give to a worker.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/spec/pivot_spec.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

// The arguments of pivot_ship(). Throws 22004, 22008, 22023, 0A000.
PivotSpec pivot_spec_from(FunctionCallInfo fcinfo);

// The arguments of verify_pivot(). Throws the same.
PivotSpec verify_pivot_spec_from(FunctionCallInfo fcinfo);
// What can be known before a worker is started, said by the caller's own session. The worker checks again.
void check_early(const PivotSpec &spec);

// The run that the specification asks for.
WorkerTask task_for(const PivotSpec &spec);

}  // namespace tablesync::pg
