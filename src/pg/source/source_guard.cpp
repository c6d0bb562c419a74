#include "pg/source/source_guard.h"

#include <algorithm>

#include "pg/run/run_notice.h"
#include "pg/server/latch_host.h"
#include "pg/server/transaction.h"

namespace tablesync::pg {
namespace {

constexpr std::int64_t first_wait_ms = 500, longest_wait_ms = 10'000;

// A run raises the NOTICE only once.
bool was_noticed(const RunSteps &steps) {
  return std::any_of(steps.done().begin(), steps.done().end(),
                     [](const RunStep &step) { return step.name == name_of(Phase::source_busy); });
}

void wait_while_busy(Source &source, const RunSpec &spec) {
  for (std::int64_t wait_ms = first_wait_ms;; wait_ms = std::min(2 * wait_ms, longest_wait_ms)) {
    wait_for_ms(wait_ms);
    if (describe_excess(spec.source_limits, source.load()).empty()) return;
  }
}

}  // namespace

void wait_for_source(Source &source, const RunSpec &spec, RunSteps &steps) {
  if (!spec.source_limits.any()) return;
  source.close();
  const std::string excess = describe_excess(spec.source_limits, source.load());
  between_transactions([&] {
    if (excess.empty()) return;
    const Phase interrupted = steps.phase();
    if (!was_noticed(steps)) notice(spec, "waiting for the source because " + excess);
    steps.enter(Phase::source_busy);
    wait_while_busy(source, spec);
    steps.enter(interrupted);
  });
}

}  // namespace tablesync::pg
