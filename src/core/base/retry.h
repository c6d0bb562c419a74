// Retry: which failures are transient, and how long to wait before the next attempt.
#pragma once

#include <cstdint>
#include <string_view>

namespace tablesync {

// Whether a retry may succeed after this SQLSTATE without intervention: a connection was lost or refused, a
// server stops, starts or has no room for another session, a recovery conflict, a deadlock (classes 08, 40,
// 53 and 57P of "Appendix A. PostgreSQL Error Codes"). `on_source`: the source raised it. A termination
// raised by this server is not transient, because an administrator asked for it.
bool is_transient(std::string_view sqlstate, bool on_source);

// Milliseconds to wait after failed attempt `attempt` (from 1): `first_ms`, doubled with each attempt up to 5
// minutes. The later half of the wait is random, so that runs that failed together do not retry together.
// `chance`: 0 to 1.
std::int64_t retry_wait_ms(std::int64_t first_ms, int attempt, double chance);

}  // namespace tablesync
