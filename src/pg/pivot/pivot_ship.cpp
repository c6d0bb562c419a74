// The SQL function pivot_ship. It validates, hands over to a worker, and waits; the work is in pivot_work.h.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include <cstdlib>

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/pivot/pivot_call.h"
#include "pg/record/pivot_record.h"
#include "pg/run/call_arguments.h"
#include "pg/run/failed_start.h"
#include "pg/server/airlock.h"
#include "pg/server/sql_call.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

std::int64_t to_number(const Cell &cell) { return std::atoll(text_of(cell).c_str()); }

void tell_result(const PivotSpec &spec, const Row &run, const Rows &tables) {
  std::string text = display_name(spec.target.name) + ": ";
  if (text_of(run.at(1)) == "skipped") {
    text += "skipped, another run is going on (run " + text_of(run[0]) + ")";
  } else {
    std::int64_t read = 0, written = 0, cells = 0, columns = 0, rejected = 0;
    for (const Row &table : tables) {
      read += to_number(table.at(3));
      written += to_number(table.at(4));
      cells += to_number(table.at(5));
      columns += to_number(table.at(6));
      rejected += to_number(table.at(7));
    }
    text += with_commas(read) + " readings read, " + with_commas(written) + " rows with " +
            with_commas(cells) + " cells written to " +
            with_commas(static_cast<std::int64_t>(tables.size())) + " tables, " + with_commas(columns) +
            " columns " + (spec.mode == PivotMode::schema_only ? "would be added" : "added") +
            (rejected == 0 ? "" : ", " + with_commas(rejected) + " readings rejected") + " in " +
            human_seconds(std::atof(text_of(run.at(9)).c_str())) + " (run " + text_of(run[0]) + ")";
  }
  call([&] { ereport(NOTICE, (errmsg("%s", text.c_str()))); });
}

Rows pivot(FunctionCallInfo fcinfo) {
  check_may_launch("pivot_ship");
  const PivotSpec spec = pivot_spec_from(fcinfo);
  check_early(spec);
  if (!waits(fcinfo, functions::pivot_ship)) {
    Row started(9);
    started[0] = std::to_string(start_run(spec, name_of(spec.mode), task_for(spec), start_in_worker));
    return {started};
  }
  const Row run = start_run(spec, name_of(spec.mode), task_for(spec), run_in_worker);
  Rows tables = find_counts(to_number(run.at(0)));
  tell_result(spec, run, tables);
  return tables;
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_pivot_ship);

Datum tablesync_pivot_ship(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] { return pg::set_result(fcinfo, pg::pivot(fcinfo)); });
}
}
