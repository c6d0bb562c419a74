// The records of pivots: wide tables and their columns, what each run did, chunks that failed. Written as
// run_record.h says.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/moment.h"
#include "core/pivot_spec.h"
#include "core/rows.h"
#include "pg/pivot/pivot_source.h"

namespace tablesync::pg {

// The wide tables that this source fills, with this schema and prefix, as far as they are there: oid, ship,
// group (or null), name, whether pivot_ship() made it, the time's column, its number, whether it has a zone.
// In the order in which they were made.
Rows wide_tables(const PivotSource &source);
// Gives `take` the columns of these tables (oids) that are on record, in any order.
struct KnownColumn {
  unsigned int table;  // its oid
  int attnum;
  std::string_view channel, name, type;
};
void each_wide_column(const std::vector<std::string> &tables,
                      const std::function<void(const KnownColumn &)> &take);
// Makes the record say what the catalogs say: names, types, columns that are gone.
void refresh_wide_columns(const PivotSource &source);
// Attributes of these tables, dropped ones too: oid, number, channel (or null), whether dropped, name,
// the type's oid, its length (below 0: it varies), typmod.
Rows wide_attributes(const std::vector<std::string> &tables);
// Another text whenever a table or a column on record has changed, for those who keep them in mind.
std::string last_change();

struct WideTableRecord {
  std::string oid, ship, group, name, time_column;
  int time_attnum;
  bool time_has_zone, made_here;
};
void record_wide_table(const PivotSource &source, const WideTableRecord &table);
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
// They, as the columns of pivot_ship(). Read as the current user.
Rows find_counts(std::int64_t run_id);

// A reading that no column could take.
struct RejectedReading {
  Cell ship, channel, time, format, bool_v, str_v, long_v, double_v;
  std::string why;
};
void record_rejected(std::int64_t run_id, const PivotSpec &spec,
                     const std::vector<RejectedReading> &readings);

// A chunk of a run that failed: it is to be done again.
void record_failed_chunk(const PivotSource &source, std::int64_t run_id, std::int64_t chunk_no,
                         const std::string &start, const std::string &end, const Diagnostics &said);
// The call is the last one for these tables.
void record_request(const PivotSource &source);

// What failed_chunk shows to the current user: id, ship, start, end, the call (hexadecimal; null where none
// is known), server, source, schema, prefix, attempts. Of a ship, of a run, or all.
Rows chunks_to_redo(const std::optional<std::string> &ship, std::optional<std::int64_t> run_id);
// The pivots that the current user has made of a ship, as far as they are told apart by what is given:
// server, source, schema, prefix, the last call (hexadecimal).
Rows pivots_of(const std::string &ship, const Cell &server, const Cell &source, const Cell &schema,
               const Cell &prefix);

// A reading that is not in its cell.
struct PivotDifference {
  std::string ship, channel, time, kind, expected;
  Cell found;
};
void record_pivot_differences(std::int64_t run_id, const std::vector<PivotDifference> &differences);
// They, as the columns of verify_pivot(). Read as the current user.
Rows find_pivot_differences(std::int64_t run_id);

// It was done: by the run, or because it was asked for by its id.
void forget_failed_chunk(std::int64_t run_id, std::int64_t chunk_no);
void forget_failed_chunk(std::int64_t failed_chunk_id);

}  // namespace tablesync::pg
