// The records of syncs in chunks: how far each has come (tablesync.checkpoint), and what became of each chunk
// (tablesync.chunk). See state.h for how they are written and read. Their subject is the oid of a sync's
// target, or what a pivot calls itself. Each role has its own: two that work on one target do not see each
// other's.
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

// A sync that is not complete. The chunks that were handed out so far are in the target, but for the failed
// ones.
struct Checkpoint {
  std::int64_t run_id = 0;   // the last run that worked on it
  std::string request;       // the call, as to_kept() gives it
  std::string definition;    // definition_of() the call
  bool first_load = false;   // the target was empty when it began
  bool key_pending = false;  // and was made by it, and has no key before all chunks are there
  ChunkBy by = ChunkBy::ctid;
  std::string files;  // Source::Files::identity, where it goes by ctid
  Watermark since;    // of the source, before the first chunk
  // Of the source, before the first chunk of the second round, which reads what was written since the first.
  std::optional<SnapshotPosition> next;
  std::int64_t chunks = 0;   // handed out
  std::int64_t size = 0;     // of the next one, in pages or rows
  Bound lower;               // where it begins
  bool complete = false;     // there is no next one
  std::string restored;      // as in Watermark
  bool starts_over = false;  // it was restored without what its chunks were
};

// `lock`: until the end of the transaction nobody else changes it.
std::optional<Checkpoint> read_checkpoint(const std::string &subject, bool lock = false);
// The same where there must be one. Throws 40001 where it is gone: another session gave the run's work up, or
// the target was replaced.
Checkpoint require_checkpoint(const std::string &subject, bool lock = false);
void write_checkpoint(const std::string &subject, const RunSpec &spec, const Checkpoint &checkpoint);
// With the failed chunks of it: their rows came otherwise, or will.
void drop_checkpoint(const std::string &subject);

// One of several workers is at a chunk. A run that began again has had one of that number, with other rows.
void record_claim(std::int64_t run_id, const std::string &subject, const Chunk &chunk, double started_at);
// What became of a chunk; `error` where it failed.
void record_chunk(std::int64_t run_id, const std::string &subject, const Chunk &chunk, double started_at,
                  const RunCounts &counts, const Diagnostics *error = nullptr);

// A chunk that failed, or whose worker is gone, and was not done since: the first one by number, from `from`
// on.
struct FailedChunk {
  std::int64_t run_id = 0;
  Chunk chunk;
  Diagnostics error;  // sqlstate, message, detail; empty where its worker is gone

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
std::optional<FailedChunk> find_failed_chunk(const std::string &subject, std::int64_t from = 0);
std::int64_t count_failed_chunks(const std::string &subject);
// What a run has committed so far.
struct DoneChunks {
  std::int64_t chunks = 0, rows = 0;  // rows: that were read

  template <typename Record, typename Visitor>
  static void each_column(Record &done, Visitor &&column) {
    column("chunks", done.chunks);
    column("rows", done.rows);
  }
};
DoneChunks count_done_chunks(std::int64_t run_id);

// The call of the sync that a run is of, where that is not complete; its subject, and whose it is: the
// current user, or a role that he may become. What is done of it is done as that role.
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
// The failed chunks of the request; and a chunk that was listed before, as it is now, or nothing where it is
// gone.
std::vector<ChunkOfRun> list_failed_chunks(const KeptRequest &kept);
std::optional<ChunkOfRun> list_chunk(const KeptRequest &kept, const ChunkOfRun &listed);

}  // namespace tablesync::pg
