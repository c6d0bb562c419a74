#include "pg/server/transaction.h"

extern "C" {
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}

namespace tablesync::pg::detail {

void start_transaction() {
  call([] {
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
  });
}

void commit_transaction() {
  call([] {
    PopActiveSnapshot();
    CommitTransactionCommand();
    pgstat_report_stat(true);
  });
}

void end_unused_transaction() {
  if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
    throw Error(sqlstate::internal, "the transaction to be ended has changed something");
  commit_transaction();
}

void abort_transaction() noexcept {
  // If AbortTransaction fails, we cannot recover either: the process will end.
  try {
    call([] { AbortOutOfAnyTransaction(); });
  } catch (const ServerError &) {
    return;
  }
}

Subtransaction start_subtransaction() {
  const Subtransaction outer{CurrentMemoryContext, CurrentResourceOwner};
  call([&] {
    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(static_cast<MemoryContext>(outer.memory_context));
  });
  return outer;
}

static void return_to(const Subtransaction &outer) {
  MemoryContextSwitchTo(static_cast<MemoryContext>(outer.memory_context));
  CurrentResourceOwner = static_cast<ResourceOwner>(outer.resource_owner);
}

void commit_subtransaction(const Subtransaction &outer) {
  call([] { ReleaseCurrentSubTransaction(); });
  return_to(outer);
}

void abort_subtransaction(const Subtransaction &outer) {
  // The rollback may delete the current context.
  return_to(outer);
  call([] { RollbackAndReleaseCurrentSubTransaction(); });
  return_to(outer);
}

Identity become_extension_owner() {
  return call([] {
    Oid const table = get_relname_relid("run", get_namespace_oid("tablesync", false));
    HeapTuple const tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "table tablesync.run does not exist");
    Oid const owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    Identity identity;
    GetUserIdAndSecContext(&identity.user, &identity.security_context);
    SetUserIdAndSecContext(
        owner, identity.security_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
    return identity;
  });
}

void restore_identity(const Identity &identity) noexcept {
  SetUserIdAndSecContext(identity.user, identity.security_context);
}

bool acts_as_replica() { return SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA; }

int push_setting(const char *name, const char *value) {
  return call([&] {
    int const level = NewGUCNestLevel();
    set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    return level;
  });
}

void pop_settings(int nest_level) noexcept {
  // AtEOXact_GUC raises an error only for broken nesting, which would be our bug.
  AtEOXact_GUC(false, nest_level);
}

}  // namespace tablesync::pg::detail
