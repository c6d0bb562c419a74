#include "pg/parallel/hidden_table.h"

extern "C" {
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pg/server/compat.h"
#include "utils/acl.h"
}

#include "core/sql/deparse.h"
#include "pg/record/run_record.h"
#include "pg/server/airlock.h"
#include "pg/server/session_option.h"
#include "pg/server/spi.h"
#include "pg/server/transaction.h"
#include "pg/target/target_table.h"
#include "pg/worker/shared_run.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

// The name is random, because anyone who may create tables in the schema could create one with a predictable
// name first.
QualifiedName name_for(std::int64_t run_id, const RunSpec &spec) {
  const std::uint32_t random = call([] {
    std::uint32_t bits = 0;
    if (!pg_strong_random(&bits, sizeof bits)) elog(ERROR, "could not generate random values");
    return bits;
  });
  return {spec.target.schema, "tablesync_hidden_" + std::to_string(run_id) + "_" + std::to_string(random)};
}

// Revokes what default privileges granted to others, because they may not be allowed to read the target.
void revoke_all(const QualifiedName &name, unsigned int oid) {
  const auto grantees = only_column<std::string>(query(R"(
SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
FROM pg_catalog.pg_class c, aclexplode(c.relacl) a
WHERE c.oid = $1::oid
  AND a.grantee <> c.relowner)",
                                                       {std::to_string(oid)}));
  if (!grantees.empty())
    query("REVOKE ALL ON " + quote_qualified(name) + " FROM " + join(grantees, ", ") + " CASCADE");
}

bool may_drop(const HeldRelation &table) {
  return call([&] { return has_privs_of_role(GetUserId(), table.owner); });
}

int drop(const std::vector<HiddenTableRecord> &tables) {
  int dropped = 0;
  for (const HiddenTableRecord &record : tables) {
    const std::optional<HeldRelation> table = look_up_relation(record.oid);
    // A table with another name has become a target, or is another table that has the oid by now.
    const bool exists = table && table->name.name == record.name;
    if (exists && (!may_drop(*table) || !hold_same(*table, HeldFor::writing))) continue;
    if (exists) execute(drop_table(table->name));
    forget_hidden_table(record.oid);
    dropped += exists ? 1 : 0;
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

bool is_name_decoded(const std::string &schema) {
  return XLogLogicalInfoActive() && single<bool>(query(R"(
SELECT EXISTS (SELECT FROM pg_catalog.pg_publication p WHERE p.puballtables)
    OR EXISTS (
       SELECT FROM pg_catalog.pg_publication_namespace p
       JOIN pg_catalog.pg_namespace n ON n.oid = p.pnnspid
       WHERE n.nspname = $1)
    OR EXISTS (
       SELECT FROM pg_catalog.pg_replication_slots s
       WHERE s.slot_type = 'logical'
         AND s.plugin <> 'pgoutput'
         AND s.database = pg_catalog.current_database()))",
                                                       {schema}));
}

HeldRelation make_hidden_stage(std::int64_t run_id, const RunSpec &spec, const SyncPlan &plan) {
  const QualifiedName name = name_for(run_id, spec);
  query(create_shared_stage(name, plan));
  const HeldRelation made{find_target(name), name, GetUserId()};
  revoke_all(name, made.oid);
  record_hidden_table(run_id, spec, {made.oid, name.name});
  return made;
}

HeldRelation hide_target(std::int64_t run_id, const RunSpec &spec, unsigned int target_oid) {
  const QualifiedName name = name_for(run_id, spec);
  execute(rename_table(spec.target, name.name));
  record_hidden_table(run_id, spec, {target_oid, name.name});
  return {target_oid, name, GetUserId()};
}

void make_target(const HeldRelation &hidden, const RunSpec &spec) {
  execute(rename_table(hidden.name, spec.target.name));
  forget_hidden_table(hidden.oid);
}

void drop_hidden_table(const HeldRelation &hidden) {
  execute(drop_table(hidden.name));
  forget_hidden_table(hidden.oid);
}

namespace {

// Drops the hidden tables of the current role, whatever their target.
Row sweep(SharedRun &run, std::string_view) {
  run.run_id = -1;  // no session waits for it
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

// The entry point of a process that the launcher starts with the role of an owner of hidden tables.
PGDLLEXPORT void tablesync_sweep_worker(Datum argument);

void tablesync_sweep_worker(Datum argument) {
  using namespace tablesync;
  pg::enter([=] { pg::worker_main(argument, pg::sweep); });
}

PG_FUNCTION_INFO_V1(tablesync_drop_hidden_tables);

// tablesync.drop_hidden_tables(): drops those of runs that have ended.
Datum tablesync_drop_hidden_tables(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=]() -> Datum {
    static_cast<void>(fcinfo);
    PG_RETURN_INT32(pg::drop(pg::hidden_tables("")));
  });
}
}
