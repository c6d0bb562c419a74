#include "pg/worker/worker_slot.h"

extern "C" {
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
}

#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "pg/server/airlock.h"
#include "pg/server/guc.h"

namespace tablesync::pg {
namespace {

// Counts workers of all databases of the server.
LOCKTAG tag_of(Oid role, int slot) {
  constexpr uint16 slot_kind = 0x7456;
  LOCKTAG tag{};
  tag.locktag_field2 = role;
  tag.locktag_field3 = static_cast<uint32>(slot);
  tag.locktag_field4 = slot_kind;
  tag.locktag_type = LOCKTAG_USERLOCK;
  tag.locktag_lockmethodid = USER_LOCKMETHOD;
  return tag;
}

int slots_of_role() {
  return max_workers_per_role >= 0 ? max_workers_per_role : std::max(1, max_worker_processes / 2);
}

[[noreturn]] void refuse(Oid role) {
  const char *const name = call([&] { return GetUserNameFromId(role, true); });
  const std::string count = std::to_string(slots_of_role());
  throw Error(sqlstate::out_of_resources,
              "role \"" + std::string(name != nullptr ? name : "") + "\" already has " + count +
                  " background worker" + (slots_of_role() == 1 ? "" : "s"),
              "tablesync.max_workers_per_role allows no more.",
              "Wait until one has ended, or have a superuser raise tablesync.max_workers_per_role.");
}

}  // namespace

int take_worker_slot(unsigned int role, SlotUntil until) {
  const bool of_process = until == SlotUntil::end_of_process;
  if (call([&] { return superuser_arg(role); })) return -1;
  for (int slot = 0; slot < slots_of_role(); ++slot) {
    const LOCKTAG tag = tag_of(role, slot);
    const LockAcquireResult taken = call([&] { return LockAcquire(&tag, ExclusiveLock, of_process, true); });
    if (taken == LOCKACQUIRE_OK) return slot;
    // This process holds the lock for another worker: a lock can be held twice, a slot cannot.
    if (taken != LOCKACQUIRE_NOT_AVAIL) call([&] { LockRelease(&tag, ExclusiveLock, of_process); });
  }
  refuse(role);
}

void release_worker_slot(unsigned int role, int slot) {
  if (slot < 0) return;
  const LOCKTAG tag = tag_of(role, slot);
  call([&] { LockRelease(&tag, ExclusiveLock, false); });
}

}  // namespace tablesync::pg
