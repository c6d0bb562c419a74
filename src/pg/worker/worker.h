// Background workers: a caller launches one, waits for it interruptibly, passes on what it says, and never
// outlives or is outlived by it without meaning to. The worker runs as the caller's effective role.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/rows.h"

namespace tablesync::pg {

struct SharedRun;

// ---- in the caller -------------------------------------------------------------------------------------

struct WorkerTask {
  const char *entry;                  // the exported function that the process starts in
  std::string title;                  // in pg_stat_activity and the server log; no secrets
  std::string subject;                // what progress notices begin with
  std::string request;                // bytes for the worker
  const char *type = "pg_tablesync";  // in pg_stat_activity
  unsigned int role = 0;              // whom it works as; 0: the current user
};

// Throws where no worker may be started from here: 25006 in recovery, 25000 in a parallel worker, 42501 in a
// security-restricted operation or for a role without LOGIN, 55000 inside one of our workers, 25001 in a
// transaction that has changed something (the worker would not see it).
void check_may_launch(const std::string &function);

// There is no process for the task, or it ended before its run had a record.
class NotStarted : public Error {
 public:
  using Error::Error;
};

// Runs the task in a worker and returns its reply. Notices of the worker are passed on; its error is raised
// here. Ends the worker when the caller is canceled or terminated. NotStarted, with 53000, where there is no
// free slot.
Row run_in_worker(const WorkerTask &task);

// Starts the task and returns the run's id as soon as its record is committed.
std::int64_t start_in_worker(const WorkerTask &task);

// ---- in the worker -------------------------------------------------------------------------------------

// True in a process that is one of our workers.
bool in_worker();
// True where the worker was told to terminate, as opposed to being canceled.
bool termination_requested();
// True where the whole server is about to stop.
bool server_is_stopping();

// The body of a worker's entry function: attaches to the segment, connects as the caller's role, runs `task`
// and hands over its reply.
void worker_main(unsigned long argument, Row (*task)(SharedRun &run, std::string_view request));

}  // namespace tablesync::pg
