// ChunkCopier: copies the chunks of a run one after the other: chooses the next chunk, commits its record
// with its rows, and handles failures. Derived classes define the rows of a chunk and how they are copied.
//
// Parallel workers first claim a chunk in a separate transaction, which moves the checkpoint past it. The
// chunk is on record as running until its rows are copied.
#pragma once

#include <cstdint>
#include <string>

#include "core/range/chunk.h"
#include "core/spec/run_spec.h"
#include "pg/record/chunk_record.h"
#include "pg/record/run_record.h"
#include "pg/run/run_kind.h"
#include "pg/run/run_steps.h"
#include "pg/run/work.h"

namespace tablesync::pg {

class ChunkCopier {
 public:
  // `in_parallel`: claims each chunk before it copies it.
  ChunkCopier(const RunSpec &spec, std::int64_t run_id, RunSteps &steps, bool in_parallel)
      : spec_(spec), kind_(kind_of(spec)), run_id_(run_id), steps_(steps), claims_(in_parallel) {}
  ChunkCopier(const ChunkCopier &) = delete;
  ChunkCopier &operator=(const ChunkCopier &) = delete;
  virtual ~ChunkCopier() = default;

  // Opens both sides for a further transaction. Returns why earlier chunks are not consistent with what would
  // be read now; empty if they are.
  virtual std::string open() = 0;
  // Alters tables as the chunk requires, in the current transaction, which must then be committed first.
  // Returns false if no change is needed.
  virtual bool alter_tables() { return false; }
  // The subject of its records: see chunk_record.h.
  virtual const std::string &subject() const = 0;

  // Whether a chunk is chosen for copy().
  bool in_chunk() const { return in_chunk_; }
  void choose(const FailedChunk &failed);
  // Chooses the next chunk, which exists until the checkpoint is complete. Call after open().
  void choose_next();
  // Claims the next chunk for this worker, in a separate transaction after open(); false if there is none.
  bool claim();
  // Copies the chunk, after open(). `more`: the chunk commits with its record. `again`: roll back the
  // transaction, then call alter_tables() and copy() in the next one.
  StepEnd copy();
  void forget() { in_chunk_ = false; }
  // After an error: whether the run can continue, either without the chunk or by retrying it.
  virtual bool recover(const Diagnostics &failure, bool by_source);

  const RunCounts &counts() const { return counts_; }  // of the last copy()
  std::int64_t failed() const { return failed_; }      // chunks, so far
  void save() const { write_checkpoint(subject(), spec_, checkpoint); }

  Checkpoint checkpoint;

 protected:
  // Finds the end of a new chunk of size_, which begins at chunk_.lower; may reduce size_.
  virtual void find_end() = 0;
  // The beginning of the chunk after chunk_; empty if there is none.
  virtual Bound next_begin() const { return chunk_.upper; }
  // Copies the rows of chunk_ and sets counts_. Returns false if they must be copied again in another
  // transaction.
  virtual bool copy_rows() = 0;
  // Ends the transaction on the source.
  virtual void close_source() = 0;
  // Discards the connection after an error, because it may be in the middle of a stream.
  virtual void lose_source() = 0;
  // The size of the next chunk after one of size_ that took `seconds`.
  virtual std::int64_t size_after(double seconds) const = 0;
  // Writes further records with that of the chunk; `failure`: null if its rows were copied.
  virtual void record_outcome(const Diagnostics *failure) { static_cast<void>(failure); }
  void begin_transaction();

  const RunSpec &spec_;
  const RunKind &kind_;
  const std::int64_t run_id_;
  RunSteps &steps_;
  const bool claims_;
  Chunk chunk_;            // the current chunk
  std::int64_t size_ = 0;  // the intended size of chunk_
  bool is_new_ = false;    // it is copied for the first time
  double began_ = 0;
  std::int64_t chunk_run_ = 0;  // the run that recorded chunk_ first
  RunCounts counts_;

 private:
  void hand_out();
  void record(const Diagnostics *failure);
  bool try_again(const std::string &sqlstate);
  void make_smaller();

  bool in_chunk_ = false;
  bool claimed_ = false;  // the claim of the chunk is committed
  bool has_end_ = false;  // the end of the chunk is known
  int tries_ = 0;         // conflicts with other workers
  std::int64_t failed_ = 0;
};

// With more failed chunks, the rows are hardly the cause.
inline constexpr std::int64_t most_failed_chunks = 10;

// The work of a parallel worker: copies chunks until all are handed out or too many have failed. Returns the
// counts, which are committed.
RunCounts copy_chunks(const RunSpec &spec, std::int64_t run_id, RunSteps &steps, ChunkCopier &copier);

}  // namespace tablesync::pg
