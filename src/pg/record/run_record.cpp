#include "pg/record/run_record.h"

extern "C" {
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
}

#include <algorithm>
#include <iterator>

#include "pg/record/state.h"
#include "pg/server/airlock.h"
#include "pg/server/guc.h"
#include "pg/server/spi.h"

namespace tablesync::pg {
namespace {

struct RunStepRow {
  int step_no = 0;
  RunStep step{};

  template <typename Record, typename Visitor>
  static void each_column(Record &row, Visitor &&column) {
    column("step_no", row.step_no);
    column("step", row.step.name);
    column("started_at", UnixTime{row.step.started_at});
    column("finished_at", UnixTime{row.step.finished_at});
    column("rows", or_null(row.step.rows, -1));
    column("bytes", or_null(row.step.bytes, -1));
    column("detail", or_null(row.step.detail));
  }
};

void insert_step(std::int64_t run_id, int step_no, const RunStep &step) {
  own_state("INSERT INTO tablesync.run_step (run_id, " + names_of<RunStepRow>() + R"()
SELECT r.run_id, )" +
                parameters_of<RunStepRow>(2) +
                R"(
FROM tablesync.run r
WHERE r.run_id = $1::int8
  AND r.owner = $owner)",
            Row{std::to_string(run_id)} + encode(RunStepRow{step_no, step}));
}

// The columns of a run that are known before it has a process.
struct NewRun {
  std::string command, server, source, target, mode;

  template <typename Record, typename Visitor>
  static void each_column(Record &run, Visitor &&column) {
    column("command", run.command);
    column("server", or_null(run.server), "name");
    column("source", run.source);
    column("target", run.target);
    column("sync_mode", run.mode);
  }
};

NewRun new_run(const RunSpec &spec, const std::string &mode) {
  return {name_of(spec.command), spec.server, spec.source, display_name(spec.target), mode};
}

struct FailedStart {
  NewRun run;
  Diagnostics error;
  UnixTime at;

  template <typename Record, typename Visitor>
  static void each_column(Record &start, Visitor &&column) {
    NewRun::each_column(start.run, column);
    each_error_column(start.error, column);
    column("started_at", start.at);
    column("finished_at", start.at);
    column("worker_start", start.at);
  }
};

struct RunEndRow {
  std::string status, watermark;
  RunCounts counts;
  Diagnostics error;
  // These identify the rows of the target that this run wrote.
  std::optional<std::uint64_t> first_xid, next_xid;
  std::optional<bool> consistent;

  template <typename Record, typename Visitor>
  static void each_column(Record &end, Visitor &&column) {
    column("status", end.status);
    column("watermark", or_null(end.watermark));
    RunCounts::each_column(end.counts, column);
    each_error_column(end.error, column);
    column("first_xid", end.first_xid);
    column("next_xid", end.next_xid);
    column("consistent", end.consistent);
  }
};

}  // namespace

TransactionRange current_transactions() {
  const FullTransactionId first = call([] { return GetTopFullTransactionId(); });
  const FullTransactionId next = call([] { return ReadNextFullTransactionId(); });
  return {U64FromFullTransactionId(first), U64FromFullTransactionId(next)};
}

RunCounts &RunCounts::operator+=(const RunCounts &more) {
  read += more.read;
  inserted += more.inserted;
  updated += more.updated;
  deleted += more.deleted;
  unchanged += more.unchanged;
  rejected += more.rejected;
  bytes += more.bytes;
  return *this;
}

Row encode_reply(const RunReply &reply) {
  return Row{tablesync::encode_cell(reply.seconds)} + encode(reply.result) + reply.details;
}

RunReply decode_reply(const Row &row) {
  const size_t columns = 1 + columns_of<RunResult>().size();
  if (row.size() < columns)
    throw Error(sqlstate::protocol_violation, "a worker replied with too few columns");
  const auto details = row.begin() + static_cast<std::ptrdiff_t>(columns);
  return {decode<RunResult>(Row(std::next(row.begin()), details)), as_double(row.front()),
          Row(details, row.end())};
}

std::int64_t begin_run(const RunSpec &spec, const std::string &mode, std::uint32_t shared_memory) {
  const Rows rows = own_state(R"(
INSERT INTO tablesync.run (owner, status, started_at, worker_pid, worker_start, shared_memory, )" +
                                  names_of<NewRun>() + R"()
SELECT $owner, 'running', clock_timestamp(), a.pid, a.backend_start, $1::int8, )" +
                                  parameters_of<NewRun>(2) + R"(
FROM pg_stat_get_activity(pg_backend_pid()) a
RETURNING run_id)",
                              Row{std::to_string(shared_memory)} + encode(new_run(spec, mode)));
  if (rows.empty()) throw Error(sqlstate::internal, "this process is not in pg_stat_activity");
  return single<std::int64_t>(rows);
}

