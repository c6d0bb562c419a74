// The lock that lets one run at a time work on a target. It is on the database and the qualified name, so it
// exists before the target does; it is a lock type of its own, so no advisory lock of a user can meet it.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/quote.h"

namespace tablesync::pg {

// A pivot's locks are on its prefix and on the names of its ships' tables. They are another kind than those
// of tables: no text that a caller gives to the one meets the other.
struct TargetLock {
  QualifiedName target;
  bool shared = false;  // with others that share it
  bool of_pivot = false;
};

// Takes the lock until the process ends, at once or not at all. Returns the process that holds it otherwise
// (0 where that one has just gone).
std::optional<int> try_lock_target(const TargetLock &lock);
// Takes the lock, waiting for it.
void lock_target(const TargetLock &lock);
// Takes another lock of that name until the end of the transaction: workers of one run change its tables one
// after the other.
void lock_definition(const QualifiedName &target);

}  // namespace tablesync::pg
