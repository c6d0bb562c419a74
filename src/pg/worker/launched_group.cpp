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

void LaunchedGroup::start(int wanted, const std::function<WorkerTask(int)> &task) {
  try {
    while (count() < wanted) workers_.emplace_back(task(count()), true);
  } catch (const Error &error) {
    // No free slot. What the server itself raised has broken the transaction.
    const bool raised_here = dynamic_cast<const ServerError *>(&error) != nullptr;
    if (!raised_here && error.diagnostics().sqlstate == sqlstate::out_of_resources) return;
    end();
    throw;
  }
}

// Whether the worker goes on. Throws its error.
bool LaunchedGroup::look(Launched &worker) {
  const bool open = worker.take_messages();
  if (worker.error()) {
    if (worker.run().may_pass) throw remote::ConnectError(*worker.error(), remote::ConnectStep::login, true);
    throw Error(*worker.error());
  }
  if (open || !worker.stopped()) return true;
  if (!worker.run().replied)
    throw Error(sqlstate::internal, "a worker of the run ended without an answer", {},
                "The server's log says why.");
  return false;
}

void LaunchedGroup::wait_loop(Progress &progress) {
  const std::uint64_t bytes_before = progress.bytes;
  for (;;) {
    bool going = false;
    std::uint64_t rows = 0, bytes = 0;
    std::int64_t memory = 0;
    for (Launched &worker : workers_) {
      going = look(worker) || going;
      const Progress &told = worker.run().progress;
      rows += told.rows_before + told.rows;
      bytes += told.bytes;
      memory = std::max<std::int64_t>(memory, told.memory_bytes);
    }
    progress.rows = rows;
    progress.bytes = bytes_before + bytes;
    progress.memory_bytes = memory;
    if (!going) return;
    call([] {
      WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 100, PG_WAIT_EXTENSION);
      ResetLatch(MyLatch);
      CHECK_FOR_INTERRUPTS();
    });
  }
}

void LaunchedGroup::end() noexcept {
  for (Launched &worker : workers_) worker.terminate();
  for (Launched &worker : workers_) worker.end();
}

void LaunchedGroup::end_at_exit(int, Datum group) {
  for (Launched &worker : reinterpret_cast<LaunchedGroup *>(DatumGetPointer(group))->workers_)
    worker.terminate();
}

std::vector<Row> LaunchedGroup::wait(Progress &progress) {
  Datum const self = PointerGetDatum(this);
  // An ERROR ends the workers by the caller's clean-up; a FATAL one leaves by the exit callback alone.
  call([&] { before_shmem_exit(end_at_exit, self); });
  const auto forget = [&]() noexcept { cancel_before_shmem_exit(end_at_exit, self); };
  on_failure([&] { wait_loop(progress); }, forget);
  forget();
  std::vector<Row> replies;
  for (Launched &worker : workers_) {
    replies.push_back(deserialize_row({worker.run().reply, worker.run().reply_size}));
    worker.close();
  }
  return replies;
}

}  // namespace tablesync::pg
