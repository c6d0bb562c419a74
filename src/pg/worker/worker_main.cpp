// The process of a background worker before and after its task.
extern "C" {
#include "postgres.h"

#include "libpq/pqmq.h"
#include "libpq/pqsignal.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/pidfile.h"
#include "utils/resowner.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
}

#include <cstring>
#include <fstream>
#include <string>

#include "pg/server/airlock.h"
#include "pg/server/fault.h"
#include "pg/server/transaction.h"
#include "pg/worker/shared_run.h"
#include "pg/worker/worker.h"
#include "pg/worker/worker_slot.h"

namespace tablesync::pg {
namespace {

bool is_worker = false;
volatile sig_atomic_t terminate = false;

// Ends the run like a cancel, so that its record can still say why; then the process ends.
void on_sigterm(int) {
  const int saved = errno;
  terminate = true;
  InterruptPending = true;
  QueryCancelPending = true;
  SetLatch(MyLatch);
  errno = saved;
}

// A user's code can catch a cancel and continue. It cannot catch this: the next check for interrupts is
// FATAL.
void end_for_certain() {
  static int looks = 0;
  constexpr int patience = 2;  // seconds, for the record and the rollback
  if (!terminate || ++looks < patience) return;
  ProcDiePending = true;
  InterruptPending = true;
  SetLatch(MyLatch);
}

// A signal handler cannot set a timer, so a timer checks every second for a SIGTERM.
void watch_for_sigterm() {
  constexpr int look_ms = 1000;
  TimeoutId const timer = RegisterTimeout(USER_TIMEOUT, end_for_certain);
  enable_timeout_every(timer, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), look_ms), look_ms);
}

SharedSegment attach(dsm_handle handle) {
  call([] { CurrentResourceOwner = ResourceOwnerCreate(nullptr, "pg_tablesync worker"); });
  const SharedSegment segment = SharedSegment::attach(handle);
  if (segment.run() == nullptr) throw Error(sqlstate::internal, "the caller of this worker is gone");
  call([&] {
    dsm_pin_mapping(segment.segment());
    shm_mq_set_sender(segment.queue(), MyProc);
    pq_redirect_to_shm_mq(segment.segment(), shm_mq_attach(segment.queue(), segment.segment(), nullptr));
  });
  return segment;
}

}  // namespace

bool in_worker() { return is_worker; }
bool termination_requested() { return terminate; }

// The postmaster writes its status to this file before it signals its children.
bool server_is_stopping() {
  std::ifstream file("postmaster.pid");  // the working directory is the data directory
  std::string line;
  for (int number = 1; number <= LOCK_FILE_LINE_PM_STATUS; ++number) std::getline(file, line);
  return line == PM_STATUS_STOPPING;
}

void worker_main(unsigned long argument, Row (*task)(SharedRun &run, std::string_view request)) {
  is_worker = true;
  pqsignal(SIGTERM, on_sigterm);
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  BackgroundWorkerUnblockSignals();
  call([] { watch_for_sigterm(); });
  const SharedSegment segment = attach(DatumGetUInt32(argument));
  SharedRun &run = *segment.run();
  call([&] { BackgroundWorkerInitializeConnectionByOid(run.database, run.role, 0); });
  if (!run.caller_waits) in_transaction([&] { take_worker_slot(run.role, SlotUntil::end_of_process); });
  // COPY, errors and notices need no conversion, because the source sends the database's encoding.
  call([] { SetConfigOption("client_encoding", GetDatabaseEncodingName(), PGC_USERSET, PGC_S_OVERRIDE); });

  const std::string reply = serialize(task(run, segment.request()));
  if (reply.size() > sizeof run.reply) throw Error(sqlstate::internal, "the reply of the worker is too long");
  memcpy(run.reply, reply.data(), reply.size());
  run.reply_size = reply.size();
  run.replied = true;
  fault_point(FaultPoint::replied);
}

}  // namespace tablesync::pg
