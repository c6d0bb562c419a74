// Retry: which failures pass by themselves, and how long to wait until the next attempt.
#pragma once

#include <cstdint>
#include <string_view>

namespace tablesync {

// Whether what failed with this SQLSTATE may work the next time without anybody's doing: a connection that
// was lost or refused, a server that stops or starts or has no room for another session, a recovery conflict,
// a deadlock (classes 08, 40, 53 and 57P of "Appendix A. PostgreSQL Error Codes"). `on_source`: the source
// raised it. Terminated here, somebody wants an end.
bool is_transient(std::string_view sqlstate, bool on_source);

// Milliseconds to wait after failed attempt `attempt` (from 1): `first_ms`, doubled with each attempt up to 5
// minutes, of which the later half is left to chance, so that those who failed together do not come back
// together. `chance`: 0 to 1.
std::int64_t retry_wait_ms(std::int64_t first_ms, int attempt, double chance);

}  // namespace tablesync
