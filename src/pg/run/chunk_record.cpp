#include "pg/run/chunk_record.h"

extern "C" {
#include "postgres.h"

#include "miscadmin.h"
}

#include <cstdlib>

#include "core/text.h"
#include "pg/server/spi.h"

namespace tablesync::pg {
namespace {

Cell number(std::int64_t value) { return std::to_string(value); }
std::int64_t to_number(const Cell &cell) { return std::strtoll(text_of(cell).c_str(), nullptr, 10); }

// The text of an array of texts, as array_in() takes it.
Cell array_of(const Bound &bound) {
  if (bound.empty()) return {};
  std::string text;
  for (const std::string &element : bound) {
    text += text.empty() ? "{\"" : ",\"";
    for (const char c : element) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text + "}";
}

Bound read_bound(const char *sql, const Row &parameters) {
  Bound bound;
  for (const Row &row : write_state(sql, parameters)) bound.push_back(text_of(row.at(0)));
  return bound;
}

}  // namespace

std::optional<Checkpoint> read_checkpoint(const std::string &subject, bool lock) {
  const Rows rows = write_state(
      std::string("SELECT run_id, definition, first_load, chunk_by, files, shape, value, system_identifier, "
                  "database_oid, "
                  "relation_oid, snapshot_xmin, lsn, timeline, chunks, chunk_size, complete, source, server, "
                  "key_pending, next_xmin, next_lsn, next_timeline, encode(request, 'hex') "
                  "FROM "
                  "tablesync.checkpoint WHERE subject = $1") +
          (lock ? " FOR UPDATE" : ""),
      {subject});
  if (rows.empty()) return std::nullopt;
  const Row &row = rows[0];
  const auto text = [&](size_t n) { return text_of(row[n]); };
  Checkpoint found;
  found.run_id = to_number(row[0]);
  found.definition = text(1);
  found.first_load = bool_of(row[2]);
  found.by = parse_chunk_by(text(3));
  found.files = text(4);
  found.since.source = text(16);
  found.since.server = text(17);
  found.key_pending = bool_of(row[18]);
  found.since.shape = text(5);
  found.since.value = text(6);
  found.since.system_identifier = text(7);
  found.since.database_oid = text(8);
  found.since.relation_oid = text(9);
  found.since.position = {std::strtoull(text(10).c_str(), nullptr, 10), text(11),
                          std::atoi(text(12).c_str())};
  if (row[19])
    found.next = {std::strtoull(text(19).c_str(), nullptr, 10), text(20), std::atoi(text(21).c_str())};
  found.request = from_hex(text(22));
  found.chunks = to_number(row[13]);
  found.size = to_number(row[14]);
  found.complete = bool_of(row[15]);
  found.lower = read_bound("SELECT unnest(lower) FROM tablesync.checkpoint WHERE subject = $1", {subject});
  return found;
}

void write_checkpoint(const std::string &subject, const RunSpec &spec, const Checkpoint &checkpoint) {
  const Watermark &since = checkpoint.since;
  write_state(
      "INSERT INTO tablesync.checkpoint AS c (subject, target, owner, run_id, request, definition, "
      "server, source, "
      "first_load, key_pending, chunk_by, files, shape, value, system_identifier, database_oid, "
      "relation_oid, "
      "snapshot_xmin, "
      "lsn, timeline, chunks, chunk_size, lower, complete, next_xmin, next_lsn, next_timeline, "
      "started_at, updated_at) VALUES ($1, $2, "
      "$3::oid, "
      "$4::int8, $5::bytea, $6, $7, $8, $9::bool, $24::bool, $10, $11, $12, $13, $14, $15::oid, $16::oid, "
      "$17::int8, "
      "$18::pg_lsn, $19::int4, $20::int8, $21::int8, $22::text[], $23::bool, $25::int8, $26::pg_lsn, "
      "$27::int4, clock_timestamp(), "
      "clock_timestamp()) ON CONFLICT (subject) DO UPDATE SET (owner, run_id, request, definition, "
      "server, "
      "source, first_load, key_pending, chunk_by, files, shape, value, system_identifier, database_oid, "
      "relation_oid, "
      "snapshot_xmin, lsn, timeline, chunks, chunk_size, lower, complete, next_xmin, next_lsn, "
      "next_timeline, "
      "updated_at) = (excluded.owner, "
      "excluded.run_id, excluded.request, excluded.definition, excluded.server, excluded.source, "
      "excluded.first_load, excluded.key_pending, excluded.chunk_by, excluded.files, excluded.shape, "
      "excluded.value, "
      "excluded.system_identifier, excluded.database_oid, excluded.relation_oid, excluded.snapshot_xmin, "
      "excluded.lsn, excluded.timeline, excluded.chunks, excluded.chunk_size, excluded.lower, "
      "excluded.complete, excluded.next_xmin, excluded.next_lsn, excluded.next_timeline, "
      "excluded.updated_at)",
      {subject,
       display_name(spec.target),
       number(GetUserId()),
       number(checkpoint.run_id),
       "\\x" + to_hex(checkpoint.request),
       checkpoint.definition,
       optional_text(spec.server),
       since.source,
       std::string(checkpoint.first_load ? "t" : "f"),
       std::string(name_of(checkpoint.by)),
       checkpoint.files,
       since.shape,
       optional_text(since.value),
       optional_text(since.system_identifier),
       optional_text(since.database_oid),
       optional_text(since.relation_oid),
       std::to_string(since.position.xmin),
       optional_text(since.position.lsn),
       number(since.position.timeline),
       number(checkpoint.chunks),
       number(checkpoint.size),
       array_of(checkpoint.lower),
       std::string(checkpoint.complete ? "t" : "f"),
       std::string(checkpoint.key_pending ? "t" : "f"),
       checkpoint.next ? Cell(std::to_string(checkpoint.next->xmin)) : Cell(),
       checkpoint.next ? optional_text(checkpoint.next->lsn) : Cell(),
       checkpoint.next ? number(checkpoint.next->timeline) : Cell()});
}

void drop_checkpoint(const std::string &subject) {
  write_state("DELETE FROM tablesync.checkpoint WHERE subject = $1", {subject});
  write_state("DELETE FROM tablesync.chunk WHERE subject = $1 AND status <> 'succeeded'", {subject});
}

void record_claim(std::int64_t run_id, const std::string &subject, const Chunk &chunk, double started_at) {
  const TransactionRange own = current_transactions();
  write_state(
      "INSERT INTO tablesync.chunk (run_id, chunk_no, subject, status, lower, upper, started_at, "
      "first_xid, next_xid, attempts) VALUES ($1::int8, $2::int8, $3, 'running', $4::text[], "
      "$5::text[], to_timestamp($6::float8), $7::int8, $8::int8, 0)",
      {number(run_id), number(chunk.number), subject, array_of(chunk.lower), array_of(chunk.upper),
       std::to_string(started_at), std::to_string(own.first), std::to_string(own.next)});
}

void record_chunk(std::int64_t run_id, const std::string &subject, const Chunk &chunk, double started_at,
                  const RunCounts &counts, const Diagnostics *error) {
  const auto said = [&](std::string Diagnostics::*field) {
    return error != nullptr ? optional_text(error->*field) : Cell();
  };
  const TransactionRange own = current_transactions();
  write_state(
      "INSERT INTO tablesync.chunk AS c (run_id, chunk_no, subject, status, lower, upper, started_at, "
      "finished_at, rows_read, rows_inserted, rows_updated, first_xid, next_xid, attempts, sqlstate, "
      "message, detail) VALUES "
      "($1::int8, $2::int8, $3, $4, $5::text[], $6::text[], to_timestamp($7::float8), "
      "clock_timestamp(), "
      "$8::int8, $9::int8, $10::int8, $14::int8, $15::int8, 1, $11, $12, $13) ON CONFLICT "
      "(run_id, chunk_no) DO "
      "UPDATE SET (status, started_at, finished_at, rows_read, rows_inserted, rows_updated, first_xid, "
      "next_xid, sqlstate, "
      "message, "
      "detail, attempts) = (excluded.status, excluded.started_at, excluded.finished_at, excluded.rows_read, "
      "excluded.rows_inserted, excluded.rows_updated, excluded.first_xid, excluded.next_xid, "
      "excluded.sqlstate, excluded.message, "
      "excluded.detail, "
      "c.attempts + 1)",
      {number(run_id), number(chunk.number), subject, std::string(error == nullptr ? "succeeded" : "failed"),
       array_of(chunk.lower), array_of(chunk.upper), std::to_string(started_at), number(counts.read),
       number(counts.inserted), number(counts.updated), said(&Diagnostics::sqlstate),
       said(&Diagnostics::message), said(&Diagnostics::detail), std::to_string(own.first),
       std::to_string(own.next)});
}

std::optional<FailedChunk> find_failed_chunk(const std::string &subject, std::int64_t from) {
  const Rows rows = write_state(
      "SELECT run_id, chunk_no, sqlstate, message, detail FROM tablesync.chunk WHERE subject = $1 "
      "AND "
      "status <> 'succeeded' AND chunk_no >= $2::int8 ORDER BY chunk_no LIMIT 1",
      {subject, number(from)});
  if (rows.empty()) return std::nullopt;
  const Row &row = rows[0];
  FailedChunk found{to_number(row[0]), {to_number(row[1]), {}, {}}, {}};
  const Row which{row[0], row[1]};
  found.chunk.lower = read_bound(
      "SELECT unnest(lower) FROM tablesync.chunk WHERE run_id = $1::int8 AND chunk_no = $2::int8", which);
  found.chunk.upper = read_bound(
      "SELECT unnest(upper) FROM tablesync.chunk WHERE run_id = $1::int8 AND chunk_no = $2::int8", which);
  found.error.sqlstate = text_of(row[2]);
  found.error.message = text_of(row[3]);
  found.error.detail = text_of(row[4]);
  return found;
}

std::int64_t count_failed_chunks(const std::string &subject) {
  return to_number(
      write_state("SELECT count(*) FROM tablesync.chunk WHERE subject = $1 AND status <> 'succeeded'",
                  {subject})
          .at(0)
          .at(0));
}

namespace {

constexpr char listed_columns[] =
    "SELECT run_id, chunk_no, status, lower, upper, rows_read, sqlstate, message FROM tablesync.chunk ";

}  // namespace

std::optional<KeptRequest> find_request(std::int64_t run_id) {
  const Rows rows = query_latest(
      "SELECT encode(c.request, 'hex'), c.subject FROM tablesync.checkpoint c WHERE c.run_id = $1::int8 "
      "OR EXISTS "
      "(SELECT FROM "
      "tablesync.chunk k WHERE k.subject = c.subject AND k.run_id = $1::int8 AND k.status <> "
      "'succeeded')",
      {number(run_id)});
  if (rows.empty()) return std::nullopt;
  return KeptRequest{from_hex(text_of(rows[0][0])), text_of(rows[0][1])};
}

Rows list_failed_chunks(const std::string &subject) {
  return query_latest(
      std::string(listed_columns) + "WHERE subject = $1 AND status <> 'succeeded' ORDER BY chunk_no",
      {subject});
}

Rows list_chunk(const Row &listed) {
  return query_latest(std::string(listed_columns) + "WHERE run_id = $1::int8 AND chunk_no = $2::int8",
                      {listed.at(0), listed.at(1)});
}

}  // namespace tablesync::pg
