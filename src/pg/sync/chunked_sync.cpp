#include "pg/sync/chunked_sync.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/sql/deparse.h"
#include "pg/pair/field_bounds.h"
#include "pg/server/guc.h"
#include "pg/server/spi.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {

ChunkedSync::ChunkedSync(const SyncSpec &spec, std::int64_t run_id, RunSteps &steps)
    : spec_(spec),
      steps_(steps),
      sync_(spec, run_id, steps),
      pair_(sync_.pair()),
      copier_(spec, steps, sync_, false),
      leader_(spec, run_id, steps, copier_),
      checkpoint_(copier_.checkpoint),
      files_(copier_.files) {}

StepEnd ChunkedSync::step() {
  counts_ = {};
  progressed_ = stage_ != Stage::prepare;
  switch (stage_) {
    case Stage::prepare:
      return prepare();
    case Stage::at_once:
      return end_at_once(sync_.step());
    case Stage::chunks:
      return copy_chunk();
    case Stage::start_over:
      return start_over();
    case Stage::failed:
      throw Error(*repeated_);
    default:
      return end();
  }
}

StepEnd ChunkedSync::prepare() {
  sync_.prepare();
  if (pair_.checkpoint && !pair_.checkpoint->starts_over && !spec_.restart)
    leader_.refuse_other_definition(*pair_.checkpoint, definition_of(spec_, pair_.source_table.name));
  if (!wants_chunks()) {
    stage_ = Stage::at_once;
    return end_at_once(sync_.finish());
  }
  begin();
  stage_ = Stage::chunks;
  // The target exists from now on, even if the first chunk fails.
  pair_.source->close();
  return StepEnd::more;
}

StepEnd ChunkedSync::copy_chunk() {
  if (copier_.failed() >= most_failed_chunks) fail_incomplete();
  const bool redoes = leader_.choose_failed();
  if (!redoes && (checkpoint_.complete || spec_.failed_chunks_only)) return end();
  if (!redoes && copy_in_parallel()) return StepEnd::more;
  starts_again(copier_.open());
  // If the sync started again, the chunks that failed before no longer exist.
  if (!copier_.in_chunk() && spec_.failed_chunks_only) return end_of_failed_chunks();
  return copy_opened();
}

StepEnd ChunkedSync::copy_opened() {
  if (!copier_.in_chunk()) copier_.choose_next();
  const StepEnd copied = copier_.copy();
  counts_ = copier_.counts();
  return copied;
}

// If `why` is not empty, the rows that were read before do not match those that would be read now. Then
// starts again from the first chunk and returns true.
bool ChunkedSync::starts_again(const std::string &why) {
  if (why.empty()) return false;
  notice(spec_, "starts again from the first chunk, because " + why);
  start();
  copier_.forget();
  keys_.reset();
  stage_ = Stage::chunks;
  return true;
}

// Copies all remaining chunks in one step, if parallel workers can copy them.
bool ChunkedSync::copy_in_parallel() {
  const std::int64_t whole =
      checkpoint_.by == ChunkBy::ctid ? files_.longest() : pair_.source_table.row_estimate;
  const std::int64_t chunks = whole / std::max<std::int64_t>(checkpoint_.size, 1);
  const auto wanted = static_cast<int>(std::min<std::int64_t>(spec_.parallel_workers, chunks));
  if (wanted < 2 || !leader_.may_have_others()) return false;
  pair_.source.reset();  // it would be idle for long
  const std::optional<RunCounts> done =
      leader_.copy_in_parallel(wanted, "tablesync_chunk_worker", serialize(share_of(spec_, wanted)));
  if (!done) return false;
  counts_ = *done;
  // The workers stopped early because too many chunks failed.
  if (!checkpoint_.complete) fail_incomplete();
  return true;
}

// ---- whether in chunks, and from where --------------------------------------------------------------------

StepEnd ChunkedSync::end_at_once(StepEnd end) {
  counts_ = pair_.counts;
  progressed_ = sync_.progressed();
  return end;
}

