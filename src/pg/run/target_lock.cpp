#include "pg/run/target_lock.h"

extern "C" {
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
}

#include <string>

#include "core/base/record.h"
#include "pg/server/airlock.h"
#include "pg/server/spi.h"

namespace tablesync::pg {
namespace {

// Mark our locks among user locks. The server itself does not use LOCKTAG_USERLOCK.
constexpr uint16 run_kind = 0x7453, definition_kind = 0x7454, pivot_kind = 0x7455;

// Two targets whose names have the same 64-bit hash would only wait for each other.
LOCKTAG tag_of(const QualifiedName &target, uint16 kind) {
  const std::string name = quote_qualified(target);
  const uint64 hash = hash_bytes_extended(reinterpret_cast<const unsigned char *>(name.data()),
                                          static_cast<int>(name.size()), 0);
  LOCKTAG tag{};
  tag.locktag_field1 = MyDatabaseId;
  tag.locktag_field2 = static_cast<uint32>(hash >> 32);
  tag.locktag_field3 = static_cast<uint32>(hash);
  tag.locktag_field4 = kind;
  tag.locktag_type = LOCKTAG_USERLOCK;
  tag.locktag_lockmethodid = USER_LOCKMETHOD;
  return tag;
}

LOCKTAG tag_of(const TargetLock &lock) { return tag_of(lock.target, lock.of_pivot ? pivot_kind : run_kind); }

LOCKMODE mode_of(const TargetLock &lock) { return lock.shared ? ShareLock : ExclusiveLock; }

int holder_of(const LOCKTAG &tag) {
  const Rows holders = query(R"(
SELECT l.pid
FROM pg_catalog.pg_locks l
WHERE l.locktype = 'userlock'
  AND l.granted
  AND l.database = $1::pg_catalog.oid
  AND l.pid <> pg_catalog.pg_backend_pid()
  AND l.classid = $2::pg_catalog.oid
  AND l.objid = $3::pg_catalog.oid
  AND l.objsubid = $4::pg_catalog.int2
LIMIT 1)",
                             {std::to_string(tag.locktag_field1), std::to_string(tag.locktag_field2),
                              std::to_string(tag.locktag_field3), std::to_string(tag.locktag_field4)});
  return single_or<std::optional<int>>(holders, 0).value_or(0);
}

}  // namespace

std::optional<int> try_lock_target(const TargetLock &lock) {
  const LOCKTAG tag = tag_of(lock);
  const LOCKMODE mode = mode_of(lock);
  if (call([&] { return LockAcquire(&tag, mode, true, true); }) != LOCKACQUIRE_NOT_AVAIL) return std::nullopt;
  return holder_of(tag);
}

void lock_target(const TargetLock &lock) {
  const LOCKTAG tag = tag_of(lock);
  const LOCKMODE mode = mode_of(lock);
  call([&] { LockAcquire(&tag, mode, true, false); });
}

void lock_definition(const QualifiedName &target) {
  const LOCKTAG tag = tag_of(target, definition_kind);
  call([&] { LockAcquire(&tag, ExclusiveLock, false, false); });
}

}  // namespace tablesync::pg
