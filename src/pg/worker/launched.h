// Launched: one background worker, as its caller sees it.
#pragma once

extern "C" {
#include "postgres.h"

#include "postmaster/bgworker.h"
#include "storage/shm_mq.h"
#include "utils/timestamp.h"
}

#include <functional>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "pg/worker/shared_run.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

class Launched {
 public:
  // Starts the worker. Throws 53000 if no slot becomes free within `patience_ms`.
  Launched(const WorkerTask &task, bool caller_waits, std::int64_t patience_ms = 0);
  Launched(const Launched &) = delete;
  Launched &operator=(const Launched &) = delete;

  // Waits until `done()` or the end of the worker; throws the worker's error.
  void wait_until(const std::function<bool()> &done);

  // The parts of wait_until(), for waiting for several workers.
  // Relays the messages of the worker. Returns false once the worker has detached from the queue.
  bool take_messages();
  const std::optional<Diagnostics> &error() const { return error_; }
  bool stopped() const;
  // Asks the worker to end.
  void terminate() { TerminateBackgroundWorker(handle_); }
  // Ends the worker and waits for its end, so that the next call finds its locks and its slot free. The wait
  // is bounded, because the caller is stopping, too.
  void end() noexcept;

  SharedRun &run() { return *segment_.run(); }
  // Detaches from the segment. (If the call fails, the end of its transaction does that.)
  void close();
  // close() for a caller that continues after a failure.
  void release() noexcept;

 private:
  void release_slot();
  void register_worker(const WorkerTask &task, std::int64_t patience_ms);
  void wait_loop(const std::function<bool()> &done);
  void take_message(const char *data, Size size);
  void check_deadlock();
  void notice_progress();

  std::string subject_;
  int slot_;  // see worker_slot.h
  SharedSegment segment_;
  shm_mq_handle *queue_ = nullptr;
  BackgroundWorkerHandle *handle_ = nullptr;
  std::optional<Diagnostics> error_;
  std::int64_t next_check_ms_ = 0;
  std::int64_t next_notice_ms_ = 0;
};

}  // namespace tablesync::pg
