#include "pg/launcher/resume.h"

extern "C" {
#include "postgres.h"
}

#include <algorithm>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/base/retry.h"
#include "pg/record/upkeep_record.h"
#include "pg/run/run_kind.h"
#include "pg/server/airlock.h"
#include "pg/server/transaction.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

// Limits how often a sync that crashes the server is resumed.
constexpr int most_crashes = 5;
constexpr std::int64_t first_wait_ms = 10'000;

// Returns how long the run must still wait. After a shutdown it need not wait; nor if the clock was set back,
// because then the time is unknown.
std::int64_t wait_ms(const Resumable &sync) {
  if (sync.crashes == 0 || sync.ended_ms_ago < 0) return 0;
  return std::max<std::int64_t>(retry_wait_ms(first_wait_ms, sync.crashes, 1) - sync.ended_ms_ago, 0);
}

// A call that a newer version recorded may contain something that this version does not know.
void report_unknown(const Resumable &run) {
  call([&] {
    ereport(LOG, (errmsg("pg_tablesync does not resume the interrupted run of %s", run.target.c_str()),
                  errdetail("Its call was recorded by another version of pg_tablesync."),
                  errhint("Repeat the call to resume the run.")));
  });
}

void start(const Resumable &run) {
  const RunKind *const kind = find_kind(run.command);
  if (kind == nullptr || kind->resume == nullptr) return;
  std::optional<WorkerTask> task = kind->resume(run.request);
  // The request of another version waits for the next call, which resumes it.
  if (!task) return report_unknown(run);
  task->role = run.owner;
  in_transaction([&] { start_in_worker(*task); });
}

}  // namespace

std::int64_t resume_interrupted() {
  std::vector<Resumable> syncs;
  in_transaction([&] { syncs = find_resumable(resumable_commands()); });
  std::int64_t again_ms = -1;
  std::optional<Error> failure;
  for (const Resumable &sync : syncs) {
    if (sync.crashes >= most_crashes) continue;
    const std::int64_t wait = wait_ms(sync);
    if (wait > 0) {
      again_ms = again_ms < 0 ? wait : std::min(again_ms, wait);
      continue;
    }
    try {
      start(sync);
    } catch (const Error &error) {
      Diagnostics diagnostics = error.diagnostics();
      add_context(diagnostics, "resume of the interrupted run of " + sync.target);
      failure = Error(diagnostics);  // thrown after the others were resumed
    }
  }
  if (failure) throw Error(*failure);
  return again_ms;
}

}  // namespace tablesync::pg
