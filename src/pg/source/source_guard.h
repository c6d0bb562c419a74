// The guard that keeps a sync from reading a source that is busy: max_source_lag, max_source_sessions.
#pragma once

#include "core/range/source.h"
#include "core/spec/run_spec.h"
#include "pg/run/run_steps.h"

namespace tablesync::pg {

// Waits until the source is within spec.source_limits; at once where there are none. Meanwhile no transaction
// is open, there or here: one that is open there is ended; the one here, which must not have changed anything
// yet nor taken a lock that it needs, is ended and another begun. Call it before each transaction that reads
// rows. Throws 42501 where the
// role there may not see what is limited, and what ends a wait: cancel, terminate, timeout.
void wait_for_source(Source &source, const RunSpec &spec, RunSteps &steps);

}  // namespace tablesync::pg
