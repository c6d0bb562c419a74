// ChunkCopier: the way of one chunk's rows, of a sync that is begun: which rows they are, one transaction
// there and one here, and the record of it with them.
//
// Where several workers copy, each first claims a chunk, in a transaction of its own: the checkpoint is then
// behind it, and the chunk is on record as running until its rows are there.
#pragma once

#include <cstdint>
#include <string>

#include "core/chunk.h"
#include "pg/sync/chunk_record.h"
#include "pg/sync/table_sync.h"

namespace tablesync::pg {

class ChunkCopier {
 public:
  // `one_of_several`: claims what it copies.
  ChunkCopier(const SyncSpec &spec, RunSteps &steps, TableSync &sync, bool one_of_several)
      : spec_(spec), steps_(steps), sync_(sync), pair_(sync.pair()), claims_(one_of_several) {}

  // Opens both sides for a further transaction. Says why what was read before does not go together with what
  // would be read now; empty where it does. So many `statements` on the source share what a transaction there
  // may take, those of a chunk if it is not said; 0: as long as it takes.
  std::string open();
  std::string open(int statements);
  std::string outdated() const;

  // Whether a chunk is chosen, which copy() is to copy.
  bool in_chunk() const { return in_chunk_; }
  void choose(const FailedChunk &failed);
  // The next one of those that nobody has; there is one while the checkpoint is not complete. After open().
  void choose_next();
  // The next one, for this worker alone; false where there is none. A transaction of its own, after open().
  bool claim();
  // After open(). Commits with its record.
  void copy();
  void forget() { in_chunk_ = false; }
  // After an error: whether the sync can go on without the chunk, or with the same once more.
  bool absorb(const Diagnostics &said, bool by_source);

  const RunCounts &counts() const { return counts_; }  // of the last copy()
  std::int64_t failed() const { return failed_; }      // chunks, so far

  Checkpoint checkpoint;
  remote::Source::Files files;

 private:
  void find_end();
  std::int64_t fair_size(std::int64_t pages_left) const;
  void hand_out();
  void store();
  void stage();
  void need_stage();
  SourceRows in_chunk(const SourceRows &rows) const;
  void record(const Diagnostics *failure);
  bool try_again(const std::string &sqlstate);
  void make_smaller();

  const SyncSpec &spec_;
  RunSteps &steps_;
  TableSync &sync_;
  TablePair &pair_;
  bool claims_;
  bool in_chunk_ = false;
  bool claimed_ = false;        // the chunk, in a transaction that is committed
  Chunk chunk_;                 // being done
  std::int64_t size_ = 0;       // that it was to have, in pages or rows
  bool has_end_ = false;        // it is known where it ends
  bool is_new_ = false;         // it is done for the first time
  int tries_ = 0;               // that met other workers
  std::int64_t chunk_run_ = 0;  // that recorded it first
  double began_ = 0;
  std::int64_t failed_ = 0;
  std::int64_t analyzed_rows_ = -1;  // in the stage, when it was analyzed
  double stage_made_ = 0;
  std::string stage_definition_;
  RunCounts counts_;
};

// More failed chunks say that it is not the rows.
inline constexpr std::int64_t most_failed_chunks = 10;

// Whether the rows of a table tell which transaction wrote them.
bool has_history(const Table &source, const SyncSpec &spec);

// "pages from 100 to 200", "keys above (7, x) up to (9, y)"
std::string tell(const Chunk &chunk, ChunkBy by);

}  // namespace tablesync::pg
