#include "pg/run/failed_start.h"

extern "C" {
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
}

#include <vector>

#include "pg/record/run_record.h"
#include "pg/run/run_steps.h"
#include "pg/server/airlock.h"
#include "pg/server/transaction.h"

namespace tablesync::pg {
namespace {

struct FailedStart {
  RunSpec spec;
  std::string mode;
  Oid role;
  Diagnostics failure;
  double at;
};

// Allocated at the first failure, so that no object of ours is destroyed when the process ends.
std::vector<FailedStart> *failed_starts = nullptr;

// A process that ends cannot be interrupted, so it must not wait for a lock. False also without the
// extension.
bool lock_records() {
  Oid const schema = get_namespace_oid("tablesync", true);
  Oid const table = OidIsValid(schema) ? get_relname_relid("run", schema) : InvalidOid;
  return OidIsValid(table) && ConditionalLockRelationOid(table, RowExclusiveLock);
}

void write(const FailedStart &start) {
  in_transaction([&] {
    XactReadOnly = false;
    if (!call(lock_records)) return;
    SetUserIdAndSecContext(start.role, SECURITY_LOCAL_USERID_CHANGE);
    record_failed_start(start.spec, start.mode, start.at, start.failure);
    SetUserIdAndSecContext(GetSessionUserId(), 0);
  });
}

// Uses a transaction of its own, as the server does to drop temporary tables.
void write_failed_starts(int, Datum) {
  enter([] {
    call([] { AbortOutOfAnyTransaction(); });
    for (const FailedStart &start : *failed_starts) write(start);
  });
}

}  // namespace

void remember_failed_start(const RunSpec &spec, const std::string &mode, unsigned int role,
                           const Diagnostics &failure) {
  constexpr size_t most = 100;
  if (failed_starts == nullptr) {
    call([] { before_shmem_exit(write_failed_starts, 0); });
    failed_starts = new std::vector<FailedStart>;
  }
  if (failed_starts->size() < most)
    failed_starts->push_back({spec, mode, role != 0 ? role : GetUserId(), failure, now_seconds()});
}

}  // namespace tablesync::pg
