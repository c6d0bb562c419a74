// The records of runs and what targets were filled from: the schema tablesync. All statements that write it
// are here, fixed, and run as the extension's owner; neither a caller nor a trigger can forge what they say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/rows.h"
#include "core/sync_spec.h"
#include "core/table.h"
#include "pg/sync/run_steps.h"

namespace tablesync::pg {

struct RunCounts {
  std::int64_t read = 0, inserted = 0, updated = 0, deleted = 0, unchanged = 0, rejected = 0, bytes = 0;
};

// Draws the run's id and writes its record: status running.
std::int64_t begin_run(const SyncSpec &spec, std::uint32_t shared_memory);
// Writes the end of a run. `status`: succeeded, failed, canceled or skipped; `error` where it failed.
void finish_run(std::int64_t run_id, const std::string &status, const RunCounts &counts,
                const std::vector<RunStep> &steps, const Diagnostics *error);
// Adds the step that only exists once the run has committed, and purges what is older than
// tablesync.history_retention.
void after_commit(std::int64_t run_id, int step_no, const RunStep &commit);
// Closes records of this target whose worker died without a word. Hold the target's lock.
void close_interrupted(const SyncSpec &spec, std::int64_t run_id);

struct FilledFrom {
  std::string server, source;
};
// What the target with this oid was last filled from, or nothing.
std::optional<FilledFrom> filled_from(const std::string &target_oid);
void record_filled_from(std::int64_t run_id, const SyncSpec &spec, const std::string &target_oid,
                        const Table &source);

// The record as the ten columns of sync_table(), then worker_pid, sqlstate, message, detail, hint and
// context. Reads as the current user: the row policies decide. None where there is no such record.
std::optional<Row> find_run(std::int64_t run_id);

}  // namespace tablesync::pg
