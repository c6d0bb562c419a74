// What kind of failure of a run an error is, and the wait for the next attempt.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/spec/run_spec.h"
#include "pg/run/run_steps.h"
#include "pg/server/transaction.h"
#include "pg/worker/shared_run.h"

namespace tablesync::pg {

// Whether the source raised it: its cancels and timeouts are not ours. The line that the connection adds
// shows it, because the way through COPY FROM loses all else.
bool raised_by_source(const Diagnostics &failure);

// Whether the next attempt may succeed without anybody's doing.
bool is_transient(const Error &error);

// After a part has failed: lets `recover(failure, by_source)` do, in a transaction, what makes the rest
// independent of it. Returns whether that could be done; false for a cancel, which is meant for all of the
// run.
template <typename Recover>
bool recovered(const Diagnostics &failure, Recover recover) {
  bool recovered = false;
  const bool by_source = raised_by_source(failure);
  if (failure.sqlstate == sqlstate::canceled && !by_source) return false;
  in_transaction([&] { recovered = recover(failure, by_source); });
  return recovered;
}

// After the nth attempt has failed: records why, raises a NOTICE (`kept`: what has become of its work), and
// waits for the next one. Begins transactions.
void wait_for_next_attempt(const RunSpec &spec, std::int64_t run_id, RunSteps &steps, int attempt,
                           const Diagnostics &failure, const std::string &kept);

}  // namespace tablesync::pg
