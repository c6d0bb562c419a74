#include "pg/worker/launched.h"

extern "C" {
#include "libpq/pqformat.h"
#include "libpq/pqmq.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/wait_event.h"
}

#include <set>
#include <vector>

#include "pg/server/airlock.h"
#include "pg/server/clipped.h"
#include "pg/server/guc.h"
#include "pg/server/latch_host.h"
#include "pg/worker/worker_slot.h"

namespace tablesync::pg {
namespace {

constexpr int check_interval_ms = 1000;

Oid role_of(const WorkerTask &task) { return task.role != 0 ? task.role : GetUserId(); }

}  // namespace

Launched::Launched(const WorkerTask &task, bool caller_waits, std::int64_t patience_ms)
    : subject_(task.subject),
      slot_(take_worker_slot(role_of(task), SlotUntil::end_of_transaction)),
      segment_(SharedSegment::create(task.request)) {
  run().database = MyDatabaseId;
  run().role = role_of(task);
  run().caller_pid = MyProcPid;
  run().progress_handle = segment_.handle();
  run().caller_waits = caller_waits;
  call([&] {
    shm_mq_set_receiver(segment_.queue(), MyProc);
    queue_ = shm_mq_attach(segment_.queue(), segment_.segment(), nullptr);
  });
  // A worker that outlives this call takes its own slot.
  if (!caller_waits) release_slot();
  register_worker(task, patience_ms);
  next_check_ms_ = steady_ms() + check_interval_ms;
  next_notice_ms_ = steady_ms() + progress_interval_ms;
}

void Launched::release_slot() {
  release_worker_slot(run().role, slot_);
  slot_ = -1;
}

void Launched::close() {
  release_slot();
  segment_.detach();
}

void Launched::register_worker(const WorkerTask &task, std::int64_t patience_ms) {
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_ConsistentState;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_main_arg = UInt32GetDatum(segment_.handle());
  worker.bgw_notify_pid = MyProcPid;
  strlcpy(worker.bgw_library_name, "pg_tablesync", sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, task.entry, sizeof worker.bgw_function_name);
  copy_clipped(worker.bgw_name, task.title);
  strlcpy(worker.bgw_type, task.type, sizeof worker.bgw_type);
  const std::int64_t began_ms = steady_ms();
  while (!call([&] { return RegisterDynamicBackgroundWorker(&worker, &handle_); })) {
    if (steady_ms() - began_ms < patience_ms) {
      wait_for_ms(10);
      continue;
    }
    close();  // the caller may continue without the worker
    throw Error(sqlstate::out_of_resources, "could not start a background worker",
                "All slots of max_worker_processes (" + std::to_string(max_worker_processes) + ") are taken.",
                "Raise max_worker_processes (needs a restart), or wait until other workers have ended.");
  }
  call([&] { shm_mq_set_handle(queue_, handle_); });
}

bool Launched::stopped() const {
  pid_t pid = 0;
  return call([&] { return GetBackgroundWorkerPid(handle_, &pid); }) == BGWH_STOPPED;
}

namespace {

void end_worker_at_exit(int, Datum handle) {
  TerminateBackgroundWorker(reinterpret_cast<BackgroundWorkerHandle *>(DatumGetPointer(handle)));
}

}  // namespace

void Launched::wait_until(const std::function<bool()> &done) {
  // On an ERROR on_failure() ends the worker; on a FATAL error only the exit callback runs.
  call([&] { before_shmem_exit(end_worker_at_exit, PointerGetDatum(handle_)); });
  const auto forget = [&]() noexcept {
    cancel_before_shmem_exit(end_worker_at_exit, PointerGetDatum(handle_));
  };
  on_failure([&] { wait_loop(done); },
             [&]() noexcept {
               end();
               forget();
             });
  forget();
  if (error_ && !done()) throw Error(*error_);
}

void Launched::wait_loop(const std::function<bool()> &done) {
  for (;;) {
    const bool open = take_messages();
    if (done()) return;
    // The worker detaches from the queue after it has released its locks.
    if (!open && (run().replied || error_ || stopped())) return;
    call([&] {
      WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, open ? 100 : 10, PG_WAIT_EXTENSION);
      ResetLatch(MyLatch);
      CHECK_FOR_INTERRUPTS();
    });
    const std::int64_t now = steady_ms();
    if (now >= next_check_ms_) {
      next_check_ms_ = now + check_interval_ms;
      check_deadlock();
    }
    if (progress_interval_ms > 0 && now >= next_notice_ms_) {
      next_notice_ms_ = now + progress_interval_ms;
      notice_progress();
    }
  }
}

bool Launched::take_messages() {
  for (;;) {
    Size size = 0;
    void *data = nullptr;
    const shm_mq_result result = call([&] { return shm_mq_receive(queue_, &size, &data, true); });
    if (result == SHM_MQ_WOULD_BLOCK) return true;
    if (result == SHM_MQ_DETACHED) return false;
    take_message(static_cast<const char *>(data), size);
  }
}

void Launched::take_message(const char *data, Size size) {
  if (size < 1 || (data[0] != 'E' && data[0] != 'N')) return;
  ErrorData parsed{};
  call([&] {
    StringInfoData message;
    initStringInfo(&message);
    appendBinaryStringInfo(&message, data + 1, static_cast<int>(size - 1));
    pq_parse_errornotice(&message, &parsed);
  });
  if (parsed.elevel < ERROR) {
    call([&] { ThrowErrorData(&parsed); });
    return;
  }
  error_ = diagnostics_of(parsed);
}

namespace {

std::vector<int> blocking_pids(int pid) {
  int *pids = nullptr;
  const int count = call([&] {
    Datum const array = DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(pid));
    ArrayType *const values = DatumGetArrayTypeP(array);
    pids = reinterpret_cast<int *>(ARR_DATA_PTR(values));
    return ArrayGetNItems(ARR_NDIM(values), ARR_DIMS(values));
  });
  return {pids, pids + count};
}

}  // namespace

// A worker that waits for a lock of its own caller would wait forever: the server's deadlock detector sees
// only its lock wait, because our wait is for a process.
void Launched::check_deadlock() {
  pid_t pid = 0;
  if (call([&] { return GetBackgroundWorkerPid(handle_, &pid); }) != BGWH_STARTED) return;
  std::set<int> seen{static_cast<int>(pid)};
  std::vector<int> todo{static_cast<int>(pid)};
  while (!todo.empty() && seen.size() < 100) {
    const int waiting = todo.back();
    todo.pop_back();
    for (const int blocker : blocking_pids(waiting)) {
      if (blocker == MyProcPid)
        throw Error(sqlstate::deadlock, "deadlock detected",
                    "The background worker (process " + std::to_string(pid) +
                        ") waits for a lock of this session, which waits for the worker.",
                    "COMMIT before the call, so that this session holds no lock on the target.");
      if (blocker > 0 && seen.insert(blocker).second) todo.push_back(blocker);
    }
  }
}

void Launched::notice_progress() {
  const std::string text = subject_ + ": " + describe(read(run().progress, GetCurrentTimestamp()));
  call([&] { ereport(NOTICE, (errmsg("%s", text.c_str()))); });
}

void Launched::release() noexcept {
  try {
    close();
  } catch (const std::exception &) {
    return;  // the end of the transaction does it
  }
}

void Launched::end() noexcept {
  try {
    run().caller_failed = true;
    terminate();
    for (int i = 0; i < 40 && !stopped(); ++i) {
      take_messages();
      call([] {
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
      });
    }
  } catch (const std::exception &) {
    return;
  }
}

}  // namespace tablesync::pg
