#include "pg/run/run_steps.h"

extern "C" {
#include "postgres.h"

#include "utils/timestamp.h"
}

namespace tablesync::pg {

double now_seconds() {
  constexpr double postgres_epoch = 946684800;  // 2000-01-01, in seconds since 1970
  return static_cast<double>(GetCurrentTimestamp()) / 1e6 + postgres_epoch;
}

void RunSteps::enter(Phase phase, std::int64_t rows_expected) {
  leave();
  phase_ = phase;
  started_at_ = now_seconds();
  bytes_before_ = progress_.bytes.load();
  progress_.rows = 0;
  progress_.rows_expected = rows_expected;
  progress_.phase_started_us = GetCurrentTimestamp();
  progress_.phase = static_cast<int>(phase);
}

void RunSteps::leave() {
  // Waiting for another run is not a step of this one.
  if (phase_ != Phase::starting && phase_ != Phase::waiting) {
    RunStep step{name_of(phase_), started_at_, now_seconds()};
    step.detail = std::move(detail_);
    if (counts_rows(phase_)) step.rows = static_cast<std::int64_t>(progress_.rows.load());
    if (phase_ == Phase::copy) step.bytes = static_cast<std::int64_t>(progress_.bytes.load() - bytes_before_);
    done_.push_back(std::move(step));
  }
  phase_ = Phase::starting;
  detail_.clear();
}

void RunSteps::fold(const std::string &name) {
  leave();
  if (folded_ == done_.size()) return;
  RunStep all{name, done_[folded_].started_at, done_.back().finished_at, 0, 0};
  for (size_t n = folded_; n < done_.size(); ++n) {
    if (done_[n].name != name_of(Phase::copy)) continue;
    all.rows += done_[n].rows;
    all.bytes += done_[n].bytes;
  }
  done_.resize(folded_);
  progress_.rows_before += static_cast<std::uint64_t>(all.rows);
  if (folded_ > 0 && done_.back().name == name) {
    done_.back().finished_at = all.finished_at;
    done_.back().rows += all.rows;
    done_.back().bytes += all.bytes;
  } else {
    done_.push_back(std::move(all));
  }
  folded_ = done_.size();
}

}  // namespace tablesync::pg
