#include "pg/run/run_record.h"

extern "C" {
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
}

#include <cstdlib>

#include "pg/server/airlock.h"
#include "pg/server/guc.h"
#include "pg/server/spi.h"
#include "pg/server/transaction.h"

namespace tablesync::pg {
namespace {

Cell optional_number(std::int64_t number) { return number < 0 ? Cell() : Cell(std::to_string(number)); }

void insert_step(std::int64_t run_id, int step_no, const RunStep &step) {
  write_state(
      "INSERT INTO tablesync.run_step (run_id, step_no, step, started_at, finished_at, rows, bytes) VALUES "
      "($1::int8, $2::int4, $3, to_timestamp($4::float8), to_timestamp($5::float8), $6::int8, $7::int8)",
      {std::to_string(run_id), std::to_string(step_no), step.name, std::to_string(step.started_at),
       std::to_string(step.finished_at), optional_number(step.rows), optional_number(step.bytes)});
}

}  // namespace

Rows write_state(const std::string &sql, const Row &parameters) {
  return as_extension_owner([&] { return query(sql, parameters); });
}

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
  const Rows rows = write_state(
      "INSERT INTO tablesync.run (owner, command, status, server, source, target, sync_mode, started_at, "
      "worker_pid, worker_start, shared_memory) SELECT $1::oid, $7, 'running', $2, $3, $4, $5, "
      "clock_timestamp(), a.pid, a.backend_start, $6::int8 FROM pg_stat_get_activity(pg_backend_pid()) a "
      "RETURNING "
      "run_id",
      {std::to_string(GetUserId()), optional_text(spec.server), spec.source, display_name(spec.target), mode,
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
  write_state(
      "UPDATE tablesync.run SET status = $2, finished_at = clock_timestamp(), rows_read = $3::int8, "
      "rows_inserted = $4::int8, rows_updated = $5::int8, rows_deleted = $6::int8, rows_unchanged = "
      "$7::int8, "
      "rows_rejected = $8::int8, bytes_read = $9::int8, sqlstate = $10, message = $11, detail = $12, hint = "
      "$13, "
      "context = $14, watermark = $15, first_xid = $16::int8, next_xid = $17::int8, consistent = $18::bool "
      "WHERE run_id = $1::int8",
      {std::to_string(run_id), std::string(end.status), std::to_string(counts.read),
       std::to_string(counts.inserted), std::to_string(counts.updated), std::to_string(counts.deleted),
       std::to_string(counts.unchanged), std::to_string(counts.rejected), std::to_string(counts.bytes),
       said(&Diagnostics::sqlstate), said(&Diagnostics::message), said(&Diagnostics::detail),
       said(&Diagnostics::hint), said(&Diagnostics::context), optional_text(end.watermark), xid(own.first),
       xid(own.next), wrote ? Cell(end.consistent ? "t" : "f") : Cell()});
  int step_no = 1;
  for (const RunStep &step : steps) insert_step(run_id, step_no++, step);
}

void record_attempt(std::int64_t run_id, std::int64_t wait_ms, const Diagnostics &error) {
  const Row run{std::to_string(run_id)};
  // Several workers of a run may fail at the same moment.
  write_state("SELECT FROM tablesync.run WHERE run_id = $1::int8 FOR NO KEY UPDATE", run);
  write_state(
      "INSERT INTO tablesync.failed_attempt (run_id, attempt_no, failed_at, sqlstate, message, detail, "
      "context, retry_after) SELECT $1::int8, coalesce(max(attempt_no), 0) + 1, clock_timestamp(), $2, $3, "
      "$4, $5, "
      "$6::int8 * interval '1 ms' FROM tablesync.failed_attempt WHERE run_id = $1::int8",
      {run[0], error.sqlstate, error.message, optional_text(error.detail), optional_text(error.context),
       std::to_string(wait_ms)});
}

void after_commit(std::int64_t run_id, int step_no, const RunStep &commit) {
  insert_step(run_id, step_no, commit);
  const std::string retention = std::to_string(history_retention_min);
  // A batch per run keeps up, since each run adds one row.
  write_state(
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
  write_state(
      "INSERT INTO tablesync.hidden_table (table_oid, table_name, run_id, owner, target, made_at) VALUES "
      "($1::oid, $2, $3::int8, $4::oid, $5, clock_timestamp())",
      {oid, name, std::to_string(run_id), std::to_string(GetUserId()), display_name(spec.target)});
}

void forget_hidden_table(const std::string &oid) {
  write_state("DELETE FROM tablesync.hidden_table WHERE table_oid = $1::oid", {oid});
}

Rows hidden_tables(const std::string &target) {
  const std::string role = std::to_string(GetUserId());
  const std::string which =
      target.empty()
          ? "$1::text IS NULL AND NOT EXISTS (SELECT FROM tablesync.run r, "
            "pg_stat_get_activity(r.worker_pid) a WHERE r.run_id = h.run_id AND r.status = 'running' "
            "AND a.backend_start = r.worker_start)"
          : "h.target = $1";
  return write_state(
      "SELECT h.table_oid, n.nspname, c.relname, pg_has_role($2::oid, c.relowner, 'USAGE') FROM "
      "tablesync.hidden_table h LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) ON "
      "c.oid = "
      "h.table_oid AND c.relname = h.table_name WHERE " +
          which + " ORDER BY h.table_oid",
      {optional_text(target), role});
}

std::optional<Watermark> read_watermark(const std::string &target_oid) {
  const Rows rows = write_state(
      "SELECT server, source, sync_mode, field, custom_select, custom_where, soft_delete_column, shape, "
      "value, "
      "pending, system_identifier, database_oid, relation_oid, snapshot_xmin, lsn, timeline FROM "
      "tablesync.watermark WHERE target_oid = $1::oid",
      {target_oid});
  if (rows.empty()) return std::nullopt;
  const auto text = [&](size_t n) { return text_of(rows[0][n]); };
  Watermark watermark{text(0), text(1), parse_sync_mode(text(2)), text(3),  text(4),  text(5),  text(6),
                      text(7), text(8), parse_pending(text(9)),   text(10), text(11), text(12), {}};
  watermark.position = {std::strtoull(text(13).c_str(), nullptr, 10), text(14), std::atoi(text(15).c_str())};
  return watermark;
}

void write_watermark(std::int64_t run_id, const RunSpec &spec, const std::string &target_oid,
                     const Watermark &watermark) {
  const SnapshotPosition &position = watermark.position;
  const auto if_known = [&](const std::string &text) { return position.xmin == 0 ? "" : text; };
  struct Field {
    const char *column, *type;
    std::string value;
  };
  const Field fields[] = {{"target_oid", "oid", target_oid},
                          {"target", "text", display_name(spec.target)},
                          {"owner", "oid", std::to_string(GetUserId())},
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
                          {"timeline", "int4", if_known(std::to_string(position.timeline))}};
  std::vector<std::string> columns{"updated_at"}, values{"clock_timestamp()"},
      excluded{"excluded.updated_at"};
  Row parameters;
  for (const Field &field : fields) {
    columns.emplace_back(field.column);
    excluded.push_back(std::string("excluded.") + field.column);
    parameters.push_back(optional_text(field.value));
    values.push_back("$" + std::to_string(parameters.size()) + "::" + field.type);
  }
  write_state("INSERT INTO tablesync.watermark (" + join(columns, ", ") + ") VALUES (" + join(values, ", ") +
                  ") ON CONFLICT (target_oid) DO UPDATE SET (" + join(columns, ", ") + ") = (SELECT " +
                  join(excluded, ", ") + ")",
              parameters);
}

void record_reject(std::int64_t run_id, const RunSpec &spec, const std::string &key, const std::string &row,
                   const Diagnostics &error) {
  write_state(
      "INSERT INTO tablesync.reject (run_id, owner, target, row_key, column_name, \"row\", sqlstate, "
      "message, "
      "rejected_at) VALUES ($1::int8, $2::oid, $3, $4, $5, $6::jsonb, $7, $8, clock_timestamp())",
      {std::to_string(run_id), std::to_string(GetUserId()), display_name(spec.target), optional_text(key),
       optional_text(error.column), row, error.sqlstate, error.message});
}

std::optional<Row> find_run(std::int64_t run_id) {
  // What other sessions committed a moment ago must be seen, also within a REPEATABLE READ transaction.
  const Rows rows = query_latest(
      "SELECT run_id, status, rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged, "
      "rows_rejected, "
      "watermark, coalesce(duration, clock_timestamp() - started_at), consistent, worker_pid, sqlstate, "
      "message, detail, "
      "hint, "
      "context FROM tablesync.run WHERE run_id = $1::int8",
      {std::to_string(run_id)});
  if (rows.empty()) return std::nullopt;
  return rows[0];
}

}  // namespace tablesync::pg
