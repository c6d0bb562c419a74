// The records of what pivots did: what each run did, readings that it rejected, chunks that failed,
// differences that a verification found. See state.h for how they are written and read.
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

// What a chunk did, by table; added to what the run did before.
struct TableCounts {
  std::string ship, table;  // empty: of no ship, or in no table
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
// The columns of pivot_ship(). Counts are not known while the run lasts.
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
// Of one of the current user's runs.
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

// A chunk of a run that failed: it is to be done again.
void record_failed_chunk(const PivotIdentity &pivot, std::int64_t run_id, std::int64_t chunk_no,
                         const std::string &start, const std::string &end, const Diagnostics &error);
// A chunk that is to be done again, of the current user or of a role that he may become: it is done as its
// owner.
struct ChunkToRedo {
  std::int64_t id = 0;
  Cell ship, start, end;
  std::optional<std::string> request;  // the call (JSON); none where a user gave the chunk
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
// Of a ship, of a run, or all.
std::vector<ChunkToRedo> chunks_to_redo(const std::optional<std::string> &ship,
                                        std::optional<std::int64_t> run_id);
// The pivots that the chunk's owner has made of its ship, as far as they are told apart by what the chunk
// says.
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

// A reading that is not in its cell.
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

// It was done: by the run, or because it was asked for by its id.
void forget_failed_chunk(std::int64_t run_id, std::int64_t chunk_no);
void forget_failed_chunk(std::int64_t failed_chunk_id);

}  // namespace tablesync::pg
