// One run of sync_table, in its worker: the way of the rows from the source to the target.
//
//   open the source -> describe both sides -> plan -> copy into the target or the stage -> apply -> commit
extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/timeout.h"
}

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "core/deparse.h"
#include "core/error.h"
#include "core/sync_plan.h"
#include "core/sync_spec.h"
#include "core/text.h"
#include "pg/server/airlock.h"
#include "pg/server/foreign_server.h"
#include "pg/server/guc.h"
#include "pg/server/latch_host.h"
#include "pg/server/shared_run.h"
#include "pg/server/spi.h"
#include "pg/server/transaction.h"
#include "pg/server/worker.h"
#include "pg/sync/apply.h"
#include "pg/sync/load.h"
#include "pg/sync/run_record.h"
#include "pg/sync/target.h"
#include "pg/sync/target_lock.h"
#include "remote/source.h"

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
  void keep_books();
  bool lock();
  void describe();
  void open_target();
  void refuse_same_table() const;
  void refuse_unknown_content() const;
  void copy();
  void copy_into_target(remote::CopyOut &source);
  void copy_into_stage(remote::CopyOut &source);
  void finish_new_target();
  Diagnostics explain(Diagnostics said) const;
  void fail(const Diagnostics &said);
  Row reply(const char *status) const;

  SharedRun &shared_;
  SyncSpec spec_;
  std::int64_t run_id_ = 0;
  double started_ = now_seconds();
  LatchHost host_;
  std::optional<remote::Source> source_;
  Table target_;
  SyncPlan plan_;
  bool target_is_new_ = false;
  bool target_is_empty_ = false;
  bool exclusively_locked_ = false;
  RunCounts counts_;
  RunSteps steps_{shared_.progress};
};

void set_option(const char *name, const std::string &value) {
  call([&] { SetConfigOption(name, value.c_str(), PGC_USERSET, PGC_S_SESSION); });
}

// The caller's settings that its triggers and types may depend on, then ours.
void apply_settings(const SyncSpec &spec) {
  set_option("lock_timeout", "60s");  // unless the caller has set one
  for (const auto &[name, value] : spec.settings)
    if (name != "lock_timeout" || value != "0") set_option(name.c_str(), value);
  set_option("default_transaction_isolation", "read committed");
  // One text form for each value: rows without a key are compared as text.
  set_option("datestyle", "ISO");
  set_option("intervalstyle", "postgres");
  set_option("extra_float_digits", "1");
  set_option("bytea_output", "hex");
  // What a role or a database may have set otherwise, and what would change values or statements.
  set_option("array_nulls", "on");
  set_option("standard_conforming_strings", "on");
  set_option("xmloption", "content");
  set_option("jit", "off");
  // The limit covers what is in use at one time: the stage's buffers and one hash or sort of the merge, or
  // the build of the key.
  const int kilobytes = spec.memory_limit_mb * 1024;
  set_option("temp_buffers", std::to_string(kilobytes / 4) + "kB");
  set_option("work_mem", std::to_string(kilobytes / 4) + "kB");
  set_option("hash_mem_multiplier", "1.5");
  set_option("maintenance_work_mem", std::to_string(kilobytes * 3 / 4) + "kB");
}

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

// Whether the source raised it: its cancels and timeouts are not ours. Told by the line that the connection adds,
// since the way through COPY FROM loses all else.
bool raised_by_source(const Diagnostics &said) {
  return said.context.find("remote server \"") != std::string::npos;
}

