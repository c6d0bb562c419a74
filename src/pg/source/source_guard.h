// The guard that delays a run while the source is overloaded: max_source_lag, max_source_sessions.
#pragma once

#include "core/range/source.h"
#include "core/spec/run_spec.h"
#include "pg/run/run_steps.h"

namespace tablesync::pg {

// Waits until the source is within spec.source_limits; returns immediately if there are none. While it waits,
// no transaction is open on either side: it ends an open transaction on the source, and replaces the local
// one, which must not have changed anything yet nor taken a lock that it needs. Call it before each
// transaction that reads rows. Throws 42501 if the role on the source may not see its load, and on a cancel,
// a termination or a timeout.
void wait_for_source(Source &source, const RunSpec &spec, RunSteps &steps);

}  // namespace tablesync::pg
