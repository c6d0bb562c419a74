// The kinds of run of pivot_ship() and verify_pivot(), and their worker processes: those that lead a run, and
// those that copy chunks of a pivot.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include <algorithm>

#include "core/spec/pivot_spec.h"
#include "pg/chunk/chunk_leader.h"
#include "pg/pivot/pivot_call.h"
#include "pg/pivot/pivot_kind.h"
#include "pg/pivot/pivot_work.h"
#include "pg/pivot/verify_pivot_work.h"
#include "pg/pivot/wide_catalog.h"
#include "pg/run/run.h"
#include "pg/run/run_workers.h"
#include "pg/server/airlock.h"

namespace tablesync::pg {
namespace {

// Pivots of different ships into tables of one prefix run concurrently; a pivot of all ships runs alone.
std::vector<TargetLock> locks_of(const PivotSpec &spec) {
  std::vector<TargetLock> locks{{spec.target, !spec.ships.empty(), true}};
  std::vector<std::string> ships = spec.ships;
  std::sort(ships.begin(), ships.end());
  for (const std::string &ship : ships)
    locks.push_back({{spec.target.schema, spec.target.name + ship}, false, true});
  return locks;
}

Row pivot_task(SharedRun &shared, std::string_view request) {
  const PivotSpec spec = deserialize_pivot_spec(request);
  return Run(shared, {spec, name_of(spec.mode), locks_of(spec), [&] { check_may_fill(spec); },
                      [&](std::int64_t run_id, RunSteps &steps) -> std::unique_ptr<Work> {
                        return std::make_unique<PivotWork>(spec, run_id, steps);
                      },
                      [] {}})
      .run();
}

// It changes nothing, so it locks nothing.
Row verify_pivot_task(SharedRun &shared, std::string_view request) {
  const PivotSpec spec = deserialize_pivot_spec(request);
  return Run(shared, {spec,
                      "verify",
                      {},
                      [] {},
                      [&](std::int64_t run_id, RunSteps &steps) -> std::unique_ptr<Work> {
                        return std::make_unique<VerifyPivotWork>(spec, run_id, steps);
                      },
                      [] {}})
      .run();
}

std::optional<WorkerTask> resume_pivot(std::string_view kept) {
  std::optional<PivotSpec> spec = pivot_from_kept(kept);
  if (!spec) return std::nullopt;
  spec->if_running = IfRunning::skip;  // a call that was made meanwhile resumes it
  return task_for(*spec);
}

Row copy_pivot_chunks(SharedRun &run, std::string_view request) {
  const CopierRequest asked = read_copier_request(request);
  const PivotSpec spec = deserialize_pivot_spec(asked.share);
  return work_for_run(run, spec, "chunks", [&] {
    RunSteps steps(run.progress);
    PivotChunkCopier copier(spec, asked.run_id, steps, true);
    return encode(copy_chunks(spec, asked.run_id, steps, copier));
  });
}

}  // namespace

constinit const RunKind pivot_kind{
    .command = "pivot_ship",
    .called = "the pivot",
    .title = "pivot",
    .entry = "tablesync_pivot_worker",
    .isolation = "read committed",
    .locked_noun = "wide tables",
    .locked_state = "are being filled",
    .chunks_meet_others = true,
    .slow_chunk_hint =
        "Raise tablesync.max_source_transaction, pass a shorter chunk_interval, or create an index on the "
        "time of the readings on the source.",
    .resume = resume_pivot,
};

// It reads the wide tables more than once, and must see one state of them.
constinit const RunKind verify_pivot_kind{
    .command = "verify_pivot",
    .called = "the verification",
    .title = "verify",
    .entry = "tablesync_verify_pivot_worker",
    .isolation = "repeatable read",
    .locked_noun = "wide tables",
    .locked_state = "are being filled",
};

}  // namespace tablesync::pg

extern "C" {

PGDLLEXPORT void tablesync_pivot_worker(Datum argument);
PGDLLEXPORT void tablesync_verify_pivot_worker(Datum argument);
PGDLLEXPORT void tablesync_pivot_chunk_worker(Datum argument);

void tablesync_pivot_worker(Datum argument) {
  tablesync::pg::run_worker(argument, tablesync::pg::pivot_task);
}

void tablesync_verify_pivot_worker(Datum argument) {
  tablesync::pg::run_worker(argument, tablesync::pg::verify_pivot_task);
}

void tablesync_pivot_chunk_worker(Datum argument) {
  using namespace tablesync;
  pg::enter([=] { pg::worker_main(argument, pg::copy_pivot_chunks); });
}
}
