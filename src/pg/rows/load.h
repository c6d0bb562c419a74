// Loads rows in the binary COPY format into a table of this server: through store_rows() if the table is
// plain, otherwise through the server's COPY FROM.
#pragma once

#include <cstdint>

#include "core/base/progress.h"
#include "core/base/quote.h"
#include "core/base/rate.h"
#include "core/base/row_source.h"
#include "core/table/sync_plan.h"

namespace tablesync::pg {

// Reads `source` to its end into the planned columns of `table` and returns the number of rows stored, which
// a BEFORE trigger can reduce. `is_new`: the table was created in this transaction, or is hidden until its
// run ends, so its rows can be stored frozen. Throttles reading to `rate`; then the source waits, too.
std::int64_t load(RowSource &source, const QualifiedName &table, const SyncPlan &plan, bool is_new,
                  const Rate &rate, Progress &progress);

}  // namespace tablesync::pg
