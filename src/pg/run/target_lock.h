// The lock that allows only one run at a time on a target. It is on the database and the qualified name, so
// it can be taken before the target exists. It has its own lock type, so it never conflicts with advisory
// locks of users.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/quote.h"

namespace tablesync::pg {

// The locks of a pivot are on its prefix and on the names of its ships' tables. Their kind differs from that
// of tables, so the two never conflict, whatever names a caller passes.
struct TargetLock {
  QualifiedName target;
  bool shared = false;  // a shared lock
  bool of_pivot = false;
};

// Takes the lock until the process ends, if that is possible without waiting. Otherwise returns the process
// that holds it (0 if that has just ended).
std::optional<int> try_lock_target(const TargetLock &lock);
// Waits for the lock and takes it.
void lock_target(const TargetLock &lock);
// Takes another lock of that name until the end of the transaction, so that the workers of one run change its
// tables one after the other.
void lock_definition(const QualifiedName &target);

}  // namespace tablesync::pg