// What the user is told of a failure: which of the ways to be stopped it was, and in which run.
Diagnostics SyncRun::explain(Diagnostics said) const {
  if (said.sqlstate == sqlstate::canceled && !raised_by_source(said)) {
    const bool timed_out =
        spec_.timeout_ms > 0 && (now_seconds() - started_) * 1000 >= static_cast<double>(spec_.timeout_ms);
    if (termination_requested()) {
      said.sqlstate = sqlstate::admin_shutdown;
      said.message = "the sync was terminated";
    } else if (timed_out) {
      said.message = "the sync took longer than its timeout of " +
                     human_seconds(static_cast<double>(spec_.timeout_ms) / 1000);
      said.hint = "Nothing was changed. Pass a longer timeout: options => '{\"timeout\": \"10min\"}'.";
    } else {
      said.message = "the sync was canceled";
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
  in_transaction([&] {
    apply_settings(spec_);
    run_id_ = begin_run(spec_, shared_.progress_handle);
  });
  strlcpy(run_context.text,
          ("run " + std::to_string(run_id_) + " of sync_table " + describe_spec(spec_)).c_str(),
          sizeof run_context.text);
  shared_.run_id = run_id_;
  if (spec_.timeout_ms > 0)
    call([&] { enable_timeout_after(STATEMENT_TIMEOUT, static_cast<int>(spec_.timeout_ms)); });

  bool locked = false;
  in_transaction([&] {
    locked = lock();
    if (locked) close_interrupted(spec_, run_id_);
  });
  if (!locked) {
    in_transaction([&] { finish_run(run_id_, "skipped", counts_, steps_.done(), nullptr); });
    return reply("skipped");
  }

  in_transaction([&] {
    describe();
    copy();
    record_filled_from(run_id_, spec_, target_.oid, source_->table());
    steps_.leave();
    finish_run(run_id_, "succeeded", counts_, steps_.done(), nullptr);
    steps_.enter(Phase::commit);
  });
  steps_.leave();
  call([] { disable_timeout(STATEMENT_TIMEOUT, false); });
  keep_books();
  return reply("succeeded");
}

// The data is safe: what fails from here on, a cancel say, is not the run.
void SyncRun::keep_books() {
  try {
    in_transaction([&] {
      set_option("synchronous_commit", "off");
      after_commit(run_id_, static_cast<int>(steps_.done().size()), steps_.done().back());
    });
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
    const std::string limit = call([] { return GetConfigOption("lock_timeout", false, false); });
    set_option("lock_timeout", "0");
    lock_target(spec_.target);
    set_option("lock_timeout", limit);
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

void SyncRun::describe() {
  steps_.enter(Phase::describe);
  source_.emplace(host_, connection_settings(spec_.server));
  source_->open(sql_name(spec_.source));
  open_target();
  plan_ = plan_sync(source_->table(), target_, spec_.primary_key, target_is_new_);
  refuse_unknown_content();
}

void SyncRun::open_target() {
  Oid oid = find_target(spec_.target, true);
  target_is_new_ = !OidIsValid(oid);
  if (target_is_new_) {
    create_target(spec_.target, source_->table());
    exclusively_locked_ = target_is_empty_ = true;
  } else {
    check_target(oid, spec_.delete_missing);
    exclusively_locked_ = try_lock_exclusively(oid);
    target_is_empty_ = bool_of(query(is_empty(spec_.target)).at(0).at(0));
  }
  target_ = describe_target(spec_.target);
  refuse_same_table();
}

void SyncRun::refuse_same_table() const {
  const Table &source = source_->table();
  if (source.oid == target_.oid && source.database_oid == target_.database_oid &&
      source.system_identifier == target_.system_identifier && !source.system_identifier.empty())
    throw Error(sqlstate::invalid_parameter, "source and target are the same table",
                "Server \"" + spec_.server + "\" is this database.");
}

void SyncRun::refuse_unknown_content() const {
  if (target_is_empty_ || spec_.adopt) return;
  const std::optional<FilledFrom> known = filled_from(target_.oid);
  const std::string source = display_name(source_->table().name);
  if (known && known->server == spec_.server && known->source == source) return;
  throw Error(sqlstate::wrong_state, "refusing to replace the rows of \"" + display_name(spec_.target) + "\"",
              known ? "It was filled from " + known->server + ": " + known->source + ", not from " +
                          spec_.server + ": " + source + "."
                    : "It has rows that tablesync did not put there.",
              "If it is to become a copy of " + source + ": options => '{\"adopt\": true}'.");
}

void SyncRun::copy() {
  steps_.enter(Phase::copy, source_->table().row_estimate);
  {
    remote::CopyOut stream(source_->connection(), copy_out(source_->table(), plan_));
    if (target_is_empty_ && exclusively_locked_ && !plan_.needs_stage() &&
        (plan_.key_proven || !plan_.keyed()))
      copy_into_target(stream);
    else
      copy_into_stage(stream);
  }
  if (target_is_new_) finish_new_target();
  for (const Column &column : target_.columns)
    if (column.identity != 0 && counts_.inserted > 0) query(advance_identity(spec_.target, column.name));
  if (target_is_empty_ && counts_.read > 0 && may_analyze(target_)) execute(analyze(spec_.target));
}

// The first load: the target is empty under our lock, so what an abort leaves behind is nothing.
void SyncRun::copy_into_target(remote::CopyOut &stream) {
  const std::int64_t stored = load(stream, spec_.target, plan_, target_is_new_, shared_.progress);
  counts_.read = counts_.inserted = stream.rows();
  counts_.bytes = stream.bytes();
  source_->close();
  if (stored != counts_.read)
    throw Error(sqlstate::protocol_violation,
                "\"" + display_name(spec_.target) + "\" did not take every row: of " +
                    with_commas(counts_.read) + " rows received, " + with_commas(stored) + " were stored",
                "A BEFORE ROW trigger returned NULL: " + join(before_row_triggers(target_), ", ") + ".",
                "Let the trigger return NEW for every row, or disable it: ALTER TABLE " +
                    display_name(spec_.target) + " DISABLE TRIGGER ....");
}

void SyncRun::copy_into_stage(remote::CopyOut &stream) {
  query(create_stage(plan_));
  const std::int64_t staged = load(stream, stage_name, plan_, false, shared_.progress);
  counts_.read = stream.rows();
  counts_.bytes = stream.bytes();
  // The source has done its part: its transaction need not wait for ours.
  source_->close();
  if (staged != counts_.read)
    throw Error(sqlstate::protocol_violation,
                "received " + with_commas(counts_.read) + " rows, but staged " + with_commas(staged));
  if (staged > 1000) query(analyze(stage_name));
  if (staged == 0 && !target_is_empty_ && spec_.delete_missing && !spec_.allow_empty) {
    const std::string rows = text_of(query(count_rows(spec_.target)).at(0).at(0));
    throw Error(sqlstate::wrong_state,
                "refusing to delete all " + with_commas(std::atoll(rows.c_str())) + " rows of \"" +
                    display_name(spec_.target) + "\"",
                "The source returned no rows.",
                "If it is really empty now: options => '{\"allow_empty\": true}'.");
  }
  if (target_is_new_ && plan_.target_key_pending) {
    execute(add_primary_key(spec_.target, plan_.key));
    target_ = describe_target(spec_.target);
    plan_ = plan_sync(source_->table(), target_, plan_.key, false);
  }
  apply({spec_, plan_, target_, staged, exclusively_locked_, steps_}, counts_);
}

void SyncRun::finish_new_target() {
  if (!plan_.target_key_pending) return;
  steps_.enter(Phase::key);
  constexpr std::int64_t worth_a_worker = 64 << 20;  // bytes: a worker's start costs what sorting a few MB does
  execute(counts_.bytes >= worth_a_worker ? add_primary_key_in_parallel(spec_.target, plan_.key)
                                          : add_primary_key(spec_.target, plan_.key));
}

// Writes the end of a failed run. Where even that fails, the log has the error, and the next run of this target
// closes the record.
void SyncRun::fail(const Diagnostics &said) {
  if (run_id_ == 0) return;
  const bool canceled = !raised_by_source(said) && (said.sqlstate == sqlstate::canceled ||
                                                    said.sqlstate == sqlstate::admin_shutdown);
  source_.reset();
  steps_.leave();
  // A second signal (a shutdown sends one by way of the caller too) must not keep the first from being recorded.
  for (int attempt = 1; attempt <= 2; ++attempt) {
    try {
      call([] { disable_timeout(STATEMENT_TIMEOUT, false); });
      in_transaction([&] {
        finish_run(run_id_, canceled ? "canceled" : "failed", RunCounts{}, steps_.done(), &said);
      });
      return;
    } catch (const Error &) {
      detail::abort_transaction();
    }
  }
}

// The columns of sync_table().
Row SyncRun::reply(const char *status) const {
  const auto count = [](std::int64_t rows) { return Cell(std::to_string(rows)); };
  return {count(run_id_),
          std::string(status),
          count(counts_.read),
          count(counts_.inserted),
          count(counts_.updated),
          count(counts_.deleted),
          count(counts_.unchanged),
          count(counts_.rejected),
          std::nullopt,
          std::to_string(now_seconds() - started_) + " seconds"};
}

Row sync_task(SharedRun &shared, std::string_view request) {
  SyncSpec spec = deserialize_sync_spec(request);
  const std::string activity = "sync_table " + describe_spec(spec);
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
