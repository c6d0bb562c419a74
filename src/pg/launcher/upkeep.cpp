#include "pg/launcher/upkeep.h"

extern "C" {
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "tcop/tcopprot.h"
}

#include <algorithm>
#include <vector>

#include "core/base/error.h"
#include "pg/launcher/resume.h"
#include "pg/record/upkeep_record.h"
#include "pg/server/airlock.h"
#include "pg/server/session_option.h"
#include "pg/server/transaction.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

// This process is a superuser. It runs fixed statements on our own tables, as their owner and in a restricted
// operation (record/state.h), and nothing that could reach a user's code: a worker with the user's role does
// such work (resume.cpp).
void apply_settings() {
  // A database's own settings hold for this process, too.
  set_session_option("default_transaction_isolation", "read committed");
  set_session_option("default_transaction_read_only", "off");
  set_session_option("lock_timeout", "5s");  // no chore is worth a longer wait
}

bool extension_exists() {
  return call([] { return OidIsValid(get_extension_oid("pg_tablesync", true)); });
}

// Drops tables that a run created for itself and could not drop. A worker with the role of their owner does
// it, because event triggers are code of users.
void sweep_hidden_tables() {
  std::vector<unsigned int> owners;
  in_transaction([&] { owners = owners_of_leftovers(); });
  for (const unsigned int owner : owners)
    in_transaction([&] {
      start_in_worker({"tablesync_sweep_worker", "pg_tablesync sweep", "sweep", "", "pg_tablesync", owner});
    });
}

// Runs each chore in a transaction of its own.
void do_chores(UpkeepPass &pass) {
  in_transaction([] { close_interrupted(""); });
  in_transaction([] {
    forget_dropped_targets();
    forget_dropped_roles();
  });
  sweep_hidden_tables();
  pass.again_ms = resume_interrupted();
}

void keep_up(UpkeepPass &pass) {
  bool exists = false;
  const auto look = [&] {
    apply_settings();
    exists = extension_exists();
  };
  in_transaction(look);
  if (exists) {
    try {
      do_chores(pass);
    } catch (const Error &) {
      detail::abort_transaction();
      // DROP EXTENSION may have come in between.
      in_transaction(look);
      if (exists) throw;
    }
  }
  pass.outcome = exists ? UpkeepPass::done : UpkeepPass::no_extension;
}

void upkeep_main(dsm_handle handle) {
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  dsm_segment *const segment = call([&] { return dsm_attach(handle); });
  if (segment == nullptr) return;  // the launcher has ended
  auto &pass = *static_cast<UpkeepPass *>(dsm_segment_address(segment));
  call([&] {
    BackgroundWorkerInitializeConnectionByOid(pass.database, InvalidOid, 0);
    pgstat_report_activity(STATE_RUNNING, "upkeep");
  });
  keep_up(pass);
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

// The entry point of the process of one pass.
PGDLLEXPORT void tablesync_upkeep(Datum argument);

void tablesync_upkeep(Datum argument) {
  using namespace tablesync;
  pg::enter([=] { pg::upkeep_main(DatumGetUInt32(argument)); });
}
}
