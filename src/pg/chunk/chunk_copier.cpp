#include "pg/chunk/chunk_copier.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/run/run_failure.h"
#include "pg/run/run_notice.h"
#include "pg/server/guc.h"
#include "pg/server/session_option.h"
#include "pg/server/transaction.h"

namespace tablesync::pg {
namespace {

// Whether an error is caused by the rows that were read, so that other rows may succeed: a data exception, an
// integrity constraint violation, or a cardinality violation.
bool is_of_rows(const std::string &sqlstate) {
  return sqlstate.starts_with("22") || sqlstate.starts_with("23") || sqlstate.starts_with("21");
}

}  // namespace

// ---- which chunk ------------------------------------------------------------------------------------------

void ChunkCopier::begin_transaction() {
  counts_ = {};
  claimed_ = claims_ && in_chunk_;
}

void ChunkCopier::choose(const FailedChunk &failed) {
  chunk_ = failed.chunk;
  chunk_run_ = failed.run_id;
  has_end_ = in_chunk_ = true;
  is_new_ = false;
}

void ChunkCopier::choose_next() {
  chunk_ = {checkpoint.chunks + 1, checkpoint.lower, {}};
  chunk_run_ = run_id_;
  has_end_ = false;
  in_chunk_ = is_new_ = true;
  size_ = checkpoint.size;
  tries_ = 0;
  find_end();
  has_end_ = true;
}

bool ChunkCopier::claim() {
  checkpoint = require_checkpoint(subject(), true);
  if (checkpoint.complete) return false;
  choose_next();
  close_source();
  began_ = now_seconds();
  hand_out();
  save();
  record_claim(chunk_run_, subject(), chunk_, began_);
  // If the claim is lost in a crash, so is everything that depends on it.
  set_session_option("synchronous_commit", "off");
  return true;
}

void ChunkCopier::hand_out() {
  checkpoint.chunks = chunk_.number;
  checkpoint.lower = next_begin();
  checkpoint.complete = checkpoint.lower.empty();
}

StepEnd ChunkCopier::copy() {
  began_ = now_seconds();
  if (!copy_rows()) {
    counts_ = {};
    return StepEnd::again;
  }
  record(nullptr);
  in_chunk_ = false;
  return StepEnd::more;
}

// Writes the outcome of the chunk and the beginning of the next one.
void ChunkCopier::record(const Diagnostics *failure) {
  record_chunk(chunk_run_, subject(), chunk_, began_, counts_, failure);
  record_outcome(failure);
  // Other workers have handed out more chunks meanwhile.
  if (claims_) checkpoint = require_checkpoint(subject(), true);
  if (is_new_ && !claims_) hand_out();
  if (is_new_ && failure == nullptr) checkpoint.size = size_after(now_seconds() - began_);
  save();
  steps_.fold("chunks");
}

// ---- failures of a chunk ----------------------------------------------------------------------------

bool ChunkCopier::recover(const Diagnostics &failure, bool by_source) {
  if (!in_chunk_) return false;
  counts_ = {};
  lose_source();
  // The conflicting writer can be a worker of this run.
  const bool meets_others = claimed_ || kind_.chunks_meet_others;
  if (!by_source && meets_others && try_again(failure.sqlstate)) return true;
  // A claimed chunk stays with this worker, which copies it again.
  in_chunk_ = claimed_;
  if (by_source && failure.sqlstate == sqlstate::canceled) {
    make_smaller();
    return true;
  }
  // A chunk without an end, or that was not handed out, cannot be skipped.
  if (!has_end_ || (claims_ && !claimed_) || !is_of_rows(failure.sqlstate)) return false;
  in_chunk_ = false;
  record(&failure);
  notice(spec_, "chunk " + with_commas(chunk_.number) + " failed and is skipped for now: " + failure.message,
         "It covers " + describe(chunk_, checkpoint.by) + ".");
  ++failed_;
  return true;
}

// A row that moved is in two chunks, and two workers may write it concurrently: unique_violation,
// serialization_failure, deadlock_detected.
bool ChunkCopier::try_again(const std::string &sqlstate) {
  constexpr int most_tries = 3;
  return (sqlstate == "23505" || sqlstate == "40001" || sqlstate == "40P01") && ++tries_ <= most_tries;
}

// Reduces the size of a chunk that took longer than a transaction may take.
void ChunkCopier::make_smaller() {
  if (claims_) checkpoint = require_checkpoint(subject(), true);
  if (checkpoint.size == 1 || !is_new_ || claimed_)
    throw Error("54000",
                "the source took longer than " + human_seconds(max_source_transaction_ms / 1000.0) +
                    " for chunk " + with_commas(chunk_.number) + " of \"" + display_name(spec_.target) + "\"",
                "It covers " + describe(chunk_, checkpoint.by) + ".", kind_.slow_chunk_hint);
  checkpoint.size = smaller_chunk_size(std::min(size_, checkpoint.size));
  save();
}

// ---- a parallel worker -------------------------------------------------------------------------------

RunCounts copy_chunks(const RunSpec &spec, std::int64_t run_id, RunSteps &steps, ChunkCopier &copier) {
  constexpr char changed[] = "40001";  // serialization_failure: the run is retried
  const auto step = [&] {
    steps.enter(Phase::describe);
    if (copier.alter_tables()) return StepEnd::more;
    if (const std::string why = copier.open(); !why.empty())
      throw Error(changed, "\"" + display_name(spec.target) + "\" or its source was changed during the run",
                  "The rows read so far are not consistent with the rest because " + why + ".");
    if (!copier.in_chunk()) return copier.claim() ? StepEnd::more : StepEnd::done;
    return copier.copy();
  };
  const auto recover = [&](const Diagnostics &failure, bool by_source) {
    return copier.recover(failure, by_source);
  };

  RunCounts all;
  StepEnd end = StepEnd::more;
  for (int attempt = 1; end != StepEnd::done && copier.failed() < most_failed_chunks;) {
    try {
      in_transaction_unless([&] { return (end = step()) == StepEnd::again; });
      all += copier.counts();
      if (!copier.in_chunk()) attempt = 1;
    } catch (const Error &error) {
      end = StepEnd::more;
      if (recovered(error.diagnostics(), recover)) continue;
      if (attempt > spec.max_retries || !is_transient(error) || error.diagnostics().sqlstate == changed)
        throw;
      wait_for_next_attempt(spec, run_id, steps, attempt++, error.diagnostics(), "Committed work is kept");
    }
  }
  return all;
}

}  // namespace tablesync::pg
