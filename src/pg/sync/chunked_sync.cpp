#include "pg/sync/chunked_sync.h"

#include <algorithm>

#include "core/deparse.h"
#include "core/error.h"
#include "core/text.h"
#include "pg/server/guc.h"
#include "pg/server/spi.h"
#include "pg/sync/field_bounds.h"
#include "pg/sync/target.h"

namespace tablesync::pg {
namespace {

constexpr std::int64_t default_batch_rows = 100'000;
// So that a failure costs little, the target's other users wait for no long transaction, and the fixed cost
// of a chunk (milliseconds) does not count.
constexpr double chunk_seconds = 5;
// More of them say that it is not the rows.
constexpr std::int64_t most_failures = 10;

std::string pages(const Bound &bound, const char *open) { return bound.empty() ? open : join(bound, ", "); }

// "pages from 100 to 200", "keys above (7, x) up to (9, y)"
std::string tell(const Chunk &chunk, ChunkBy by) {
  if (by == ChunkBy::ctid)
    return "pages from " + pages(chunk.lower, "the first") + " to " + pages(chunk.upper, "the last");
  std::string text = chunk.lower.empty() ? "the first keys" : "keys above (" + join(chunk.lower, ", ") + ")";
  if (!chunk.upper.empty()) text += " up to (" + join(chunk.upper, ", ") + ")";
  return text;
}

// Whether an error is of the rows that were read, and other rows need not have it: what SQLSTATE calls a data
// exception, an integrity constraint violation, or a cardinality violation.
bool is_of_rows(const std::string &sqlstate) {
  return sqlstate.starts_with("22") || sqlstate.starts_with("23") || sqlstate.starts_with("21");
}

}  // namespace

ChunkedSync::ChunkedSync(const SyncSpec &spec, std::int64_t run_id, RunSteps &steps)
    : spec_(spec), steps_(steps), sync_(spec, run_id, steps), pair_(sync_.pair()) {}

bool ChunkedSync::step() {
  counts_ = {};
  if (at_once_) return end_at_once(sync_.step());
  progressed_ = begun_;
  if (!begun_) {
    sync_.prepare();
    if (pair_.checkpoint && !spec_.restart) refuse_other_definition(*pair_.checkpoint);
    at_once_ = !wants_chunks();
    if (at_once_) return end_at_once(sync_.finish());
    begin();
    begun_ = true;
    // The target is there from here on, whatever becomes of the first chunk.
    pair_.source->close();
    return false;
  }
  if (failed_ >= most_failures) fail_incomplete();
  const bool concludes = !choose_failed() && (checkpoint_.complete || spec_.failed_chunks_only);
  pair_.shared = true;
  // The keys of all rows, and what was written meanwhile, must be of one snapshot, however long that takes.
  pair_.time_limit_ms = concludes ? 0 : max_source_transaction_ms;
  sync_.open();
  files_ = pair_.source->files();
  if (const std::string why = outdated(); !why.empty()) {
    pg::tell(spec_, "starts again from the first chunk, since " + why);
    start();
    in_chunk_ = false;
  }
  if (!in_chunk_ && !checkpoint_.complete && !spec_.failed_chunks_only) choose_next();
  if (in_chunk_) {
    copy_chunk();
    return false;
  }
  if (count_failed_chunks(pair_.target.oid) > 0) fail_incomplete();
  if (checkpoint_.complete && checkpoint_.key_pending) {
    add_key();
    return false;
  }
  conclude();
  return true;
}

// ---- whether in chunks, and from where
// -----------------------------------------------------------------------

bool ChunkedSync::end_at_once(bool last) {
  counts_ = pair_.counts;
  progressed_ = sync_.progressed();
  return last;
}

bool ChunkedSync::wants_chunks() {
  const ChunkChoice choice = choose_chunks(spec_, sync_);
  files_ = choice.files;
  if (choice.surprising)
    pg::tell(
        spec_,
        std::string("is read in ") + (choice.chunks ? "chunks" : "one transaction") + ", since " + choice.why,
        {}, choice.chunks ? "chunk_mode => false reads it in one transaction." : "");
  return choice.chunks;
}

// What was begun is to be completed, or given up, before something else is done.
void ChunkedSync::refuse_other_definition(const Checkpoint &begun) const {
  const std::string definition = definition_of(spec_, pair_.source_table.name);
  if (begun.definition == definition) return;
  throw Error(sqlstate::wrong_state,
              "run " + std::to_string(begun.run_id) + " of \"" + display_name(spec_.target) +
                  "\" is not complete, and was started with a different definition",
              first_change(begun.definition, definition),
              "Complete it by the same call, or give it up: options => '{\"restart\": true}'.");
}

void ChunkedSync::begin() {
  if (pair_.checkpoint && !spec_.restart)
    resume();
  else
    start();
}

void ChunkedSync::resume() {
  checkpoint_ = *pair_.checkpoint;
  std::string why = outdated();
  // A further attempt of the same run goes on in any case.
  if (!spec_.enable_checkpoint && checkpoint_.run_id != pair_.run_id) why = "enable_checkpoint is false";
  if (!why.empty()) {
    pg::tell(spec_, "starts again from the first chunk, since " + why);
    start();
    return;
  }
  redo_to_ = checkpoint_.chunks;
  const std::int64_t failed = count_failed_chunks(pair_.target.oid);
  pg::tell(spec_, "resumes run " + std::to_string(checkpoint_.run_id) + " after " +
                      with_commas(checkpoint_.chunks) + " chunks" +
                      (failed > 0 ? ", of which " + with_commas(failed) + " failed" : "") + tell_done());
  checkpoint_.run_id = pair_.run_id;
  write_checkpoint(pair_.target.oid, spec_, checkpoint_);
}

std::string ChunkedSync::tell_done() const {
  if (checkpoint_.complete) return "; all were read";
  if (checkpoint_.by != ChunkBy::ctid || files_.longest() == 0 || checkpoint_.lower.empty()) return "";
  const std::int64_t done = block_of(checkpoint_.lower, 0);
  return " (" + std::to_string(100 * done / files_.longest()) + " % of the table)";
}

// Whether its rows tell which transaction wrote them.
bool ChunkedSync::has_history(const Table &source) const {
  return (source.kind == 'r' || source.kind == 'p') && spec_.custom_select.empty();
}

// Why what was read does not go together with what would be; empty where it does.
std::string ChunkedSync::outdated() const {
  const Table &source = pair_.source_table;
  const Watermark &since = checkpoint_.since;
  if (since.shape != shape_of(source)) return "its columns have changed";
  if (since.system_identifier != source.system_identifier || since.database_oid != source.database_oid)
    return "the source is another cluster or database";
  if (since.relation_oid != source.oid) return "the source is another table of that name";
  if (checkpoint_.by == ChunkBy::ctid && checkpoint_.files != files_.identity)
    return "its rows were moved to other files (TRUNCATE, VACUUM FULL, CLUSTER, a partition more or less)";
  if (has_history(source) && !proves_position(since, source, pair_.source->position(), [&](int timeline) {
        return pair_.source->switch_point(timeline);
      }))
    return "the source is not of the history that was read (a failover, a restored backup, 2^31 "
           "transactions)";
  return {};
}

void ChunkedSync::start() {
  const Table &source = pair_.source_table;
  if (pair_.checkpoint) drop_checkpoint(pair_.target.oid);
  // A restart does not make it another's: the rows that are here are of the first load still.
  const bool first_load = pair_.checkpoint ? pair_.checkpoint->first_load : pair_.target_is_empty;
  checkpoint_ = {};
  checkpoint_.run_id = pair_.run_id;
  checkpoint_.definition = definition_of(spec_, source.name);
  checkpoint_.first_load = first_load;
  // What is in a table that only we have made comes in once, and needs no index to be found by: rows that
  // were written since the beginning are left to the end.
  checkpoint_.key_pending = pair_.target_is_new && pair_.plan.target_key_pending && pair_.plan.key_proven &&
                            !pair_.plan.converts() && has_history(source);
  if (pair_.plan.target_key_pending && !checkpoint_.key_pending) pair_.build_key(0);
  checkpoint_.by = choose_by();
  checkpoint_.files = files_.identity;
  Watermark &since = checkpoint_.since;
  since.server = spec_.server;
  since.source = display_name(source.name);
  since.custom_select = spec_.custom_select;
  since.take_table(source);
  since.position = pair_.source->position();
  if (spec_.mode == SyncMode::incremental) since.value = proven_value(*sync_.field(), *pair_.horizon);
  checkpoint_.size = first_size();
  redo_to_ = -1;
  write_checkpoint(pair_.target.oid, spec_, checkpoint_);
}

// Of the first chunk, in rows or pages.
std::int64_t ChunkedSync::first_size() const {
  const std::int64_t rows = spec_.batch_size > 0 ? spec_.batch_size : default_batch_rows;
  if (checkpoint_.by == ChunkBy::key) return rows;
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
                "That needs a table whose rows are all in heaps, on PostgreSQL 14 or later.",
                "Leave chunk_by out: it is read by its key.");
  return spec_.chunk_by == "key" || !by_ctid ? ChunkBy::key : ChunkBy::ctid;
}

