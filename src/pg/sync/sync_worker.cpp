// One run of sync_table, in its worker: its record, its lock, its transactions, its end. The way of the rows
// is in table_sync.h.
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

#include "core/error.h"
#include "core/sync_spec.h"
#include "core/text.h"
#include "pg/server/airlock.h"
#include "pg/server/fault.h"
#include "pg/server/latch_host.h"
#include "pg/server/session_option.h"
#include "pg/server/shared_run.h"
#include "pg/server/transaction.h"
#include "pg/server/worker.h"
#include "pg/sync/chunked_sync.h"
#include "pg/sync/hidden_table.h"
#include "pg/sync/run_failure.h"
#include "pg/sync/run_record.h"
#include "pg/sync/run_settings.h"
#include "pg/sync/table_verify.h"
#include "pg/sync/target_lock.h"
#include "pg/sync/upkeep_record.h"

namespace tablesync::pg {
namespace {

// The last line of the context of every error and log line of this process.
struct RunContext {
  char text[1024] = "";
} run_context;

void add_run_context(void *) {
  if (run_context.text[0] != 0) errcontext("%s", run_context.text);
}

class SyncRun {
 public:
  SyncRun(SharedRun &shared, SyncSpec spec) : shared_(shared), spec_(std::move(spec)) {}
  Row run();

 private:
  Row work();
  void do_work();
  bool do_part();
  bool absorb(const Diagnostics &said);
  std::unique_ptr<Work> make_work();
  void keep_books();
  bool lock();
  Diagnostics explain(Diagnostics said) const;
  std::string tell_kept() const { return kept_ ? "What is committed stays" : "Nothing was changed"; }
  void fail(const Diagnostics &said);
  void drop_remains();
  Row reply(const char *status) const;

