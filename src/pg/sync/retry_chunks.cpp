// The SQL function retry_chunks: retries only the failed chunks of a sync, in a run of their own.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/record/chunk_record.h"
#include "pg/record/run_record.h"
#include "pg/run/failed_start.h"
#include "pg/server/airlock.h"
#include "pg/server/sql_call.h"
#include "pg/sync/sync_call.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

KeptRequest request_of(std::int64_t run_id) {
  const std::string run = "run " + std::to_string(run_id);
  if (!find_run(run_id))
    throw Error(sqlstate::undefined_object, run + " does not exist", "It may belong to another role.",
                "SELECT * FROM tablesync.run ORDER BY run_id DESC LIMIT 10;");
  std::optional<KeptRequest> request = find_request(run_id);
  if (!request)
    throw Error(
        sqlstate::wrong_state, run + " has no chunks to retry",
        "The run was complete, was not a sync in chunks, was completed or replaced by another run, or "
        "belongs to a role that you may not SET ROLE to.");
  return *request;
}

SyncSpec spec_of(const KeptRequest &kept) {
  std::optional<SyncSpec> spec = from_kept(kept.request);
  if (!spec)
    throw Error(sqlstate::wrong_state, "the run was started by another version of pg_tablesync", {},
                "Repeat the call of sync_table(): it retries the failed chunks and resumes the sync.");
  spec->failed_chunks_only = true;
  return *spec;
}

std::vector<ListedChunk> retry(std::int64_t run_id, bool dry_run) {
  const KeptRequest kept = request_of(run_id);
  std::vector<ChunkOfRun> listed = list_failed_chunks(kept);
  if (!dry_run) {
    check_may_launch("retry_chunks");
    const SyncSpec spec = spec_of(kept);
    WorkerTask task = task_for(spec);
    // The worker has the role that made the request, because the request contains SQL of that role.
    task.role = kept.owner;
    start_run(spec, name_of(spec.mode), task, run_in_worker);
    // Chunks are deleted only with the record of their run.
    for (ChunkOfRun &chunk : listed) chunk = list_chunk(kept, chunk).value_or(chunk);
  }
  std::vector<ListedChunk> chunks;
  for (const ChunkOfRun &one : listed) chunks.push_back(one.chunk);
  return chunks;
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_retry_chunks);

Datum tablesync_retry_chunks(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter(
      [=] { return pg::set_result(fcinfo, encode_all(pg::retry(PG_GETARG_INT64(0), PG_GETARG_BOOL(1)))); });
}
}
