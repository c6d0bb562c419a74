#include "pg/sync/table_chunk_copier.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/sql/deparse.h"
#include "core/table/target_files.h"
#include "pg/server/guc.h"
#include "pg/server/session_option.h"
#include "pg/server/spi.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {
namespace {

// Short enough that a failure costs little and that other users of the target do not wait long; long enough
// that the fixed cost of a chunk (milliseconds) does not count.
constexpr double chunk_seconds = 5;

}  // namespace

std::string TableChunkCopier::open() { return open(checkpoint.by == ChunkBy::key ? 2 : 1); }

std::string TableChunkCopier::open(int statements) {
  begin_transaction();
  pair_.shared = true;
  pair_.time_limit_ms = statements > 0 ? std::max(max_source_transaction_ms / statements, 1) : 0;
  sync_.open();
  files = pair_.source->files();
  if (claims_ && pair_.checkpoint) checkpoint = *pair_.checkpoint;
  if (checkpoint.next) sync_.catch_up(checkpoint.since);
  return outdated();
}

std::string TableChunkCopier::outdated() const {
  const Table &source = pair_.source_table;
  const Watermark &since = checkpoint.since;
  if (const std::string why = columns_change(since.shape, source); !why.empty()) return why;
  if (was_rewritten(since.target_files, pair_.files_of_target())) return rewritten;
  if (since.system_identifier != source.system_identifier || since.database_oid != source.database_oid)
    return "the source is another cluster or database";
  if (since.relation_oid != source.oid) return "the source is another table of that name";
  if (const std::string why = marks_change(since.shape, source); !why.empty()) return why;
  if (checkpoint.by == ChunkBy::ctid && checkpoint.files != files.identity)
    return "its rows were moved to other files (TRUNCATE, VACUUM FULL, CLUSTER, a new or dropped partition)";
  if (has_history(source) && !proves_position(since, source, pair_.source->position(), [&](int timeline) {
        return pair_.source->switch_point(timeline);
      }))
    return "the source does not continue the history that was read (a failover, a restored backup, 2^31 "
           "transactions)";
  return {};
}

// ---- which rows -------------------------------------------------------------------------------------------

// Makes the last chunks small, so that no worker has much left when the others are done.
std::int64_t TableChunkCopier::fair_size(std::int64_t pages_left) const {
  constexpr std::int64_t least = 1024;
  if (!claims_) return checkpoint.size;
  return std::min(checkpoint.size, std::max(least, pages_left / (2 * spec_.parallel_workers)));
}

void TableChunkCopier::find_end() {
  if (checkpoint.by == ChunkBy::ctid) {
    const std::int64_t from = block_of(chunk_.lower, 0);
    size_ = fair_size(files.longest() - from);
    if (from + size_ < files.longest()) chunk_.upper = {std::to_string(from + size_)};
    return;
  }
  // Rows that were written since the beginning may be few and far apart, so all rows are counted.
  const SourceRows &counted = checkpoint.next ? pair_.all_rows : sync_.rows();
  chunk_.upper = bound_of(pair_.source->query(nth_key(rows_in_chunk(counted), pair_.plan, checkpoint.size)));
}

SourceRows TableChunkCopier::rows_in_chunk(const SourceRows &rows) const {
  return tablesync::in_chunk(rows, chunk_, checkpoint.by, pair_.plan);
}

// ---- its rows ---------------------------------------------------------------------------------------------

bool TableChunkCopier::copy_rows() {
  steps_.enter(Phase::copy, pair_.source->table().row_estimate);
  if (checkpoint.key_pending)
    store();
  else
    stage();
  counts_ = pair_.counts;
  return true;
}

std::int64_t TableChunkCopier::size_after(double seconds) const {
  const ChunkLimits limits{std::min(chunk_seconds, static_cast<double>(max_source_transaction_ms) / 4000),
                           static_cast<std::int64_t>(spec_.memory_limit_mb) << 20};
  return next_chunk_size(size_, seconds, pair_.counts.bytes, limits);
}

// Copies straight into the target. A row that was written before the beginning is in one chunk only. Rows
// that are marked as deleted are left out, because the target has no rows yet that they could delete.
void TableChunkCopier::store() {
  SourceRows rows = rows_in_chunk(pair_.all_rows);
  rows.conditions.push_back("NOT (" + written_since(pair_.source_table, checkpoint.since.position.xmin) +
                            ")");
  pair_.counts.read = pair_.counts.inserted = pair_.receive(spec_.target, pair_.plan, rows);
  pair_.source->close();
}

void TableChunkCopier::stage() {
  constexpr double hour = 3600;  // a table that stays holds back the freezing of transaction ids
  const SyncPlan plan = pair_.plan.staged();
  stage_.make_or_keep(plan, began_, hour);
  const std::int64_t staged = pair_.stage(stage_.name(), plan, rows_in_chunk(sync_.rows()));
  pair_.source->close();
  stage_.analyze_if_grown(staged, pair_.plan.key);
  sync_.apply_stage(staged, Deletes::none, false);
}

void TableChunkCopier::lose_source() {
  stage_.forget();
  pair_.source.reset();
}

}  // namespace tablesync::pg
