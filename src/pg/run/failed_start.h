// Records of runs that could not be started. The caller's transaction ends with the error, and no other
// process can write the record, so the session writes it when it ends.
#pragma once

#include <string>

#include "core/spec/run_spec.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

// Keeps a failed start until the session ends.
void remember_failed_start(const RunSpec &spec, const std::string &mode, unsigned int role,
                           const Diagnostics &failure);

// Starts the worker of a run with `start`, and remembers a failure. `mode`: for its record.
template <typename F>
auto start_run(const RunSpec &spec, const std::string &mode, const WorkerTask &task, F start) {
  try {
    return start(task);
  } catch (const NotStarted &error) {
    remember_failed_start(spec, mode, task.role, error.diagnostics());
    throw;
  }
}

}  // namespace tablesync::pg
