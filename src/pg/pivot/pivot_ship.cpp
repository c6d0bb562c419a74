// The SQL function pivot_ship. It validates its arguments, starts a worker, and waits; the work is in
// pivot_work.h.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/pivot/pivot_call.h"
#include "pg/record/pivot_record.h"
#include "pg/record/run_record.h"
#include "pg/run/call_arguments.h"
#include "pg/run/failed_start.h"
#include "pg/server/airlock.h"
#include "pg/server/sql_call.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

void report_result(const PivotSpec &spec, const RunReply &reply, const std::vector<TableResult> &tables) {
  const std::string run = std::to_string(reply.result.run_id);
  std::string text = display_name(spec.target.name) + ": ";
  if (reply.skipped()) {
    text += "skipped, because another run is in progress (run " + run + ")";
  } else {
    std::int64_t read = 0, written = 0, cells = 0, columns = 0, rejected = 0;
    for (const TableResult &table : tables) {
      read += table.read.value_or(0);
      written += table.written.value_or(0);
      cells += table.cells.value_or(0);
      columns += table.columns.value_or(0);
      rejected += table.rejected.value_or(0);
    }
    text += counted(read, "reading") + " read, " + counted(written, "row") + " with " +
            counted(cells, "cell") + " written to " +
            counted(static_cast<std::int64_t>(tables.size()), "table") + ", " + counted(columns, "column") +
            " " + (spec.mode == PivotMode::schema_only ? "would be added" : "added") +
            (rejected == 0 ? "" : ", " + counted(rejected, "reading") + " rejected") + " in " +
            human_seconds(reply.seconds) + " (run " + run + ")";
  }
  call([&] { ereport(NOTICE, (errmsg("%s", text.c_str()))); });
}

std::vector<TableResult> pivot(FunctionCallInfo fcinfo) {
  check_may_launch("pivot_ship");
  const PivotSpec spec = pivot_spec_from(fcinfo);
  check_early(spec);
  if (!waits(fcinfo, functions::pivot_ship)) {
    TableResult started;
    started.run_id = start_run(spec, name_of(spec.mode), task_for(spec), start_in_worker);
    return {started};
  }
  const RunReply reply = decode_reply(start_run(spec, name_of(spec.mode), task_for(spec), run_in_worker));
  std::vector<TableResult> tables = find_counts(reply.result.run_id);
  report_result(spec, reply, tables);
  return tables;
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_pivot_ship);

Datum tablesync_pivot_ship(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] { return pg::set_result(fcinfo, encode_all(pg::pivot(fcinfo))); });
}
}
