// Several workers that do the work of one run at the same time: loaders of a hidden table, or copiers of
// chunks.
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

// The workers of a run, while their leader does something else: start them, look at them with poll() from
// time to time, and wait() for the rest. All in one transaction of the leader. Its destructor ends those that
// are still at work.
class RunWorkers {
 public:
  RunWorkers(const RunSpec &spec, RunSteps &steps) : spec_(spec), steps_(steps) {}
  RunWorkers(const RunWorkers &) = delete;
  RunWorkers &operator=(const RunWorkers &) = delete;
  ~RunWorkers() { workers_.end(); }

  // Starts so many, or as many as there are slots for (a NOTICE says so), and returns how many that is.
  // `task`: of the nth, from 0.
  int start(int wanted, const std::function<WorkerTask(int)> &task);
  // Passes on their notices, publishes their progress as the run's, and returns whether any is at work. Does
  // not block. Throws the first error of a worker.
  bool poll();
  // Waits for all and returns what they did together, as their replies (RunCounts) say. Throws as poll().
  RunCounts wait();

 private:
  const RunSpec &spec_;
  RunSteps &steps_;
  LaunchedGroup workers_;
};

// Starts so many and waits for them. Nothing if there is no slot at all. `started` is called with the number
// that was started. Throws the first error of a worker, when all have ended.
std::optional<RunCounts> run_workers(const RunSpec &spec, RunSteps &steps, int wanted,
                                     const std::function<WorkerTask(int)> &task,
                                     const std::function<void(int)> &started);

// ---- in a worker ---------------------------------------------------------------------------------------

// Does the work, under the settings of the run, and returns its reply. If that fails, leaves in `run` what
// the leader cannot see from the error, and throws that. `what`: "chunks", in pg_stat_activity.
Row work_for_run(SharedRun &run, const RunSpec &spec, const char *what, const std::function<Row()> &work);

}  // namespace tablesync::pg
