// A worker that copies chunks of a sync, in parallel with others.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "pg/chunk/chunk_leader.h"
#include "pg/run/run_workers.h"
#include "pg/server/airlock.h"
#include "pg/sync/table_chunk_copier.h"
#include "pg/worker/shared_run.h"

namespace tablesync::pg {
namespace {

Row copy_table_chunks(SharedRun &run, std::string_view request) {
  const CopierRequest asked = read_copier_request(request);
  const SyncSpec spec = deserialize_sync_spec(asked.share);
  return work_for_run(run, spec, "chunks", [&] {
    RunSteps steps(run.progress);
    TableSync sync(spec, asked.run_id, steps);
    TableChunkCopier copier(spec, steps, sync, true);
    return encode(copy_chunks(spec, asked.run_id, steps, copier));
  });
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

// The entry point of the worker process.
PGDLLEXPORT void tablesync_chunk_worker(Datum argument);

void tablesync_chunk_worker(Datum argument) {
  using namespace tablesync;
  pg::enter([=] { pg::worker_main(argument, pg::copy_table_chunks); });
}
}
