#include "pg/sync/chunk_copier.h"

#include <algorithm>

#include "core/deparse.h"
#include "core/error.h"
#include "core/text.h"
#include "pg/server/guc.h"
#include "pg/server/session_option.h"
#include "pg/server/spi.h"
#include "pg/sync/target.h"

namespace tablesync::pg {
namespace {

// So that a failure costs little, the target's other users wait for no long transaction, and the fixed cost
// of a chunk (milliseconds) does not count.
constexpr double chunk_seconds = 5;

std::string pages(const Bound &bound, const char *open) { return bound.empty() ? open : join(bound, ", "); }

// Whether an error is of the rows that were read, and other rows need not have it: what SQLSTATE calls a data
// exception, an integrity constraint violation, or a cardinality violation.
bool is_of_rows(const std::string &sqlstate) {
  return sqlstate.starts_with("22") || sqlstate.starts_with("23") || sqlstate.starts_with("21");
}

}  // namespace

std::string tell(const Chunk &chunk, ChunkBy by) {
  if (by == ChunkBy::ctid)
    return "pages from " + pages(chunk.lower, "the first") + " to " + pages(chunk.upper, "the last");
  std::string text = chunk.lower.empty() ? "the first keys" : "keys above (" + join(chunk.lower, ", ") + ")";
  if (!chunk.upper.empty()) text += " up to (" + join(chunk.upper, ", ") + ")";
  return text;
}

bool has_history(const Table &source, const SyncSpec &spec) {
  return (source.kind == 'r' || source.kind == 'p') && spec.custom_select.empty();
}

std::string ChunkCopier::open() { return open(checkpoint.by == ChunkBy::key ? 2 : 1); }

std::string ChunkCopier::open(int statements) {
  counts_ = {};
  claimed_ = claims_ && in_chunk_;
  pair_.shared = true;
  pair_.time_limit_ms = statements > 0 ? std::max(max_source_transaction_ms / statements, 1) : 0;
  sync_.open();
  files = pair_.source->files();
  if (claims_ && pair_.checkpoint) checkpoint = *pair_.checkpoint;
  if (checkpoint.next) sync_.catch_up(checkpoint.since);
  return outdated();
}

std::string ChunkCopier::outdated() const {
  const Table &source = pair_.source_table;
  const Watermark &since = checkpoint.since;
  if (since.shape != shape_of(source)) return "its columns have changed";
  if (since.system_identifier != source.system_identifier || since.database_oid != source.database_oid)
    return "the source is another cluster or database";
  if (since.relation_oid != source.oid) return "the source is another table of that name";
  if (checkpoint.by == ChunkBy::ctid && checkpoint.files != files.identity)
    return "its rows were moved to other files (TRUNCATE, VACUUM FULL, CLUSTER, a partition more or less)";
  if (has_history(source, spec_) &&
      !proves_position(since, source, pair_.source->position(),
                       [&](int timeline) { return pair_.source->switch_point(timeline); }))
    return "the source is not of the history that was read (a failover, a restored backup, 2^31 "
           "transactions)";
  return {};
}

// ---- which chunk
// -----------------------------------------------------------------------------------------------------

void ChunkCopier::choose(const FailedChunk &failed) {
  chunk_ = failed.chunk;
  chunk_run_ = failed.run_id;
  has_end_ = in_chunk_ = true;
  is_new_ = false;
}

void ChunkCopier::choose_next() {
  chunk_ = {checkpoint.chunks + 1, checkpoint.lower, {}};
  chunk_run_ = pair_.run_id;
  has_end_ = false;
  in_chunk_ = is_new_ = true;
  find_end();
  has_end_ = true;
}

// No worker shall be left with much when the others find nothing more.
std::int64_t ChunkCopier::fair_size(std::int64_t pages_left) const {
  constexpr std::int64_t least = 1024;
  if (!claims_) return checkpoint.size;
  return std::min(checkpoint.size, std::max(least, pages_left / (2 * spec_.parallel_workers)));
}

void ChunkCopier::find_end() {
  size_ = checkpoint.size;
  if (checkpoint.by == ChunkBy::ctid) {
    const std::int64_t from = block_of(chunk_.lower, 0);
    size_ = fair_size(files.longest() - from);
    if (from + size_ < files.longest()) chunk_.upper = {std::to_string(from + size_)};
    return;
  }
  // Of what was written since the beginning there may be little, far apart.
  const SourceRows &counted = checkpoint.next ? pair_.all_rows : sync_.rows();
  chunk_.upper =
      bound_of(pair_.source->connection().query(nth_key(in_chunk(counted), pair_.plan, checkpoint.size)));
}

bool ChunkCopier::claim() {
  checkpoint = *read_checkpoint(pair_.target.oid, true);
  if (checkpoint.complete) return false;
  choose_next();
  pair_.source->close();
  began_ = now_seconds();
  tries_ = 0;
  hand_out();
  write_checkpoint(pair_.target.oid, spec_, checkpoint);
  record_claim(chunk_run_, pair_.target.oid, chunk_, began_);
  // Where it is lost, so is all that came of it.
  set_session_option("synchronous_commit", "off");
  return true;
}

void ChunkCopier::hand_out() {
  checkpoint.chunks = chunk_.number;
  checkpoint.lower = chunk_.upper;
  checkpoint.complete = chunk_.upper.empty();
}

SourceRows ChunkCopier::in_chunk(const SourceRows &rows) const {
  return tablesync::in_chunk(rows, chunk_, checkpoint.by, pair_.plan);
}

// ---- its rows
// --------------------------------------------------------------------------------------------------------

void ChunkCopier::copy() {
  began_ = now_seconds();
  steps_.enter(Phase::copy, pair_.source->table().row_estimate);
  if (checkpoint.key_pending)
    store();
  else
    stage();
  counts_ = pair_.counts;
  record(nullptr);
  in_chunk_ = false;
}

// Straight into the target. A row that was written before the beginning is in one chunk only, wherever it
// moves. Rows that are marked as deleted are none of the sync: here is nothing yet that they could delete.
void ChunkCopier::store() {
  SourceRows rows = in_chunk(pair_.all_rows);
  rows.conditions.push_back("NOT (" + written_since(pair_.source_table, checkpoint.since.position.xmin) +
                            ")");
  pair_.counts.read = pair_.counts.inserted = pair_.receive(spec_.target, pair_.plan, rows);
  pair_.source->close();
}

void ChunkCopier::stage() {
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
void ChunkCopier::need_stage() {
  constexpr double hour = 3600;  // a table that stays holds back the freezing of transaction ids
  const std::string definition = create_stage(stage_name, pair_.plan, OnCommit::empty);
  const bool exists = bool_of(query(table_exists(stage_name)).at(0).at(0));
  if (exists && definition == stage_definition_ && began_ - stage_made_ < hour) return;
  if (exists) query(drop_table(stage_name));
  query(definition);
  stage_definition_ = definition;
  stage_made_ = began_;
  analyzed_rows_ = -1;
}

// Writes what became of the chunk, and where the next begins.
void ChunkCopier::record(const Diagnostics *failure) {
  record_chunk(chunk_run_, pair_.target.oid, chunk_, began_, counts_, failure);
  // The others have handed out more since.
  if (claims_) checkpoint = *read_checkpoint(pair_.target.oid, true);
  if (is_new_ && !claims_) hand_out();
  if (is_new_ && failure == nullptr) {
    const ChunkLimits limits{std::min(chunk_seconds, static_cast<double>(max_source_transaction_ms) / 4000),
                             static_cast<std::int64_t>(spec_.memory_limit_mb) << 20};
    checkpoint.size = next_chunk_size(size_, now_seconds() - began_, pair_.counts.bytes, limits);
  }
  write_checkpoint(pair_.target.oid, spec_, checkpoint);
  steps_.fold("chunks");
}

// ---- what can go wrong with it
// ---------------------------------------------------------------------------------------

bool ChunkCopier::absorb(const Diagnostics &said, bool by_source) {
  if (!in_chunk_) return false;
  stage_definition_.clear();
  counts_ = {};
  // The stream may have been left in the middle.
  pair_.source.reset();
  if (!by_source && claimed_ && try_again(said.sqlstate)) return true;
  // Whoever has claimed it does it again.
  in_chunk_ = claimed_;
  if (by_source && said.sqlstate == sqlstate::canceled) {
    make_smaller();
    return true;
  }
  // Without an end it cannot be left out; nor can what was not handed out.
  if (!has_end_ || (claims_ && !claimed_) || !is_of_rows(said.sqlstate)) return false;
  in_chunk_ = false;
  record(&said);
  pg::tell(spec_, "chunk " + with_commas(chunk_.number) + " failed and is left out for now: " + said.message,
           "It has " + tell(chunk_, checkpoint.by) + ".");
  ++failed_;
  return true;
}

// A row that moved is in two chunks, and two workers may bring it at the same moment: unique_violation,
// serialization_failure, deadlock_detected.
bool ChunkCopier::try_again(const std::string &sqlstate) {
  constexpr int most_tries = 3;
  return (sqlstate == "23505" || sqlstate == "40001" || sqlstate == "40P01") && ++tries_ <= most_tries;
}

// It took longer than a transaction may take.
void ChunkCopier::make_smaller() {
  if (claims_) checkpoint = *read_checkpoint(pair_.target.oid, true);
  if (checkpoint.size == 1 || !is_new_ || claimed_)
    throw Error("54000",
                "the source took longer than " + human_seconds(max_source_transaction_ms / 1000.0) +
                    " for chunk " + with_commas(chunk_.number) + " of \"" + display_name(spec_.target) + "\"",
                "It has " + tell(chunk_, checkpoint.by) + ".",
                "Raise tablesync.max_source_transaction, or pass chunk_mode => false, which sets no limit.");
  checkpoint.size = smaller_chunk_size(std::min(size_, checkpoint.size));
  write_checkpoint(pair_.target.oid, spec_, checkpoint);
}

}  // namespace tablesync::pg
