// Chunks: ranges of a table that are read in a transaction each. By ctid (pages of a heap; no index is
// needed), by key (what any btree orders), or by time (of readings).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/rows.h"
#include "core/sql/deparse_source.h"

namespace tablesync {

enum class ChunkBy { ctid, key, time };
const char *name_of(ChunkBy by);
ChunkBy parse_chunk_by(const std::string &name);  // what name_of() gave

// An end of a range: the texts of the key's columns, the number of a page, or a time; empty where the range
// is open.
using Bound = std::vector<std::string>;
// Of one that is a time, or has one column; empty where it is open.
inline std::string only_text(const Bound &bound) { return bound.empty() ? std::string() : bound[0]; }

// The page that a bound by ctid names; `open` where it is open.
std::int64_t block_of(const Bound &bound, std::int64_t open);

struct Chunk {
  std::int64_t number = 0;  // within the sync, from 1
  Bound lower;              // by key: rows above it; by ctid, time: from it on
  Bound upper;              // by key: rows up to it, it too; by ctid, time: below it
};
// "pages from 100 to 200", "keys above (7, x) up to (9, y)"
std::string describe(const Chunk &chunk, ChunkBy by);

// Conditions over the rows of the source of a sync, those of the chunk, which is by ctid or key. Together the
// chunks of one sync have every row, a null in the key included. Keys are ordered by the operators of
// pg_catalog.
std::vector<std::string> rows_of(const Chunk &chunk, ChunkBy by, const Table &source, const SyncPlan &plan);
// Of these rows, those of the chunk.
SourceRows in_chunk(SourceRows rows, const Chunk &chunk, ChunkBy by, const SyncPlan &plan);
// The key of the `count`th row in the key's order: one row of its columns' texts, or none where there are
// fewer.
std::string nth_key(const SourceRows &rows, const SyncPlan &plan, std::int64_t count);

// The upper bound of a chunk that ends with that row: open where there is none, or a null in it: nulls sort
// last, so that only such keys are left.
Bound bound_of(const Rows &key);

// How large the next chunk is to be (in rows or pages) after one of `size` that took so long and so many
// bytes: as large as the limits allow, but no more than four times as large as before.
struct ChunkLimits {
  double seconds;
  std::int64_t bytes;
};
std::int64_t next_chunk_size(std::int64_t size, double seconds, std::int64_t bytes,
                             const ChunkLimits &limits);
// After one of `size` that took too long: 1 at least.
std::int64_t smaller_chunk_size(std::int64_t size);

}  // namespace tablesync
