#include "pg/record/run_record.h"

extern "C" {
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
}

#include <cstdlib>

#include "pg/record/state.h"
#include "pg/server/airlock.h"
#include "pg/server/guc.h"
#include "pg/server/spi.h"

namespace tablesync::pg {
namespace {

Cell optional_number(std::int64_t number) { return number < 0 ? Cell() : Cell(std::to_string(number)); }

void insert_step(std::int64_t run_id, int step_no, const RunStep &step) {
  own_state(
      "INSERT INTO tablesync.run_step (run_id, step_no, step, started_at, finished_at, rows, bytes) "
      "SELECT r.run_id, $2::int4, $3, to_timestamp($4::float8), to_timestamp($5::float8), $6::int8, $7::int8 "
      "FROM tablesync.run r WHERE r.run_id = $1::int8 AND r.owner = $owner",
      {std::to_string(run_id), std::to_string(step_no), step.name, std::to_string(step.started_at),
       std::to_string(step.finished_at), optional_number(step.rows), optional_number(step.bytes)});
}

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

Row row_of(const RunCounts &counts) {
  Row row;
  for (const std::int64_t count : {counts.read, counts.inserted, counts.updated, counts.deleted,
                                   counts.unchanged, counts.rejected, counts.bytes})
    row.emplace_back(std::to_string(count));
  return row;
}

RunCounts counts_of(const Row &row) {
  size_t n = 0;
  const auto next = [&] { return std::strtoll(text_of(row.at(n++)).c_str(), nullptr, 10); };
  RunCounts counts;
  for (std::int64_t *count : {&counts.read, &counts.inserted, &counts.updated, &counts.deleted,
                              &counts.unchanged, &counts.rejected, &counts.bytes})
    *count = next();
  return counts;
}

std::int64_t begin_run(const RunSpec &spec, const std::string &mode, std::uint32_t shared_memory) {
  const Rows rows = own_state(
      "INSERT INTO tablesync.run (owner, command, status, server, source, target, sync_mode, started_at, "
      "worker_pid, worker_start, shared_memory) SELECT $owner, $6, 'running', $1, $2, $3, $4, "
      "clock_timestamp(), a.pid, a.backend_start, $5::int8 FROM pg_stat_get_activity(pg_backend_pid()) a "
      "RETURNING run_id",
      {optional_text(spec.server), spec.source, display_name(spec.target), mode,
       std::to_string(shared_memory), std::string(name_of(spec.command))});
  if (rows.empty()) throw Error(sqlstate::internal, "this process is not in pg_stat_activity");
  return std::strtoll(text_of(rows[0][0]).c_str(), nullptr, 10);
}

void finish_run(std::int64_t run_id, const RunEnd &end, const std::vector<RunStep> &steps) {
  const auto said = [&](std::string Diagnostics::*field) {
    return end.error != nullptr ? optional_text(end.error->*field) : Cell();
  };
  const RunCounts &counts = end.counts;
  // By these a row of the target is known to be of this run.
  const bool wrote = std::string_view(end.status) == "succeeded";
  TransactionRange own = current_transactions();
  if (end.first_xid != 0) own.first = end.first_xid;
  const auto xid = [&](std::uint64_t id) { return wrote ? Cell(std::to_string(id)) : Cell(); };
  own_state(
      "UPDATE tablesync.run SET status = $2, finished_at = clock_timestamp(), rows_read = $3::int8, "
      "rows_inserted = $4::int8, rows_updated = $5::int8, rows_deleted = $6::int8, rows_unchanged = "
      "$7::int8, "
      "rows_rejected = $8::int8, bytes_read = $9::int8, sqlstate = $10, message = $11, detail = $12, hint = "
      "$13, "
      "context = $14, watermark = $15, first_xid = $16::int8, next_xid = $17::int8, consistent = $18::bool "
      "WHERE run_id = $1::int8 AND owner = $owner",
      {std::to_string(run_id), std::string(end.status), std::to_string(counts.read),
       std::to_string(counts.inserted), std::to_string(counts.updated), std::to_string(counts.deleted),
       std::to_string(counts.unchanged), std::to_string(counts.rejected), std::to_string(counts.bytes),
       said(&Diagnostics::sqlstate), said(&Diagnostics::message), said(&Diagnostics::detail),
       said(&Diagnostics::hint), said(&Diagnostics::context), optional_text(end.watermark), xid(own.first),
       xid(own.next), wrote ? Cell(end.consistent ? "t" : "f") : Cell()});
  int step_no = 1;
  for (const RunStep &step : steps) insert_step(run_id, step_no++, step);
}

void record_failed_start(const RunSpec &spec, const std::string &mode, double at, const Diagnostics &error) {
  own_state(
      "INSERT INTO tablesync.run (owner, command, status, server, source, target, sync_mode, started_at, "
      "finished_at, sqlstate, message, detail, hint, worker_pid, worker_start, shared_memory) SELECT $owner, "
      "$1, 'failed', $2, $3, $4, $5, t.at, t.at, $7, $8, $9, $10, pg_backend_pid(), t.at, 0 FROM "
      "to_timestamp($6::float8) t (at)",
      {std::string(name_of(spec.command)), optional_text(spec.server), spec.source, display_name(spec.target),
       mode, std::to_string(at), error.sqlstate, error.message, optional_text(error.detail),
       optional_text(error.hint)});
}

void record_attempt(std::int64_t run_id, std::int64_t wait_ms, const Diagnostics &error) {
  const Row run{std::to_string(run_id)};
  // Several workers of a run may fail at the same moment.
  own_state("SELECT FROM tablesync.run WHERE run_id = $1::int8 AND owner = $owner FOR NO KEY UPDATE", run);
  own_state(
      "INSERT INTO tablesync.failed_attempt (run_id, attempt_no, failed_at, sqlstate, message, detail, "
      "context, retry_after) SELECT r.run_id, (SELECT coalesce(max(f.attempt_no), 0) + 1 FROM "
      "tablesync.failed_attempt f WHERE f.run_id = r.run_id), clock_timestamp(), $2, $3, $4, $5, "
      "$6::int8 * interval '1 ms' FROM tablesync.run r WHERE r.run_id = $1::int8 AND r.owner = $owner",
      {run[0], error.sqlstate, error.message, optional_text(error.detail), optional_text(error.context),
       std::to_string(wait_ms)});
}

void after_commit(std::int64_t run_id, int step_no, const RunStep &commit) {
  insert_step(run_id, step_no, commit);
  const std::string retention = std::to_string(history_retention_min);
  // A batch per run keeps up, since each run adds one row. History is everybody's.
  state_of_all(
      "DELETE FROM tablesync.run WHERE run_id IN (SELECT r.run_id FROM tablesync.run r WHERE r.finished_at < "
      "clock_timestamp() - $1::int4 * CASE WHEN r.status IN ('succeeded', 'skipped') THEN interval '1 min' "
      "ELSE "
      "interval '3 min' END AND r.finished_at < clock_timestamp() - $1::int4 * interval '1 min' "
      "AND NOT EXISTS (SELECT FROM tablesync.chunk c WHERE c.run_id = r.run_id AND c.status = 'failed') "
      "ORDER BY r.finished_at LIMIT 100 FOR UPDATE SKIP LOCKED)",
      {retention});
}

void record_hidden_table(std::int64_t run_id, const RunSpec &spec, const std::string &oid,
                         const std::string &name) {
  own_state(
      "INSERT INTO tablesync.hidden_table (table_oid, table_name, run_id, owner, target, made_at) VALUES "
      "($1::oid, $2, $3::int8, $owner, $4, clock_timestamp())",
      {oid, name, std::to_string(run_id), display_name(spec.target)});
}

void forget_hidden_table(const std::string &oid) {
  own_state("DELETE FROM tablesync.hidden_table WHERE table_oid = $1::oid AND owner = $owner", {oid});
}

std::vector<HiddenTableRecord> hidden_tables(const std::string &target) {
  const std::string which =
      target.empty()
          ? "$1::text IS NULL AND NOT EXISTS (SELECT FROM tablesync.run r, "
            "pg_stat_get_activity(r.worker_pid) a WHERE r.run_id = h.run_id AND r.status = 'running' "
            "AND a.backend_start = r.worker_start)"
          : "h.target = $1";
  std::vector<HiddenTableRecord> found;
  for (const Row &row : own_state("SELECT h.table_oid, h.table_name FROM tablesync.hidden_table h WHERE "
                                  "h.owner = $owner AND " +
                                      which + " ORDER BY h.table_oid",
                                  {optional_text(target)}))
    found.push_back({text_of(row[0]), text_of(row[1])});
  return found;
}

std::optional<Watermark> read_watermark(const std::string &target_oid) {
  const Rows rows = own_state(
      "SELECT w.server, w.source, w.sync_mode, w.field, w.custom_select, w.custom_where, "
      "w.soft_delete_column, w.shape, w.value, w.pending, w.system_identifier, w.database_oid, "
      "w.relation_oid, w.snapshot_xmin, w.lsn, w.timeline, w.owner = $owner, w.run_id, w.restored, "
      "w.target_files, w.read_lsn, w.read_timeline FROM "
      "tablesync.watermark w WHERE w.target_oid = $1::oid AND has_table_privilege($owner, w.target_oid, "
      "'SELECT')",
      {target_oid});
  if (rows.empty()) return std::nullopt;
  const auto text = [&](size_t n) { return text_of(rows[0][n]); };
  Watermark watermark{text(0), text(1), parse_sync_mode(text(2)), text(3),  text(4),  text(5),  text(6),
                      text(7), text(8), parse_pending(text(9)),   text(10), text(11), text(12), {},
                      {},      text(19)};
  watermark.position = {std::strtoull(text(13).c_str(), nullptr, 10), text(14), std::atoi(text(15).c_str())};
  watermark.last_read = {0, text(20), std::atoi(text(21).c_str())};
  watermark.own = bool_of(rows[0][16]);
  watermark.run_id = std::strtoll(text(17).c_str(), nullptr, 10);
  watermark.restored = text(18);
  if (!watermark.own) watermark.hide_definition();
  return watermark;
}

void write_watermark(std::int64_t run_id, const RunSpec &spec, const std::string &target_oid,
                     const Watermark &watermark) {
  const SnapshotPosition &position = watermark.position, &read = watermark.last_read;
  const auto if_known = [&](const std::string &text) { return position.xmin == 0 ? "" : text; };
  struct Field {
    const char *column, *type;
    std::string value;
  };
  const Field fields[] = {{"target_oid", "oid", target_oid},
                          {"target", "text", display_name(spec.target)},
                          {"run_id", "int8", std::to_string(run_id)},
                          {"server", "name", watermark.server},
                          {"source", "text", watermark.source},
                          {"sync_mode", "text", name_of(watermark.mode)},
                          {"field", "text", watermark.field},
                          {"custom_select", "text", watermark.custom_select},
                          {"custom_where", "text", watermark.custom_where},
                          {"soft_delete_column", "text", watermark.soft_delete_column},
                          {"shape", "text", watermark.shape},
                          {"value", "text", watermark.value},
                          {"pending", "text", to_text(watermark.pending)},
                          {"system_identifier", "text", watermark.system_identifier},
                          {"database_oid", "oid", watermark.database_oid},
                          {"relation_oid", "oid", watermark.relation_oid},
                          {"snapshot_xmin", "int8", if_known(std::to_string(position.xmin))},
                          {"lsn", "pg_lsn", if_known(position.lsn)},
                          {"timeline", "int4", if_known(std::to_string(position.timeline))},
                          {"read_lsn", "pg_lsn", read.lsn},
                          {"read_timeline", "int4", read.lsn.empty() ? "" : std::to_string(read.timeline)},
                          {"restored", "text", watermark.restored},
                          {"target_files", "text", watermark.target_files}};
  std::vector<std::string> columns{"updated_at", "owner"}, values{"clock_timestamp()", "$owner"},
      excluded{"excluded.updated_at", "excluded.owner"};
  Row parameters;
  for (const Field &field : fields) {
    columns.emplace_back(field.column);
    excluded.push_back(std::string("excluded.") + field.column);
    parameters.push_back(optional_text(field.value));
    values.push_back("$" + std::to_string(parameters.size()) + "::" + field.type);
  }
  own_state("INSERT INTO tablesync.watermark AS w (" + join(columns, ", ") + ") VALUES (" +
                join(values, ", ") + ") ON CONFLICT (target_oid) DO UPDATE SET (" + join(columns, ", ") +
                ") = (SELECT " + join(excluded, ", ") +
                ") WHERE has_table_privilege($owner, w.target_oid, 'INSERT')",
            parameters);
}

void settle_restored(const std::string &target_oid, bool holds) {
  const Row target{target_oid};
  if (holds) {
    own_state(
        "UPDATE tablesync.watermark SET restored = NULL WHERE target_oid = $1::oid AND restored IS NOT NULL "
        "AND "
        "has_table_privilege($owner, target_oid, 'INSERT')",
        target);
    own_state(
        "UPDATE tablesync.checkpoint SET restored = NULL WHERE subject = $1 AND restored IS NOT NULL AND "
        "has_table_privilege($owner, $1::oid, 'INSERT')",
        target);
  } else {
    own_state(
        "DELETE FROM tablesync.watermark WHERE target_oid = $1::oid AND restored IS NOT NULL AND "
        "has_table_privilege($owner, target_oid, 'INSERT')",
        target);
    own_state(
        "DELETE FROM tablesync.checkpoint WHERE subject = $1 AND restored IS NOT NULL AND owner = $owner",
        target);
  }
}

void record_reject(std::int64_t run_id, const RunSpec &spec, const std::string &key, const std::string &row,
                   const Diagnostics &error) {
  own_state(
      "INSERT INTO tablesync.reject (run_id, owner, target, row_key, column_name, \"row\", sqlstate, "
      "message, rejected_at) VALUES ($1::int8, $owner, $2, $3, $4, $5::jsonb, $6, $7, clock_timestamp())",
      {std::to_string(run_id), display_name(spec.target), optional_text(key), optional_text(error.column),
       row, error.sqlstate, error.message});
}

namespace {

std::optional<Row> first_of(const Rows &rows) { return rows.empty() ? std::nullopt : std::optional(rows[0]); }

}  // namespace

std::optional<Row> find_run(std::int64_t run_id) {
  // What other sessions committed a moment ago must be seen, also within a REPEATABLE READ transaction.
  return first_of(latest_own_state(
      // A worker that is gone has ended its run, whatever its record says.
      "SELECT r.run_id, CASE WHEN r.status = 'running' AND NOT EXISTS (SELECT FROM "
      "pg_stat_get_activity(r.worker_pid) a WHERE a.backend_start = r.worker_start OR a.backend_start IS "
      "NULL) "
      "THEN 'interrupted' ELSE r.status END, r.rows_read, r.rows_inserted, r.rows_updated, r.rows_deleted, "
      "r.rows_unchanged, r.rows_rejected, r.watermark, coalesce(r.duration, clock_timestamp() - "
      "r.started_at), r.consistent, r.worker_pid, r.sqlstate, r.message, r.detail, r.hint, r.context FROM "
      "tablesync.run r WHERE r.run_id = $1::int8 AND " +
          has_rights_of("r.owner"),
      {std::to_string(run_id)}));
}

std::uint32_t find_segment(std::int64_t run_id) {
  const Rows found = own_state(
      "SELECT r.shared_memory FROM tablesync.run r WHERE r.run_id = $1::int8 AND r.status = 'running' AND " +
          has_rights_of("r.owner"),
      {std::to_string(run_id)});
  return found.empty() ? 0
                       : static_cast<std::uint32_t>(std::strtoul(text_of(found[0][0]).c_str(), nullptr, 10));
}

bool cancel_worker(std::int64_t run_id) {
  const Rows found = latest_own_state(
      "SELECT a.pid FROM tablesync.run r JOIN pg_stat_get_activity(r.worker_pid) a ON a.backend_start = "
      "r.worker_start WHERE r.run_id = $1::int8 AND r.status = 'running' AND " +
          has_rights_of("r.owner"),
      {std::to_string(run_id)});
  // As the current user: whether he may is the server's to say.
  return !found.empty() &&
         bool_of(
             query("SELECT pg_catalog.pg_cancel_backend($1::pg_catalog.int4)", {found[0][0]}).at(0).at(0));
}

std::optional<Row> find_writer(const std::string &target, const std::string &xmin) {
  return first_of(own_state(
      "SELECT r.run_id, r.command, w.finished_at, w.chunk_no FROM tablesync.run r CROSS JOIN LATERAL (SELECT "
      "r.first_xid, r.next_xid, r.finished_at, NULL::int8 AS chunk_no UNION ALL SELECT c.first_xid, "
      "c.next_xid, c.finished_at, c.chunk_no FROM tablesync.chunk c WHERE c.run_id = r.run_id AND c.status = "
      "'succeeded') w WHERE r.target = $1 AND w.first_xid IS NOT NULL AND ($2::int8 - w.first_xid % "
      "4294967296 + 4294967296) % 4294967296 < w.next_xid - w.first_xid AND " +
          has_rights_of("r.owner") + " ORDER BY r.run_id DESC LIMIT 1",
      {target, xmin}));
}

std::optional<Row> find_last_sync(const std::string &target) {
  return first_of(
      own_state("SELECT r.run_id, r.status, r.started_at, r.message FROM tablesync.run r WHERE r.target = $1 "
                "AND r.command = 'sync_table' AND " +
                    has_rights_of("r.owner") + " ORDER BY r.run_id DESC LIMIT 1",
                {target}));
}

std::optional<Row> find_reject(const std::string &target, const std::vector<std::string> &key) {
  std::vector<std::string> columns;
  Row parameters{target};
  for (const std::string &value : key) {
    parameters.emplace_back(value);
    columns.push_back("$" + std::to_string(parameters.size()));
  }
  return first_of(own_state(
      "SELECT j.run_id, j.column_name, j.message FROM tablesync.reject j WHERE j.target = $1 AND j.row_key = "
      "(ROW(" +
          join(columns, ", ") + ")::record)::text AND " + has_rights_of("j.owner") +
          " ORDER BY j.reject_id DESC LIMIT 1",
      parameters));
}

}  // namespace tablesync::pg
