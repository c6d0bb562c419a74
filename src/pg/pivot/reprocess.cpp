// The SQL function reprocess_failed_chunks: retries chunks of pivots that failed or that a user inserted,
// each in a run of its own.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/pivot/pivot_call.h"
#include "pg/record/pivot_record.h"
#include "pg/record/run_record.h"
#include "pg/run/call_arguments.h"
#include "pg/run/failed_start.h"
#include "pg/server/airlock.h"
#include "pg/server/latch_host.h"
#include "pg/server/sql_call.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

// The columns of reprocess_failed_chunks().
struct RedoneChunk {
  std::int64_t id = 0;
  Cell ship, start, end;
  std::string status;
  std::optional<std::int64_t> read, written;
  Cell sqlstate, message;

  template <typename Record, typename Visitor>
  static void each_column(Record &chunk, Visitor &&column) {
    column("failed_chunk_id", chunk.id);
    column("ship_id", chunk.ship);
    column("start_time", chunk.start);
    column("end_time", chunk.end);
    column("status", chunk.status);
    column("rows_read", chunk.read);
    column("rows_written", chunk.written);
    column("sqlstate", chunk.sqlstate);
    column("message", chunk.message);
  }
};

std::string name_pivot(const PivotRecord &pivot) {
  return (pivot.server ? display_name(*pivot.server) + ": " : "") + pivot.source + " -> " +
         display_name(pivot.target);
}

// The call that a chunk belongs to.
std::string find_request(const ChunkToRedo &chunk) {
  if (chunk.request) return *chunk.request;
  const std::string &ship = text_of(chunk.ship);
  const std::vector<PivotRecord> pivots = pivots_of(chunk);
  const std::string id = std::to_string(chunk.id), which = "failed chunk " + id + " of ship \"" + ship + "\"";
  if (pivots.empty())
    throw Error(
        sqlstate::undefined_object, which + " belongs to no known pivot",
        "No call of pivot_ship() has made or filled a wide table of this ship.",
        "Call pivot_ship(..., ship_id => '" + ship + "', from_time => ..., cutoff_time => ...) instead.");
  if (pivots.size() > 1) {
    std::vector<std::string> names;
    for (const PivotRecord &pivot : pivots) names.push_back(name_pivot(pivot));
    throw Error(
        "42725", which + " could belong to " + std::to_string(pivots.size()) + " pivots",
        join(names, "; ") + ".",
        "UPDATE tablesync.failed_chunk SET (server, source, target_schema, table_prefix) = (...) WHERE "
        "failed_chunk_id = " +
            id + ";");
  }
  return pivots.front().request;
}

Moment moment_of(const Cell &text) {
  return call([&] {
    return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(text->c_str()),
                                                   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
  });
}

PivotSpec spec_of(const ChunkToRedo &chunk) {
  std::optional<PivotSpec> spec = pivot_from_kept(find_request(chunk));
  if (!spec)
    throw Error(
        sqlstate::wrong_state,
        "failed chunk " + std::to_string(chunk.id) + " was recorded by another version of pg_tablesync", {},
        "Call pivot_ship() for its time range: from_time => ..., cutoff_time => ....");
  spec->command = Command::pivot;
  spec->mode = PivotMode::migration_only;
  if (chunk.ship) spec->ships = {*chunk.ship};
  spec->from = chunk.start ? moment_of(chunk.start) : before_all;
  spec->cutoff = chunk.end ? moment_of(chunk.end) : spec->cutoff;
  spec->cutoff_is_now = false;
  spec->failed_chunk = chunk.id;
  return *spec;
}

bool ends_all(const Error &error) {
  const std::string &state = error.diagnostics().sqlstate;
  return state == sqlstate::canceled || state == sqlstate::admin_shutdown;
}

RedoneChunk redo(const ChunkToRedo &chunk, const PivotSpec &spec) {
  RedoneChunk redone{chunk.id, chunk.ship, chunk.start, chunk.end, "succeeded", 0, 0, {}, {}};
  try {
    WorkerTask task = task_for(spec);
    // The worker has the role of the chunk's owner, because the chunk and the views that it may read are of
    // that role.
    task.role = chunk.owner;
    const RunReply reply = decode_reply(start_run(spec, name_of(spec.mode), task, run_in_worker));
    redone.read = reply.result.read;
    redone.written = reply.result.inserted;
  } catch (const ServerError &) {
    throw;  // an error of this process
  } catch (const Error &error) {
    if (ends_all(error)) throw;
    redone.status = "failed";
    redone.sqlstate = error.diagnostics().sqlstate;
    redone.message = error.diagnostics().message;
  }
  return redone;
}

std::vector<RedoneChunk> reprocess(const std::optional<std::string> &ship, bool dry_run,
                                   std::int64_t delay_ms, std::optional<std::int64_t> run_id) {
  if (run_id && !find_run(*run_id))
    throw Error(sqlstate::undefined_object, "run " + std::to_string(*run_id) + " does not exist",
                "It may belong to another role.",
                "SELECT * FROM tablesync.run ORDER BY run_id DESC LIMIT 10;");
  if (!dry_run) check_may_launch("reprocess_failed_chunks");
  std::vector<std::pair<ChunkToRedo, PivotSpec>> chunks;
  // All chunks are looked up before the first is retried.
  for (ChunkToRedo &chunk : chunks_to_redo(ship, run_id)) {
    PivotSpec spec = spec_of(chunk);
    chunks.emplace_back(std::move(chunk), std::move(spec));
  }
  std::vector<RedoneChunk> redone;
  for (const auto &[chunk, spec] : chunks) {
    if (dry_run) {
      redone.push_back({chunk.id, chunk.ship, chunk.start, chunk.end, "would run", {}, {}, {}, {}});
      continue;
    }
    if (!redone.empty() && delay_ms > 0) wait_for_ms(delay_ms);
    redone.push_back(redo(chunk, spec));
  }
  return redone;
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_reprocess_failed_chunks);

Datum tablesync_reprocess_failed_chunks(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] {
    const std::int64_t delay_ms = PG_ARGISNULL(2) ? 0 : pg::interval_argument(fcinfo, 2, "delay") / 1000;
    const std::optional<std::int64_t> run_id =
        PG_ARGISNULL(3) ? std::nullopt : std::optional<std::int64_t>(PG_GETARG_INT64(3));
    return pg::set_result(
        fcinfo, encode_all(pg::reprocess(pg::text_argument(fcinfo, 0),
                                         pg::bool_argument(fcinfo, 1).value_or(false), delay_ms, run_id)));
  });
}
}
