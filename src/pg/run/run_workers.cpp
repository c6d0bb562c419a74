#include "pg/run/run_workers.h"

extern "C" {
#include "postgres.h"

#include "miscadmin.h"
}

#include "pg/run/run_notice.h"
#include "pg/server/airlock.h"
#include "pg/server/launched_group.h"

namespace tablesync::pg {
namespace {

void tell_missing(const RunSpec &spec, int count, int wanted) {
  const std::string hint = "Raise max_worker_processes (" + std::to_string(max_worker_processes) +
                           "; needs a restart), or wait until other workers have ended.";
  if (count == 0)
    tell(spec, "the source is read by one worker, since there is no free slot for another", {}, hint);
  else
    tell(spec,
         "the source is read by " + std::to_string(count) + " instead of " + std::to_string(wanted) +
             " workers, since there are no more free slots",
         {}, hint);
}

}  // namespace

std::optional<RunCounts> run_workers(const RunSpec &spec, RunSteps &steps, int wanted,
                                     const std::function<WorkerTask(int)> &task,
                                     const std::function<void(int)> &started) {
  LaunchedGroup workers;
  workers.start(wanted, task);
  RunCounts counts;
  on_failure(
      [&] {
        if (workers.count() < wanted) tell_missing(spec, workers.count(), wanted);
        started(workers.count());
        for (const Row &reply : workers.wait(steps.progress())) counts += counts_of(reply);
      },
      [&]() noexcept { workers.end(); });
  return workers.count() > 0 ? std::optional(counts) : std::nullopt;
}

}  // namespace tablesync::pg
