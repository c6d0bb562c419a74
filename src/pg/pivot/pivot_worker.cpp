// The worker processes of a pivot_ship() call: the one that leads the run, and those that do chunks of it.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include <algorithm>

#include "core/spec/pivot_spec.h"
#include "pg/chunk/chunk_leader.h"
#include "pg/pivot/pivot_work.h"
#include "pg/pivot/verify_pivot_work.h"
#include "pg/pivot/wide_catalog.h"
#include "pg/run/run.h"
#include "pg/run/run_workers.h"
#include "pg/server/airlock.h"

namespace tablesync::pg {
namespace {

// Pivots of different ships into tables of one prefix go side by side; one of all ships is alone.
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
  const bool pivots = spec.command == Command::pivot;
  return Run(shared, {spec, pivots ? "the pivot" : "the verification", pivots ? name_of(spec.mode) : "verify",
                      pivots ? locks_of(spec) : std::vector<TargetLock>(),
                      [&] {
                        if (pivots) check_may_fill(spec);
                      },
                      [&](std::int64_t run_id, RunSteps &steps) -> std::unique_ptr<Work> {
                        if (pivots) return std::make_unique<PivotWork>(spec, run_id, steps);
                        return std::make_unique<VerifyPivotWork>(spec, run_id, steps);
                      },
                      [] {}})
      .run();
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
}  // namespace tablesync::pg

extern "C" {

PGDLLEXPORT void tablesync_pivot_worker(Datum argument);
PGDLLEXPORT void tablesync_pivot_chunk_worker(Datum argument);

void tablesync_pivot_worker(Datum argument) {
  tablesync::pg::run_worker(argument, tablesync::pg::pivot_task);
}

void tablesync_pivot_chunk_worker(Datum argument) {
  using namespace tablesync;
  pg::enter([=] { pg::worker_main(argument, pg::copy_pivot_chunks); });
}
}