bool ChunkedSync::wants_chunks() {
  const ChunkChoice choice = choose_chunks(spec_, sync_);
  copier_.files = choice.files;
  if (choice.surprising)
    notice(spec_,
           std::string("is read in ") + (choice.chunks ? "chunks" : "one transaction") + ", because " +
               choice.why,
           {}, choice.chunks ? "chunk_mode => false reads it in one transaction." : "");
  return choice.chunks;
}

void ChunkedSync::begin() {
  if (pair_.checkpoint && !spec_.restart)
    resume();
  else
    start();
}

void ChunkedSync::resume() {
  checkpoint_ = *pair_.checkpoint;
  std::string why = copier_.outdated();
  if (pair_.overwritten_since(checkpoint_.run_id)) why = "another role has synced the target meanwhile";
  if (checkpoint_.starts_over) why = "the dump does not record which of its chunks were done";
  // A further attempt of the same run resumes in any case.
  if (!spec_.enable_checkpoint && checkpoint_.run_id != pair_.run_id) why = "enable_checkpoint is false";
  if (!why.empty()) {
    notice(spec_, "starts again from the first chunk, because " + why);
    start();
    return;
  }
  leader_.redo_up_to(checkpoint_.chunks);
  const std::int64_t failed = count_failed_chunks(pair_.target_table.oid);
  notice(spec_, "resumes run " + std::to_string(checkpoint_.run_id) + " after " +
                    counted(checkpoint_.chunks, "chunk") +
                    (failed > 0 ? ", " + with_commas(failed) + " of them not done" : "") + describe_done());
  checkpoint_.run_id = pair_.run_id;
  checkpoint_.request = to_kept(spec_);
  copier_.save();
}

std::string ChunkedSync::describe_done() const {
  if (checkpoint_.complete) return "; all were read";
  if (checkpoint_.by != ChunkBy::ctid || files_.longest() == 0 || checkpoint_.lower.empty()) return "";
  const std::int64_t done = block_of(checkpoint_.lower, 0);
  return " (" + std::to_string(100 * done / files_.longest()) + " % of the table)";
}

void ChunkedSync::start() {
  const Table &source = pair_.source_table;
  if (pair_.checkpoint) drop_checkpoint(pair_.target_table.oid);
  // A restart is still part of the first load, because all rows of the target come from it.
  const bool first_load = pair_.checkpoint ? pair_.checkpoint->first_load : pair_.target_is_empty;
  checkpoint_ = {};
  checkpoint_.run_id = pair_.run_id;
  checkpoint_.request = to_kept(spec_);
  checkpoint_.definition = definition_of(spec_, source.name);
  checkpoint_.first_load = first_load;
  // In a table that only we have created, each row arrives once, so no index is needed to find it. Rows that
  // were written after the beginning are left to the end.
  checkpoint_.key_pending = pair_.target_is_new && pair_.plan.target_key_pending && pair_.plan.key_proven &&
                            !pair_.plan.converts() && has_history(source) && pair_.target_is_plain();
  if (pair_.plan.target_key_pending && !checkpoint_.key_pending) {
    // These rows prevented the key of an earlier first load. They are read again.
    if (!pair_.target_is_empty) pair_.target->execute(delete_repeated(spec_.target, pair_.plan));
    pair_.build_key(0);
  }
  checkpoint_.by = choose_by();
  checkpoint_.files = files_.identity;
  Watermark &since = checkpoint_.since;
  since.server = spec_.server;
  since.source = display_name(source.name);
  since.custom_select = spec_.custom_select;
  since.take_table(source);
  since.target_files = pair_.files_of_target();
  since.position = pair_.source->position();
  if (spec_.mode == SyncMode::incremental) since.value = proven_value(*sync_.field(), *pair_.horizon);
  checkpoint_.size = first_size(checkpoint_.by);
  leader_.redo_up_to(-1);
  copier_.save();
}

