// Parallel workers of one run: loaders of a hidden table, or copiers of chunks.
#pragma once

#include <functional>
#include <optional>

#include "core/spec/run_spec.h"
#include "pg/record/run_record.h"
#include "pg/run/run_steps.h"
#include "pg/worker/launched_group.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

struct SharedRun;

// ---- in the leader -------------------------------------------------------------------------------------

// The workers of a run, while their leader does other work: start() them, poll() them from time to time, and
// wait() for the rest, all in one transaction of the leader. The destructor ends running workers.
class RunWorkers {
 public:
  RunWorkers(const RunSpec &spec, RunSteps &steps) : spec_(spec), steps_(steps) {}
  RunWorkers(const RunWorkers &) = delete;
  RunWorkers &operator=(const RunWorkers &) = delete;
  ~RunWorkers() { workers_.end(); }

  // Starts up to `wanted` workers, as many as there are slots for (with a NOTICE if these are fewer), and
  // returns their number. `task(n)` returns the task of the nth, from 0.
  int start(int wanted, const std::function<WorkerTask(int)> &task);
  // Relays their notices, publishes their progress as that of the run, and returns whether any worker is
  // running. Does not block. Throws the first error of a worker.
  bool poll();
  // Waits for all and returns the sum of their replies (RunCounts). Throws as poll().
  RunCounts wait();

 private:
  const RunSpec &spec_;
  RunSteps &steps_;
  LaunchedGroup workers_;
};

// Starts up to `wanted` workers, calls `started` with their number, and waits for them. Returns nothing if
// there was no slot. Throws the first error of a worker after all have ended.
std::optional<RunCounts> run_workers(const RunSpec &spec, RunSteps &steps, int wanted,
                                     const std::function<WorkerTask(int)> &task,
                                     const std::function<void(int)> &started);

// ---- in a worker ---------------------------------------------------------------------------------------

// Does the work under the settings of the run and returns its reply. On an error, sets
// run.error_is_transient, which the leader cannot derive from the error, and throws. `what`: "chunks", in
// pg_stat_activity.
Row work_for_run(SharedRun &run, const RunSpec &spec, const char *what, const std::function<Row()> &work);

}  // namespace tablesync::pg
