#include "pg/chunk/chunk_leader.h"

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/run/run_workers.h"
#include "pg/worker/shared_run.h"

namespace tablesync::pg {

void ChunkLeader::refuse_other_definition(const Checkpoint &begun, const std::string &definition) const {
  if (begun.definition == definition) return;
  throw Error(sqlstate::wrong_state,
              "run " + std::to_string(begun.run_id) + " of \"" + display_name(spec_.target) +
                  "\" is not complete and was started with a different definition",
              first_change(begun.definition, definition),
              "Complete it with the same call, or abandon it with options => '{\"restart\": true}'.");
}

bool ChunkLeader::choose_failed() {
  if (copier_.in_chunk()) return true;
  if (redo_from_ > redo_to_) return false;
  const std::optional<FailedChunk> failed = find_failed_chunk(copier_.subject(), redo_from_);
  if (!failed || failed->chunk.number > redo_to_) return false;
  copier_.choose(*failed);
  redo_from_ = failed->chunk.number + 1;
  return true;
}

CopierRequest read_copier_request(std::string_view request) {
  return decode<CopierRequest>(deserialize_row(request));
}

std::optional<RunCounts> ChunkLeader::copy_in_parallel(int wanted, const char *entry,
                                                       const std::string &share) {
  const auto task = [&](int n) -> WorkerTask {
    return {entry, "pg_tablesync chunks " + std::to_string(n + 1) + " of " + describe_spec(spec_),
            display_name(spec_.target.name), serialize(encode(CopierRequest{share, run_id_})),
            "pg_tablesync loader"};
  };
  const std::optional<RunCounts> done = run_workers(spec_, steps_, wanted, task, [&](int count) {
    if (count > 0) steps_.enter(Phase::copy);
  });
  alone_ = !done;
  if (!done) return done;
  steps_.fold("chunks");
  copier_.checkpoint = require_checkpoint(copier_.subject());
  return done;
}

void ChunkLeader::fail_incomplete(const std::string &hint) const {
  const Checkpoint &checkpoint = copier_.checkpoint;
  // Without a record, the workers of the failed chunks have ended before they could write one.
  const FailedChunk first = find_failed_chunk(copier_.subject()).value_or(FailedChunk{});
  const std::int64_t failed = count_failed_chunks(copier_.subject());
  const bool unknown = first.error.sqlstate.empty();
  throw Error(unknown ? sqlstate::internal : first.error.sqlstate,
              with_commas(failed) + " of " + with_commas(checkpoint.chunks) + " chunks of \"" +
                  display_name(spec_.target) +
                  "\" failed: " + (unknown ? "their worker ended" : first.error.message),
              "Chunk " + with_commas(first.chunk.number) + " covers " + describe(first.chunk, checkpoint.by) +
                  "." + (first.error.detail.empty() ? "" : " " + first.error.detail),
              std::string(checkpoint.complete ? "All other rows were copied" : "Later rows were not read") +
                  ". Fix the cause, then run " + hint);
}

}  // namespace tablesync::pg