// The size of the first chunk, in rows or pages.
std::int64_t ChunkedSync::first_size(ChunkBy by) const {
  constexpr std::int64_t default_batch_rows = 100'000;
  const std::int64_t rows = spec_.batch_size > 0 ? spec_.batch_size : default_batch_rows;
  if (by == ChunkBy::key) return rows;
  constexpr double usual_rows_per_page = 50;
  const auto estimate = static_cast<double>(pair_.source_table.row_estimate);
  const std::int64_t pages = files_.longest();
  const double per_page =
      estimate > 0 && pages > 0 ? estimate / static_cast<double>(pages) : usual_rows_per_page;
  return std::max<std::int64_t>(
      1, static_cast<std::int64_t>(static_cast<double>(rows) / std::max(per_page, 1.0)));
}

ChunkBy ChunkedSync::choose_by() const {
  const bool by_ctid = files_.in_blocks && spec_.custom_select.empty();
  if (spec_.chunk_by == "ctid" && !by_ctid)
    throw Error(sqlstate::not_supported,
                "\"" + display_name(pair_.source_table.name) + "\" on the source cannot be read by ctid",
                "Reading by ctid requires a table whose rows are all in heaps, on PostgreSQL 14 or later.",
                "Leave chunk_by out to read the table by its key.");
  return spec_.chunk_by == "key" || !by_ctid ? ChunkBy::key : ChunkBy::ctid;
}

// ---- the end ----------------------------------------------------------------------------------------------

// All chunks are copied. These are left, each in a step: the primary key, the rows written since the first
// chunk began, and the keys of all rows.
StepEnd ChunkedSync::end() {
  if (keys_) keys_->committed();
  // Two statements share the time limit: one for rows and one for keys, or one for a range of keys and one
  // for the keys in it. A full verification has no limit, because the caller asked for it.
  const int statements = spec_.verify == VerifyMode::full ? 0 : 2;
  if (starts_again(copier_.open(statements)) && !spec_.failed_chunks_only) return copy_opened();
  if (!checkpoint_.complete) return end_of_failed_chunks();
  if (leader_.has_failed()) fail_incomplete();
  if (stage_ == Stage::chunks) stage_ = stage_after_chunks();
  switch (stage_) {
    case Stage::key:
      return add_key();
    case Stage::second_round:
      return begin_second_round();
    case Stage::keys:
      return read_keys();
    case Stage::last:
      return conclude_in_parts();
    default:
      return conclude();
  }
}

ChunkedSync::Stage ChunkedSync::stage_after_chunks() const {
  if (checkpoint_.key_pending) return Stage::key;
  return checkpoint_.next ? Stage::keys : Stage::conclude;
}

StepEnd ChunkedSync::end_of_failed_chunks() {
  if (leader_.has_failed()) fail_incomplete();
  notice(spec_, "the chunks that failed are done; the sync is not complete", {},
         "Repeat the call of sync_table() to resume the sync.");
  pair_.source->close();
  consistent_ = false;
  return StepEnd::done;
}

StepEnd ChunkedSync::add_key() {
  pair_.source->close();
  pair_.build_key(files_.bytes);
  checkpoint_.key_pending = false;
  copier_.save();
  stage_ = stage_after_chunks();
  return StepEnd::more;
}

// Reads the rows written meanwhile in one snapshot, which makes the target consistent. If that takes longer
// than a transaction on the source may, recover() continues with a second round.
StepEnd ChunkedSync::conclude() {
  pg::Stage(*pair_.target, stage_name).drop_if_exists();
  steps_.progress().rows_before = 0;
  sync_.catch_up(checkpoint_.since);
  consistent_ = sync_.window().kind == ReadWindow::Kind::written_since_position;
  if (!consistent_)
    notice_inconsistent("The source does not record which rows of \"" +
                        display_name(pair_.source_table.name) + "\" were written since the run began.");
  finish();
  return StepEnd::done;
}

