// WideTables: the wide tables of a pivot, and which column of which table the readings of a channel go to. It
// is what the records and the catalogs say, and what is made of it in the current transaction.
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
  unsigned int oid = 0;  // 0: it is to be made
  unsigned int owner = 0;
  bool made_here = true;  // by pivot_ship(); else it was there
  bool made_now = false;  // in this transaction, so that nobody else sees it
  bool has_key = true;
  std::string time_column;
  std::vector<std::string> triggers;  // that can swallow rows, as far as it was looked for them
  WideTarget target;
  RowSize size;
  std::vector<WideColumn> columns;  // those from `made` on are to be made
  size_t made = 0;
  WideRows *rows = nullptr;
  TableCounts counts;

  std::vector<std::string> column_names() const;
  // That rows are stored in: the time and the channels' columns.
  Attributes attributes() const;
};

class WideTables {
 public:
  WideTables(const PivotSource &source, const ReadingPlan &plan, PivotBuffer &buffer);
  WideTables(const WideTables &) = delete;
  WideTables &operator=(const WideTables &) = delete;

  // Takes over what the records have. Once. `exact`: and looks at the catalogs too, which those need who add
  // columns; others are told by has_attributes() where the two differ.
  void load(bool exact);
  // Whether that is still so.
  bool is_current() const { return last_change() == last_change_; }
  // What was made can be seen by others.
  void committed();

  // Whether a ship has a table that others can see, which is not to be changed in passing. Takes over tables
  // that are there already. Throws 42710 where another ship has a table of that name, 42725 where there are
  // several that it could be, 42P10 and 42804 for one that cannot be a wide table; as wide_table_name().
  bool is_settled(const std::string &ship);
  // A table that could be the ship's, where none is on record.
  std::optional<QualifiedName> find_unrecorded(const std::string &ship);
  // A column for the channel, in a table that has room; new ones are made by make_all().
  PivotColumn *add_channel(const std::string &ship, const std::string &channel, ValueType type);
  // The same for all of these that have none.
  void add_channels(const std::map<ChannelName, ValueType> &channels);
  // Makes what is lacking: tables, and columns of those that are there.
  void make_all();
  void make(WideTable &table);
  // Holds a table that others can see until the end of the transaction (see held_relation.h), and checks
  // again that the current user may write to it. False where it is another one by now.
  bool hold(const WideTable &table) const;
  void build_key(WideTable &table);
  // Makes columns of integers take decimals; false where one has a value that would change.
  bool widen(WideTable &table, const std::vector<std::string> &columns);
  // The views that join the tables of ships, where they have several, as these are now.
  void make_views();

  WideTable &table_of(const WideRows *rows) { return *by_rows_.at(rows); }
  std::deque<WideTable> &tables() { return tables_; }
  // What all that is to be made would be made by.
  std::vector<std::string> definition() const;
  // Drops the tables of these ships (none: of all) that pivot_ship() made and that are what they were then.
  // Before load().
  static void drop(const PivotSource &source, const std::vector<std::string> &ships);

 private:
  struct Ship {
    std::vector<WideTable *> tables;
    std::set<std::string> taken;     // names of columns, in all of them
    std::set<std::string> unusable;  // of these, those of types that no reading is stored in
    bool settled = false;
    bool new_tables = false;  // or columns: the view is outdated
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
