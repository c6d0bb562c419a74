#include "pg/record/chunk_record.h"

#include <cstdlib>

#include "core/base/text.h"
#include "pg/record/state.h"

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

Bound read_bound(const std::string &sql, const Row &parameters) {
  Bound bound;
  for (const Row &row : own_state(sql, parameters)) bound.push_back(text_of(row.at(0)));
  return bound;
}

}  // namespace

std::optional<Checkpoint> read_checkpoint(const std::string &subject, bool lock) {
  const Rows rows = own_state(
      std::string("SELECT run_id, definition, first_load, chunk_by, files, shape, value, system_identifier, "
                  "database_oid, "
                  "relation_oid, snapshot_xmin, lsn, timeline, chunks, chunk_size, complete, source, server, "
                  "key_pending, next_xmin, next_lsn, next_timeline, request, restored, "
                  "starts_over, target_files FROM "
                  "tablesync.checkpoint WHERE subject = $1 AND owner = $owner") +
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
  found.request = text(22);
  found.restored = text(23);
  found.starts_over = bool_of(row[24]);
  found.since.target_files = text(25);
  found.chunks = to_number(row[13]);
  found.size = to_number(row[14]);
  found.complete = bool_of(row[15]);
  found.lower = read_bound(
      "SELECT unnest(lower) FROM tablesync.checkpoint WHERE subject = $1 AND owner = $owner", {subject});
  return found;
}

Checkpoint require_checkpoint(const std::string &subject, bool lock) {
  if (std::optional<Checkpoint> found = read_checkpoint(subject, lock)) return *found;
  throw Error("40001", "the checkpoint of the run is gone",
              "The target was replaced during the run, or another call gave up what this one had begun.",
              "Run it again.");
}

void write_checkpoint(const std::string &subject, const RunSpec &spec, const Checkpoint &checkpoint) {
  const Watermark &since = checkpoint.since;
  const auto of_next = [&](const auto &text) { return checkpoint.next ? text(*checkpoint.next) : Cell(); };
  const auto text = [](bool value) { return std::string(value ? "t" : "f"); };
  struct Field {
    const char *column, *type;
    Cell value;
  };
  const Field fields[] = {
      {"target", "text", display_name(spec.target)},
      {"run_id", "int8", number(checkpoint.run_id)},
      {"request", "jsonb", checkpoint.request},
      {"definition", "text", checkpoint.definition},
      {"server", "name", optional_text(spec.server)},
      {"source", "text", since.source},
      {"first_load", "bool", text(checkpoint.first_load)},
      {"key_pending", "bool", text(checkpoint.key_pending)},
      {"chunk_by", "text", std::string(name_of(checkpoint.by))},
      {"files", "text", checkpoint.files},
      {"shape", "text", since.shape},
      {"value", "text", optional_text(since.value)},
      {"system_identifier", "text", optional_text(since.system_identifier)},
      {"database_oid", "oid", optional_text(since.database_oid)},
      {"relation_oid", "oid", optional_text(since.relation_oid)},
      {"snapshot_xmin", "int8", std::to_string(since.position.xmin)},
      {"lsn", "pg_lsn", optional_text(since.position.lsn)},
      {"timeline", "int4", number(since.position.timeline)},
      {"target_files", "text", optional_text(since.target_files)},
      {"chunks", "int8", number(checkpoint.chunks)},
      {"chunk_size", "int8", number(checkpoint.size)},
      {"lower", "text[]", array_of(checkpoint.lower)},
      {"complete", "bool", text(checkpoint.complete)},
      {"restored", "text", optional_text(checkpoint.restored)},
      {"starts_over", "bool", text(checkpoint.starts_over)},
      {"next_xmin", "int8", of_next([](const auto &p) { return Cell(std::to_string(p.xmin)); })},
      {"next_lsn", "pg_lsn", of_next([](const auto &p) { return optional_text(p.lsn); })},
      {"next_timeline", "int4", of_next([](const auto &p) { return number(p.timeline); })}};
  std::vector<std::string> columns{"updated_at"}, values{"clock_timestamp()"},
      excluded{"excluded.updated_at"};
  Row parameters{subject};
  for (const Field &field : fields) {
    columns.emplace_back(field.column);
    excluded.push_back(std::string("excluded.") + field.column);
    parameters.push_back(field.value);
    values.push_back("$" + std::to_string(parameters.size()) + "::" + field.type);
  }
  const std::string names = join(columns, ", ");
  own_state("INSERT INTO tablesync.checkpoint (owner, subject, started_at, " + names +
                ") VALUES ($owner, $1, clock_timestamp(), " + join(values, ", ") +
                ") ON CONFLICT (owner, subject) DO UPDATE SET (" + names + ") = ROW(" + join(excluded, ", ") +
                ")",
            parameters);
}

void drop_checkpoint(const std::string &subject) {
  own_state("DELETE FROM tablesync.checkpoint WHERE subject = $1 AND owner = $owner", {subject});
  own_state("DELETE FROM tablesync.chunk WHERE subject = $1 AND owner = $owner AND status <> 'succeeded'",
            {subject});
}

void record_claim(std::int64_t run_id, const std::string &subject, const Chunk &chunk, double started_at) {
  const TransactionRange own = current_transactions();
  own_state(
      "INSERT INTO tablesync.chunk AS c (run_id, chunk_no, owner, subject, status, lower, upper, started_at, "
      "first_xid, next_xid, attempts) VALUES ($1::int8, $2::int8, $owner, $3, 'running', $4::text[], "
      "$5::text[], to_timestamp($6::float8), $7::int8, $8::int8, 0) ON CONFLICT (run_id, chunk_no) DO UPDATE "
      "SET (status, lower, upper, started_at, finished_at, first_xid, next_xid) = (excluded.status, "
      "excluded.lower, excluded.upper, excluded.started_at, NULL, excluded.first_xid, excluded.next_xid) "
      "WHERE c.owner = $owner",
      {number(run_id), number(chunk.number), subject, array_of(chunk.lower), array_of(chunk.upper),
       std::to_string(started_at), std::to_string(own.first), std::to_string(own.next)});
}

void record_chunk(std::int64_t run_id, const std::string &subject, const Chunk &chunk, double started_at,
                  const RunCounts &counts, const Diagnostics *error) {
  const auto said = [&](std::string Diagnostics::*field) {
    return error != nullptr ? optional_text(error->*field) : Cell();
  };
  const TransactionRange own = current_transactions();
  own_state(
      "INSERT INTO tablesync.chunk AS c (run_id, chunk_no, owner, subject, status, lower, upper, started_at, "
      "finished_at, rows_read, rows_inserted, rows_updated, first_xid, next_xid, attempts, sqlstate, "
      "message, detail) VALUES ($1::int8, $2::int8, $owner, $3, $4, $5::text[], $6::text[], "
      "to_timestamp($7::float8), clock_timestamp(), $8::int8, $9::int8, $10::int8, $14::int8, $15::int8, 1, "
      "$11, $12, $13) ON CONFLICT (run_id, chunk_no) DO UPDATE SET (status, lower, upper, started_at, "
      "finished_at, "
      "rows_read, rows_inserted, rows_updated, first_xid, next_xid, sqlstate, message, detail, attempts) = "
      "(excluded.status, excluded.lower, excluded.upper, excluded.started_at, excluded.finished_at, "
      "excluded.rows_read, "
      "excluded.rows_inserted, excluded.rows_updated, excluded.first_xid, excluded.next_xid, "
      "excluded.sqlstate, excluded.message, excluded.detail, c.attempts + 1) WHERE c.owner = $owner",
      {number(run_id), number(chunk.number), subject, std::string(error == nullptr ? "succeeded" : "failed"),
       array_of(chunk.lower), array_of(chunk.upper), std::to_string(started_at), number(counts.read),
       number(counts.inserted), number(counts.updated), said(&Diagnostics::sqlstate),
       said(&Diagnostics::message), said(&Diagnostics::detail), std::to_string(own.first),
       std::to_string(own.next)});
}

std::optional<FailedChunk> find_failed_chunk(const std::string &subject, std::int64_t from) {
  const Rows rows = own_state(
      "SELECT run_id, chunk_no, sqlstate, message, detail FROM tablesync.chunk WHERE subject = $1 AND owner "
      "= "
      "$owner AND status <> 'succeeded' AND chunk_no >= $2::int8 ORDER BY chunk_no LIMIT 1",
      {subject, number(from)});
  if (rows.empty()) return std::nullopt;
  const Row &row = rows[0];
  FailedChunk found{to_number(row[0]), {to_number(row[1]), {}, {}}, {}};
  const auto bound = [&](const std::string &column) {
    return read_bound(
        "SELECT unnest(" + column +
            ") FROM tablesync.chunk WHERE run_id = $1::int8 AND chunk_no = $2::int8 AND owner = "
            "$owner",
        {row[0], row[1]});
  };
  found.chunk.lower = bound("lower");
  found.chunk.upper = bound("upper");
  found.error.sqlstate = text_of(row[2]);
  found.error.message = text_of(row[3]);
  found.error.detail = text_of(row[4]);
  return found;
}

std::int64_t count_failed_chunks(const std::string &subject) {
  return to_number(own_state("SELECT count(*) FROM tablesync.chunk WHERE subject = $1 AND owner = $owner AND "
                             "status <> 'succeeded'",
                             {subject})
                       .at(0)
                       .at(0));
}

DoneChunks count_done_chunks(std::int64_t run_id) {
  const Row row =
      own_state(
          "SELECT count(*), coalesce(sum(rows_read), 0) FROM tablesync.chunk WHERE run_id = $1::int8 AND "
          "owner = $owner AND status = 'succeeded'",
          {number(run_id)})
          .at(0);
  return {to_number(row[0]), to_number(row[1])};
}

std::optional<KeptRequest> find_request(std::int64_t run_id) {
  const Rows rows = latest_own_state(
      "SELECT c.request, c.subject, c.owner::oid FROM tablesync.checkpoint c WHERE " + may_become("c.owner") +
          " AND (c.run_id = $1::int8 OR EXISTS (SELECT FROM tablesync.chunk k WHERE k.subject = c.subject "
          "AND "
          "k.owner = c.owner AND k.run_id = $1::int8 AND k.status <> 'succeeded'))",
      {number(run_id)});
  if (rows.empty()) return std::nullopt;
  return KeptRequest{text_of(rows[0][0]), text_of(rows[0][1]),
                     static_cast<unsigned int>(to_number(rows[0][2]))};
}

namespace {

const std::string listed_columns =
    "SELECT run_id, chunk_no, status, lower, upper, rows_read, sqlstate, message FROM tablesync.chunk k "
    "WHERE k.owner = $1::oid AND " +
    may_become("k.owner");

}  // namespace

Rows list_failed_chunks(const KeptRequest &kept) {
  return latest_own_state(listed_columns + " AND subject = $2 AND status <> 'succeeded' ORDER BY chunk_no",
                          {number(kept.owner), kept.subject});
}

Rows list_chunk(const KeptRequest &kept, const Row &listed) {
  return latest_own_state(listed_columns + " AND run_id = $2::int8 AND chunk_no = $3::int8",
                          {number(kept.owner), listed.at(0), listed.at(1)});
}

}  // namespace tablesync::pg
