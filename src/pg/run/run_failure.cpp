#include "pg/run/run_failure.h"

extern "C" {
#include "postgres.h"

#include "common/pg_prng.h"
}

#include "core/base/retry.h"
#include "core/base/text.h"
#include "pg/record/run_record.h"
#include "pg/run/run_notice.h"
#include "pg/server/airlock.h"
#include "pg/server/fault.h"
#include "pg/server/latch_host.h"
#include "remote/connection.h"

namespace tablesync::pg {

bool raised_by_source(const Diagnostics &failure) {
  return failure.context.find("remote server \"") != std::string::npos;
}

bool is_transient(const Error &error) {
  if (const auto *connecting = dynamic_cast<const remote::ConnectError *>(&error))
    return connecting->transient();
  return tablesync::is_transient(error.diagnostics().sqlstate, raised_by_source(error.diagnostics()));
}

void wait_for_next_attempt(const RunSpec &spec, std::int64_t run_id, RunSteps &steps, int attempt,
                           const Diagnostics &failure, const std::string &kept) {
  const double chance = call([] { return pg_prng_double(&pg_global_prng_state); });
  const std::int64_t wait_ms = retry_wait_ms(spec.retry_delay_ms, attempt, chance);
  steps.enter(Phase::retrying);
  in_transaction([&] { record_attempt(run_id, wait_ms, failure); });
  fault_point(FaultPoint::attempt_recorded);
  notice(spec,
         "attempt " + std::to_string(attempt) + " of " + std::to_string(1 + spec.max_retries) +
             " failed: " + failure.message,
         failure.detail,
         kept + "; the next attempt begins in " + human_seconds(static_cast<double>(wait_ms) / 1000) + ".");
  wait_for_ms(wait_ms);
}

}  // namespace tablesync::pg
