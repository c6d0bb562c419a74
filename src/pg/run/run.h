// Run: one run, in its worker: its record, its locks, its transactions and its end. Its Work runs within
// these transactions.
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
  std::vector<TargetLock> locks;  // exclude other runs; all runs take them in the same order
  // Throws if the current user has no privilege on the locked objects, so that the user cannot block others.
  std::function<void()> check_may_lock;
  std::function<std::unique_ptr<Work>(std::int64_t run_id, RunSteps &steps)> make_work;
  // Removes leftovers of earlier runs of this target, in the current transaction. The locks are held.
  std::function<void()> drop_leftovers;
};

class Run {
 public:
  Run(SharedRun &shared, RunTask task);
  // Runs to the end. Returns the columns of sync_table() and those that the work adds. Throws the error of
  // the run with its complete context.
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
  // Null after a part failed: its connection to the source is closed.
  std::unique_ptr<Work> work_;
  RunCounts done_;     // of the committed parts
  bool kept_ = false;  // a further run can resume from committed work
};

// Wraps the worker's main function: adds the run as the last line of the context of every error and log line.
void run_worker(unsigned long argument, Row (*task)(SharedRun &run, std::string_view request));

}  // namespace tablesync::pg
