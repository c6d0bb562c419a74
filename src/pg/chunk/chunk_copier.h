// ChunkCopier: the chunks of a run, one after the other: which one comes next, the record of it beside its
// rows, and what becomes of one that fails. Which rows they are, and how they come, is of those who derive
// from it.
//
// Where several workers copy, each first claims a chunk, in a transaction of its own: the checkpoint is then
// behind it, and the chunk is on record as running until its rows are there.
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
  // `in_parallel`: claims what it copies.
  ChunkCopier(const RunSpec &spec, std::int64_t run_id, RunSteps &steps, bool in_parallel)
      : spec_(spec), kind_(kind_of(spec)), run_id_(run_id), steps_(steps), claims_(in_parallel) {}
  ChunkCopier(const ChunkCopier &) = delete;
  ChunkCopier &operator=(const ChunkCopier &) = delete;
  virtual ~ChunkCopier() = default;

  // Opens both sides for a further transaction. Says why what was read before does not go together with what
  // would be read now; empty where it does.
  virtual std::string open() = 0;
  // Makes the changes of tables that must be committed before the chunk is copied, in the current
  // transaction, which is for that alone; false if there are none to make.
  virtual bool alter_tables() { return false; }
  // Of its records: see chunk_record.h.
  virtual const std::string &subject() const = 0;

  // Whether a chunk is chosen, which copy() is to copy.
  bool in_chunk() const { return in_chunk_; }
  void choose(const FailedChunk &failed);
  // The next one of those that nobody has; there is one while the checkpoint is not complete. After open().
  void choose_next();
  // The next one, for this worker alone; false where there is none. A transaction of its own, after open().
  bool claim();
  // After open(). `more`: the chunk commits with its record. `again`: the transaction is to be rolled back,
  // and the next one does alter_tables() and copy() again.
  StepEnd copy();
  void forget() { in_chunk_ = false; }
  // After an error: whether the run can go on without the chunk, or with the same once more.
  virtual bool recover(const Diagnostics &failure, bool by_source);

  const RunCounts &counts() const { return counts_; }  // of the last copy()
  std::int64_t failed() const { return failed_; }      // chunks, so far
  void save() const { write_checkpoint(subject(), spec_, checkpoint); }

  Checkpoint checkpoint;

 protected:
  // Finds the end of a new chunk, which begins at chunk_.lower and is to have size_; may lessen that.
  virtual void find_end() = 0;
  // Where the one after chunk_ begins; empty where there is none.
  virtual Bound next_begin() const { return chunk_.upper; }
  // Copies the rows of chunk_, and sets counts_. False if they are to be copied again, in another
  // transaction.
  virtual bool copy_rows() = 0;
  // Ends the transaction on the source.
  virtual void close_source() = 0;
  // After an error: the connection may have been left in the middle of a stream.
  virtual void lose_source() = 0;
  // How large the next chunk is to be, after one of size_ that took so long.
  virtual std::int64_t size_after(double seconds) const = 0;
  // Beside the record of the chunk; `failure`: null where its rows are there.
  virtual void record_outcome(const Diagnostics *failure) { static_cast<void>(failure); }
  void begin_transaction();

  const RunSpec &spec_;
  const RunKind &kind_;
  const std::int64_t run_id_;
  RunSteps &steps_;
  const bool claims_;
  Chunk chunk_;            // being done
  std::int64_t size_ = 0;  // that it was to have
  bool is_new_ = false;    // it is done for the first time
  double began_ = 0;
  std::int64_t chunk_run_ = 0;  // that recorded chunk_ first
  RunCounts counts_;

 private:
  void hand_out();
  void record(const Diagnostics *failure);
  bool try_again(const std::string &sqlstate);
  void make_smaller();

  bool in_chunk_ = false;
  bool claimed_ = false;  // the chunk, in a transaction that is committed
  bool has_end_ = false;  // it is known where it ends
  int tries_ = 0;         // that met other workers
  std::int64_t failed_ = 0;
};

// More failed chunks say that it is not the rows.
inline constexpr std::int64_t most_failed_chunks = 10;

// What one of several workers does: copies chunk after chunk, until all are handed out or too many have
// failed. Returns what it did, all of it committed.
RunCounts copy_chunks(const RunSpec &spec, std::int64_t run_id, RunSteps &steps, ChunkCopier &copier);

}  // namespace tablesync::pg
