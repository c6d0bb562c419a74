#include "pg/sync/hidden_table.h"

extern "C" {
#include "postgres.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pg/server/compat.h"
}

#include "core/deparse.h"
#include "pg/run/run_record.h"
#include "pg/run/target.h"
#include "pg/server/airlock.h"
#include "pg/server/session_option.h"
#include "pg/server/shared_run.h"
#include "pg/server/spi.h"
#include "pg/server/transaction.h"
#include "pg/server/worker.h"

namespace tablesync::pg {
namespace {

QualifiedName name_for(std::int64_t run_id, const RunSpec &spec) {
  return {spec.target.schema, "tablesync_hidden_" + std::to_string(run_id)};
}

// Takes from others what default privileges gave them: they may not be allowed to read the target.
void revoke_all(const QualifiedName &name, const std::string &oid) {
  std::vector<std::string> grantees;
  for (const Row &row :
       query("SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE "
             "quote_ident(pg_get_userbyid(a.grantee)) END "
             "FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = $1::oid AND a.grantee <> c.relowner",
             {oid}))
    grantees.push_back(text_of(row[0]));
  if (!grantees.empty())
    query("REVOKE ALL ON " + quote_qualified(name) + " FROM " + join(grantees, ", ") + " CASCADE");
}

// Drops these, as hidden_tables() returns them.
int drop(const Rows &tables) {
  int dropped = 0;
  for (const Row &table : tables) {
    const bool is_there = table[1].has_value();
    if (is_there && !bool_of(table[3])) continue;  // its owner's business
    if (is_there) execute(drop_table({text_of(table[1]), text_of(table[2])}));
    forget_hidden_table(text_of(table[0]));
    dropped += is_there ? 1 : 0;
  }
  return dropped;
}

}  // namespace

bool may_make_hidden_table(const RunSpec &spec) {
  return call([&] {
    Oid const schema = get_namespace_oid(spec.target.schema.c_str(), false);
    return compat_aclcheck_schema(schema, GetUserId(), ACL_CREATE) == ACLCHECK_OK;
  });
}

HiddenTable make_hidden_stage(std::int64_t run_id, const RunSpec &spec, const SyncPlan &plan) {
  const QualifiedName name = name_for(run_id, spec);
  query(create_shared_stage(name, plan));
  HiddenTable made{name, std::to_string(find_target(name, false))};
  revoke_all(name, made.oid);
  record_hidden_table(run_id, spec, made.oid, name.name);
  return made;
}

HiddenTable hide_target(std::int64_t run_id, const RunSpec &spec, const std::string &target_oid) {
  const QualifiedName name = name_for(run_id, spec);
  execute(rename_table(spec.target, name.name));
  record_hidden_table(run_id, spec, target_oid, name.name);
  return {name, target_oid};
}

void make_target(const HiddenTable &hidden, const RunSpec &spec) {
  execute(rename_table(hidden.name, spec.target.name));
  forget_hidden_table(hidden.oid);
}

void drop_hidden_table(const HiddenTable &hidden) {
  execute(drop_table(hidden.name));
  forget_hidden_table(hidden.oid);
}

namespace {

// Of the current role, whatever the target.
Row sweep(SharedRun &run, std::string_view) {
  run.run_id = -1;  // nobody need wait for it
  in_transaction([] {
    set_session_option("lock_timeout", "5s");  // the next pass tries again
    drop(hidden_tables(""));
  });
  return {};
}

}  // namespace

void drop_hidden_tables_of(const RunSpec &spec) { drop(hidden_tables(display_name(spec.target))); }

}  // namespace tablesync::pg

extern "C" {

// The entry of a process of the owner of hidden tables that the launcher has found.
PGDLLEXPORT void tablesync_sweep_worker(Datum argument);

void tablesync_sweep_worker(Datum argument) {
  using namespace tablesync;
  pg::enter([=] { pg::worker_main(argument, pg::sweep); });
}

PG_FUNCTION_INFO_V1(tablesync_drop_hidden_tables);

// tablesync.drop_hidden_tables(): those of runs that are not going on.
Datum tablesync_drop_hidden_tables(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=]() -> Datum {
    static_cast<void>(fcinfo);
    PG_RETURN_INT32(pg::drop(pg::hidden_tables("")));
  });
}
}
