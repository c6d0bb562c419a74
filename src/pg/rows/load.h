// Loads rows in the binary COPY format into a table of this server: through store_rows() where the table is
// plain, else through the server's own COPY FROM.
#pragma once

#include <cstdint>

#include "core/base/progress.h"
#include "core/base/quote.h"
#include "core/base/rate.h"
#include "core/base/row_source.h"
#include "core/table/sync_plan.h"

namespace tablesync::pg {

// Reads `source` to its end into the planned columns of `table` and returns the number of rows stored, which
// a BEFORE trigger can make fewer than were received. `is_new`: the table was made in this transaction, or is
// hidden until its run ends, so its rows can be stored frozen. Waits where it would read faster than `rate`;
// the source waits then, too.
std::int64_t load(RowSource &source, const QualifiedName &table, const SyncPlan &plan, bool is_new,
                  const Rate &rate, Progress &progress);

}  // namespace tablesync::pg
