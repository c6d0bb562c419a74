// Loads the bytes of a binary COPY into a table here, through the server's own COPY FROM: no row is decoded
// or kept by us.
#pragma once

#include <cstdint>

#include "core/base/progress.h"
#include "core/base/quote.h"
#include "core/base/rate.h"
#include "core/table/sync_plan.h"
#include "remote/copy.h"

namespace tablesync::pg {

// Reads `source` to its end into the planned columns of `table` and returns the number of rows stored, which
// a BEFORE trigger can make fewer than were received. `is_new`: the table was made in this transaction, or is
// hidden until its run ends, so its rows can be stored frozen. Waits where it would read faster than `rate`;
// the source waits then, too.
std::int64_t load(remote::CopyOut &source, const QualifiedName &table, const SyncPlan &plan, bool is_new,
                  const Rate &rate, Progress &progress);

}  // namespace tablesync::pg
