// The activity horizon of a source: a moment below which every transaction that could still write has ended.
// It is what an incremental watermark may not exceed, since a row becomes visible when its transaction
// commits, and carries a time from before that.
//
// It must be read before the transaction that reads rows takes its snapshot, in statements of its own:
// activity first, prepared transactions second. A transaction that ends between two of them is then seen by a
// later one.
#pragma once

#include <string>

#include "remote/connection.h"

namespace tablesync::remote {

struct Horizon {
  // The moment, in UTC and with zone; empty where nothing is proven.
  std::string instant;
  // The same without zone, as writers in `time_zone` would have it; never later than a row that is still to
  // come, also on the day when local clocks go back.
  std::string local;
  std::string clock;  // of the source, when it was read
  bool standby = false;
  bool hidden = false;     // some sessions may not be seen by this role: the lookback is used
  bool untracked = false;  // some sessions have track_activities off: the lookback is used
  bool prepared = false;   // prepared transactions, of which nobody knows when they began: nothing is proven
  std::string oldest_pid;  // the session that holds the horizon back; empty where there is none
  double oldest_seconds = 0;
};

// Reads it. `lookback_ms`: how long a transaction may last, where that cannot be seen. `time_zone`: of
// columns without zone; empty: the earlier of UTC and what the source's role is set to. Leaves an open
// transaction behind, to be ended by the caller (end_horizon), so that the next batch can carry that along.
Horizon read_horizon(Connection &connection, std::int64_t lookback_ms, const std::string &time_zone);

}  // namespace tablesync::remote
