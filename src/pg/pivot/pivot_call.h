// Turns the arguments of the SQL functions of pivots into a specification, and that into the task of a
// worker.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/spec/pivot_spec.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

// Reads the arguments of pivot_ship(). Throws 22004, 22008, 22023, 0A000.
PivotSpec pivot_spec_from(FunctionCallInfo fcinfo);

// Reads the arguments of verify_pivot(). Throws the same codes.
PivotSpec verify_pivot_spec_from(FunctionCallInfo fcinfo);
// Raises errors that can be found before a worker is started, in the caller's session. The worker checks
// again.
void check_early(const PivotSpec &spec);

// The task of the run that the specification asks for.
WorkerTask task_for(const PivotSpec &spec);

}  // namespace tablesync::pg
