// What each mode of a sync demands from its source.
#pragma once

#include "core/spec/sync_spec.h"
#include "core/table/table.h"

namespace tablesync {

// Throws where the mode of the call would miss changes of this source:
//   0A000  xmin mode, and not every change gives a row of the source another xmin
//   0A000  incremental mode without a lookback, and other servers or refreshes fill what the source reads
//   42P10  a mode that reads changes only, and no key (`keyed`) to match rows by
void check_mode(const SyncSpec &spec, const Table &source, bool keyed);

}  // namespace tablesync
