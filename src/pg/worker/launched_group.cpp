#include "pg/worker/launched_group.h"

extern "C" {
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"
}

#include <algorithm>

#include "pg/server/airlock.h"
#include "remote/connection.h"

namespace tablesync::pg {

namespace {

LaunchedGroup *first_group = nullptr;

}  // namespace

// On an ERROR a clean-up ends the workers; on a FATAL error only the exit callback runs. All groups share one
// callback, because the server can remove only the callback that was added last.
void LaunchedGroup::remember() {
  static bool has_callback = false;
  if (!has_callback) call([] { before_shmem_exit(end_all_at_exit, 0); });
  has_callback = true;
  if (remembered_) return;
  next_ = first_group;
  first_group = this;
  remembered_ = true;
}

void LaunchedGroup::forget() noexcept {
  if (!remembered_) return;
  LaunchedGroup **place = &first_group;
  while (*place != this) place = &(*place)->next_;
  *place = next_;
  remembered_ = false;
}

void LaunchedGroup::end_all_at_exit(int, Datum) {
  for (LaunchedGroup *group = first_group; group != nullptr; group = group->next_)
    for (Launched &worker : group->workers_) worker.terminate();
}

void LaunchedGroup::start(int wanted, const std::function<WorkerTask(int)> &task) {
  remember();
  try {
    while (count() < wanted) workers_.emplace_back(task(count()), true);
  } catch (const Error &error) {
    // No free slot. An error of the server itself has aborted the transaction.
    const bool raised_by_server = dynamic_cast<const ServerError *>(&error) != nullptr;
    if (!raised_by_server && error.diagnostics().sqlstate == sqlstate::out_of_resources) return;
    end();
    throw;
  }
}

// Whether the worker is running. Throws its error.
bool LaunchedGroup::look(Launched &worker) {
  const bool open = worker.take_messages();
  if (worker.error()) {
    if (worker.run().error_is_transient)
      throw remote::ConnectError(*worker.error(), remote::ConnectStep::login, true);
    throw Error(*worker.error());
  }
  if (open || !worker.stopped()) return true;
  if (!worker.run().replied)
    throw Error(sqlstate::internal, "a worker of the run ended without a reply", {},
                "See the server log for the reason.");
  return false;
}

bool LaunchedGroup::poll(Progress &progress) {
  bool going = false;
  std::uint64_t rows = 0, bytes = 0;
  std::int64_t memory = 0;
  for (Launched &worker : workers_) {
    going = look(worker) || going;
    const Progress &done = worker.run().progress;
    rows += done.rows_before + done.rows;
    bytes += done.bytes;
    memory = std::max<std::int64_t>(memory, done.memory_bytes);
  }
  progress.rows += rows - rows_;
  progress.bytes += bytes - bytes_;
  progress.memory_bytes = memory;
  rows_ = rows;
  bytes_ = bytes;
  return going;
}

std::vector<Row> LaunchedGroup::wait(Progress &progress) {
  while (poll(progress))
    call([] {
      WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 100, PG_WAIT_EXTENSION);
      ResetLatch(MyLatch);
      CHECK_FOR_INTERRUPTS();
    });
  std::vector<Row> replies;
  for (Launched &worker : workers_) {
    replies.push_back(deserialize_row({worker.run().reply, worker.run().reply_size}));
    worker.close();
  }
  forget();
  workers_.clear();
  return replies;
}

void LaunchedGroup::end() noexcept {
  for (Launched &worker : workers_) worker.terminate();
  for (Launched &worker : workers_) worker.end();
  forget();
  workers_.clear();
}

}  // namespace tablesync::pg
