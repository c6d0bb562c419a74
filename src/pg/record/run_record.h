// The records of runs and what targets were filled from. See state.h for how they are written and read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/rows.h"
#include "core/range/watermark.h"
#include "core/spec/run_spec.h"

namespace tablesync::pg {

struct RunCounts {
  std::int64_t read = 0, inserted = 0, updated = 0, deleted = 0, unchanged = 0, rejected = 0, bytes = 0;
  RunCounts &operator+=(const RunCounts &more);
};
// What one worker of a run tells another.
Row row_of(const RunCounts &counts);
RunCounts counts_of(const Row &row);

struct RunStep {
  std::string name;
  double started_at, finished_at;      // seconds since 1970, as to_timestamp() takes them
  std::int64_t rows = -1, bytes = -1;  // below 0: does not apply
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
void record_hidden_table(std::int64_t run_id, const RunSpec &spec, const std::string &oid,
                         const std::string &name);
void forget_hidden_table(const std::string &oid);
// The current user's own that are on record: of one target (as display_name() writes it), or, where none is
// given, of all runs that are not going on.
struct HiddenTableRecord {
  std::string oid, name;  // the name that it was given
};
std::vector<HiddenTableRecord> hidden_tables(const std::string &target);

// What the target with this oid was last filled from and how far, or nothing. Whoever may read the target may
// know that; another role's custom_select, custom_where and soft_delete_column are hidden.
std::optional<Watermark> read_watermark(const std::string &target_oid);
void write_watermark(std::int64_t run_id, const RunSpec &spec, const std::string &target_oid,
                     const Watermark &watermark);

// What a dump brought of the target with this oid: where its rows are those of the dump, the watermark and
// the checkpoints hold from now on; else the watermark and the current user's checkpoint are gone.
void settle_restored(const std::string &target_oid, bool holds);

// Keeps a row of the source that could not be converted: its key and all of it (JSON), with the error.
void record_reject(std::int64_t run_id, const RunSpec &spec, const std::string &key, const std::string &row,
                   const Diagnostics &error);

// The record as the eleven columns of sync_table(), then worker_pid, sqlstate, message, detail, hint and
// context. None where there is no such record, or it is of a role whose rights the current user has not.
std::optional<Row> find_run(std::int64_t run_id);
// The segment of a run that is going on; 0 where it has ended.
std::uint32_t find_segment(std::int64_t run_id);
// Cancels the worker of a run; false where it has ended.
bool cancel_worker(std::int64_t run_id);

// ---- for explain_row()

// The run, and the chunk of it, whose transaction or one of its subtransactions has this xmin: run id,
// command, end, chunk number or null. Of the runs of a target, as display_name() writes it.
std::optional<Row> find_writer(const std::string &target, const std::string &xmin);
// The last sync of a target: run id, status, start, message.
std::optional<Row> find_last_sync(const std::string &target);
// The last time that the row with this key was rejected: run id, column, message.
std::optional<Row> find_reject(const std::string &target, const std::vector<std::string> &key);

}  // namespace tablesync::pg
