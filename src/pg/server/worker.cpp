#include "pg/server/worker.h"

extern "C" {
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "libpq/pqformat.h"
#include "libpq/pqmq.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
}

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "core/quote.h"
#include "pg/server/airlock.h"
#include "pg/server/guc.h"
#include "pg/server/latch_host.h"
#include "pg/server/shared_run.h"

namespace tablesync::pg {
namespace {

constexpr int check_interval_ms = 1000;

// The caller's end of one worker.
class Launched {
 public:
  Launched(const WorkerTask &task, bool caller_waits);
  // Waits until `done()` or the end of the worker; throws the worker's error.
  void wait_until(const std::function<bool()> &done);
  SharedRun &run() { return *segment_.run(); }
  // Lets go of the segment. (Where the call fails, the end of its transaction does that.)
  void close() { segment_.detach(); }
  bool stopped() const;

 private:
  void register_worker(const WorkerTask &task);
  void wait_loop(const std::function<bool()> &done);
  bool take_messages();
  void take_message(const char *data, Size size);
  void check_deadlock();
  void tell_progress();
  void end_worker() noexcept;

  std::string subject_;
  SharedSegment segment_;
  shm_mq_handle *queue_ = nullptr;
  BackgroundWorkerHandle *handle_ = nullptr;
  std::optional<Diagnostics> error_;
  std::int64_t next_check_ms_ = 0;
  std::int64_t next_notice_ms_ = 0;
};

Launched::Launched(const WorkerTask &task, bool caller_waits)
    : subject_(task.subject), segment_(SharedSegment::create(task.request)) {
  run().database = MyDatabaseId;
  run().role = task.role != 0 ? task.role : GetUserId();
  run().caller_pid = MyProcPid;
  run().progress_handle = segment_.handle();
  run().caller_waits = caller_waits;
  call([&] {
    shm_mq_set_receiver(segment_.queue(), MyProc);
    queue_ = shm_mq_attach(segment_.queue(), segment_.segment(), nullptr);
  });
  register_worker(task);
  next_check_ms_ = steady_ms() + check_interval_ms;
  next_notice_ms_ = steady_ms() + progress_interval_ms;
}

void Launched::register_worker(const WorkerTask &task) {
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_ConsistentState;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_main_arg = UInt32GetDatum(segment_.handle());
  worker.bgw_notify_pid = MyProcPid;
  strlcpy(worker.bgw_library_name, "pg_tablesync", sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, task.entry, sizeof worker.bgw_function_name);
  strlcpy(worker.bgw_name, task.title.c_str(), sizeof worker.bgw_name);
  strlcpy(worker.bgw_type, "pg_tablesync", sizeof worker.bgw_type);
  if (!call([&] { return RegisterDynamicBackgroundWorker(&worker, &handle_); }))
    throw Error(sqlstate::out_of_resources, "could not start a background worker",
                "All slots of max_worker_processes (" + std::to_string(max_worker_processes) + ") are taken.",
                "Raise max_worker_processes (needs a restart), or wait until other workers have ended.");
  call([&] { shm_mq_set_handle(queue_, handle_); });
}

bool Launched::stopped() const {
  pid_t pid = 0;
  return call([&] { return GetBackgroundWorkerPid(handle_, &pid); }) == BGWH_STOPPED;
}

void end_worker_at_exit(int, Datum handle) {
  TerminateBackgroundWorker(reinterpret_cast<BackgroundWorkerHandle *>(DatumGetPointer(handle)));
}

void Launched::wait_until(const std::function<bool()> &done) {
  // An ERROR here ends the worker by on_failure; a FATAL one leaves by the exit callback alone.
  call([&] { before_shmem_exit(end_worker_at_exit, PointerGetDatum(handle_)); });
  const auto forget = [&]() noexcept {
    cancel_before_shmem_exit(end_worker_at_exit, PointerGetDatum(handle_));
  };
  on_failure([&] { wait_loop(done); },
             [&]() noexcept {
               end_worker();
               forget();
             });
  forget();
  if (error_ && !done()) throw Error(*error_);
}

void Launched::wait_loop(const std::function<bool()> &done) {
  for (;;) {
    const bool open = take_messages();
    if (done()) return;
    if (!open && stopped()) return;
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
      tell_progress();
    }
  }
}

// Passes on what the worker said. False once the worker has let go of the queue.
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

// A worker that waits for a lock of its own caller waits for ever: the server's deadlock detector sees one
// lock wait only, ours is a wait for a process.
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
                        ") waits for a lock that is held by this session, which waits for the worker.",
                    "COMMIT before the call, so that this session holds no lock on the target.");
      if (blocker > 0 && seen.insert(blocker).second) todo.push_back(blocker);
    }
  }
}

