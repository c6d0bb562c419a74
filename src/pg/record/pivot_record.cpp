#include "pg/record/pivot_record.h"

#include "core/base/quote.h"
#include "pg/record/columns.h"
#include "pg/record/state.h"

namespace tablesync::pg {

void add_counts(std::int64_t run_id, const std::vector<TableCounts> &counts) {
  if (counts.empty()) return;
  const std::string names = names_of<TableCounts>();
  // In a fixed order, because several workers add to the same rows.
  own_state("INSERT INTO tablesync.pivot_run AS r (run_id, updated_at, " + names + R"()
SELECT o.run_id, clock_timestamp(), )" +
                names_of<TableCounts>("c") + R"(
FROM tablesync.run o, unnest()" +
                array_parameters_of<TableCounts>(2) + ") c (" + names + R"()
WHERE o.run_id = $1::int8
  AND o.owner = $owner
ORDER BY c.ship, c.target_table
ON CONFLICT (run_id, (COALESCE(ship, '')), (COALESCE(target_table, ''))) DO UPDATE
SET rows_read = r.rows_read + excluded.rows_read,
    rows_written = r.rows_written + excluded.rows_written,
    cells_written = r.cells_written + excluded.cells_written,
    columns_added = r.columns_added + excluded.columns_added,
    rows_replaced = r.rows_replaced + excluded.rows_replaced,
    rows_rejected = r.rows_rejected + excluded.rows_rejected,
    updated_at = excluded.updated_at)",
            Row{std::to_string(run_id)} + encode_arrays(counts));
}

std::vector<TableResult> find_counts(std::int64_t run_id) {
  const Expressions expressions = {{"duration", "p.updated_at - r.started_at"}};
  return decode_all<TableResult>(latest_own_state("SELECT " + select_list<TableResult>("p", expressions) + R"(
FROM tablesync.pivot_run p
JOIN tablesync.run r USING (run_id)
WHERE p.run_id = $1::int8
  AND r.owner = $owner
ORDER BY p.ship, p.target_table)",
                                                  {std::to_string(run_id)}));
}

void record_rejected(std::int64_t run_id, const PivotSpec &spec,
                     const std::vector<RejectedReading> &readings) {
  if (readings.empty()) return;
  own_state(R"(
INSERT INTO tablesync.reject
    (run_id, owner, target, row_key, column_name, "row", sqlstate, message, rejected_at)
SELECT $1::int8,
       $owner,
       $2,
       'ship ' || COALESCE(r.ship, '?') || ' at ' || COALESCE(r."time", '?'),
       r.channel,
       jsonb_build_object(
           'ship_id', r.ship,
           'data_channel_id', r.channel,
           'created_time', r."time",
           'value_format', r.format,
           'bool_v', r.bool_v::bool,
           'str_v', r.str_v,
           'long_v', r.long_v::int8,
           'double_v', CASE WHEN r.double_v IN ('NaN', 'Infinity', '-Infinity') THEN to_jsonb(r.double_v)
                            ELSE to_jsonb(r.double_v::numeric) END),
       '22023',
       r.why,
       clock_timestamp()
FROM unnest()" + array_parameters_of<RejectedReading>(3) +
                ") r (" + names_of<RejectedReading>() + ")",
            Row{std::to_string(run_id), display_name(spec.target)} + encode_arrays(readings));
}

namespace {

// A chunk that failed for the first time.
struct NewFailedChunk {
  const PivotSpec &spec;
  std::string source, start, end;
  std::int64_t run_id, chunk_no;
  const Diagnostics &error;
};

void insert_failed_chunk(const NewFailedChunk &failed) {
  const PivotSpec &spec = failed.spec;
  own_state(R"(
INSERT INTO tablesync.chunk_to_redo AS f
    (owner, attempts, failed_at, ship_id, start_time, end_time, server, source, target_schema, table_prefix,
     request, run_id, chunk_no, sqlstate, message)
VALUES
    ($owner, 1, clock_timestamp(), $1, $2::timestamptz, $3::timestamptz, $4, $5, $6, $7,
     $8::jsonb, $9::int8, $10::int8, $11, $12)
ON CONFLICT (run_id, chunk_no) DO UPDATE
SET (attempts, sqlstate, message, failed_at)
  = (f.attempts + 1, excluded.sqlstate, excluded.message, excluded.failed_at)
WHERE f.owner = $owner)",
            {spec.ships.size() == 1 ? Cell(spec.ships.front()) : Cell(), optional_text(failed.start),
             optional_text(failed.end), optional_text(spec.server), failed.source, spec.target.schema,
             spec.target.name, to_kept(spec), std::to_string(failed.run_id), std::to_string(failed.chunk_no),
             failed.error.sqlstate, failed.error.message});
}

}  // namespace