  SharedRun &shared_;
  SyncSpec spec_;
  std::int64_t run_id_ = 0;
  bool locked_ = false;  // the target
  std::int64_t started_ms_ = steady_ms();
  RunSteps steps_{shared_.progress};
  // Gone where a part failed, and the connection to the source with it.
  std::unique_ptr<Work> work_;
  RunCounts done_;     // by the parts that are committed
  bool kept_ = false;  // some of it is such that a further run goes on from there
};

Row SyncRun::run() {
  try {
    return work();
  } catch (const Error &error) {
    detail::abort_transaction();
    const Diagnostics said = explain(error.diagnostics());
    fail(said);
    throw ServerError(said);  // its context is complete
  }
}

// What the user is told of a failure: which of the ways to be stopped it was, and in which run.
Diagnostics SyncRun::explain(Diagnostics said) const {
  const std::string subject = spec_.command == Command::sync ? "the sync" : "the verification";
  if (said.sqlstate == sqlstate::canceled && !raised_by_source(said)) {
    const bool timed_out = spec_.timeout_ms > 0 && steady_ms() - started_ms_ >= spec_.timeout_ms;
    if (termination_requested()) {
      said.sqlstate = sqlstate::admin_shutdown;
      said.message = subject + " was terminated";
    } else if (timed_out) {
      said.message = subject + " took longer than its timeout of " +
                     human_seconds(static_cast<double>(spec_.timeout_ms) / 1000);
      said.hint = tell_kept() + ". Pass a longer timeout: options => '{\"timeout\": \"10min\"}'.";
    } else {
      said.message = subject + " was canceled";
    }
    said.context.clear();  // where it was at that moment says nothing
  }
  if (said.sqlstate == sqlstate::lock_not_available && said.hint.empty() && !raised_by_source(said))
    said.hint = "Another session holds a lock on \"" + display_name(spec_.target) +
                "\": see pg_locks. The time to wait is lock_timeout of the calling session, or 60 s.";
  said.context = shorten_own_statements(said.context);
  if (said.context.find(run_context.text) == std::string::npos) add_context(said, run_context.text);
  return said;
}

Row SyncRun::work() {
  fault_point(FaultPoint::worker_started);
  in_transaction([&] {
    apply_settings(spec_);
    run_id_ = begin_run(spec_, shared_.progress_handle);
    fault_point(FaultPoint::run_begun);
  });
  strlcpy(run_context.text,
          ("run " + std::to_string(run_id_) + " of " + name_of(spec_.command) + " " + describe_spec(spec_))
              .c_str(),
          sizeof run_context.text);
  shared_.run_id = run_id_;
  fault_point(FaultPoint::run_recorded);
  if (spec_.timeout_ms > 0)
    call([&] { enable_timeout_after(STATEMENT_TIMEOUT, static_cast<int>(spec_.timeout_ms)); });

  in_transaction([&] {
    locked_ = lock();
    if (locked_) {
      close_interrupted(display_name(spec_.target));
      drop_hidden_tables_of(spec_);
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
  keep_books();
  return reply("succeeded");
}

// Does the work, one transaction after the other; where a part fails in a way that may pass, again from what
// is committed.
void SyncRun::do_work() {
  bool last = false;
  for (int attempt = 1; !last;) {
    try {
      in_transaction([&] { last = do_part(); });
      done_ += work_->counts();
      if (work_->progressed()) attempt = 1;
      kept_ = kept_ || work_->progressed();
    } catch (const Error &error) {
      last = false;
      if (absorb(error.diagnostics())) continue;
      if (attempt > spec_.max_retries || !may_pass(error)) throw;
      work_.reset();
      in_transaction([&] { drop_hidden_tables_of(spec_); });
      wait_for_next_attempt(spec_, run_id_, steps_, attempt++, error.diagnostics(), tell_kept());
    }
  }
}

bool SyncRun::absorb(const Diagnostics &said) {
  return work_ && absorbed(said, [&](const Diagnostics &error, bool by_source) {
           return work_->absorb(error, by_source);
         });
}

bool SyncRun::do_part() {
  fault_point(FaultPoint::work_begun);
  if (!work_) work_ = make_work();
  const bool last = work_->step();
  fault_point(FaultPoint::watermark_written);
  steps_.leave();
  if (last) {
    RunCounts all = done_;
    all += work_->counts();
    finish_run(run_id_,
               {"succeeded", all, work_->told_watermark(), nullptr, work_->consistent(), work_->first_xid()},
               steps_.done());
    fault_point(FaultPoint::run_finished);
  }
  steps_.enter(Phase::commit);
  return last;
}

std::unique_ptr<Work> SyncRun::make_work() {
  if (spec_.command == Command::sync) return std::make_unique<ChunkedSync>(spec_, run_id_, steps_);
  return std::make_unique<TableVerify>(spec_, run_id_, steps_);
}

// The data is safe: what fails from here on, a cancel say, is not the run.
void SyncRun::keep_books() {
  try {
    in_transaction([&] {
      set_session_option("synchronous_commit", "off");
      forget_dropped_targets();
      after_commit(run_id_, static_cast<int>(steps_.done().size()), steps_.done().back());
    });
    fault_point(FaultPoint::books_kept);
  } catch (const ServerError &error) {
    const char *const message = error.what();
    call([&] { ereport(LOG, (errmsg("could not finish the record of a run that succeeded: %s", message))); });
  }
}

// Takes the target's lock. False where the call is to be skipped.
bool SyncRun::lock() {
  steps_.enter(Phase::waiting);
  if (spec_.if_running == IfRunning::wait) {
    // As long as it takes: the other run has limits of its own.
    const std::string limit = session_option("lock_timeout");
    set_session_option("lock_timeout", "0");
    lock_target(spec_.target);
    set_session_option("lock_timeout", limit);
    return true;
  }
  const std::optional<int> holder = try_lock_target(spec_.target);
  if (!holder) return true;
  if (spec_.if_running == IfRunning::skip) return false;
  throw Error(
      sqlstate::lock_not_available,
      "table \"" + display_name(spec_.target) + "\" is being synced by process " + std::to_string(*holder),
      {}, "Wait for it, or pass options => '{\"if_running\": \"wait\"}' (or \"skip\").");
}

// What loaders have filled in vain. Where it cannot be dropped now, the next run of this target does that.
void SyncRun::drop_remains() {
  if (!locked_) return;
  try {
    in_transaction([&] { drop_hidden_tables_of(spec_); });
  } catch (const Error &) {
    detail::abort_transaction();
  }
}

// Writes the end of a failed run. Where even that fails, the log has the error, and the next run of this
// target closes the record.
void SyncRun::fail(const Diagnostics &said) {
  if (run_id_ == 0) return;
  const bool canceled = !raised_by_source(said) &&
                        (said.sqlstate == sqlstate::canceled || said.sqlstate == sqlstate::admin_shutdown);
  const bool interrupted = canceled && termination_requested() && server_is_stopping();
  const char *const status = interrupted ? "interrupted" : canceled ? "canceled" : "failed";
  work_.reset();
  steps_.leave();
  drop_remains();
  // A second signal (a shutdown sends one by way of the caller too) must not keep the first from being
  // recorded.
  for (int attempt = 1; attempt <= 2; ++attempt) {
    try {
      call([] { disable_timeout(STATEMENT_TIMEOUT, false); });
      in_transaction([&] {
        finish_run(run_id_, {status, {}, {}, &said}, steps_.done());
        fault_point(FaultPoint::failure_recorded);
      });
      return;
    } catch (const Error &) {
      detail::abort_transaction();
    }
  }
}

// The columns of sync_table(), and what the work tells beside.
Row SyncRun::reply(const char *status) const {
  const auto count = [](std::int64_t rows) { return Cell(std::to_string(rows)); };
  const std::string watermark = work_ ? work_->told_watermark() : "";
  Row row{count(run_id_),
          std::string(status),
          count(done_.read),
          count(done_.inserted),
          count(done_.updated),
          count(done_.deleted),
          count(done_.unchanged),
          count(done_.rejected),
          watermark.empty() ? Cell() : Cell(watermark),
          std::to_string(static_cast<double>(steady_ms() - started_ms_) / 1000) + " seconds",
          work_ ? Cell(work_->consistent() ? "t" : "f") : Cell()};
  if (work_)
    for (const Cell &cell : work_->told()) row.push_back(cell);
  return row;
}

Row sync_task(SharedRun &shared, std::string_view request) {
  SyncSpec spec = deserialize_sync_spec(request);
  const std::string activity = std::string(name_of(spec.command)) + " " + describe_spec(spec);
  call([&] { pgstat_report_activity(STATE_RUNNING, activity.c_str()); });
  SyncRun run(shared, std::move(spec));
  return run.run();
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

// The entry of the worker process of one sync_table() call.
PGDLLEXPORT void tablesync_sync_worker(Datum argument);

void tablesync_sync_worker(Datum argument) {
  using namespace tablesync;
  ErrorContextCallback callback{error_context_stack, pg::add_run_context, nullptr};
  error_context_stack = &callback;
  pg::enter([=] { pg::worker_main(argument, pg::sync_task); });
  error_context_stack = callback.previous;
}
}
