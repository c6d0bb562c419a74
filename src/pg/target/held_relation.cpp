#include "pg/target/held_relation.h"

extern "C" {
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

#include "core/base/error.h"
#include "pg/server/airlock.h"
#include "pg/server/compat.h"
#include "pg/server/fault.h"

namespace tablesync::pg {
namespace {

// ALTER SCHEMA .. RENAME takes no lock that another session could hold against it, but it updates the
// schema's row in pg_namespace, and its name is a key there: a key share lock on the row makes it wait, as a
// foreign key would. Only server calls. False where the row has changed or is gone.
bool lock_schema_row(Oid schema) {
  Relation const catalog = table_open(NamespaceRelationId, RowShareLock);
  HeapTuple const row = SearchSysCacheCopy1(NAMESPACEOID, ObjectIdGetDatum(schema));
  bool locked = false;
  if (HeapTupleIsValid(row)) {
    Buffer buffer = InvalidBuffer;
    TM_FailureData failure;
    locked = heap_lock_tuple(catalog, row, GetCurrentCommandId(false), LockTupleKeyShare, LockWaitBlock, true,
                             &buffer, &failure) == TM_Ok;
    ReleaseBuffer(buffer);
    heap_freetuple(row);
  }
  table_close(catalog, NoLock);
  return locked;
}

Oid schema_of_name(const std::string &name) {
  return call([&] {
    AcceptInvalidationMessages();
    return get_namespace_oid(name.c_str(), true);
  });
}

LOCKMODE mode_of(HeldFor purpose) { return purpose == HeldFor::writing ? RowExclusiveLock : AccessShareLock; }

Oid find(const QualifiedName &name, Oid schema) {
  return call([&] {
    AcceptInvalidationMessages();
    return get_relname_relid(name.name.c_str(), schema);
  });
}

Oid owner_of(Oid relation) {
  return call([&] {
    HeapTuple const row = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(row)) return InvalidOid;
    Oid const owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(row))->relowner;
    ReleaseSysCache(row);
    return owner;
  });
}

void check_usage(Oid schema, const std::string &name) {
  if (call([&] { return compat_aclcheck_schema(schema, GetUserId(), ACL_USAGE); }) == ACLCHECK_OK) return;
  const std::string user = call([] { return GetUserNameFromId(GetUserId(), false); });
  throw Error(sqlstate::insufficient_privilege, "permission denied for schema " + name, {},
              "GRANT USAGE ON SCHEMA " + display_name(name) + " TO " + display_name(user) + ".");
}

}  // namespace

unsigned int hold_schema(const std::string &name) {
  for (;;) {
    Oid const schema = schema_of_name(name);
    // Nothing can be written in recovery, not even a lock on a row.
    if (!OidIsValid(schema) || call([] { return RecoveryInProgress(); })) return schema;
    // A row that has changed is looked up again: the change can be seen by then.
    if (call([&] { return lock_schema_row(schema); }) && schema_of_name(name) == schema) return schema;
    call([] { CHECK_FOR_INTERRUPTS(); });
  }
}

std::optional<HeldRelation> hold_relation(const QualifiedName &name, HeldFor purpose,
                                          const CheckRights &check) {
  LOCKMODE const mode = mode_of(purpose);
  const auto find_schema = [&] {
    return purpose == HeldFor::looking ? schema_of_name(name.schema) : hold_schema(name.schema);
  };
  for (;;) {
    call([] { CHECK_FOR_INTERRUPTS(); });
    // Rights first: whoever has none must not take even the lock on the schema's row.
    Oid const unlocked_schema = schema_of_name(name.schema);
    if (!OidIsValid(unlocked_schema)) return std::nullopt;
    check_usage(unlocked_schema, name.schema);
    Oid const unlocked = find(name, unlocked_schema);
    if (!OidIsValid(unlocked)) return std::nullopt;
    check(unlocked);
    Oid const schema = find_schema();
    Oid const relation = OidIsValid(schema) ? find(name, schema) : InvalidOid;
    if (relation != unlocked) continue;
    call([&] { LockRelationOid(relation, mode); });
    if (schema_of_name(name.schema) == schema && find(name, schema) == relation) {
      check(relation);
      return HeldRelation{relation, name, owner_of(relation)};
    }
    call([&] { UnlockRelationOid(relation, mode); });
  }
}

bool hold_same(const HeldRelation &relation, HeldFor purpose) {
  LOCKMODE const mode = mode_of(purpose);
  Oid const schema = hold_schema(relation.name.schema);
  // What has another name by now may be anybody's: not even its lock is waited for.
  if (!OidIsValid(schema) || find(relation.name, schema) != relation.oid) return false;
  call([&] { LockRelationOid(relation.oid, mode); });
  return find(relation.name, schema) == relation.oid && owner_of(relation.oid) == relation.owner;
}

void hold_again(const HeldRelation &relation, HeldFor purpose) {
  if (hold_same(relation, purpose)) return;
  throw Error("40001", "table \"" + display_name(relation.name) + "\" was replaced during the run",
              "Another table has its name, it has another owner, or it is gone.", "Run it again.");
}

std::optional<HeldRelation> look_up_relation(unsigned int oid) {
  const char *const schema = call([&] { return get_namespace_name(get_rel_namespace(oid)); });
  const char *const name = call([&] { return get_rel_name(oid); });
  if (schema == nullptr || name == nullptr) return std::nullopt;
  return HeldRelation{oid, {schema, name}, owner_of(oid)};
}

std::vector<unsigned int> with_descendants(unsigned int table) {
  struct {
    Oid *oids;
    int count;
  } found = call([&] {
    List *const list = find_all_inheritors(table, NoLock, nullptr);
    decltype(found) all{static_cast<Oid *>(palloc(sizeof(Oid) * static_cast<Size>(list_length(list)))),
                        list_length(list)};
    for (int n = 0; n < all.count; ++n) all.oids[n] = list_nth_oid(list, n);
    return all;
  });
  return {found.oids, found.oids + found.count};
}

// A lock on a partitioned table alone lets others write its partitions by their own names. The first one
// keeps partitions from being added.
bool try_lock_exclusively(unsigned int table) {
  const auto try_lock = [](unsigned int oid) {
    return call([&] { return ConditionalLockRelationOid(oid, ShareRowExclusiveLock); });
  };
  if (!try_lock(table)) return false;
  std::vector<unsigned int> locked;
  for (const unsigned int oid : with_descendants(table)) {
    if (!is_ablated(Ablation::leaf_locks) && !try_lock(oid)) {
      locked.push_back(table);
      for (const unsigned int other : locked) call([&] { UnlockRelationOid(other, ShareRowExclusiveLock); });
      return false;
    }
    locked.push_back(oid);
  }
  return true;
}

}  // namespace tablesync::pg