// ---- a chunk
// -------------------------------------------------------------------------------------------------

// First those are done again that failed in runs before.
bool ChunkedSync::choose_failed() {
  in_chunk_ = false;
  if (redo_from_ > redo_to_) return false;
  const std::optional<FailedChunk> failed = find_failed_chunk(pair_.target.oid, redo_from_);
  if (!failed || failed->chunk.number > redo_to_) return false;
  chunk_ = failed->chunk;
  chunk_run_ = failed->run_id;
  redo_from_ = chunk_.number + 1;
  in_chunk_ = true;
  return true;
}

void ChunkedSync::choose_next() {
  chunk_ = {checkpoint_.chunks + 1, checkpoint_.lower, {}};
  chunk_run_ = pair_.run_id;
  chunk_began_ = 0;
  in_chunk_ = true;
  find_end();
}

void ChunkedSync::find_end() {
  if (checkpoint_.by == ChunkBy::ctid) {
    const std::int64_t from = block_of(chunk_.lower, 0);
    if (from + checkpoint_.size < files_.longest()) chunk_.upper = {std::to_string(from + checkpoint_.size)};
    return;
  }
  const Rows key =
      pair_.source->connection().query(nth_key(in_chunk(sync_.rows()), pair_.plan, checkpoint_.size));
  if (key.empty()) return;
  // A null sorts last, so that only nulls are left.
  for (const Cell &column : key[0])
    if (!column)
      return chunk_.upper.clear();
    else
      chunk_.upper.push_back(*column);
}

