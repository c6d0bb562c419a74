#include "pg/worker/worker.h"

extern "C" {
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/syscache.h"
}

#include "core/base/quote.h"
#include "pg/server/airlock.h"
#include "pg/worker/launched.h"

namespace tablesync::pg {

void check_may_launch(const std::string &function) {
  const std::string name = function + "()";
  if (in_worker())
    throw Error(sqlstate::wrong_state, name + " cannot be called from a sync worker",
                "A trigger or a function that the run calls has called it.", "Call it from another session.");
  if (RecoveryInProgress())
    throw Error("25006", "cannot execute " + name + " during recovery", {}, "Call it on the primary server.");
  if (IsInParallelMode()) throw Error("25000", "cannot execute " + name + " during a parallel operation");
  if (InSecurityRestrictedOperation())
    throw Error(sqlstate::insufficient_privilege,
                "cannot execute " + name + " within security-restricted operation");
  if (TransactionIdIsValid(call([] { return GetTopTransactionIdIfAny(); })))
    throw Error(sqlstate::active_transaction,
                name + " cannot run in a transaction that has already changed data or locked a table",
                "A background worker does the work in another session, which cannot see uncommitted changes.",
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
    throw Error(sqlstate::insufficient_privilege,
                "role \"" + std::string(login.name) + "\" is not permitted to log in",
                "A background worker does the work and logs in as the calling role.",
                "ALTER ROLE " + display_name(login.name) +
                    " LOGIN, or SET ROLE to a role that has LOGIN. Without a password, "
                    "nobody else can log in as it.");
}

namespace {

// A call is over when its worker has released its locks. The process ends and frees its slot a little later,
// when the kernel has unmapped its memory, including the shared buffers.
constexpr std::int64_t longest_exit_ms = 1000;

Launched launch(const WorkerTask &task, bool caller_waits) {
  try {
    return Launched(task, caller_waits, longest_exit_ms);
  } catch (const ServerError &) {
    throw;
  } catch (const Error &error) {
    throw NotStarted(error.diagnostics());
  }
}

// If the run has begun, the error of the worker belongs to it.
void wait_for(Launched &worker, const std::function<bool()> &done) {
  try {
    worker.wait_until(done);
  } catch (const ServerError &) {
    throw;
  } catch (const Error &error) {
    if (worker.run().run_id.load() == 0 && error.diagnostics().sqlstate != sqlstate::deadlock)
      throw NotStarted(error.diagnostics());
    throw;
  }
}

}  // namespace

Row run_in_worker(const WorkerTask &task) {
  Launched worker = launch(task, true);
  on_failure([&] { wait_for(worker, [] { return false; }); }, [&]() noexcept { worker.release(); });
  if (!worker.run().replied.load())
    throw Error(sqlstate::internal, "the background worker ended without a reply", {},
                "See the server log for the reason.");
  Row reply = deserialize_row({worker.run().reply, worker.run().reply_size});
  worker.close();
  return reply;
}

std::int64_t start_in_worker(const WorkerTask &task) {
  Launched worker = launch(task, false);
  wait_for(worker, [&] { return worker.run().run_id.load() != 0; });
  const std::int64_t run_id = worker.run().run_id.load();
  if (run_id == 0)
    throw Error(sqlstate::internal, "the background worker ended before its task began", {},
                "See the server log for the reason.");
  worker.close();
  return run_id;
}

}  // namespace tablesync::pg