void finish_run(std::int64_t run_id, const RunEnd &end, const std::vector<RunStep> &steps) {
  RunEndRow row{end.status, end.watermark, end.counts, recorded_error(end.error), {}, {}, {}};
  TransactionRange own = current_transactions();
  if (end.first_xid != 0) own.first = end.first_xid;
  if (row.status == "succeeded") {
    row.first_xid = own.first;
    row.next_xid = own.next;
    row.consistent = end.consistent;
  }
  own_state("UPDATE tablesync.run SET (finished_at, " + names_of<RunEndRow>() + R"()
  = ROW(clock_timestamp(), )" +
                parameters_of<RunEndRow>(2) + R"()
WHERE run_id = $1::int8
  AND owner = $owner)",
            Row{std::to_string(run_id)} + encode(row));
  int step_no = 1;
  for (const RunStep &step : steps) insert_step(run_id, step_no++, step);
}

void record_failed_start(const RunSpec &spec, const std::string &mode, double at, const Diagnostics &error) {
  FailedStart start{new_run(spec, mode), error, {at}};
  start.error.context.clear();  // it is of the caller's session
  own_state("INSERT INTO tablesync.run (owner, status, worker_pid, shared_memory, " +
                names_of<FailedStart>() + R"()
VALUES ($owner, 'failed', pg_backend_pid(), 0, )" +
                parameters_of<FailedStart>() + ")",
            encode(start));
}

void record_attempt(std::int64_t run_id, std::int64_t wait_ms, const Diagnostics &error) {
  const std::string run = std::to_string(run_id);
  // Several workers of a run may fail at the same moment.
  own_state(R"(
SELECT FROM tablesync.run
WHERE run_id = $1::int8
  AND owner = $owner
FOR NO KEY UPDATE)",
            {run});
  own_state(R"(
INSERT INTO tablesync.failed_attempt
    (run_id, attempt_no, failed_at, retry_after, sqlstate, message, detail, context)
SELECT r.run_id,
       (SELECT coalesce(max(f.attempt_no), 0) + 1 FROM tablesync.failed_attempt f WHERE f.run_id = r.run_id),
       clock_timestamp(),
       $2::int8 * interval '1 ms',
       $3, $4, $5, $6
FROM tablesync.run r
WHERE r.run_id = $1::int8
  AND r.owner = $owner)",
            {run, std::to_string(wait_ms), error.sqlstate, error.message, optional_text(error.detail),
             optional_text(error.context)});
}

void after_commit(std::int64_t run_id, int step_no, const RunStep &commit) {
  insert_step(run_id, step_no, commit);
  // One batch per run suffices, because each run adds one row. Applies to the runs of all roles.
  state_of_all(R"(
DELETE FROM tablesync.run
WHERE run_id IN (
    SELECT r.run_id
    FROM tablesync.run r
    WHERE r.finished_at < clock_timestamp() - $1::int4 *
          CASE WHEN r.status IN ('succeeded', 'skipped') THEN interval '1 min' ELSE interval '3 min' END
      AND r.finished_at < clock_timestamp() - $1::int4 * interval '1 min'
      AND NOT EXISTS (SELECT FROM tablesync.chunk c WHERE c.run_id = r.run_id AND c.status = 'failed')
    ORDER BY r.finished_at
    LIMIT 100
    FOR UPDATE SKIP LOCKED))",
               {std::to_string(history_retention_min)});
}

void record_hidden_table(std::int64_t run_id, const RunSpec &spec, const HiddenTableRecord &table) {
  own_state("INSERT INTO tablesync.hidden_table (run_id, owner, target, made_at, " +
                names_of<HiddenTableRecord>() + R"()
VALUES ($1::int8, $owner, $2, clock_timestamp(), )" +
                parameters_of<HiddenTableRecord>(3) + ")",
            Row{std::to_string(run_id), display_name(spec.target)} + encode(table));
}

void forget_hidden_table(unsigned int oid) {
  own_state("DELETE FROM tablesync.hidden_table WHERE table_oid = $1::oid AND owner = $owner",
            {std::to_string(oid)});
}

std::vector<HiddenTableRecord> hidden_tables(const std::string &target) {
  const char *const which = target.empty() ? R"($1::text IS NULL
  AND NOT EXISTS (
      SELECT FROM tablesync.run r, pg_stat_get_activity(r.worker_pid) a
      WHERE r.run_id = h.run_id
        AND r.status = 'running'
        AND a.backend_start = r.worker_start))"
                                           : "h.target = $1";
  return decode_all<HiddenTableRecord>(own_state("SELECT " + select_list<HiddenTableRecord>("h") + R"(
FROM tablesync.hidden_table h
WHERE h.owner = $owner
  AND )" + which + R"(
ORDER BY h.table_oid)",
                                                 {optional_text(target)}));
}