void record_failed_chunk(const PivotIdentity &pivot, std::int64_t run_id, std::int64_t chunk_no,
                         const std::string &start, const std::string &end, const Diagnostics &error) {
  const PivotSpec &spec = pivot.spec;
  if (spec.failed_chunk == 0)
    return insert_failed_chunk({spec, pivot.source, start, end, run_id, chunk_no, error});
  own_state(R"(
UPDATE tablesync.chunk_to_redo
SET (attempts, sqlstate, message, failed_at) = (attempts + 1, $2, $3, clock_timestamp())
WHERE failed_chunk_id = $1::int8
  AND owner = $owner)",
            {std::to_string(spec.failed_chunk), error.sqlstate, error.message});
}

void forget_failed_chunk(std::int64_t run_id, std::int64_t chunk_no) {
  own_state(R"(
DELETE FROM tablesync.chunk_to_redo
WHERE run_id = $1::int8
  AND chunk_no = $2::int8
  AND owner = $owner)",
            {std::to_string(run_id), std::to_string(chunk_no)});
}

void forget_failed_chunk(std::int64_t failed_chunk_id) {
  const Rows gone = own_state(R"(
DELETE FROM tablesync.chunk_to_redo
WHERE failed_chunk_id = $1::int8
  AND owner = $owner
RETURNING run_id, chunk_no)",
                              {std::to_string(failed_chunk_id)});
  if (gone.empty()) return;
  const auto [run_id, chunk_no] = values_of<Cell, Cell>(gone.front());
  if (!run_id || !chunk_no) return;
  // Its run need not process it again; if nothing else is left of the run, it is complete.
  const Rows subject = own_state(R"(
UPDATE tablesync.chunk
SET status = 'succeeded'
WHERE run_id = $1::int8
  AND chunk_no = $2::int8
  AND owner = $owner
RETURNING subject)",
                                 {run_id, chunk_no});
  if (subject.empty()) return;
  own_state(R"(
DELETE FROM tablesync.checkpoint c
WHERE c.subject = $1
  AND c.owner = $owner
  AND c.complete
  AND NOT EXISTS (
      SELECT FROM tablesync.chunk k
      WHERE k.subject = c.subject
        AND k.owner = c.owner
        AND k.status <> 'succeeded'))",
            {single<std::string>(subject)});
}

std::vector<ChunkToRedo> chunks_to_redo(const std::optional<std::string> &ship,
                                        std::optional<std::int64_t> run_id) {
  const Expressions expressions = {{"owner", "c.owner::oid"}};
  return decode_all<ChunkToRedo>(latest_own_state("SELECT " + select_list<ChunkToRedo>("c", expressions) + R"(
FROM tablesync.chunk_to_redo c
WHERE )" + may_become("c.owner") + R"(
  AND ($1 IS NULL OR c.ship_id = $1 OR c.ship_id IS NULL)
  AND ($2::int8 IS NULL OR c.run_id = $2::int8)
ORDER BY c.failed_chunk_id)",
                                                  {ship, tablesync::encode_cell(run_id)}));
}

std::vector<PivotRecord> pivots_of(const ChunkToRedo &chunk) {
  return decode_all<PivotRecord>(own_state(
      "SELECT DISTINCT ON (p.server, p.source, p.target_schema, p.table_prefix) " +
          select_list<PivotRecord>("p") + R"(
FROM tablesync.pivot_table p
WHERE p.ship = $1
  AND p.owner = $6::oid
  AND )" + may_become("p.owner") +
          R"(
  AND ($2 IS NULL OR COALESCE(p.server, '') = $2)
  AND ($3 IS NULL OR p.source = $3 OR split_part(p.source, '.', 2) = $3)
  AND ($4 IS NULL OR p.target_schema = $4)
  AND ($5 IS NULL OR p.table_prefix = $5)
ORDER BY p.server, p.source, p.target_schema, p.table_prefix)",
      {chunk.ship, chunk.server, chunk.source, chunk.schema, chunk.prefix, std::to_string(chunk.owner)}));
}

void record_pivot_differences(std::int64_t run_id, const std::vector<PivotDifference> &differences) {
  const std::string names = names_of<PivotDifference>();
  own_state("INSERT INTO tablesync.pivot_difference (run_id, difference_no, " + names + R"()
SELECT r.run_id, d.n, )" +
                names_of<PivotDifference>("d") + R"(
FROM tablesync.run r,
     ROWS FROM (unnest()" +
                array_parameters_of<PivotDifference>(2) + R"()) WITH ORDINALITY AS d ()" + names + R"(, n)
WHERE r.run_id = $1::int8
  AND r.owner = $owner)",
            Row{std::to_string(run_id)} + encode_arrays(differences));
}

std::vector<PivotDifference> find_pivot_differences(std::int64_t run_id) {
  return decode_all<PivotDifference>(latest_own_state("SELECT " + select_list<PivotDifference>("d") + R"(
FROM tablesync.pivot_difference d
JOIN tablesync.run r USING (run_id)
WHERE d.run_id = $1::int8
  AND r.owner = $owner
ORDER BY d.difference_no)",
                                                      {std::to_string(run_id)}));
}

}  // namespace tablesync::pg
