#include "pg/run/run_workers.h"

extern "C" {
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
}

#include "pg/run/run_failure.h"
#include "pg/run/run_notice.h"
#include "pg/run/run_settings.h"
#include "pg/server/airlock.h"
#include "pg/server/transaction.h"
#include "pg/worker/shared_run.h"

namespace tablesync::pg {
namespace {

void notice_missing(const RunSpec &spec, int count, int wanted) {
  const std::string hint =
      "Raise max_worker_processes (" + std::to_string(max_worker_processes) +
      "; needs a restart) or tablesync.max_workers_per_role, or wait until other workers have ended.";
  if (count == 0)
    notice(spec, "the source is read by one worker because no slot is free for another", {}, hint);
  else
    notice(spec,
           "the source is read by " + std::to_string(count) + " instead of " + std::to_string(wanted) +
               " workers because no more slots are free",
           {}, hint);
}

}  // namespace

int RunWorkers::start(int wanted, const std::function<WorkerTask(int)> &task) {
  workers_.start(wanted, task);
  if (workers_.count() < wanted) notice_missing(spec_, workers_.count(), wanted);
  return workers_.count();
}

bool RunWorkers::poll() { return workers_.poll(steps_.progress()); }

RunCounts RunWorkers::wait() {
  RunCounts counts;
  for (const Row &reply : workers_.wait(steps_.progress())) counts += decode<RunCounts>(reply);
  return counts;
}

std::optional<RunCounts> run_workers(const RunSpec &spec, RunSteps &steps, int wanted,
                                     const std::function<WorkerTask(int)> &task,
                                     const std::function<void(int)> &started) {
  RunWorkers workers(spec, steps);
  const int count = workers.start(wanted, task);
  started(count);
  const RunCounts counts = workers.wait();
  return count > 0 ? std::optional(counts) : std::nullopt;
}

Row work_for_run(SharedRun &run, const RunSpec &spec, const char *what, const std::function<Row()> &work) {
  const std::string activity = std::string(what) + " of " + describe_spec(spec);
  call([&] { pgstat_report_activity(STATE_RUNNING, activity.c_str()); });
  try {
    in_transaction([&] { apply_settings(spec); });
    return work();
  } catch (const Error &error) {
    const Diagnostics &failure = error.diagnostics();
    // Converted, because the leader would treat it as its own cancel.
    if (failure.sqlstate == sqlstate::canceled && !raised_by_source(failure))
      throw Error(sqlstate::admin_shutdown, "a worker of the run was canceled or terminated");
    run.error_is_transient = is_transient(error);
    throw ServerError(failure);
  }
}

}  // namespace tablesync::pg