void Launched::tell_progress() {
  const std::string text = subject_ + ": " + tell(read(run().progress, GetCurrentTimestamp()));
  call([&] { ereport(NOTICE, (errmsg("%s", text.c_str()))); });
}

// Ends the worker and waits for that, so that the next call finds its locks and its slot free. Bounded, since
// the caller has been told to stop.
void Launched::end_worker() noexcept {
  try {
    call([&] { TerminateBackgroundWorker(handle_); });
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

}  // namespace

void check_may_launch(const std::string &function) {
  const std::string name = function + "()";
  if (in_worker())
    throw Error(sqlstate::wrong_state, name + " cannot be called from a sync worker",
                "A trigger or a function that the run calls has called it.",
                "Call it from a session of your own.");
  if (RecoveryInProgress())
    throw Error("25006", "cannot execute " + name + " during recovery", {}, "Call it on the primary server.");
  if (IsInParallelMode()) throw Error("25000", "cannot execute " + name + " during a parallel operation");
  if (InSecurityRestrictedOperation())
    throw Error(sqlstate::insufficient_privilege,
                "cannot execute " + name + " within security-restricted operation");
  if (TransactionIdIsValid(call([] { return GetTopTransactionIdIfAny(); })))
    throw Error(
        sqlstate::active_transaction,
        name + " cannot run in a transaction that has already changed data or locked a table",
        "The work is done by a background worker, another session, which cannot see uncommitted changes.",
        "COMMIT first, then call it.");
  const auto login = call([] {
    struct {
      bool allowed;
      const char *name;
    } found{true, nullptr};
    HeapTuple const tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
    if (HeapTupleIsValid(tuple)) {
      auto *role = reinterpret_cast<Form_pg_authid>(GETSTRUCT(tuple));
      found.allowed = role->rolcanlogin;
      found.name = pstrdup(NameStr(role->rolname));
      ReleaseSysCache(tuple);
    }
    return found;
  });
  if (!login.allowed)
    throw Error(
        sqlstate::insufficient_privilege,
        "role \"" + std::string(login.name) + "\" is not permitted to log in",
        "The work is done by a background worker that logs in as the calling role.",
        "ALTER ROLE " + display_name(login.name) +
            " LOGIN; (without a password nobody else can use it), or SET ROLE to a role that has LOGIN.");
}

Row run_in_worker(const WorkerTask &task) {
  Launched worker(task, true);
  // The end of the process, not its reply, frees its slot and its locks for the next call.
  worker.wait_until([] { return false; });
  if (!worker.run().replied.load())
    throw Error(sqlstate::internal, "the background worker ended without an answer", {},
                "The server's log says why.");
  Row reply = deserialize_row({worker.run().reply, worker.run().reply_size});
  worker.close();
  return reply;
}

std::int64_t start_in_worker(const WorkerTask &task) {
  Launched worker(task, false);
  worker.wait_until([&] { return worker.run().run_id.load() != 0; });
  const std::int64_t run_id = worker.run().run_id.load();
  if (run_id == 0)
    throw Error(sqlstate::internal, "the background worker ended before it began", {},
                "The server's log says why.");
  worker.close();
  return run_id;
}

}  // namespace tablesync::pg
