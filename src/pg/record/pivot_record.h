// The records of pivots: wide tables and their columns, what each run did, chunks that failed. See state.h
// for how they are written and read. A pivot knows the wide tables that its own role has recorded.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/moment.h"
#include "core/base/rows.h"
#include "core/spec/pivot_spec.h"

namespace tablesync::pg {

// Which pivot the records are of.
struct PivotIdentity {
  const PivotSpec &spec;
  std::string source;  // resolved
};

// A wide table of this pivot, as far as it is there.
struct KnownTable {
  std::string oid, ship, group;  // group: empty where the call has none
  QualifiedName name;            // as it is now
  QualifiedName recorded;        // as it was made
  unsigned int owner;            // of the table, now
  bool made_here;                // by pivot_ship()
  std::string time_column;
  int time_attnum;
  bool time_has_zone;
};
// In the order in which they were made.
std::vector<KnownTable> wide_tables(const PivotIdentity &pivot);
// The ships whose readings these tables (oids) have, by the records of every pivot, whoever calls it: pairs
// of table and ship.
std::vector<std::pair<std::string, std::string>> ships_of_tables(const std::vector<std::string> &tables);
// Gives `take` the columns of these tables (oids) that are on record, in any order.
struct KnownColumn {
  unsigned int table;  // its oid
  int attnum;
  std::string_view channel, name, type;
};
void each_wide_column(const std::vector<std::string> &tables,
                      const std::function<void(const KnownColumn &)> &take);
// Makes the record say what the catalogs say: names, types, columns that are gone.
void refresh_wide_columns(const PivotIdentity &pivot);
// Attributes of these tables, dropped ones too: oid, number, channel (or null), whether dropped, name,
// the type's oid, its length (below 0: it varies), typmod, comment.
Rows wide_attributes(const std::vector<std::string> &tables);
// Another text whenever a table or a column on record has changed, for those who keep them in mind.
std::string last_change();

struct WideTableRecord {
  std::string oid, ship, group, name, time_column;
  int time_attnum;
  bool time_has_zone, made_here;
};
void record_wide_table(const PivotIdentity &pivot, const WideTableRecord &table);
struct WideColumnRecord {
  int attnum;
  std::string channel, name;
  unsigned int type;  // its oid
};
void record_wide_columns(const std::string &table, const std::vector<WideColumnRecord> &columns);
void forget_wide_table(const std::string &table);

// What a chunk did, by table; added to what the run did before.
struct TableCounts {
  std::string ship, table;  // empty: of no ship, or in no table
  std::int64_t read = 0, written = 0, cells = 0, columns = 0, replaced = 0, rejected = 0;
};
void add_counts(std::int64_t run_id, const std::vector<TableCounts> &counts);
// The counts of one of the current user's runs, as the columns of pivot_ship().
Rows find_counts(std::int64_t run_id);

// A reading that no column could take.
struct RejectedReading {
  Cell ship, channel, time, format, bool_v, str_v, long_v, double_v;
  std::string why;
};
void record_rejected(std::int64_t run_id, const PivotSpec &spec,
                     const std::vector<RejectedReading> &readings);

// A chunk of a run that failed: it is to be done again.
void record_failed_chunk(const PivotIdentity &pivot, std::int64_t run_id, std::int64_t chunk_no,
                         const std::string &start, const std::string &end, const Diagnostics &said);
// The call is the last one for these tables.
void record_request(const PivotIdentity &pivot);

// A chunk that is to be done again, of the current user or of a role that he may become: it is done as its
// owner.
struct ChunkToRedo {
  Cell id, ship, start, end;
  Cell request;  // the call (JSON); null where a user gave the chunk
  Cell server, source, schema, prefix;
  unsigned int owner;
};
// Of a ship, of a run, or all.
std::vector<ChunkToRedo> chunks_to_redo(const std::optional<std::string> &ship,
                                        std::optional<std::int64_t> run_id);
// The pivots that the chunk's owner has made of its ship, as far as they are told apart by what the chunk
// says: server, source, schema, prefix, the last call (JSON).
Rows pivots_of(const ChunkToRedo &chunk);

// A reading that is not in its cell.
struct PivotDifference {
  std::string ship, channel, time, kind, expected;
  Cell found;
};
void record_pivot_differences(std::int64_t run_id, const std::vector<PivotDifference> &differences);
// The differences of one of the current user's runs, as the columns of verify_pivot().
Rows find_pivot_differences(std::int64_t run_id);

// It was done: by the run, or because it was asked for by its id.
void forget_failed_chunk(std::int64_t run_id, std::int64_t chunk_no);
void forget_failed_chunk(std::int64_t failed_chunk_id);

}  // namespace tablesync::pg