void record_reject(std::int64_t run_id, const RunSpec &spec, const std::string &key, const std::string &row,
                   const Diagnostics &error) {
  own_state(R"(
INSERT INTO tablesync.reject
    (run_id, owner, target, row_key, column_name, "row", sqlstate, message, rejected_at)
VALUES ($1::int8, $owner, $2, $3, $4, $5::jsonb, $6, $7, clock_timestamp()))",
            {std::to_string(run_id), display_name(spec.target), optional_text(key),
             optional_text(error.column), row, error.sqlstate, error.message});
}

std::optional<RunRecord> find_run(std::int64_t run_id) {
  // If the worker has ended, so has its run, whatever its record says.
  constexpr char status[] = R"(CASE
    WHEN r.status = 'running'
     AND NOT EXISTS (
         SELECT FROM pg_stat_get_activity(r.worker_pid) a
         WHERE a.backend_start = r.worker_start OR a.backend_start IS NULL)
    THEN 'interrupted'
    ELSE r.status
END)";
  constexpr char duration[] = "coalesce(r.duration, clock_timestamp() - r.started_at)";
  // Must see the latest commits of other sessions, also within a REPEATABLE READ transaction.
  return decode_first<RunRecord>(latest_own_state(
      "SELECT " + select_list<RunRecord>("r", {{"status", status}, {"duration", duration}}) + R"(
FROM tablesync.run r
WHERE r.run_id = $1::int8
  AND )" + has_rights_of("r.owner"),
      {std::to_string(run_id)}));
}

std::uint32_t find_segment(std::int64_t run_id) {
  return single_or<std::uint32_t>(own_state(R"(
SELECT r.shared_memory
FROM tablesync.run r
WHERE r.run_id = $1::int8
  AND r.status = 'running'
  AND )" + has_rights_of("r.owner"),
                                            {std::to_string(run_id)}),
                                  0);
}

bool cancel_worker(std::int64_t run_id) {
  const Rows found = latest_own_state(R"(
SELECT a.pid
FROM tablesync.run r
JOIN pg_stat_get_activity(r.worker_pid) a ON a.backend_start = r.worker_start
WHERE r.run_id = $1::int8
  AND r.status = 'running'
  AND )" + has_rights_of("r.owner"),
                                      {std::to_string(run_id)});
  if (found.empty()) return false;
  // As the current user, so that the server checks the privilege.
  return single<bool>(query("SELECT pg_catalog.pg_cancel_backend($1::pg_catalog.int4)",
                            {std::to_string(single<int>(found))}));
}

std::optional<Writer> find_writer(const std::string &target, const std::string &xmin) {
  const Expressions of_part = {{"finished_at", "w.finished_at"}, {"chunk_no", "w.chunk_no"}};
  return decode_first<Writer>(own_state("SELECT " + select_list<Writer>("r", of_part) + R"(
FROM tablesync.run r
CROSS JOIN LATERAL (
    SELECT r.first_xid, r.next_xid, r.finished_at, NULL::int8 AS chunk_no
    UNION ALL
    SELECT c.first_xid, c.next_xid, c.finished_at, c.chunk_no
    FROM tablesync.chunk c
    WHERE c.run_id = r.run_id
      AND c.status = 'succeeded'
) w
WHERE r.target = $1
  AND w.first_xid IS NOT NULL
  AND ($2::int8 - w.first_xid % 4294967296 + 4294967296) % 4294967296 < w.next_xid - w.first_xid
  AND )" + has_rights_of("r.owner") + R"(
ORDER BY r.run_id DESC
LIMIT 1)",
                                        {target, xmin}));
}

std::optional<LastSync> find_last_sync(const std::string &target) {
  return decode_first<LastSync>(own_state("SELECT " + select_list<LastSync>("r") + R"(
FROM tablesync.run r
WHERE r.target = $1
  AND r.command = 'sync_table'
  AND )" + has_rights_of("r.owner") + R"(
ORDER BY r.run_id DESC
LIMIT 1)",
                                          {target}));
}

std::optional<RejectRecord> find_reject(const std::string &target, const std::vector<std::string> &key) {
  std::vector<std::string> columns;
  Row parameters{target};
  for (const std::string &value : key) {
    parameters.emplace_back(value);
    columns.push_back("$" + std::to_string(parameters.size()));
  }
  return decode_first<RejectRecord>(own_state("SELECT " + select_list<RejectRecord>("j") + R"(
FROM tablesync.reject j
WHERE j.target = $1
  AND j.row_key = (ROW()" + join(columns, ", ") +
                                                  R"()::record)::text
  AND )" + has_rights_of("j.owner") + R"(
ORDER BY j.reject_id DESC
LIMIT 1)",
                                              parameters));
}

}  // namespace tablesync::pg
