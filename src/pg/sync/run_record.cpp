#include "pg/sync/run_record.h"

extern "C" {
#include "postgres.h"

#include "miscadmin.h"
}

#include <cstdlib>

#include "pg/server/guc.h"
#include "pg/server/spi.h"
#include "pg/server/transaction.h"

namespace tablesync::pg {
namespace {

Rows write(const std::string &sql, const Row &parameters) {
  return as_extension_owner([&] { return query(sql, parameters); });
}

Cell optional_text(const std::string &text) { return text.empty() ? Cell() : Cell(text); }
Cell optional_number(std::int64_t number) { return number < 0 ? Cell() : Cell(std::to_string(number)); }

void insert_step(std::int64_t run_id, int step_no, const RunStep &step) {
  write(
      "INSERT INTO tablesync.run_step (run_id, step_no, step, started_at, finished_at, rows, bytes) VALUES "
      "($1::int8, $2::int4, $3, to_timestamp($4::float8), to_timestamp($5::float8), $6::int8, $7::int8)",
      {std::to_string(run_id), std::to_string(step_no), step.name, std::to_string(step.started_at),
       std::to_string(step.finished_at), optional_number(step.rows), optional_number(step.bytes)});
}

}  // namespace

std::int64_t begin_run(const SyncSpec &spec, std::uint32_t shared_memory) {
  const Rows rows = write(
      "INSERT INTO tablesync.run (owner, command, status, server, source, target, sync_mode, started_at, "
      "worker_pid, worker_start, shared_memory) SELECT $1::oid, 'sync_table', 'running', $2, $3, $4, 'full', "
      "clock_timestamp(), a.pid, a.backend_start, $5::int8 FROM pg_stat_get_activity(pg_backend_pid()) a "
      "RETURNING "
      "run_id",
      {std::to_string(GetUserId()), spec.server, spec.source, display_name(spec.target),
       std::to_string(shared_memory)});
  if (rows.empty()) throw Error(sqlstate::internal, "this process is not in pg_stat_activity");
  return std::strtoll(text_of(rows[0][0]).c_str(), nullptr, 10);
}

void finish_run(std::int64_t run_id, const std::string &status, const RunCounts &counts,
                const std::vector<RunStep> &steps, const Diagnostics *error) {
  const auto said = [&](std::string Diagnostics::*field) {
    return error != nullptr ? optional_text(error->*field) : Cell();
  };
  write(
      "UPDATE tablesync.run SET status = $2, finished_at = clock_timestamp(), rows_read = $3::int8, "
      "rows_inserted = "
      "$4::int8, rows_updated = $5::int8, rows_deleted = $6::int8, rows_unchanged = $7::int8, rows_rejected "
      "= "
      "$8::int8, bytes_read = $9::int8, sqlstate = $10, message = $11, detail = $12, hint = $13, context = "
      "$14 "
      "WHERE run_id = $1::int8",
      {std::to_string(run_id), status, std::to_string(counts.read), std::to_string(counts.inserted),
       std::to_string(counts.updated), std::to_string(counts.deleted), std::to_string(counts.unchanged),
       std::to_string(counts.rejected), std::to_string(counts.bytes), said(&Diagnostics::sqlstate),
       said(&Diagnostics::message), said(&Diagnostics::detail), said(&Diagnostics::hint),
       said(&Diagnostics::context)});
  int step_no = 1;
  for (const RunStep &step : steps) insert_step(run_id, step_no++, step);
}

void after_commit(std::int64_t run_id, int step_no, const RunStep &commit) {
  insert_step(run_id, step_no, commit);
  const std::string retention = std::to_string(history_retention_min);
  // A batch per run keeps up, since each run adds one row.
  write(
      "DELETE FROM tablesync.run WHERE run_id IN (SELECT r.run_id FROM tablesync.run r WHERE r.finished_at < "
      "clock_timestamp() - $1::int4 * CASE WHEN r.status IN ('succeeded', 'skipped') THEN interval '1 min' "
      "ELSE "
      "interval '3 min' END AND r.finished_at < clock_timestamp() - $1::int4 * interval '1 min' "
      "ORDER BY r.finished_at LIMIT 100 FOR UPDATE SKIP LOCKED)",
      {retention});
}

void close_interrupted(const SyncSpec &spec, std::int64_t run_id) {
  write(
      "UPDATE tablesync.run r SET status = 'interrupted', finished_at = clock_timestamp(), sqlstate = "
      "'57P02', "
      "message = 'the worker ended without a word: the server crashed or was stopped' "
      "WHERE r.status = 'running' AND r.target = $1 AND r.run_id <> $2::int8 AND NOT EXISTS (SELECT FROM "
      "pg_stat_get_activity(r.worker_pid) a WHERE a.backend_start = r.worker_start)",
      {display_name(spec.target), std::to_string(run_id)});
}

std::optional<FilledFrom> filled_from(const std::string &target_oid) {
  const Rows rows =
      write("SELECT server, source FROM tablesync.watermark WHERE target_oid = $1::oid", {target_oid});
  if (rows.empty()) return std::nullopt;
  return FilledFrom{text_of(rows[0][0]), text_of(rows[0][1])};
}

void record_filled_from(std::int64_t run_id, const SyncSpec &spec, const std::string &target_oid,
                        const Table &source) {
  write(
      "INSERT INTO tablesync.watermark (target_oid, target, owner, server, source, system_identifier, "
      "sync_mode, "
      "run_id, updated_at) VALUES ($1::oid, $2, $3::oid, $4, $5, $6, 'full', $7::int8, clock_timestamp()) "
      "ON CONFLICT (target_oid) DO UPDATE SET target = excluded.target, owner = excluded.owner, server = "
      "excluded.server, source = excluded.source, system_identifier = excluded.system_identifier, sync_mode "
      "= "
      "excluded.sync_mode, value = NULL, run_id = excluded.run_id, updated_at = excluded.updated_at",
      {target_oid, display_name(spec.target), std::to_string(GetUserId()), spec.server,
       display_name(source.name), optional_text(source.system_identifier), std::to_string(run_id)});
}

std::optional<Row> find_run(std::int64_t run_id) {
  // What other sessions committed a moment ago must be seen, also within a REPEATABLE READ transaction.
  const Rows rows = query_latest(
      "SELECT run_id, status, rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged, "
      "rows_rejected, "
      "watermark, coalesce(duration, clock_timestamp() - started_at), worker_pid, sqlstate, message, detail, "
      "hint, "
      "context FROM tablesync.run WHERE run_id = $1::int8",
      {std::to_string(run_id)});
  if (rows.empty()) return std::nullopt;
  return rows[0];
}

}  // namespace tablesync::pg
