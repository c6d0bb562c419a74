// The records of wide tables and their columns. state.h writes and reads them. A pivot sees only the wide
// tables that its own role has recorded.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/quote.h"
#include "core/base/record.h"
#include "core/spec/pivot_spec.h"

namespace tablesync::pg {

// Identifies the pivot of the records.
struct PivotIdentity {
  const PivotSpec &spec;
  std::string source;  // resolved
};

// An existing wide table of this pivot.
struct KnownTable {
  unsigned int oid = 0;
  std::string ship, group;  // group: empty without groups
  QualifiedName name;       // as it is now
  QualifiedName recorded;   // at creation
  unsigned int owner = 0;   // of the table, now
  bool made_here = false;   // by pivot_ship()
  std::string time_column;
  int time_attnum = 0;
  bool time_has_zone = false;

  template <typename Record, typename Visitor>
  static void each_column(Record &table, Visitor &&column) {
    column("table_oid", table.oid);
    column("ship", table.ship);
    column("group_name", table.group);
    column("schema_now", table.name.schema);
    column("name_now", table.name.name);
    column("target_schema", table.recorded.schema);
    column("table_name", table.recorded.name);
    column("table_owner", table.owner);
    column("made_here", table.made_here);
    column("time_column", table.time_column);
    column("time_attnum", table.time_attnum);
    column("time_has_zone", table.time_has_zone);
  }
};
// In the order of their creation.
std::vector<KnownTable> wide_tables(const PivotIdentity &pivot);
// The ships whose readings these tables (oids) have, by the records of the pivots of all roles.
struct ShipOfTable {
  unsigned int table = 0;
  std::string ship;

  template <typename Record, typename Visitor>
  static void each_column(Record &known, Visitor &&column) {
    column("table_oid", known.table);
    column("ship", known.ship);
  }
};
std::vector<ShipOfTable> ships_of_tables(const std::vector<unsigned int> &tables);
// Passes the recorded columns of these tables (oids) to `take`, in any order.
struct KnownColumn {
  unsigned int table;  // its oid
  int attnum;
  std::string_view channel, name, type;
};
void each_wide_column(const std::vector<unsigned int> &tables,
                      const std::function<void(const KnownColumn &)> &take);
// Updates the records from the catalogs: names, types, dropped columns.
void refresh_wide_columns(const PivotIdentity &pivot);
// An attribute of a wide table, as pg_attribute has it.
struct WideAttribute {
  unsigned int table = 0;
  int attnum = 0;
  std::optional<std::string> channel;  // of the column on record
  bool dropped = false;
  std::string name;
  unsigned int type = 0;
  int length = 0;  // below 0: it varies
  int typmod = -1;
  std::string comment;

  template <typename Record, typename Visitor>
  static void each_column(Record &attribute, Visitor &&column) {
    column("attrelid", attribute.table);
    column("attnum", attribute.attnum);
    column("channel", attribute.channel);
    column("attisdropped", attribute.dropped);
    column("attname", attribute.name);
    column("atttypid", attribute.type);
    column("attlen", attribute.length);
    column("atttypmod", attribute.typmod);
    column("comment", attribute.comment);
  }
};
// The attributes of these tables, in order.
std::vector<WideAttribute> wide_attributes(const std::vector<unsigned int> &tables);
// A text that changes whenever a recorded table or column changes, for callers that cache them.
std::string last_change();

struct WideTableRecord {
  unsigned int oid = 0;
  std::string ship, group, name, time_column;
  int time_attnum = 0;
  bool time_has_zone = false, made_here = false;

  template <typename Record, typename Visitor>
  static void each_column(Record &table, Visitor &&column) {
    column("table_oid", table.oid);
    column("ship", table.ship);
    column("group_name", or_null(table.group));
    column("table_name", table.name, "name");
    column("time_column", table.time_column, "name");
    column("time_attnum", table.time_attnum, "int2");
    column("time_has_zone", table.time_has_zone);
    column("made_here", table.made_here);
  }
};
void record_wide_table(const PivotIdentity &pivot, const WideTableRecord &table);
struct WideColumnRecord {
  int attnum = 0;
  std::string channel, name;
  unsigned int type = 0;  // its oid

  template <typename Record, typename Visitor>
  static void each_column(Record &wide, Visitor &&column) {
    column("attnum", wide.attnum, "int2");
    column("channel", wide.channel);
    column("column_name", wide.name);
    column("column_type", wide.type);
  }
};
void record_wide_columns(unsigned int table, const std::vector<WideColumnRecord> &columns);
void forget_wide_table(unsigned int table);

// Records the call as the latest for these tables.
void record_request(const PivotIdentity &pivot);

}  // namespace tablesync::pg
