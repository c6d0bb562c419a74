// The kind of run of sync_table(), and the worker process of one call.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/spec/sync_spec.h"
#include "pg/pair/table_pair.h"
#include "pg/parallel/hidden_table.h"
#include "pg/run/run.h"
#include "pg/sync/chunked_sync.h"
#include "pg/sync/sync_call.h"
#include "pg/sync/sync_kind.h"

namespace tablesync::pg {
namespace {

Row sync_task(SharedRun &shared, std::string_view request) {
  const SyncSpec spec = deserialize_sync_spec(request);
  return Run(shared, {spec,
                      name_of(spec.mode),
                      {{spec.target}},
                      [&] { make_target(spec)->check(spec); },
                      [&](std::int64_t run_id, RunSteps &steps) -> std::unique_ptr<Work> {
                        return std::make_unique<ChunkedSync>(spec, run_id, steps);
                      },
                      [&] { drop_hidden_tables_of(spec); }})
      .run();
}

std::optional<WorkerTask> resume_sync(std::string_view kept) {
  std::optional<SyncSpec> spec = from_kept(kept);
  if (!spec) return std::nullopt;
  spec->if_running = IfRunning::skip;  // a call that was made meanwhile resumes it
  return task_for(*spec);
}

}  // namespace

constinit const RunKind sync_kind{
    .command = "sync_table",
    .called = "the sync",
    .title = "sync",
    .entry = "tablesync_sync_worker",
    .isolation = "read committed",
    .locked_noun = "table",
    .locked_state = "is being synced",
    .chunks_meet_others = false,
    .slow_chunk_hint =
        "Raise tablesync.max_source_transaction, or pass chunk_mode => false, which sets no limit.",
    .resume = resume_sync,
};

}  // namespace tablesync::pg

extern "C" {

PGDLLEXPORT void tablesync_sync_worker(Datum argument);

void tablesync_sync_worker(Datum argument) { tablesync::pg::run_worker(argument, tablesync::pg::sync_task); }
}
