#include "pg/record/chunk_record.h"

#include "core/base/text.h"
#include "pg/record/columns.h"
#include "pg/record/state.h"

namespace tablesync {

static const char *sql_type_of(ChunkBy) { return "text"; }
static Cell encode_cell(ChunkBy by) { return name_of(by); }
static void decode_cell(const Cell &cell, ChunkBy &by) { by = parse_chunk_by(text_of(cell)); }

namespace pg {
namespace {

struct CheckpointRow {
  Checkpoint kept;

  template <typename Record, typename Visitor>
  static void each_column(Record &row, Visitor &&column) {
    auto &kept = row.kept;
    auto &since = kept.since;
    column("run_id", kept.run_id);
    column("request", Jsonb{kept.request});
    column("definition", kept.definition);
    column("server", or_null(since.server), "name");
    column("source", since.source);
    column("first_load", kept.first_load);
    column("key_pending", kept.key_pending);
    column("chunk_by", kept.by);
    column("files", kept.files);
    column("shape", since.shape);
    column("value", or_null(since.value));
    column("system_identifier", or_null(since.system_identifier));
    column("database_oid", or_null(since.database_oid), "oid");
    column("relation_oid", or_null(since.relation_oid), "oid");
    column("snapshot_xmin", or_null(since.position.xmin));
    column("lsn", or_null(since.position.lsn), "pg_lsn");
    column("timeline", or_null(since.position.timeline));
    column("target_files", or_null(since.target_files));
    column("chunks", kept.chunks);
    column("chunk_size", kept.size);
    column("lower", or_null(kept.lower));
    column("complete", kept.complete);
    column("restored", or_null(kept.restored));
    column("starts_over", kept.starts_over);
    column("next_xmin", member_of(kept.next, &SnapshotPosition::xmin));
    column("next_lsn", member_of(kept.next, &SnapshotPosition::lsn), "pg_lsn");
    column("next_timeline", member_of(kept.next, &SnapshotPosition::timeline));
  }
};

struct BegunChunk {
  std::int64_t run_id = 0;
  std::string subject, status;
  Chunk chunk;
  UnixTime started_at;
  TransactionRange transactions{};

  template <typename Record, typename Visitor>
  static void each_column(Record &row, Visitor &&column) {
    column("run_id", row.run_id);
    column("subject", row.subject);
    column("status", row.status);
    column("chunk_no", row.chunk.number);
    column("lower", or_null(row.chunk.lower));
    column("upper", or_null(row.chunk.upper));
    column("started_at", row.started_at);
    column("first_xid", row.transactions.first);
    column("next_xid", row.transactions.next);
  }
};

struct EndedChunk {
  BegunChunk begun;
  RunCounts counts;
  Diagnostics error;

  template <typename Record, typename Visitor>
  static void each_column(Record &row, Visitor &&column) {
    BegunChunk::each_column(row.begun, column);
    column("rows_read", row.counts.read);
    column("rows_inserted", row.counts.inserted);
    column("rows_updated", row.counts.updated);
    column("sqlstate", or_null(row.error.sqlstate));
    column("message", or_null(row.error.message));
    column("detail", or_null(row.error.detail));
  }
};

constexpr char not_done[] = R"(
FROM tablesync.chunk
WHERE subject = $1
  AND owner = $owner
  AND status <> 'succeeded')";

}  // namespace

std::optional<Checkpoint> read_checkpoint(const std::string &subject, bool lock) {
  const auto found = decode_first<CheckpointRow>(own_state("SELECT " + select_list<CheckpointRow>() + R"(
FROM tablesync.checkpoint
WHERE subject = $1
  AND owner = $owner)" + (lock ? " FOR UPDATE" : ""),
                                                           {subject}));
  return found ? std::optional(found->kept) : std::nullopt;
}

Checkpoint require_checkpoint(const std::string &subject, bool lock) {
  if (std::optional<Checkpoint> found = read_checkpoint(subject, lock)) return *found;
  throw Error("40001", "the checkpoint of the run no longer exists",
              "The target was replaced during the run, or another call abandoned this run.", "Run it again.");
}

void write_checkpoint(const std::string &subject, const RunSpec &spec, const Checkpoint &checkpoint) {
  CheckpointRow row{checkpoint};
  row.kept.since.server = spec.server;
  const std::string names = names_of<CheckpointRow>();
  own_state(R"(
INSERT INTO tablesync.checkpoint (owner, subject, started_at, updated_at, target, )" +
                names + R"()
VALUES ($owner, $1, clock_timestamp(), clock_timestamp(), $2, )" +
                parameters_of<CheckpointRow>(3) + R"()
ON CONFLICT (owner, subject) DO UPDATE
SET (updated_at, target, )" +
                names + R"()
  = ROW(excluded.updated_at, excluded.target, )" +
                names_of<CheckpointRow>("excluded") + ")",
            Row{subject, display_name(spec.target)} + encode(row));
}

