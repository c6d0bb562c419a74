#include "pg/run/run.h"

extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/timeout.h"
}

#include <algorithm>
#include <memory>
#include <optional>

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/record/chunk_record.h"
#include "pg/record/run_record.h"
#include "pg/record/upkeep_record.h"
#include "pg/run/run_failure.h"
#include "pg/run/run_kind.h"
#include "pg/run/run_settings.h"
#include "pg/run/target_lock.h"
#include "pg/server/airlock.h"
#include "pg/server/clipped.h"
#include "pg/server/fault.h"
#include "pg/server/latch_host.h"
#include "pg/server/session_option.h"
#include "pg/server/transaction.h"
#include "pg/worker/shared_run.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {
namespace {

// The last line of the context of every error and log line of this process.
struct RunContext {
  char text[1024] = "";
} run_context;

void add_run_context(void *) {
  if (run_context.text[0] != 0) errcontext("%s", run_context.text);
}

}  // namespace

Run::Run(SharedRun &shared, RunTask task)
    : shared_(shared), task_(std::move(task)), kind_(kind_of(task_.spec)), started_ms_(steady_ms()) {}

Row Run::run() {
  try {
    return work();
  } catch (const Error &error) {
    detail::abort_transaction();
    const Diagnostics failure = explain(error.diagnostics());
    fail(failure);
    throw ServerError(failure);  // its context is complete
  }
}

// Completes the error for the user: how the run was stopped, and which run it was.
Diagnostics Run::explain(Diagnostics failure) const {
  const std::string subject = kind_.called;
  if (failure.sqlstate == sqlstate::canceled && !raised_by_source(failure)) {
    const bool timed_out = task_.spec.timeout_ms > 0 && steady_ms() - started_ms_ >= task_.spec.timeout_ms;
    // A canceled caller also ends its worker with SIGTERM.
    if (termination_requested() && !shared_.caller_failed) {
      failure.sqlstate = sqlstate::admin_shutdown;
      failure.message = subject + " was terminated";
    } else if (timed_out) {
      failure.message = subject + " took longer than its timeout of " +
                        human_seconds(static_cast<double>(task_.spec.timeout_ms) / 1000);
      failure.hint = describe_kept() + ". Pass a longer timeout: options => '{\"timeout\": \"10min\"}'.";
    } else {
      failure.message = subject + " was canceled";
    }
    describe_committed(failure);
    failure.context.clear();  // the place of the cancel is irrelevant
  }
  if (failure.sqlstate == sqlstate::lock_not_available && failure.hint.empty() && !raised_by_source(failure))
    failure.hint =
        "Another session holds a lock on \"" + display_name(task_.spec.target) +
        "\"; see pg_locks. The run waits for lock_timeout of the calling session, or for 60 s if it is 0.";
  failure.context = shorten_own_statements(failure.context);
  if (failure.context.find(run_context.text) == std::string::npos) add_context(failure, run_context.text);
  return failure;
}

// Adds the committed part of a run in chunks that was stopped.
void Run::describe_committed(Diagnostics &failure) const {
  if (run_id_ == 0) return;
  DoneChunks done;
  try {
    in_transaction([&] { done = count_done_chunks(run_id_); });
  } catch (const Error &) {
    detail::abort_transaction();
  }
  if (done.chunks == 0) return;
  failure.detail = with_commas(done.chunks) + (done.chunks == 1 ? " chunk with " : " chunks with ") +
                   with_commas(done.rows) + (done.rows == 1 ? " row " : " rows ") +
                   (done.chunks == 1 ? "is" : "are") + " committed.";
  if (task_.spec.enable_checkpoint && failure.hint.empty())
    failure.hint = "The same call resumes from there.";
}

Row Run::work() {
  fault_point(FaultPoint::worker_started);
  const std::string activity = std::string(kind_.command) + " " + describe_spec(task_.spec);
  call([&] { pgstat_report_activity(STATE_RUNNING, activity.c_str()); });
  in_transaction([&] {
    apply_settings(task_.spec);
    run_id_ = begin_run(task_.spec, task_.mode, shared_.progress_handle);
    fault_point(FaultPoint::run_begun);
  });
  copy_clipped(run_context.text, "run " + std::to_string(run_id_) + " of " + activity);
  shared_.run_id = run_id_;
  fault_point(FaultPoint::run_recorded);
  if (task_.spec.timeout_ms > 0)
    call([&] { enable_timeout_after(STATEMENT_TIMEOUT, static_cast<int>(task_.spec.timeout_ms)); });

  in_transaction([&] {
    task_.check_may_lock();
    locked_ = lock();
    if (locked_) {
      close_interrupted(display_name(task_.spec.target));
      task_.drop_leftovers();
    }
    fault_point(FaultPoint::target_locked);
  });
  if (!locked_) {
    in_transaction([&] { finish_run(run_id_, {"skipped", {}, {}}, steps_.done()); });
    return reply("skipped");
  }

  do_work();
  fault_point(FaultPoint::committed);
  steps_.leave();
  call([] { disable_timeout(STATEMENT_TIMEOUT, false); });
  record_commit();
  return reply("succeeded");
}

