// The SQL functions of sync: sync_table, run_sync, wait_run, cancel_run, tablesync.run_progress. They
// validate their arguments, start a worker, and wait; the work is in chunked_sync.h and table_sync.h.
extern "C" {
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
}

#include <cmath>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/spec/sync_spec.h"
#include "pg/record/run_record.h"
#include "pg/run/call_arguments.h"
#include "pg/run/failed_start.h"
#include "pg/server/airlock.h"
#include "pg/server/sql_call.h"
#include "pg/source/foreign_server.h"
#include "pg/sync/sync_call.h"
#include "pg/target/target_table.h"
#include "pg/worker/shared_run.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

// Raises errors that can be found before a worker is started, in the caller's session. The worker checks
// again.
void check_early(const SyncSpec &spec) {
  connection_options(connection_source(spec.server));
  if (Oid const oid = find_target(spec.target); OidIsValid(oid)) {
    check_target(oid, spec.delete_missing, spec);
    check_not_locked_here(oid);
  }
}

void report_result(const SyncSpec &spec, const RunReply &reply) {
  const RunResult &result = reply.result;
  const auto count = [](std::optional<std::int64_t> rows) { return with_commas(rows.value_or(0)); };
  const std::string name = display_name(spec.target.name), run = std::to_string(result.run_id);
  std::string text;
  if (reply.skipped())
    text = name + ": skipped, because another run is in progress (run " + run + ")";
  else
    text = name + ": " + count(result.read) + " read, " + count(result.inserted) + " inserted, " +
           count(result.updated) + " updated, " + count(result.deleted) + " deleted, " +
           count(result.unchanged) + " unchanged" +
           (result.rejected == 0 ? "" : ", " + count(result.rejected) + " rejected") + " in " +
           human_seconds(reply.seconds) + " (run " + run + ")";
  call([&] { ereport(NOTICE, (errmsg("%s", text.c_str()))); });
}

RunResult started_result(std::int64_t run_id) {
  RunResult result;
  result.run_id = run_id;
  result.status = "running";
  return result;
}

// Commits the transaction, and so releases the snapshot that would hold back vacuum during the wait.
void release_snapshot() {
  call([] {
    SPI_connect_ext(SPI_OPT_NONATOMIC);
    SPI_commit();
    SPI_finish();
  });
}

RunResult sync(FunctionCallInfo fcinfo, const char *function, bool may_release_snapshot) {
  check_may_launch(function);
  const SyncSpec spec = sync_spec_from(fcinfo);
  const bool wait = waits(fcinfo, functions::sync_table);
  check_early(spec);
  const std::string mode = name_of(spec.mode);
  if (!wait) return started_result(start_run(spec, mode, task_for(spec), start_in_worker));
  if (may_release_snapshot) release_snapshot();
  const RunReply reply = decode_reply(start_run(spec, mode, task_for(spec), run_in_worker));
  report_result(spec, reply);
  return reply.result;
}

RunRecord existing_run(std::int64_t run_id) {
  std::optional<RunRecord> run = find_run(run_id);
  if (!run)
    throw Error(sqlstate::undefined_object, "run " + std::to_string(run_id) + " does not exist",
                "It may belong to another role.",
                "SELECT * FROM tablesync.run ORDER BY run_id DESC LIMIT 10;");
  return *run;
}

// Whether the worker was gone when the record was read, and had not written how the run ended.
bool ended_unrecorded(const RunRecord &run) {
  return run.result.status == "interrupted" && run.error.sqlstate.empty();
}

RunResult wait_for_run(std::int64_t run_id, TimestampTz give_up) {
  for (;;) {
    RunRecord run = existing_run(run_id);
    // The worker may have written its end after the first look.
    if (ended_unrecorded(run)) run = existing_run(run_id);
    if (ended_unrecorded(run))
      throw Error("57P02", "the worker of run " + std::to_string(run_id) + " ended unexpectedly",
                  "It was killed, or the server crashed or was stopped.", "See the server log.");
    const std::string &status = run.result.status;
    if (status == "failed" || status == "canceled" || status == "interrupted") throw Error(run.error);
    if (status != "running" || (give_up != 0 && GetCurrentTimestamp() >= give_up)) return run.result;
    call([] {
      WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50, PG_WAIT_EXTENSION);
      ResetLatch(MyLatch);
      CHECK_FOR_INTERRUPTS();
    });
  }
}

// The columns of run_progress().
struct ProgressRow {
  std::string phase;
  std::int64_t rows = 0, bytes = 0;
  std::optional<std::int64_t> percent, rate;
  Cell time_left;
  std::int64_t memory_bytes = 0;

  template <typename Record, typename Visitor>
  static void each_column(Record &progress, Visitor &&column) {
    column("phase", progress.phase);
    column("rows", progress.rows);
    column("bytes", progress.bytes);
    column("percent", progress.percent);
    column("rows_per_second", progress.rate);
    column("time_left", progress.time_left, "interval");
    column("memory_bytes", progress.memory_bytes);
  }
};

std::vector<ProgressRow> progress_of(std::int64_t run_id) {
  const std::uint32_t handle = find_segment(run_id);
  if (handle == 0) return {};
  SharedSegment segment = SharedSegment::attach(handle);
  std::vector<ProgressRow> rows;
  // Another run may have the handle by now.
  if (segment.run() != nullptr && segment.run()->run_id.load() == run_id) {
    const ProgressReading now = read(segment.run()->progress, GetCurrentTimestamp());
    const auto known = [](double value) {
      return value < 0 ? std::nullopt : std::optional(static_cast<std::int64_t>(value));
    };
    const Cell left =
        now.seconds_left() < 0 ? Cell() : Cell(std::to_string(std::lround(now.seconds_left())) + " seconds");
    rows.push_back({name_of(now.phase), now.rows, now.bytes, known(now.percent()), known(now.rate()), left,
                    now.memory_bytes});
  }
  segment.detach();
  return rows;
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_sync_table);
PG_FUNCTION_INFO_V1(tablesync_run_sync);
PG_FUNCTION_INFO_V1(tablesync_wait_run);
PG_FUNCTION_INFO_V1(tablesync_cancel_run);
PG_FUNCTION_INFO_V1(tablesync_run_progress);

Datum tablesync_sync_table(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] { return pg::record_result(fcinfo, encode(pg::sync(fcinfo, "sync_table", false))); });
}

Datum tablesync_run_sync(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] {
    // Inside a transaction block, or a function, the snapshot must stay.
    const bool atomic = !IsA(fcinfo->context, CallContext) || castNode(CallContext, fcinfo->context)->atomic;
    return pg::record_result(fcinfo, encode(pg::sync(fcinfo, "run_sync", !atomic)));
  });
}

Datum tablesync_wait_run(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] {
    if (PG_ARGISNULL(0)) throw Error(sqlstate::null_not_allowed, "run must not be null");
    TimestampTz give_up = 0;
    if (!PG_ARGISNULL(1))
      give_up = DatumGetTimestampTz(pg::call([&] {
        return DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()),
                                   PG_GETARG_DATUM(1));
      }));
    return pg::record_result(fcinfo, encode(pg::wait_for_run(PG_GETARG_INT64(0), give_up)));
  });
}

Datum tablesync_cancel_run(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=]() -> Datum {
    const std::int64_t run_id = PG_GETARG_INT64(0);
    pg::existing_run(run_id);
    PG_RETURN_BOOL(pg::cancel_worker(run_id));
  });
}

Datum tablesync_run_progress(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] { return pg::set_result(fcinfo, encode_all(pg::progress_of(PG_GETARG_INT64(0)))); });
}
}
