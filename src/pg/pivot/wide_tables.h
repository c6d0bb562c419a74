// WideTables: the wide tables of a pivot, and the column of the table that the readings of each channel go
// to. It combines the records, the catalogs, and what the current transaction has created.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/pivot/pivot_buffer.h"
#include "core/pivot/wide_table.h"
#include "core/sql/deparse_readings.h"
#include "core/sql/deparse_wide_table.h"
#include "pg/pivot/pivot_source.h"
#include "pg/pivot/wide_names.h"
#include "pg/pivot/wide_writer.h"
#include "pg/record/pivot_record.h"

namespace tablesync::pg {

// Channels by ship and name.
using ChannelName = std::pair<std::string, std::string>;

struct WideColumn {
  std::string channel, name;
  PivotColumn *cells;
  unsigned int type;  // its oid
};

struct WideTable {
  std::string ship, group;
  int number = 1;  // among the ship's tables of the group
  QualifiedName name;
  unsigned int oid = 0;  // 0: it is to be created
  unsigned int owner = 0;
  bool made_here = true;  // created by pivot_ship(); else it existed before
  bool made_now = false;  // created in this transaction, so that no other session sees it
  bool has_key = true;
  std::string time_column;
  std::vector<std::string> triggers;  // that can swallow rows; filled when the table was checked
  WideTarget target;
  RowSize size;
  std::vector<WideColumn> columns;  // those from `made` on are to be created
  size_t made = 0;
  WideRows *rows = nullptr;
  TableCounts counts;

  std::vector<std::string> column_names() const;
  // The attributes that rows are stored in: the time and the channels' columns.
  Attributes attributes() const;
};

class WideTables {
 public:
  WideTables(const PivotSource &source, const ReadingPlan &plan, PivotBuffer &buffer);
  WideTables(const WideTables &) = delete;
  WideTables &operator=(const WideTables &) = delete;

  // Loads tables from our records; call it once. `exact` also reads the catalogs, which adding columns
  // requires; otherwise has_attributes() shows whether the two differ.
  void load(bool exact);
  // Whether the records are as load() read them.
  bool is_current() const { return last_change() == last_change_; }
  // Call it when the transaction is committed and others can see what it created.
  void committed();

  // Whether a ship has a table that others can see, which a pass must not alter. Adopts existing tables.
  // Throws 42710 where another ship has a table of that name, 42725 where several tables match, 42P10 and
  // 42804 for a table that cannot be a wide table; also throws like wide_table_name().
  bool is_settled(const std::string &ship);
  // Finds an existing table that could be the ship's, where none is on record.
  std::optional<QualifiedName> find_unrecorded(const std::string &ship);
  // Returns a new column for the channel, in a table that has room. make_all() creates it.
  PivotColumn *add_channel(const std::string &ship, const std::string &channel, ValueType type);
  // The same for each of these channels that has no column.
  void add_channels(const std::map<ChannelName, ValueType> &channels);
  // Creates missing tables, and missing columns of existing tables.
  void make_all();
  void make(WideTable &table);
  // Holds a table that others can see until the end of the transaction (see held_relation.h), and checks
  // again that the current user may write to it. Returns false where the name belongs to another table by
  // now.
  bool hold(const WideTable &table) const;
  void build_key(WideTable &table);
  // Makes columns of integers take decimals. Returns false where a value would change.
  bool widen(WideTable &table, const std::vector<std::string> &columns);
  // Creates or updates the views that join the tables of ships that have several.
  void make_views();

  WideTable &table_of(const WideRows *rows) { return *by_rows_.at(rows); }
  std::deque<WideTable> &tables() { return tables_; }
  // The statements that would create what is missing.
  std::vector<std::string> definition() const;

 private:
  struct Ship {
    std::vector<WideTable *> tables;
    std::set<std::string> taken;     // names of columns, in all of them
    std::set<std::string> unusable;  // those of them whose types cannot store readings
    bool settled = false;
    bool new_tables = false;  // or new columns: the view is outdated
  };

  Ship &find_ship(const std::string &ship);
  WideTable &begin_table(Ship &ship, const std::string &name, const std::string &group, int number,
                         const std::string &table_name);
  void adopt(Ship &ship, const std::string &name, const std::string &group);
  void refuse_unknown(const std::string &table, const std::string &ship, const std::string &channel);
  void record_adopted(WideTable &table);
  void take_records(const std::vector<WideTable *> &tables);
  void read_attributes(const std::vector<WideTable *> &tables);
  void take_time(WideTable &table, int attnum, bool has_zone);
  void take_time(WideTable &table, const WideAttribute &attribute);
  void take_column(WideTable &table, const WideAttribute &attribute);
  void take_column(WideTable &table, int attnum, const std::string &channel, const std::string &name,
                   unsigned int type, std::uint8_t integer_bytes, ValueType held);
  static void refuse_type(const std::string &column, const QualifiedName &table, const std::string &channel);
  NamedType time_type() const;
  std::string statement_for(const WideTable &table, const std::vector<NamedType> &lacking) const;
  void order_columns(WideTable &table);

  const PivotSource &source_;
  const ReadingPlan &plan_;
  PivotBuffer &buffer_;
  WideNames names_;
  std::string last_change_;
  std::deque<WideTable> tables_;
  std::map<std::string, Ship, std::less<>> ships_;
  std::map<const WideRows *, WideTable *> by_rows_;
};

}  // namespace tablesync::pg
