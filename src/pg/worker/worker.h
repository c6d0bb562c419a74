// Background workers: a caller launches one, waits for it interruptibly and relays its messages. Neither
// outlives the other by accident. The worker runs as the caller's effective role.
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
  std::string subject;                // at the beginning of progress notices
  std::string request;                // bytes for the worker
  const char *type = "pg_tablesync";  // in pg_stat_activity
  unsigned int role = 0;              // as which it works; 0: the current user
};

// Throws if the session may not start a worker: 25006 in recovery, 25000 in a parallel worker, 42501 in a
// security-restricted operation or for a role without LOGIN, 55000 inside one of our workers, 25001 in a
// transaction that has changed something, because the worker would not see it.
void check_may_launch(const std::string &function);

// The worker could not be started, or it ended before its run had a record.
class NotStarted : public Error {
 public:
  using Error::Error;
};

// Runs the task in a worker and returns its reply. Relays the worker's notices and throws its error. Ends the
// worker when the caller is canceled or terminated. Throws NotStarted, with 53000, if there is no free slot.
Row run_in_worker(const WorkerTask &task);

// Starts the task and returns the run's id as soon as its record is committed.
std::int64_t start_in_worker(const WorkerTask &task);

// ---- in the worker -------------------------------------------------------------------------------------

// True in a process that is one of our workers.
bool in_worker();
// Whether the worker was terminated, as opposed to canceled.
bool termination_requested();
// Whether the whole server is stopping.
bool server_is_stopping();

// The body of a worker's entry function: attaches to the segment, connects as the caller's role, runs `task`
// and returns its reply to the caller.
void worker_main(unsigned long argument, Row (*task)(SharedRun &run, std::string_view request));

}  // namespace tablesync::pg
