// One of several workers that copy the chunks of a table's sync.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "pgstat.h"
}

#include <string>

#include "core/error.h"
#include "pg/run/run_failure.h"
#include "pg/run/run_settings.h"
#include "pg/server/airlock.h"
#include "pg/server/shared_run.h"
#include "pg/server/transaction.h"
#include "pg/server/worker.h"
#include "pg/sync/several_copiers.h"
#include "pg/sync/table_chunk_copier.h"

namespace tablesync::pg {
namespace {

Row copy_table_chunks(SharedRun &run, std::string_view request) {
  const auto [spec, run_id] = deserialize_copier_task(request);
  const std::string activity = "chunks of " + describe_spec(spec);
  call([&] { pgstat_report_activity(STATE_RUNNING, activity.c_str()); });
  try {
    in_transaction([&] { apply_settings(spec); });
    RunSteps steps(run.progress);
    TableSync sync(spec, run_id, steps);
    TableChunkCopier copier(spec, steps, sync, true);
    return row_of(copy_chunks(spec, run_id, steps, copier));
  } catch (const Error &error) {
    end_worker(run, error);
  }
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

// The entry of such a worker's process.
PGDLLEXPORT void tablesync_chunk_worker(Datum argument);

void tablesync_chunk_worker(Datum argument) {
  using namespace tablesync;
  pg::enter([=] { pg::worker_main(argument, pg::copy_table_chunks); });
}
}
