// Classification of the errors of a run, and the wait for the next attempt.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/spec/run_spec.h"
#include "pg/run/run_steps.h"
#include "pg/server/transaction.h"
#include "pg/worker/shared_run.h"

namespace tablesync::pg {

// Whether the source raised the error: its cancels and timeouts are not ours. The context line of the
// connection shows that, because COPY FROM loses everything else.
bool raised_by_source(const Diagnostics &failure);

// Whether a retry may succeed without intervention.
bool is_transient(const Error &error);

// After a part has failed: runs `recover(failure, by_source)` in a transaction, which makes the rest
// independent of it. Returns whether that succeeded; false for a cancel, which applies to the whole run.
template <typename Recover>
bool recovered(const Diagnostics &failure, Recover recover) {
  bool recovered = false;
  const bool by_source = raised_by_source(failure);
  if (failure.sqlstate == sqlstate::canceled && !by_source) return false;
  in_transaction([&] { recovered = recover(failure, by_source); });
  return recovered;
}

// After the nth attempt has failed: records the error, raises a NOTICE (`kept`: the state of its work), and
// waits for the next attempt. Begins transactions.
void wait_for_next_attempt(const RunSpec &spec, std::int64_t run_id, RunSteps &steps, int attempt,
                           const Diagnostics &failure, const std::string &kept);

}  // namespace tablesync::pg