// Of these rows, those of the chunk.
SourceRows ChunkedSync::in_chunk(SourceRows rows) const {
  for (const std::string &condition : rows_of(chunk_, checkpoint_.by, pair_.source_table, pair_.plan))
    rows.conditions.push_back(condition);
  return rows;
}

void ChunkedSync::copy_chunk() {
  chunk_began_ = now_seconds();
  steps_.enter(Phase::copy, pair_.source->table().row_estimate);
  if (checkpoint_.key_pending)
    store_chunk();
  else
    stage_chunk();
  counts_ = pair_.counts;
  advance(nullptr);
}

// Straight into the target. A row that was written before the beginning is in one chunk only, wherever it
// moves. Rows that are marked as deleted are none of the sync: here is nothing yet that they could delete.
void ChunkedSync::store_chunk() {
  SourceRows rows = in_chunk(pair_.all_rows);
  rows.conditions.push_back("NOT (" + written_since(pair_.source_table, checkpoint_.since.position.xmin) +
                            ")");
  pair_.counts.read = pair_.counts.inserted = pair_.receive(spec_.target, pair_.plan, rows);
  pair_.source->close();
}

void ChunkedSync::stage_chunk() {
  need_stage();
  const std::int64_t staged = pair_.stage(stage_name, pair_.plan, in_chunk(sync_.rows()));
  pair_.source->close();
  constexpr std::int64_t worth_statistics = 1000, tenfold = 10;
  if (staged > worth_statistics && (analyzed_rows_ < 0 || staged > tenfold * analyzed_rows_)) {
    query(analyze(stage_name, pair_.plan.key));
    analyzed_rows_ = staged;
  }
  sync_.apply_stage(staged, Deletes::none, false);
}

// One stage for many chunks: each new one is a few rows more in the catalogs.
void ChunkedSync::need_stage() {
  constexpr double hour = 3600;  // a table that stays holds back the freezing of transaction ids
  const std::string definition = create_stage(stage_name, pair_.plan, true);
  const bool exists = bool_of(query(stage_exists()).at(0).at(0));
  if (exists && definition == stage_definition_ && chunk_began_ - stage_made_ < hour) return;
  if (exists) query(drop_stage());
  query(definition);
  stage_definition_ = definition;
  stage_made_ = chunk_began_;
  analyzed_rows_ = -1;
}

void ChunkedSync::add_key() {
  pair_.source->close();
  pair_.build_key(files_.bytes);
  checkpoint_.key_pending = false;
  write_checkpoint(pair_.target.oid, spec_, checkpoint_);
}

