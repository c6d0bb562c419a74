// Upkeep of one database: closes the records of runs that a crash interrupted, goes on with those that may,
// and removes what they left. One pass is one process, which the launcher starts.
#pragma once

extern "C" {
#include "postgres.h"
}

#include <atomic>
#include <cstdint>

namespace tablesync::pg {

// Between the launcher and one pass, in shared memory.
struct UpkeepPass {
  enum Outcome : int { failed, no_extension, done };
  Oid database;
  std::atomic<int> outcome;            // failed until the end
  std::atomic<std::int64_t> again_ms;  // when there is more to do, at the latest; below 0: nothing is waiting
};

}  // namespace tablesync::pg
