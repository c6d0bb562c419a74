// Run: one run, in its worker: its record, its locks, its transactions, its end. What it does in them is its
// Work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/spec/run_spec.h"
#include "pg/record/run_record.h"
#include "pg/run/run_kind.h"
#include "pg/run/run_steps.h"
#include "pg/run/target_lock.h"
#include "pg/run/work.h"
#include "pg/worker/shared_run.h"

namespace tablesync::pg {

struct RunTask {
  const RunSpec &spec;
  std::string mode;               // for its record
  std::vector<TargetLock> locks;  // of what nobody else may work on, in the order in which all take them
  // Throws where the current user has no right to what the locks are on: he must not keep those waiting who
  // have.
  std::function<void()> check_may_lock;
  std::function<std::unique_ptr<Work>(std::int64_t run_id, RunSteps &steps)> make_work;
  // Removes what runs of this target have left behind, in the current transaction. The locks are held.
  std::function<void()> drop_leftovers;
};

class Run {
 public:
  Run(SharedRun &shared, RunTask task);
  // To its end. Returns the columns of sync_table(), and those that the work adds; throws what it failed
  // with, its context complete.
  Row run();

 private:
  Row work();
  void do_work();
  StepEnd do_part();
  bool recover(const Diagnostics &failure);
  void record_commit();
  bool lock();
  bool lock(const TargetLock &lock);
  Diagnostics explain(Diagnostics failure) const;
  void describe_committed(Diagnostics &failure) const;
  std::string describe_kept() const { return kept_ ? "Committed work is kept" : "Nothing was changed"; }
  void fail(const Diagnostics &failure);
  void drop_leftovers();
  Row reply(const char *status) const;

  SharedRun &shared_;
  RunTask task_;
  const RunKind &kind_;
  std::int64_t run_id_ = 0;
  bool locked_ = false;  // the target
  std::int64_t started_ms_;
  RunSteps steps_{shared_.progress};
  // Gone where a part failed, and the connection to the source with it.
  std::unique_ptr<Work> work_;
  RunCounts done_;     // by the parts that are committed
  bool kept_ = false;  // some of it is such that a further run goes on from there
};

// For the worker's main function, around all of it: ends the context of every error and log line with the
// run.
void run_worker(unsigned long argument, Row (*task)(SharedRun &run, std::string_view request));

}  // namespace tablesync::pg
