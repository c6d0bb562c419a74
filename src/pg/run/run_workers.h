// Several workers that do the work of one run at the same time: loaders of a hidden table, or copiers of
// chunks.
#pragma once

#include <functional>
#include <optional>

#include "core/spec/run_spec.h"
#include "pg/record/run_record.h"
#include "pg/run/run_steps.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

struct SharedRun;

// ---- in the leader -------------------------------------------------------------------------------------

// Runs so many, or as many as there are slots for (a NOTICE says so), and returns what they did together, as
// their replies (RunCounts) say. Nothing where there is no slot at all. `task`: of the nth, from 0;
// `started` hears how many there are. Throws the first error of a worker, when all have ended.
std::optional<RunCounts> run_workers(const RunSpec &spec, RunSteps &steps, int wanted,
                                     const std::function<WorkerTask(int)> &task,
                                     const std::function<void(int)> &started);

// ---- in a worker ---------------------------------------------------------------------------------------

// Does the work, under the settings of the run, and returns its reply. Where that fails, leaves in `run` what
// the leader cannot tell from the error, and throws that. `what`: "chunks", in pg_stat_activity.
Row work_for_run(SharedRun &run, const RunSpec &spec, const char *what, const std::function<Row()> &work);

}  // namespace tablesync::pg