void drop_checkpoint(const std::string &subject) {
  own_state("DELETE FROM tablesync.checkpoint WHERE subject = $1 AND owner = $owner", {subject});
  own_state(R"(
DELETE FROM tablesync.chunk
WHERE subject = $1
  AND owner = $owner
  AND status <> 'succeeded')",
            {subject});
}

namespace {

// Replaces a chunk of that number of the run.
template <typename ChunkRow>
void write_chunk(const ChunkRow &chunk, const char *finished_at, const char *attempts) {
  const std::string names = names_of<ChunkRow>();
  own_state(R"(
INSERT INTO tablesync.chunk AS c (owner, finished_at, attempts, )" +
                names + R"()
VALUES ($owner, )" +
                finished_at + ", " + attempts + ", " + parameters_of<ChunkRow>() + R"()
ON CONFLICT (run_id, chunk_no) DO UPDATE
SET (finished_at, attempts, )" +
                names + R"()
  = ROW(excluded.finished_at, c.attempts + excluded.attempts, )" +
                names_of<ChunkRow>("excluded") + R"()
WHERE c.owner = $owner)",
            encode(chunk));
}

}  // namespace

void record_claim(std::int64_t run_id, const std::string &subject, const Chunk &chunk, double started_at) {
  write_chunk(BegunChunk{run_id, subject, "running", chunk, {started_at}, current_transactions()}, "NULL",
              "0");
}

void record_chunk(std::int64_t run_id, const std::string &subject, const Chunk &chunk, double started_at,
                  const RunCounts &counts, const Diagnostics *error) {
  const char *const status = error == nullptr ? "succeeded" : "failed";
  write_chunk(EndedChunk{{run_id, subject, status, chunk, {started_at}, current_transactions()},
                         counts,
                         recorded_error(error)},
              "clock_timestamp()", "1");
}

std::optional<FailedChunk> find_failed_chunk(const std::string &subject, std::int64_t from) {
  return decode_first<FailedChunk>(own_state("SELECT " + select_list<FailedChunk>() + not_done + R"(
  AND chunk_no >= $2::int8
ORDER BY chunk_no
LIMIT 1)",
                                             {subject, std::to_string(from)}));
}

std::int64_t count_failed_chunks(const std::string &subject) {
  return single<std::int64_t>(own_state(std::string("SELECT count(*)") + not_done, {subject}));
}

DoneChunks count_done_chunks(std::int64_t run_id) {
  const Expressions sums = {{"chunks", "count(*)"}, {"rows", "coalesce(sum(rows_read), 0)"}};
  return decode<DoneChunks>(only_row(own_state("SELECT " + select_list<DoneChunks>("", sums) + R"(
FROM tablesync.chunk
WHERE run_id = $1::int8
  AND owner = $owner
  AND status = 'succeeded')",
                                               {std::to_string(run_id)})));
}

std::optional<KeptRequest> find_request(std::int64_t run_id) {
  return decode_first<KeptRequest>(
      latest_own_state("SELECT " + select_list<KeptRequest>("c", {{"owner", "c.owner::oid"}}) +
                           R"(
FROM tablesync.checkpoint c
WHERE )" + may_become("c.owner") +
                           R"(
  AND (c.run_id = $1::int8
       OR EXISTS (
           SELECT FROM tablesync.chunk k
           WHERE k.subject = c.subject
             AND k.owner = c.owner
             AND k.run_id = $1::int8
             AND k.status <> 'succeeded')))",
                       {std::to_string(run_id)}));
}

namespace {

std::string list_chunks() {
  return "SELECT " + select_list<ChunkOfRun>("k") + R"(
FROM tablesync.chunk k
WHERE k.owner = $1::oid
  AND )" +
         may_become("k.owner");
}

}  // namespace

std::vector<ChunkOfRun> list_failed_chunks(const KeptRequest &kept) {
  return decode_all<ChunkOfRun>(latest_own_state(list_chunks() + R"(
  AND k.subject = $2
  AND k.status <> 'succeeded'
ORDER BY k.chunk_no)",
                                                 {std::to_string(kept.owner), kept.subject}));
}

std::optional<ChunkOfRun> list_chunk(const KeptRequest &kept, const ChunkOfRun &listed) {
  return decode_first<ChunkOfRun>(latest_own_state(
      list_chunks() + R"(
  AND k.run_id = $2::int8
  AND k.chunk_no = $3::int8)",
      {std::to_string(kept.owner), std::to_string(listed.run_id), std::to_string(listed.chunk.chunk_no)}));
}

}  // namespace pg
}  // namespace tablesync
