// The records of runs. state.h writes and reads them.
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
  double started_at, finished_at;      // Unix times, as to_timestamp() takes them
  std::int64_t rows = -1, bytes = -1;  // below 0: does not apply
  std::string detail = {};             // which way the step took, and why; or empty
};

// The columns of sync_table(). Counts are unknown while the run is running, or if its record lacks them.
struct RunResult {
  std::int64_t run_id = 0;
  std::string status;
  std::optional<std::int64_t> read, inserted, updated, deleted, unchanged, rejected;
  std::string watermark;
  std::string duration;  // as interval_in() takes it; empty: unknown
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

// The reply of a worker to its caller if the run did not fail.
struct RunReply {
  RunResult result;
  double seconds = 0;  // duration of the run
  Row details;         // Work::extra_columns()

  bool skipped() const { return result.status == "skipped"; }
};
Row encode_reply(const RunReply &reply);
// Throws 08P01 if the row is not a reply.
RunReply decode_reply(const Row &row);

// The columns of tablesync.run that its owner may see.
struct RunRecord {
  RunResult result;
  int worker_pid = 0;
  Diagnostics error;  // sqlstate is empty if it has not failed

  template <typename Record, typename Visitor>
  static void each_column(Record &run, Visitor &&column) {
    RunResult::each_column(run.result, column);
    column("worker_pid", run.worker_pid);
    each_error_column(run.error, column);
  }
};

// The current transaction, with epoch, and the next transaction id: its subtransactions are between them.
struct TransactionRange {
  std::uint64_t first, next;
};
TransactionRange current_transactions();

// Draws the run's id and writes its record: status running.
std::int64_t begin_run(const RunSpec &spec, const std::string &mode, std::uint32_t shared_memory);
// The end of a run. `status`: succeeded, failed, canceled, interrupted or skipped; `error` if it failed.
struct RunEnd {
  const char *status;
  RunCounts counts;
  std::string watermark;
  const Diagnostics *error = nullptr;
  bool consistent = true;       // if it succeeded
  std::uint64_t first_xid = 0;  // see Work
};
void finish_run(std::int64_t run_id, const RunEnd &end, const std::vector<RunStep> &steps);
// Writes the whole record of a run that could not be started, at that Unix time.
void record_failed_start(const RunSpec &spec, const std::string &mode, double at, const Diagnostics &error);
// Records the error of an attempt that will be retried.
void record_attempt(std::int64_t run_id, std::int64_t wait_ms, const Diagnostics &error);
// Adds the commit step, which exists only after the run has committed, and purges records older than
// tablesync.history_retention.
void after_commit(std::int64_t run_id, int step_no, const RunStep &commit);

// A table that a run creates for its loaders and hides from other users: see hidden_table.h.
struct HiddenTableRecord {
  unsigned int oid = 0;
  std::string name;  // at creation

  template <typename Record, typename Visitor>
  static void each_column(Record &table, Visitor &&column) {
    column("table_oid", table.oid);
    column("table_name", table.name, "name");
  }
};
void record_hidden_table(std::int64_t run_id, const RunSpec &spec, const HiddenTableRecord &table);
void forget_hidden_table(unsigned int oid);
// The current user's hidden tables on record: those of one target (as display_name() writes it), or, if it is
// empty, of all runs that are not running.
std::vector<HiddenTableRecord> hidden_tables(const std::string &target);

// Records a row of the source that could not be converted: its key, the row (JSON) and the error.
void record_reject(std::int64_t run_id, const RunSpec &spec, const std::string &key, const std::string &row,
                   const Diagnostics &error);

// Returns nothing if there is no such record, or if the current user lacks the rights of its owner.
std::optional<RunRecord> find_run(std::int64_t run_id);
// The segment of a running run; 0 if it has ended.
std::uint32_t find_segment(std::int64_t run_id);
// Cancels the worker of a run; false if it has ended.
bool cancel_worker(std::int64_t run_id);

// ---- for explain_row()

// The run of a target (as display_name() writes it), and its chunk, whose transaction or subtransaction has
// this xmin.
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

// The latest sync of a target.
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

// The latest rejection of the row with this key.
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