// Writes what became of the chunk, and where the next begins.
void ChunkedSync::advance(const Diagnostics *failure) {
  record_chunk(chunk_run_, pair_.target.oid, chunk_, chunk_began_, counts_, failure);
  if (chunk_.number > checkpoint_.chunks) {
    checkpoint_.chunks = chunk_.number;
    checkpoint_.lower = chunk_.upper;
    checkpoint_.complete = chunk_.upper.empty();
    const ChunkLimits limits{std::min(chunk_seconds, static_cast<double>(max_source_transaction_ms) / 4000),
                             static_cast<std::int64_t>(spec_.memory_limit_mb) << 20};
    if (failure == nullptr)
      checkpoint_.size =
          next_chunk_size(checkpoint_.size, now_seconds() - chunk_began_, pair_.counts.bytes, limits);
  }
  write_checkpoint(pair_.target.oid, spec_, checkpoint_);
  steps_.fold("chunks");
}

bool ChunkedSync::absorb(const Diagnostics &said, bool by_source) {
  if (!in_chunk_) return false;
  in_chunk_ = false;
  stage_definition_.clear();
  counts_ = {};
  // The stream may have been left in the middle.
  pair_.source.reset();
  if (by_source && said.sqlstate == sqlstate::canceled) {
    make_smaller();
    return true;
  }
  // Without an end it cannot be left out.
  if (chunk_.upper.empty() && chunk_began_ == 0) return false;
  if (!is_of_rows(said.sqlstate)) return false;
  advance(&said);
  pg::tell(spec_, "chunk " + with_commas(chunk_.number) + " failed and is left out for now: " + said.message,
           "It has " + tell(chunk_, checkpoint_.by) + ".");
  ++failed_;
  return true;
}

// It took longer than a transaction may take.
void ChunkedSync::make_smaller() {
  constexpr std::int64_t times = 4;
  if (checkpoint_.size == 1 || chunk_.number <= checkpoint_.chunks)
    throw Error("54000",
                "the source took longer than " + human_seconds(max_source_transaction_ms / 1000.0) +
                    " for chunk " + with_commas(chunk_.number) + " of \"" + display_name(spec_.target) + "\"",
                "It has " + tell(chunk_, checkpoint_.by) + ".",
                "Raise tablesync.max_source_transaction, or pass chunk_mode => false, which sets no limit.");
  checkpoint_.size = std::max<std::int64_t>(1, checkpoint_.size / times);
  write_checkpoint(pair_.target.oid, spec_, checkpoint_);
}

// ---- the end
// -------------------------------------------------------------------------------------------------

// All chunks are there: what was written since the first of them began is read in one snapshot.
void ChunkedSync::conclude() {
  if (!checkpoint_.complete) {
    pg::tell(spec_, "the chunks that failed are done; the sync is not complete", {},
             "The same call of sync_table() as before goes on with it.");
    pair_.source->close();
    consistent_ = false;
    return;
  }
  if (bool_of(query(stage_exists()).at(0).at(0))) query(drop_stage());
  steps_.progress().rows_before = 0;
  sync_.catch_up(checkpoint_.since);
  consistent_ = sync_.window().kind == ReadWindow::Kind::written_since_position;
  if (!consistent_)
    pg::tell(spec_, "rows that changed during the run may be older than others",
             "The source does not tell which rows of \"" + display_name(pair_.source_table.name) +
                 "\" were written since the run began.",
             "SELECT * FROM verify_table(..., repair => true) finds and mends them.");
  sync_.finish();
  counts_ = pair_.counts;
  if (checkpoint_.first_load && may_analyze(pair_.target)) execute(analyze(spec_.target));
}

void ChunkedSync::fail_incomplete() const {
  const FailedChunk first = *find_failed_chunk(pair_.target.oid);
  const std::int64_t failed = count_failed_chunks(pair_.target.oid);
  throw Error(
      first.error.sqlstate,
      with_commas(failed) + " of " + with_commas(checkpoint_.chunks) + " chunks of \"" +
          display_name(spec_.target) + "\" failed: " + first.error.message,
      "Chunk " + with_commas(first.chunk.number) + " has " + tell(first.chunk, checkpoint_.by) + "." +
          (first.error.detail.empty() ? "" : " " + first.error.detail),
      std::string(checkpoint_.complete ? "All other rows are there" : "What comes after these was not read") +
          ". Mend the cause, then SELECT * FROM retry_chunks(" + std::to_string(pair_.run_id) + ").");
}

}  // namespace tablesync::pg
