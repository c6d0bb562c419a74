// The records of pivots: counts of each run, rejected readings, failed chunks, and differences that a
// verification found. state.h writes and reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/spec/pivot_spec.h"
#include "pg/record/wide_record.h"

namespace tablesync::pg {

// The counts of a chunk by table, which are added to those of the run.
struct TableCounts {
  std::string ship, table;  // empty: no ship, or no table
  std::int64_t read = 0, written = 0, cells = 0, columns = 0, replaced = 0, rejected = 0;

  template <typename Record, typename Visitor>
  static void each_column(Record &counts, Visitor &&column) {
    column("ship", or_null(counts.ship));
    column("target_table", or_null(counts.table));
    column("rows_read", counts.read);
    column("rows_written", counts.written);
    column("cells_written", counts.cells);
    column("columns_added", counts.columns, "int4");
    column("rows_replaced", counts.replaced);
    column("rows_rejected", counts.rejected);
  }
};
void add_counts(std::int64_t run_id, const std::vector<TableCounts> &counts);
// The columns of pivot_ship(). Counts are unknown while the run is running.
struct TableResult {
  std::int64_t run_id = 0;
  Cell ship, table;
  std::optional<std::int64_t> read, written, cells, columns, rejected;
  Cell duration;

  template <typename Record, typename Visitor>
  static void each_column(Record &result, Visitor &&column) {
    column("run_id", result.run_id);
    column("ship", result.ship);
    column("target_table", result.table);
    column("rows_read", result.read);
    column("rows_written", result.written);
    column("cells_written", result.cells);
    column("columns_added", result.columns);
    column("rows_rejected", result.rejected);
    column("duration", result.duration, "interval");
  }
};
// The counts of one of the current user's runs.
std::vector<TableResult> find_counts(std::int64_t run_id);

// A reading that no column could take.
struct RejectedReading {
  Cell ship, channel, time, format, bool_v, str_v, long_v, double_v;
  std::string why;

  template <typename Record, typename Visitor>
  static void each_column(Record &reading, Visitor &&column) {
    column("ship", reading.ship);
    column("channel", reading.channel);
    column("\"time\"", reading.time);
    column("format", reading.format);
    column("bool_v", reading.bool_v);
    column("str_v", reading.str_v);
    column("long_v", reading.long_v);
    column("double_v", reading.double_v);
    column("why", reading.why);
  }
};
void record_rejected(std::int64_t run_id, const PivotSpec &spec,
                     const std::vector<RejectedReading> &readings);

// Records a failed chunk of a run, which must be processed again.
void record_failed_chunk(const PivotIdentity &pivot, std::int64_t run_id, std::int64_t chunk_no,
                         const std::string &start, const std::string &end, const Diagnostics &error);
// A chunk that must be processed again, of the current user or of a role that the user may SET ROLE to. It is
// processed as its owner.
struct ChunkToRedo {
  std::int64_t id = 0;
  Cell ship, start, end;
  std::optional<std::string> request;  // the call (JSON); none if a user inserted the chunk
  Cell server, source, schema, prefix;
  unsigned int owner = 0;

  template <typename Record, typename Visitor>
  static void each_column(Record &chunk, Visitor &&column) {
    column("failed_chunk_id", chunk.id);
    column("ship_id", chunk.ship);
    column("start_time", chunk.start);
    column("end_time", chunk.end);
    column("request", chunk.request);
    column("server", chunk.server);
    column("source", chunk.source);
    column("target_schema", chunk.schema);
    column("table_prefix", chunk.prefix);
    column("owner", chunk.owner);
  }
};
// The chunks of a ship, of a run, or all.
std::vector<ChunkToRedo> chunks_to_redo(const std::optional<std::string> &ship,
                                        std::optional<std::int64_t> run_id);
// A pivot of the chunk's owner and ship that matches the chunk's other columns.
struct PivotRecord {
  std::optional<std::string> server;
  std::string source;
  QualifiedName target;  // schema and prefix
  std::string request;   // the last call (JSON)

  template <typename Record, typename Visitor>
  static void each_column(Record &pivot, Visitor &&column) {
    column("server", pivot.server);
    column("source", pivot.source);
    column("target_schema", pivot.target.schema);
    column("table_prefix", pivot.target.name);
    column("request", pivot.request);
  }
};
std::vector<PivotRecord> pivots_of(const ChunkToRedo &chunk);

// A reading whose cell has another value or none.
struct PivotDifference {
  std::string ship, channel, time, kind, expected;
  Cell found;

  // The columns of verify_pivot().
  template <typename Record, typename Visitor>
  static void each_column(Record &difference, Visitor &&column) {
    column("ship", difference.ship);
    column("channel", difference.channel);
    column("reading_time", difference.time, "timestamptz");
    column("kind", difference.kind);
    column("expected", difference.expected);
    column("found", difference.found);
  }
};
void record_pivot_differences(std::int64_t run_id, const std::vector<PivotDifference> &differences);
// The differences of one of the current user's runs.
std::vector<PivotDifference> find_pivot_differences(std::int64_t run_id);

// Deletes the record of a failed chunk after it was processed, by its run or by its id.
void forget_failed_chunk(std::int64_t run_id, std::int64_t chunk_no);
void forget_failed_chunk(std::int64_t failed_chunk_id);

}  // namespace tablesync::pg
