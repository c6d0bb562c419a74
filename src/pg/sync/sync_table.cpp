// The SQL functions of sync: sync_table, run_sync, wait_run, cancel_run, tablesync.run_progress.
// They validate, hand over to a worker, and wait; the work is in chunked_sync.h and table_sync.h.
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
#include <cstdlib>

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
#include "pg/target/target.h"
#include "pg/worker/shared_run.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

// What can be known before a worker is started, said by the caller's own session. The worker checks again.
void check_early(const SyncSpec &spec) {
  connection_options(connection_source(spec.server));
  if (Oid const oid = find_target(spec.target); OidIsValid(oid)) {
    check_target(oid, spec.delete_missing, spec);
    check_not_locked_here(oid);
  }
}

void tell_result(const SyncSpec &spec, const Row &row) {
  const auto count = [&](int n) { return with_commas(std::atoll(text_of(row[n]).c_str())); };
  const std::string name = display_name(spec.target.name);
  std::string text;
  if (text_of(row[1]) == "skipped")
    text = name + ": skipped, another run is going on (run " + text_of(row[0]) + ")";
  else
    text = name + ": " + count(2) + " read, " + count(3) + " inserted, " + count(4) + " updated, " +
           count(5) + " deleted, " + count(6) + " unchanged" +
           (text_of(row[7]) == "0" ? "" : ", " + count(7) + " rejected") + " in " +
           human_seconds(std::atof(text_of(row[9]).c_str())) + " (run " + text_of(row[0]) + ")";
  call([&] { ereport(NOTICE, (errmsg("%s", text.c_str()))); });
}

Row started_row(std::int64_t run_id) {
  Row row(11);
  row[0] = std::to_string(run_id);
  row[1] = "running";
  return row;
}

// Lets the transaction go, and with it the snapshot that would hold back vacuum during the wait.
void release_snapshot() {
  call([] {
    SPI_connect_ext(SPI_OPT_NONATOMIC);
    SPI_commit();
    SPI_finish();
  });
}

Row sync(FunctionCallInfo fcinfo, const char *function, bool may_release_snapshot) {
  check_may_launch(function);
  const SyncSpec spec = sync_spec_from(fcinfo);
  const bool wait = waits(fcinfo, functions::sync_table);
  check_early(spec);
  const std::string mode = name_of(spec.mode);
  if (!wait) return started_row(start_run(spec, mode, task_for(spec), start_in_worker));
  if (may_release_snapshot) release_snapshot();
  Row row = start_run(spec, mode, task_for(spec), run_in_worker);
  tell_result(spec, row);
  return row;
}

Row existing_run(std::int64_t run_id) {
  std::optional<Row> row = find_run(run_id);
  if (!row)
    throw Error(sqlstate::undefined_object, "run " + std::to_string(run_id) + " does not exist",
                "Or it belongs to another role.",
                "SELECT * FROM tablesync.run ORDER BY run_id DESC LIMIT 10;");
  return *row;
}

// Raises the error that ended a run.
[[noreturn]] void raise_recorded(const Row &row) {
  Diagnostics said;
  said.sqlstate = text_of(row[12]);
  said.message = text_of(row[13]);
  said.detail = text_of(row[14]);
  said.hint = text_of(row[15]);
  said.context = text_of(row[16]);
  throw Error(said);
}

// A run whose worker was gone when its record was read, and had not written it.
bool ended_unrecorded(const Row &row) { return text_of(row[1]) == "interrupted" && !row[12]; }

Row wait_for_run(std::int64_t run_id, TimestampTz give_up) {
  for (;;) {
    Row row = existing_run(run_id);
    // The worker may have written it and gone since.
    if (ended_unrecorded(row)) row = existing_run(run_id);
    if (ended_unrecorded(row))
      throw Error("57P02", "the worker of run " + std::to_string(run_id) + " ended without a word",
                  "It was killed, or the server crashed or was stopped.", "The server's log says more.");
    const std::string &status = text_of(row[1]);
    if (status == "failed" || status == "canceled" || status == "interrupted") raise_recorded(row);
    if (status != "running" || (give_up != 0 && GetCurrentTimestamp() >= give_up)) {
      row.resize(11);
      return row;
    }
    call([] {
      WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50, PG_WAIT_EXTENSION);
      ResetLatch(MyLatch);
      CHECK_FOR_INTERRUPTS();
    });
  }
}

Rows progress_of(std::int64_t run_id) {
  const std::uint32_t handle = find_segment(run_id);
  if (handle == 0) return {};
  SharedSegment segment = SharedSegment::attach(handle);
  Rows rows;
  // The handle may have been taken by another run by now.
  if (segment.run() != nullptr && segment.run()->run_id.load() == run_id) {
    const ProgressReading now = read(segment.run()->progress, GetCurrentTimestamp());
    const auto known = [](double value) {
      return value < 0 ? Cell() : Cell(std::to_string(static_cast<std::int64_t>(value)));
    };
    rows.push_back(
        {std::string(name_of(now.phase)), std::to_string(now.rows), std::to_string(now.bytes),
         known(now.percent()), known(now.rate()),
         now.seconds_left() < 0 ? Cell() : Cell(std::to_string(std::lround(now.seconds_left())) + " seconds"),
         std::to_string(now.memory_bytes)});
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
  return pg::enter([=] { return pg::record_result(fcinfo, pg::sync(fcinfo, "sync_table", false)); });
}

Datum tablesync_run_sync(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] {
    // Inside a transaction block, or a function, the snapshot must stay.
    const bool atomic = !IsA(fcinfo->context, CallContext) || castNode(CallContext, fcinfo->context)->atomic;
    return pg::record_result(fcinfo, pg::sync(fcinfo, "run_sync", !atomic));
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
    return pg::record_result(fcinfo, pg::wait_for_run(PG_GETARG_INT64(0), give_up));
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
  return pg::enter([=] { return pg::set_result(fcinfo, pg::progress_of(PG_GETARG_INT64(0))); });
}
}
