// The SQL function verify_pivot. The work is in pivot_verify.h.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include <cstdlib>

#include "core/base/text.h"
#include "pg/pivot/pivot_call.h"
#include "pg/record/pivot_record.h"
#include "pg/run/failed_start.h"
#include "pg/server/airlock.h"
#include "pg/server/sql_call.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

void tell_result(const PivotSpec &spec, const Row &run) {
  const auto count = [&](size_t n) { return with_commas(std::atoll(text_of(run.at(n)).c_str())); };
  const std::string text =
      display_name(spec.target.name) + ": " + count(2) + " readings read, " + count(11) +
      " cells compared, " + count(12) + " missing or different" +
      (text_of(run.at(13)) == "0" ? "" : ", " + count(13) + " readings that no column takes") + " in " +
      human_seconds(std::atof(text_of(run.at(9)).c_str())) + " (run " + text_of(run.at(0)) + ")";
  call([&] { ereport(NOTICE, (errmsg("%s", text.c_str()))); });
}

Rows verify(FunctionCallInfo fcinfo) {
  check_may_launch("verify_pivot");
  const PivotSpec spec = verify_pivot_spec_from(fcinfo);
  check_early(spec);
  const Row run = start_run(spec, "verify", task_for(spec), run_in_worker);
  tell_result(spec, run);
  return find_pivot_differences(std::atoll(text_of(run.at(0)).c_str()));
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_verify_pivot);

Datum tablesync_verify_pivot(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] { return pg::set_result(fcinfo, pg::verify(fcinfo)); });
}
}
