// Goes on with syncs that a crash or a shutdown interrupted, where their checkpoint says how far they were.
#pragma once

#include <cstdint>

namespace tablesync::pg {

// Starts an ordinary sync worker, as the owner of the sync, for each that may go on now, and waits for none
// of them. Returns in how many milliseconds the next one may, below 0 where none is waiting. Throws 53000
// where there was no free slot for a worker.
std::int64_t resume_interrupted();

}  // namespace tablesync::pg
