// The records of runs in chunks: the progress of each (tablesync.checkpoint), and the outcome of each chunk
// (tablesync.chunk). state.h writes and reads them. Their subject is the oid of a sync's target, or
// subject_of() a pivot. Each role has its own records and does not see those of other roles that work on the
// same target.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/range/chunk.h"
#include "core/range/watermark.h"
#include "core/spec/run_spec.h"
#include "pg/record/columns.h"
#include "pg/record/run_record.h"

namespace tablesync::pg {

// An incomplete run. The target has the chunks that were handed out so far, except the failed ones.
struct Checkpoint {
  std::int64_t run_id = 0;   // the last run that worked on it
  std::string request;       // the call, as to_kept() gives it
  std::string definition;    // definition_of() of the call
  bool first_load = false;   // the target was empty when it began
  bool key_pending = false;  // the run created the target, which gets its key after all chunks
  ChunkBy by = ChunkBy::ctid;
  std::string files;  // SourceFiles::identity, for chunks by ctid
  Watermark since;    // of the source, before the first chunk
  // Of the source, before the first chunk of the second round, which reads rows written during the first.
  std::optional<SnapshotPosition> next;
  std::int64_t chunks = 0;   // handed out
  std::int64_t size = 0;     // of the next one, in pages or rows
  Bound lower;               // the beginning of the next one
  bool complete = false;     // no chunk is left
  std::string restored;      // as in Watermark
  bool starts_over = false;  // it was restored without its chunks
};

// `lock`: locks the checkpoint until the end of the transaction.
std::optional<Checkpoint> read_checkpoint(const std::string &subject, bool lock = false);
// read_checkpoint() for a checkpoint that must exist. Throws 40001 if it does not: another session abandoned
// the run, or the target was replaced.
Checkpoint require_checkpoint(const std::string &subject, bool lock = false);
void write_checkpoint(const std::string &subject, const RunSpec &spec, const Checkpoint &checkpoint);
// Deletes the checkpoint and its failed chunks, whose rows were or will be read otherwise.
void drop_checkpoint(const std::string &subject);

// Records that a parallel worker copies a chunk. Replaces a chunk of the same number, which a restarted run
// has.
void record_claim(std::int64_t run_id, const std::string &subject, const Chunk &chunk, double started_at);
// Records the outcome of a chunk; `error` if it failed.
void record_chunk(std::int64_t run_id, const std::string &subject, const Chunk &chunk, double started_at,
                  const RunCounts &counts, const Diagnostics *error = nullptr);

// A chunk that failed, or whose worker ended, and was not copied later.
struct FailedChunk {
  std::int64_t run_id = 0;
  Chunk chunk;
  Diagnostics error;  // sqlstate, message, detail; empty if its worker ended

  template <typename Record, typename Visitor>
  static void each_column(Record &failed, Visitor &&column) {
    column("run_id", failed.run_id);
    column("chunk_no", failed.chunk.number);
    column("lower", failed.chunk.lower);
    column("upper", failed.chunk.upper);
    column("sqlstate", failed.error.sqlstate);
    column("message", failed.error.message);
    column("detail", failed.error.detail);
  }
};
// Finds the first failed chunk, by number, from `from` on.
std::optional<FailedChunk> find_failed_chunk(const std::string &subject, std::int64_t from = 0);
std::int64_t count_failed_chunks(const std::string &subject);
// The chunks and rows that a run has committed so far.
struct DoneChunks {
  std::int64_t chunks = 0, rows = 0;  // rows: read from the source

  template <typename Record, typename Visitor>
  static void each_column(Record &done, Visitor &&column) {
    column("chunks", done.chunks);
    column("rows", done.rows);
  }
};
DoneChunks count_done_chunks(std::int64_t run_id);

// The call of an incomplete run, its subject, and its owner: the current user, or a role that the user may
// SET ROLE to. Its work runs as the owner.
struct KeptRequest {
  std::string request;  // for from_kept()
  std::string subject;
  unsigned int owner = 0;

  template <typename Record, typename Visitor>
  static void each_column(Record &kept, Visitor &&column) {
    column("request", Jsonb{kept.request});
    column("subject", kept.subject);
    column("owner", kept.owner);
  }
};
std::optional<KeptRequest> find_request(std::int64_t run_id);

// A chunk as retry_chunks() lists it.
struct ListedChunk {
  std::int64_t chunk_no = 0;
  std::string status;
  Cell lower, upper;  // arrays
  std::optional<std::int64_t> rows_read;
  Cell sqlstate, message;

  template <typename Record, typename Visitor>
  static void each_column(Record &chunk, Visitor &&column) {
    column("chunk_no", chunk.chunk_no);
    column("status", chunk.status);
    column("lower", chunk.lower, "text[]");
    column("upper", chunk.upper, "text[]");
    column("rows_read", chunk.rows_read);
    column("sqlstate", chunk.sqlstate);
    column("message", chunk.message);
  }
};
struct ChunkOfRun {
  std::int64_t run_id = 0;
  ListedChunk chunk;

  template <typename Record, typename Visitor>
  static void each_column(Record &listed, Visitor &&column) {
    column("run_id", listed.run_id);
    ListedChunk::each_column(listed.chunk, column);
  }
};
// The failed chunks of the request; and the current state of a chunk that was listed before, or nothing if it
// no longer exists.
std::vector<ChunkOfRun> list_failed_chunks(const KeptRequest &kept);
std::optional<ChunkOfRun> list_chunk(const KeptRequest &kept, const ChunkOfRun &listed);

}  // namespace tablesync::pg
