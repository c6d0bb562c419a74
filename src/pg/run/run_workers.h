// Several workers that do the work of one run at the same time: loaders of a hidden table, or copiers of
// chunks.
#pragma once

#include <functional>
#include <optional>

#include "core/run_spec.h"
#include "pg/run/run_record.h"
#include "pg/run/run_steps.h"
#include "pg/server/worker.h"

namespace tablesync::pg {

// Runs so many, or as many as there are slots for (a NOTICE says so), and returns what they did together, as
// their replies tell by row_of(). Nothing where there is no slot at all. `task`: of the nth, from 0;
// `started` hears how many there are. Throws the first error of a worker, when all have ended.
std::optional<RunCounts> run_workers(const RunSpec &spec, RunSteps &steps, int wanted,
                                     const std::function<WorkerTask(int)> &task,
                                     const std::function<void(int)> &started);

}  // namespace tablesync::pg
