// The worker process of one sync_table() call.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/spec/sync_spec.h"
#include "pg/pair/table_pair.h"
#include "pg/run/run.h"
#include "pg/sync/chunked_sync.h"
#include "pg/sync/hidden_table.h"

namespace tablesync::pg {
namespace {

Row sync_task(SharedRun &shared, std::string_view request) {
  const SyncSpec spec = deserialize_sync_spec(request);
  return Run(shared, {spec,
                      "the sync",
                      name_of(spec.mode),
                      {{spec.target}},
                      [&] { check_may_lock(spec); },
                      [&](std::int64_t run_id, RunSteps &steps) -> std::unique_ptr<Work> {
                        return std::make_unique<ChunkedSync>(spec, run_id, steps);
                      },
                      [&] { drop_hidden_tables_of(spec); }})
      .run();
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PGDLLEXPORT void tablesync_sync_worker(Datum argument);

void tablesync_sync_worker(Datum argument) { tablesync::pg::run_worker(argument, tablesync::pg::sync_task); }
}