// Does the work, one transaction after the other. After a transient failure of a part, retries from the
// committed state.
void Run::do_work() {
  StepEnd end = StepEnd::more;
  for (int attempt = 1; end != StepEnd::done;) {
    try {
      in_transaction_unless([&] { return (end = do_part()) == StepEnd::again; });
      if (end == StepEnd::again) continue;
      done_ += work_->counts();
      if (work_->progressed()) attempt = 1;
      kept_ = kept_ || work_->progressed();
    } catch (const Error &error) {
      end = StepEnd::more;
      if (recover(error.diagnostics())) continue;
      if (attempt > task_.spec.max_retries || !is_transient(error)) throw;
      work_.reset();
      in_transaction([&] { task_.drop_leftovers(); });
      wait_for_next_attempt(task_.spec, run_id_, steps_, attempt++, error.diagnostics(), describe_kept());
    }
  }
}

bool Run::recover(const Diagnostics &failure) {
  return work_ && recovered(failure, [&](const Diagnostics &error, bool by_source) {
           return work_->recover(error, by_source);
         });
}

StepEnd Run::do_part() {
  fault_point(FaultPoint::work_begun);
  if (!work_) work_ = task_.make_work(run_id_, steps_);
  const StepEnd end = work_->step();
  if (end == StepEnd::again) return end;
  fault_point(FaultPoint::watermark_written);
  steps_.leave();
  if (end == StepEnd::done) {
    RunCounts all = done_;
    all += work_->counts();
    finish_run(run_id_,
               {"succeeded", all, work_->watermark(), nullptr, work_->consistent(), work_->first_xid()},
               steps_.done());
    fault_point(FaultPoint::run_finished);
  }
  steps_.enter(Phase::commit);
  return end;
}

// The data is committed: a later failure, for example a cancel, does not make the run fail.
void Run::record_commit() {
  try {
    in_transaction([&] {
      set_session_option("synchronous_commit", "off");
      forget_dropped_targets();
      after_commit(run_id_, static_cast<int>(steps_.done().size()), steps_.done().back());
    });
    fault_point(FaultPoint::commit_recorded);
  } catch (const ServerError &error) {
    const char *const message = error.what();
    call([&] { ereport(LOG, (errmsg("could not finish the record of a run that succeeded: %s", message))); });
  }
}

// Takes the target's locks. Returns false if the run is to be skipped.
bool Run::lock() {
  steps_.enter(Phase::waiting);
  return std::all_of(task_.locks.begin(), task_.locks.end(),
                     [&](const TargetLock &one) { return lock(one); });
}

bool Run::lock(const TargetLock &lock) {
  if (task_.spec.if_running == IfRunning::wait) {
    // Without a limit, because the other run has its own limits.
    with_setting("lock_timeout", "0", [&] { lock_target(lock); });
    return true;
  }
  const std::optional<int> holder = try_lock_target(lock);
  if (!holder) return true;
  if (task_.spec.if_running == IfRunning::skip) return false;
  throw Error(sqlstate::lock_not_available,
              std::string(kind_.locked_noun) + " \"" + display_name(lock.target) + "\" " +
                  kind_.locked_state + " by process " + std::to_string(*holder),
              {}, "Wait for it, or pass options => '{\"if_running\": \"wait\"}' (or \"skip\").");
}

// Drops tables that loaders have filled. If that fails, the next run of this target drops them.
void Run::drop_leftovers() {
  if (!locked_) return;
  try {
    in_transaction([&] { task_.drop_leftovers(); });
  } catch (const Error &) {
    detail::abort_transaction();
  }
}

// Writes the end of a failed run. If even that fails, the log has the error, and the next run of this target
// closes the record.
void Run::fail(const Diagnostics &failure) {
  if (run_id_ == 0) return;
  const bool canceled = !raised_by_source(failure) && (failure.sqlstate == sqlstate::canceled ||
                                                       failure.sqlstate == sqlstate::admin_shutdown);
  const bool interrupted = canceled && termination_requested() && server_is_stopping();
  const char *const status = interrupted ? "interrupted" : canceled ? "canceled" : "failed";
  work_.reset();
  steps_.leave();
  drop_leftovers();
  // A second signal (a shutdown also sends one through the caller) must not prevent the record of the first.
  for (int attempt = 1; attempt <= 2; ++attempt) {
    try {
      call([] { disable_timeout(STATEMENT_TIMEOUT, false); });
      in_transaction([&] {
        finish_run(run_id_, {status, {}, {}, &failure}, steps_.done());
        fault_point(FaultPoint::failure_recorded);
      });
      return;
    } catch (const Error &) {
      detail::abort_transaction();
    }
  }
}

Row Run::reply(const char *status) const {
  RunReply reply;
  reply.seconds = static_cast<double>(steady_ms() - started_ms_) / 1000;
  RunResult &result = reply.result;
  result.run_id = run_id_;
  result.status = status;
  result.read = done_.read;
  result.inserted = done_.inserted;
  result.updated = done_.updated;
  result.deleted = done_.deleted;
  result.unchanged = done_.unchanged;
  result.rejected = done_.rejected;
  result.duration = std::to_string(reply.seconds) + " seconds";
  if (work_) {
    result.watermark = work_->watermark();
    result.consistent = work_->consistent();
    reply.details = work_->extra_columns();
  }
  return encode_reply(reply);
}

void run_worker(unsigned long argument, Row (*task)(SharedRun &run, std::string_view request)) {
  ErrorContextCallback callback{error_context_stack, add_run_context, nullptr};
  error_context_stack = &callback;
  enter([=] { worker_main(argument, task); });
  error_context_stack = callback.previous;
}

}  // namespace tablesync::pg
