// Upkeep of one database: closes the records of runs that a crash interrupted, resumes those that may be
// resumed, and removes what they left. One pass is one process, which the launcher starts.
#pragma once

extern "C" {
#include "postgres.h"
}

#include <atomic>
#include <cstdint>

namespace tablesync::pg {

// The shared memory of the launcher and one pass.
struct UpkeepPass {
  enum Outcome : int { failed, no_extension, done };
  Oid database;
  std::atomic<int> outcome;            // failed until the end
  std::atomic<std::int64_t> again_ms;  // until the next pass, at most; below 0: no run is waiting
};

}  // namespace tablesync::pg
