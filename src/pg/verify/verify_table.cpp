// The SQL function verify_table(). It validates its arguments, starts a worker, waits, and returns the
// differences; the work is in verify_work.h.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/spec/sync_spec.h"
#include "pg/record/difference_record.h"
#include "pg/record/run_record.h"
#include "pg/run/call_arguments.h"
#include "pg/run/failed_start.h"
#include "pg/server/airlock.h"
#include "pg/server/guc.h"
#include "pg/server/sql_call.h"
#include "pg/source/foreign_server.h"
#include "pg/sync/sync_call.h"
#include "pg/target/target_table.h"
#include "pg/verify/verify_work.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

SyncSpec spec_from_arguments(FunctionCallInfo fcinfo) {
  SyncSpec spec;
  spec.command = Command::verify;
  spec.memory_limit_mb = memory_limit_mb;
  take_arguments(spec, functions::verify_table, fcinfo);
  spec.on_bad_row = OnBadRow::reject;
  take_options(spec, fcinfo, functions::verify_table);
  if (spec.server.empty()) {
    // We never run SQL of a user in this database. A view does the same.
    if (!spec.custom_select.empty() || !spec.custom_where.empty())
      throw Error(sqlstate::invalid_parameter, "custom_select and custom_where need a server", {},
                  "For two tables of this database, compare with a view.");
    if (spec.source_limits.any())
      throw Error(sqlstate::invalid_parameter, "max_source_lag and max_source_sessions need a server", {},
                  "They limit the load on another server, and both tables are in this database.");
    // The name is resolved in the caller's session, with its search_path.
    const QualifiedName source = resolve_target(spec.source);
    spec.source = display_name(source);
  } else {
    sql_name(spec.source);  // throws if it is not a name
  }
  spec.target = resolve_target(spec.target.name);
  take_session_settings(spec);
  return spec;
}

void report_result(const SyncSpec &spec, const RunReply &reply) {
  const auto found = decode<ComparedRows>(reply.details);
  const RunResult &result = reply.result;
  const auto count = [](std::optional<std::int64_t> rows) { return with_commas(rows.value_or(0)); };
  std::string text = display_name(spec.target.name) + ": " + counted(found.compared, "row") + " compared, " +
                     count(found.missing) + " missing, " + count(found.different) + " different, " +
                     count(found.extra) + " extra";
  if (spec.command == Command::repair)
    text += "; " + count(result.inserted) + " inserted, " + count(result.updated) + " updated, " +
            count(result.deleted) + " deleted";
  if (result.rejected != 0) text += "; " + count(result.rejected) + " rejected";
  text += " in " + human_seconds(reply.seconds) + " (run " + std::to_string(result.run_id) + ")";
  call([&] { ereport(NOTICE, (errmsg("%s", text.c_str()))); });
}

std::vector<Difference> verify(FunctionCallInfo fcinfo) {
  check_may_launch("verify_table");
  const SyncSpec spec = spec_from_arguments(fcinfo);
  if (!spec.server.empty()) connection_options(connection_source(spec.server));
  if (const unsigned int oid = find_target(spec.target); oid != 0) check_not_locked_here(oid);
  const RunReply reply = decode_reply(start_run(spec, name_of(spec.mode), task_for(spec), run_in_worker));
  if (reply.skipped())
    throw Error(sqlstate::lock_not_available, "table \"" + display_name(spec.target) + "\" is being synced");
  report_result(spec, reply);
  return find_differences(reply.result.run_id);
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_verify_table);

Datum tablesync_verify_table(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] { return pg::set_result(fcinfo, encode_all(pg::verify(fcinfo))); });
}
}
