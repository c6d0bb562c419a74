// RunSteps: the phases of one run. Entering a phase publishes it as live progress and ends the previous one,
// which becomes a step of the run's record.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/progress.h"
#include "pg/record/run_record.h"

namespace tablesync::pg {

// The current time as a Unix time.
double now_seconds();

class RunSteps {
 public:
  explicit RunSteps(Progress &progress) : progress_(progress) {}

  // `rows_expected` below 0: unknown.
  void enter(Phase phase, std::int64_t rows_expected = -1);
  // Adds to the record of the current phase which way it takes, and why.
  void explain(const std::string &detail) { detail_ = detail; }
  // Merges the steps after the last fold() into one step of this name, together with the last fold of that
  // name.
  void fold(const std::string &name);
  // Ends the current phase, if there is one.
  void leave();

  Phase phase() const { return phase_; }
  Progress &progress() const { return progress_; }
  const std::vector<RunStep> &done() const { return done_; }

 private:
  Progress &progress_;
  Phase phase_ = Phase::starting;
  double started_at_ = 0;
  std::uint64_t bytes_before_ = 0;
  std::string detail_;
  std::vector<RunStep> done_;
  size_t folded_ = 0;  // number of folded steps
};

}  // namespace tablesync::pg