void ChunkedSync::finish() {
  sync_.finish();
  counts_ = pair_.counts;
  if (checkpoint_.first_load && may_analyze(*pair_.target, pair_.target_table))
    pair_.target->execute(analyze(spec_.target));
}

void ChunkedSync::notice_inconsistent(const std::string &detail) const {
  notice(spec_, "rows that changed during the run may be older than others", detail,
         "SELECT * FROM verify_table(..., repair => true) finds and repairs them.");
}

// Reads the rows written since the first chunk, chunk by chunk.
StepEnd ChunkedSync::begin_second_round() {
  checkpoint_.next = pair_.source->position();
  checkpoint_.lower.clear();
  checkpoint_.size = first_size(checkpoint_.by);
  // If the source does not record when rows were written, there is nothing to look for.
  checkpoint_.complete = !has_history(pair_.source_table) && checkpoint_.since.value.empty();
  copier_.save();
  pair_.source->close();
  stage_ = Stage::chunks;
  return StepEnd::more;
}

StepEnd ChunkedSync::read_keys() {
  if (spec_.delete_missing || !has_history(pair_.source_table) || !pair_.plan.key_proven) {
    if (!keys_) keys_ = std::make_unique<KeyPass>(pair_, first_size(ChunkBy::key));
    steps_.enter(Phase::copy);
    const bool read = keys_->step();
    steps_.fold("keys");
    if (read) return StepEnd::more;
  }
  stage_ = Stage::last;
  return conclude_in_parts();
}

StepEnd ChunkedSync::conclude_in_parts() {
  pg::Stage(*pair_.target, stage_name).drop_if_exists();
  Watermark since = checkpoint_.since;
  if (has_history(pair_.source_table)) since.position = *checkpoint_.next;
  sync_.conclude(since, keys_ ? keys_->count() : -1);
  consistent_ = false;
  notice_inconsistent(
      "Rows that were written during the run were read in several transactions. The next sync reads later "
      "changes.");
  finish();
  if (keys_) pg::Stage(*pair_.target, keys_name).drop_if_exists();
  return StepEnd::done;
}

// ---- failures ---------------------------------------------------------------------------------------------

// It is undefined which of two rows with the same key was copied, so the next run must begin at the first
// chunk. This run fails after that is committed.
StepEnd ChunkedSync::start_over() {
  copier_.open();
  start();
  pair_.source->close();
  stage_ = Stage::failed;
  return StepEnd::more;
}

bool ChunkedSync::recover(const Diagnostics &failure, bool by_source) {
  if (is_end(stage_) && !by_source && failure.sqlstate == sqlstate::cardinality) {
    repeated_ = failure;
    pair_.source.reset();
    stage_ = Stage::start_over;
    return true;
  }
  const bool too_long = by_source && failure.sqlstate == sqlstate::canceled;
  if (stage_ == Stage::conclude && too_long) {
    pair_.source.reset();
    stage_ = Stage::second_round;
    notice(spec_, "the end is read in several transactions, because one would take longer than " +
                      human_seconds(max_source_transaction_ms / 1000.0) +
                      " on the source (tablesync.max_source_transaction)");
    return true;
  }
  if (stage_ == Stage::keys && keys_ && too_long) {
    pair_.source.reset();
    if (keys_->make_smaller()) return true;
    throw Error("54000",
                "the source took longer than " + human_seconds(max_source_transaction_ms / 1000.0) +
                    " to find a few keys of \"" + display_name(pair_.source_table.name) + "\"",
                "To find deleted rows, the sync reads the keys of all rows in the order of the key.",
                "Give the source an index on the key, raise tablesync.max_source_transaction, or pass "
                "delete_missing => false.");
  }
  return copier_.recover(failure, by_source);
}

void ChunkedSync::fail_incomplete() const {
  leader_.fail_incomplete("SELECT * FROM retry_chunks(" + std::to_string(pair_.run_id) + ").");
}

}  // namespace tablesync::pg
