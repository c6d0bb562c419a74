// The activity horizon of a source: a moment below which every transaction that could still write has ended.
// It is what an incremental watermark may not exceed, since a row becomes visible when its transaction
// commits, and carries a time from before that.
//
// It must be read before the transaction that reads rows takes its snapshot, in statements of its own:
// activity first, prepared transactions second. A transaction that ends between two of them is then seen by a
// later one.
#pragma once

#include <cstdint>
#include <string>

#include "core/range/source.h"
#include "remote/connection.h"

namespace tablesync::remote {

// Reads it. `lookback_ms`: how long a transaction may last, where that cannot be seen. `time_zone`: of
// columns without zone; empty: the earlier of UTC and what the source's role is set to. Leaves an open
// transaction behind, to be ended by the caller (end_horizon), so that the next batch can carry that along.
Horizon read_horizon(Connection &connection, std::int64_t lookback_ms, const std::string &time_zone);

}  // namespace tablesync::remote
