// Resumes runs that a crash or a shutdown interrupted, from their checkpoints.
#pragma once

#include <cstdint>

namespace tablesync::pg {

// Starts an ordinary worker for each run that may be resumed now, with the role of its owner, and does not
// wait for it. Returns the milliseconds until the next run may be resumed; below 0: none is waiting. Throws
// 53000 where no worker slot was free.
std::int64_t resume_interrupted();

}  // namespace tablesync::pg
