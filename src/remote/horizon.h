// The activity horizon of a source: a moment below which every transaction that could still write has ended.
// An incremental watermark may not exceed it, because a row becomes visible when its transaction commits, but
// has a time before that.
//
// It must be read before the transaction that reads rows takes its snapshot, in separate statements: activity
// first, prepared transactions second. Then a later statement sees a transaction that ends between two of
// them.
#pragma once

#include <cstdint>
#include <string>

#include "core/range/source.h"
#include "remote/connection.h"

namespace tablesync::remote {

// Reads the horizon. `lookback_ms`: the longest assumed transaction if transactions cannot be seen.
// `time_zone`: of columns without zone; empty: the earlier of UTC and the zone of the source's role. Leaves a
// transaction open, which the next batch of the caller must end.
Horizon read_horizon(Connection &connection, std::int64_t lookback_ms, const std::string &time_zone);

}  // namespace tablesync::remote
