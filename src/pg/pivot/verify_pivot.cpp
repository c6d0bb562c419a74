// The SQL function verify_pivot. The work is in verify_pivot_work.h.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/base/text.h"
#include "pg/pivot/pivot_call.h"
#include "pg/pivot/verify_pivot_work.h"
#include "pg/record/pivot_record.h"
#include "pg/record/run_record.h"
#include "pg/run/failed_start.h"
#include "pg/server/airlock.h"
#include "pg/server/sql_call.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

void report_result(const PivotSpec &spec, const RunReply &reply) {
  const auto found = decode<PivotComparison>(reply.details);
  const std::string text =
      display_name(spec.target.name) + ": " + counted(reply.result.read.value_or(0), "reading") + " read, " +
      counted(found.compared, "cell") + " compared, " + with_commas(found.different) +
      " missing or different" +
      (found.unstored == 0 ? "" : ", " + counted(found.unstored, "reading") + " that no column can store") +
      " in " + human_seconds(reply.seconds) + " (run " + std::to_string(reply.result.run_id) + ")";
  call([&] { ereport(NOTICE, (errmsg("%s", text.c_str()))); });
}

std::vector<PivotDifference> verify(FunctionCallInfo fcinfo) {
  check_may_launch("verify_pivot");
  const PivotSpec spec = verify_pivot_spec_from(fcinfo);
  check_early(spec);
  const RunReply reply = decode_reply(start_run(spec, "verify", task_for(spec), run_in_worker));
  report_result(spec, reply);
  return find_pivot_differences(reply.result.run_id);
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_verify_pivot);

Datum tablesync_verify_pivot(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] { return pg::set_result(fcinfo, encode_all(pg::verify(fcinfo))); });
}
}
