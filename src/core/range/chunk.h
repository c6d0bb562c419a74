// Chunks: ranges of a table, each of which is read in its own transaction. A range is by ctid (pages of a
// heap; needs no index), by key (any btree order), or by time (of readings).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/rows.h"
#include "core/sql/deparse_source.h"

namespace tablesync {

enum class ChunkBy { ctid, key, time };
const char *name_of(ChunkBy by);
ChunkBy parse_chunk_by(const std::string &name);  // what name_of() returned

// An end of a range: the texts of the key's columns, the number of a page, or a time; empty if the range is
// open.
using Bound = std::vector<std::string>;
// The text of a bound that is a time or has one column; empty if the range is open.
inline std::string only_text(const Bound &bound) { return bound.empty() ? std::string() : bound[0]; }

// The page of a bound by ctid; `open` if the range is open.
std::int64_t block_of(const Bound &bound, std::int64_t open);

struct Chunk {
  std::int64_t number = 0;  // within the sync, from 1
  Bound lower;              // by key: rows above it; by ctid, time: from it on
  Bound upper;              // by key: rows up to and including it; by ctid, time: below it
};
// "pages from 100 to 200", "keys above (7, x) up to (9, y)"
std::string describe(const Chunk &chunk, ChunkBy by);

// Conditions that select the rows of a chunk by ctid or key from the source of a sync. Together the chunks of
// one sync cover every row, including nulls in the key. Keys are ordered by the operators of pg_catalog.
std::vector<std::string> rows_of(const Chunk &chunk, ChunkBy by, const Table &source, const SyncPlan &plan);
// Restricts these rows to those of the chunk.
SourceRows in_chunk(SourceRows rows, const Chunk &chunk, ChunkBy by, const SyncPlan &plan);
// The query for the key of the `count`th row in the key's order: one row of its columns' texts, or none if
// there are fewer rows.
std::string nth_key(const SourceRows &rows, const SyncPlan &plan, std::int64_t count);

// The upper bound of a chunk that ends with that row. It is open if there is no such row, and if its key has
// a null, because nulls sort last and only such keys are left.
Bound bound_of(const Rows &key);

// The size of the next chunk (in rows or pages) after one of `size` that took `seconds` and `bytes`: as large
// as the limits allow, but at most four times as large as before.
struct ChunkLimits {
  double seconds;
  std::int64_t bytes;
};
std::int64_t next_chunk_size(std::int64_t size, double seconds, std::int64_t bytes,
                             const ChunkLimits &limits);
// The size after a chunk of `size` took too long: at least 1.
std::int64_t smaller_chunk_size(std::int64_t size);

}  // namespace tablesync
