// The worker process of one sync_table() or verify_table() call.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/base/error.h"
#include "core/spec/sync_spec.h"
#include "pg/run/run.h"
#include "pg/sync/chunked_sync.h"
#include "pg/sync/hidden_table.h"
#include "pg/target/target.h"
#include "pg/verify/verify_work.h"

namespace tablesync::pg {
namespace {

void check_may_lock(const SyncSpec &spec) {
  const unsigned int oid = find_target(spec.target);
  if (!spec.writes() && oid == 0)
    throw Error(sqlstate::undefined_table, "table \"" + display_name(spec.target) + "\" does not exist");
  if (!spec.writes())
    find_readable(quote_qualified(spec.target));
  else if (oid != 0)
    check_target(oid, spec.delete_missing || !spec.soft_delete_column.empty(), spec);
  else
    check_may_prepare(spec.target.schema, spec);
}

Row sync_task(SharedRun &shared, std::string_view request) {
  const SyncSpec spec = deserialize_sync_spec(request);
  const bool syncs = spec.command == Command::sync;
  return Run(shared, {spec,
                      syncs ? "the sync" : "the verification",
                      name_of(spec.mode),
                      {{spec.target}},
                      [&] { check_may_lock(spec); },
                      [&](std::int64_t run_id, RunSteps &steps) -> std::unique_ptr<Work> {
                        if (syncs) return std::make_unique<ChunkedSync>(spec, run_id, steps);
                        return std::make_unique<VerifyWork>(spec, run_id, steps);
                      },
                      [&] { drop_hidden_tables_of(spec); }})
      .run();
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PGDLLEXPORT void tablesync_sync_worker(Datum argument);

void tablesync_sync_worker(Datum argument) { tablesync::pg::run_worker(argument, tablesync::pg::sync_task); }
}
