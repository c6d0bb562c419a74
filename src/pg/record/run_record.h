// The records of runs. See state.h for how they are written and read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/spec/run_spec.h"
#include "pg/record/columns.h"

namespace tablesync::pg {

struct RunCounts {
  std::int64_t read = 0, inserted = 0, updated = 0, deleted = 0, unchanged = 0, rejected = 0, bytes = 0;
  RunCounts &operator+=(const RunCounts &more);

  template <typename Record, typename Visitor>
  static void each_column(Record &counts, Visitor &&column) {
    column("rows_read", counts.read);
    column("rows_inserted", counts.inserted);
    column("rows_updated", counts.updated);
    column("rows_deleted", counts.deleted);
    column("rows_unchanged", counts.unchanged);
    column("rows_rejected", counts.rejected);
    column("bytes_read", counts.bytes);
  }
};

struct RunStep {
  std::string name;
  double started_at, finished_at;      // seconds since 1970, as to_timestamp() takes them
  std::int64_t rows = -1, bytes = -1;  // below 0: does not apply
};

// The columns of sync_table(). Counts are not known while the run lasts, or where its record lacks them.
struct RunResult {
  std::int64_t run_id = 0;
  std::string status;
  std::optional<std::int64_t> read, inserted, updated, deleted, unchanged, rejected;
  std::string watermark;
  std::string duration;  // as interval_in() takes it; empty: not known
  std::optional<bool> consistent;

  template <typename Record, typename Visitor>
  static void each_column(Record &result, Visitor &&column) {
    column("run_id", result.run_id);
    column("status", result.status);
    column("rows_read", result.read);
    column("rows_inserted", result.inserted);
    column("rows_updated", result.updated);
    column("rows_deleted", result.deleted);
    column("rows_unchanged", result.unchanged);
    column("rows_rejected", result.rejected);
    column("watermark", or_null(result.watermark));
    column("duration", or_null(result.duration), "interval");
    column("consistent", result.consistent);
  }
};

// What the worker of a run that did not fail sends to its caller.
struct RunReply {
  RunResult result;
  double seconds = 0;  // that it took
  Row details;         // Work::extra_columns()

  bool skipped() const { return result.status == "skipped"; }
};
Row encode_reply(const RunReply &reply);
// Throws 08P01 where the row is no reply.
RunReply decode_reply(const Row &row);

// tablesync.run, as far as its owner is shown it.
struct RunRecord {
  RunResult result;
  int worker_pid = 0;
  Diagnostics error;  // sqlstate is empty where it has not failed

  template <typename Record, typename Visitor>
  static void each_column(Record &run, Visitor &&column) {
    RunResult::each_column(run.result, column);
    column("worker_pid", run.worker_pid);
    each_error_column(run.error, column);
  }
};

// The current transaction, with epoch, and the one that comes next: its subtransactions are between them.
struct TransactionRange {
  std::uint64_t first, next;
};
TransactionRange current_transactions();

// Draws the run's id and writes its record: status running.
std::int64_t begin_run(const RunSpec &spec, const std::string &mode, std::uint32_t shared_memory);
// Writes the end of a run. `status`: succeeded, failed, canceled, interrupted or skipped; `error` where it
// failed.
struct RunEnd {
  const char *status;
  RunCounts counts;
  std::string watermark;
  const Diagnostics *error = nullptr;
  bool consistent = true;       // where it succeeded
  std::uint64_t first_xid = 0;  // see Work
};
void finish_run(std::int64_t run_id, const RunEnd &end, const std::vector<RunStep> &steps);
// Writes the whole record of a run for which there was no process, at that time (seconds since 1970).
void record_failed_start(const RunSpec &spec, const std::string &mode, double at, const Diagnostics &error);
// Keeps why an attempt failed that is not the last one.
void record_attempt(std::int64_t run_id, std::int64_t wait_ms, const Diagnostics &error);
// Adds the step that only exists once the run has committed, and purges what is older than
// tablesync.history_retention.
void after_commit(std::int64_t run_id, int step_no, const RunStep &commit);

// Tables that a run makes for its loaders, and that nobody else is to know: see hidden_table.h.
struct HiddenTableRecord {
  unsigned int oid = 0;
  std::string name;  // that it was given

  template <typename Record, typename Visitor>
  static void each_column(Record &table, Visitor &&column) {
    column("table_oid", table.oid);
    column("table_name", table.name, "name");
  }
};
void record_hidden_table(std::int64_t run_id, const RunSpec &spec, const HiddenTableRecord &table);
void forget_hidden_table(unsigned int oid);
// The current user's own that are on record: of one target (as display_name() writes it), or, where none is
// given, of all runs that are not going on.
std::vector<HiddenTableRecord> hidden_tables(const std::string &target);

// Keeps a row of the source that could not be converted: its key and all of it (JSON), with the error.
void record_reject(std::int64_t run_id, const RunSpec &spec, const std::string &key, const std::string &row,
                   const Diagnostics &error);

// None where there is no such record, or it is of a role whose rights the current user has not.
std::optional<RunRecord> find_run(std::int64_t run_id);
// The segment of a run that is going on; 0 where it has ended.
std::uint32_t find_segment(std::int64_t run_id);
// Cancels the worker of a run; false where it has ended.
bool cancel_worker(std::int64_t run_id);

// ---- for explain_row()

// The run, and the chunk of it, whose transaction or one of its subtransactions has this xmin. Of the runs of
// a target, as display_name() writes it.
struct Writer {
  std::int64_t run_id = 0;
  std::string command, finished_at;
  std::optional<std::int64_t> chunk_no;

  template <typename Record, typename Visitor>
  static void each_column(Record &writer, Visitor &&column) {
    column("run_id", writer.run_id);
    column("command", writer.command);
    column("finished_at", writer.finished_at);
    column("chunk_no", writer.chunk_no);
  }
};
std::optional<Writer> find_writer(const std::string &target, const std::string &xmin);

// The last sync of a target.
struct LastSync {
  std::int64_t run_id = 0;
  std::string status, started_at, message;

  template <typename Record, typename Visitor>
  static void each_column(Record &sync, Visitor &&column) {
    column("run_id", sync.run_id);
    column("status", sync.status);
    column("started_at", sync.started_at);
    column("message", sync.message);
  }
};
std::optional<LastSync> find_last_sync(const std::string &target);

// The last time that the row with this key was rejected.
struct RejectRecord {
  std::int64_t run_id = 0;
  std::string column_name, message;

  template <typename Record, typename Visitor>
  static void each_column(Record &reject, Visitor &&column) {
    column("run_id", reject.run_id);
    column("column_name", reject.column_name);
    column("message", reject.message);
  }
};
std::optional<RejectRecord> find_reject(const std::string &target, const std::vector<std::string> &key);

}  // namespace tablesync::pg
