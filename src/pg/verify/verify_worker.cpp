// The kind of run of verify_table(), and the worker process of one call.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include "core/spec/sync_spec.h"
#include "pg/pair/table_pair.h"
#include "pg/parallel/hidden_table.h"
#include "pg/run/run.h"
#include "pg/verify/verify_kind.h"
#include "pg/verify/verify_work.h"

namespace tablesync::pg {
namespace {

Row verify_task(SharedRun &shared, std::string_view request) {
  const SyncSpec spec = deserialize_sync_spec(request);
  return Run(shared, {spec,
                      name_of(spec.mode),
                      {{spec.target}},
                      [&] { make_target(spec)->check(spec); },
                      [&](std::int64_t run_id, RunSteps &steps) -> std::unique_ptr<Work> {
                        return std::make_unique<VerifyWork>(spec, run_id, steps);
                      },
                      [&] { drop_hidden_tables_of(spec); }})
      .run();
}

}  // namespace

// It reads the target more than once, and must see one state of it.
constinit const RunKind verify_kind{
    .command = "verify_table",
    .called = "the verification",
    .title = "verify",
    .entry = "tablesync_verify_worker",
    .isolation = "repeatable read",
    .locked_noun = "table",
    .locked_state = "is being synced",
};

}  // namespace tablesync::pg

extern "C" {

PGDLLEXPORT void tablesync_verify_worker(Datum argument);

void tablesync_verify_worker(Datum argument) {
  tablesync::pg::run_worker(argument, tablesync::pg::verify_task);
}
}
