#include "pg/pivot/wide_tables.h"

extern "C" {
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
}

#include <algorithm>
#include <unordered_map>

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/base/text.h"
#include "core/pivot/wide_table.h"
#include "core/sql/deparse.h"
#include "pg/pivot/wide_catalog.h"
#include "pg/pivot/wide_view.h"
#include "pg/server/spi.h"
#include "pg/target/held_relation.h"
#include "pg/target/make_table.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {
namespace {

constexpr char time_name[] = "created_time";

// The names of the other types are words of the grammar, which do not depend on the search_path.
std::string made_as(ValueType type) {
  return type == ValueType::string ? "pg_catalog.text" : sql_type_of(type);
}

WideTableRecord record_of(const WideTable &table) {
  return {table.oid,
          table.ship,
          table.group,
          table.name.name,
          table.time_column,
          table.target.time_at + 1,
          table.target.time_has_zone,
          table.made_here};
}

}  // namespace

std::vector<std::string> WideTable::column_names() const {
  std::vector<std::string> names;
  for (const WideColumn &column : columns) names.push_back(column.name);
  return names;
}

Attributes WideTable::attributes() const {
  const unsigned int time_type = target.time_has_zone ? TIMESTAMPTZOID : TIMESTAMPOID;
  Attributes all{{target.time_at, time_type, time_column.c_str()}};
  for (const WideColumn &column : columns)
    all.push_back({column.cells->at, column.type, column.name.c_str()});
  return all;
}

WideTables::WideTables(const PivotSource &source, const ReadingPlan &plan, PivotBuffer &buffer)
    : source_(source), plan_(plan), buffer_(buffer), names_(source.spec) {}

// ---- recorded tables --------------------------------------------------------------------------------------

void WideTables::load(bool exact) {
  last_change_ = last_change();
  std::vector<WideTable *> known;
  for (const KnownTable &record : wide_tables(source_)) {
    Ship &ship = ships_[record.ship];
    const auto number = std::count_if(ship.tables.begin(), ship.tables.end(),
                                      [&](const WideTable *table) { return table->group == record.group; });
    WideTable &table =
        begin_table(ship, record.ship, record.group, static_cast<int>(number) + 1, record.name.name);
    table.name = record.name;
    table.oid = record.oid;
    table.owner = record.owner;
    table.made_here = record.made_here;
    table.time_column = record.time_column;
    take_time(table, record.time_attnum, record.time_has_zone);
    table.target.oid = table.oid;
    ship.settled = true;
    known.push_back(&table);
  }
  if (exact)
    read_attributes(known);
  else
    take_records(known);
}

void WideTables::take_records(const std::vector<WideTable *> &tables) {
  std::vector<unsigned int> oids;
  std::unordered_map<unsigned int, WideTable *> by_oid;
  for (WideTable *table : tables) {
    oids.push_back(table->oid);
    by_oid[table->oid] = table;
  }
  each_wide_column(oids, [&](const KnownColumn &column) {
    if (const HeldType *const held = held_by(column.type))
      take_column(*by_oid.at(column.table), column.attnum, std::string(column.channel),
                  std::string(column.name), held->oid, held->integer_bytes, held->type);
  });
  const auto earlier = [](const WideColumn &a, const WideColumn &b) { return a.cells->at < b.cells->at; };
  for (WideTable *table : tables) std::sort(table->columns.begin(), table->columns.end(), earlier);
}

WideTable &WideTables::begin_table(Ship &ship, const std::string &name, const std::string &group, int number,
                                   const std::string &table_name) {
  WideTable &table = tables_.emplace_back();
  table.ship = name;
  table.group = group;
  table.number = number;
  table.name = {source_.spec.target.schema, table_name};
  table.time_column = time_name;
  table.rows = buffer_.add_table(1, 0);
  table.target = {0, 0, TimeForm::as_it_is, plan_.time_zone, plan_.time_has_zone};
  table.size.add_timestamp();
  ship.taken.insert(time_name);
  ship.tables.push_back(&table);
  by_rows_[table.rows] = &table;
  names_.give(table_name, name, group);
  return table;
}

void WideTables::read_attributes(const std::vector<WideTable *> &tables) {
  std::vector<unsigned int> oids;
  std::map<unsigned int, WideTable *> by_oid;
  for (WideTable *table : tables) {
    oids.push_back(table->oid);
    by_oid[table->oid] = table;
    table->size = RowSize();
    table->target.oid = table->oid;
  }
  if (oids.empty()) return;
  for (const WideAttribute &attribute : wide_attributes(oids)) {
    WideTable &table = *by_oid.at(attribute.table);
    table.rows->width = std::max(table.rows->width, attribute.attnum);
    if (attribute.dropped) {
      table.size.add_other(0);
      continue;
    }
    const bool is_time = attribute.name == table.time_column;
    if (is_time)
      take_time(table, attribute);
    else if (attribute.channel)
      take_column(table, attribute);
    else
      table.size.add_other(std::max(attribute.length, 1));
    Ship &ship = ships_[table.ship];
    ship.taken.insert(attribute.name);
    if (!attribute.channel && !is_time) ship.unusable.insert(attribute.name);
  }
}

void WideTables::take_time(WideTable &table, const WideAttribute &attribute) {
  if (attribute.type != TIMESTAMPTZOID && attribute.type != TIMESTAMPOID)
    throw Error("42804", "column \"" + table.time_column + "\" of \"" + display_name(table.name) +
                             "\" is neither timestamp with time zone nor timestamp");
  take_time(table, attribute.attnum, attribute.type == TIMESTAMPTZOID);
  table.size.add_timestamp();
}

void WideTables::take_time(WideTable &table, int attnum, bool has_zone) {
  table.target.time_at = table.rows->time_at = attnum - 1;
  table.target.time_has_zone = has_zone;
  table.rows->width = std::max(table.rows->width, attnum);
  // In UTC both are the same number.
  if (has_zone != plan_.time_has_zone && plan_.time_zone != "UTC")
    table.target.form = has_zone ? TimeForm::clock_to_moment : TimeForm::moment_to_clock;
}

void WideTables::refuse_type(const std::string &column, const QualifiedName &table,
                             const std::string &channel) {
  throw Error(
      "42804",
      "column \"" + column + "\" of \"" + display_name(table) + "\" has a type that cannot store readings",
      "It is the column of channel \"" + channel + "\".",
      "Change its type to boolean, smallint, integer, bigint, double precision or text.");
}

void WideTables::take_column(WideTable &table, const WideAttribute &attribute) {
  const HeldType *const held = held_by(attribute.type, attribute.typmod);
  if (held == nullptr) refuse_type(attribute.name, table.name, *attribute.channel);
  take_column(table, attribute.attnum, *attribute.channel, attribute.name, attribute.type,
              held->integer_bytes, held->type);
  table.size.add(held->type);
}

void WideTables::take_column(WideTable &table, int attnum, const std::string &channel,
                             const std::string &name, unsigned int type, std::uint8_t integer_bytes,
                             ValueType held) {
  PivotColumn *const cells = buffer_.add_column(table.ship, channel, table.rows, attnum - 1, held);
  cells->integer_bytes = integer_bytes;
  table.columns.push_back({channel, name, cells, type});
  table.made = table.columns.size();
}

// ---- adopted tables ---------------------------------------------------------------------------------------

// Adopts existing tables that have the names of the ship's tables.
void WideTables::adopt(Ship &ship, const std::string &name, const std::string &group) {
  const WideTable *last = nullptr;
  for (int number = 1;; ++number) {
    const std::string existing = names_.find(name, group, number);
    if (existing.empty()) break;
    if (last == nullptr) names_.refuse_other_ship(name, group, existing);
    // A further table is created only where the one before has no room. Any other of its name need not be the
    // ship's.
    else if (names_.is_of_another(name, group, existing) ||
             !(names_.is_of(name, existing) || !last->size.has_room(ValueType::string)))
      break;
    WideTable &table = begin_table(ship, name, group, number, existing);
    table.made_here = false;
    const std::optional<HeldRelation> held = hold_target(table.name, false, source_.spec);
    if (!held)
      throw Error("40001", "table \"" + display_name(table.name) + "\" was renamed or dropped during the run",
                  {}, "Run it again.");
    table.oid = held->oid;
    table.owner = held->owner;
    record_adopted(table);
    check_time_key(table.oid, table.name, table.time_column, name);
    notice_once(source_, "adopts table " + display_name(table.name) + " of ship " + name + " as it is");
    read_attributes({&table});
    ship.settled = true;
    last = &table;
  }
}

void WideTables::record_adopted(WideTable &table) {
  std::vector<WideColumnRecord> columns;
  std::set<std::string> channels;
  table.target.time_at = -1;
  for (const WideAttribute &attribute : wide_attributes({table.oid})) {
    if (attribute.dropped) continue;
    if (attribute.name == table.time_column)
      take_time(table, attribute);
    else if (!attribute.channel && held_by(attribute.type, attribute.typmod)) {
      // Recorded columns keep their channels. The channels of the others are in their comments, or are their
      // names.
      const std::string commented(channel_of_comment(attribute.comment));
      const std::string &channel = commented.empty() ? attribute.name : commented;
      if (channels.insert(channel).second)
        columns.push_back({attribute.attnum, channel, attribute.name, attribute.type});
    }
  }
  if (table.target.time_at < 0)
    throw Error(sqlstate::undefined_column,
                "table \"" + display_name(table.name) + "\" has no column \"" + table.time_column + "\"",
                "It is the wide table of ship \"" + table.ship + "\", whose rows need a time.",
                "Rename its time column to " + std::string(time_name) + ", or rename the table.");
  record_wide_table(source_, record_of(table));
  record_wide_columns(table.oid, columns);
}

// ---- ships and channels -----------------------------------------------------------------------------------

WideTables::Ship &WideTables::find_ship(const std::string &name) {
  const auto known = ships_.find(name);
  if (known != ships_.end()) return known->second;
  const std::vector<std::string> groups = names_.groups();
  // The names are checked first, so that an error leaves no ship half known.
  for (const std::string &group : groups)
    names_.refuse_other_ship(name, group, names_.table_name(name, group, 1));
  Ship &ship = ships_[name];
  ship.taken.insert(time_name);
  for (const std::string &group : groups) adopt(ship, name, group);
  return ship;
}

bool WideTables::is_settled(const std::string &ship) { return find_ship(ship).settled; }

std::optional<QualifiedName> WideTables::find_unrecorded(const std::string &ship) {
  if (ships_.contains(ship)) return std::nullopt;
  for (const std::string &group : names_.groups())
    if (const std::string existing = names_.find(ship, group, 1); !existing.empty())
      return QualifiedName{source_.spec.target.schema, existing};
  return std::nullopt;
}

PivotColumn *WideTables::add_channel(const std::string &name, const std::string &channel, ValueType type) {
  Ship &ship = find_ship(name);
  if (source_.spec.all_text) type = ValueType::string;
  const std::string group = names_.group_of(channel);
  if (ship.unusable.contains(channel)) refuse_type(channel, ship.tables.front()->name, channel);
  const std::string column = wide_column_name(channel, ship.taken);
  WideTable *table = nullptr;
  int number = 1;
  for (WideTable *const one : ship.tables) {
    if (one->group != group) continue;
    number = std::max(number, one->number + 1);
    if (table == nullptr && one->size.add(type)) table = one;
  }
  if (table == nullptr) {
    const std::string wanted = names_.table_name(name, group, number);
    names_.refuse_other_ship(name, group, wanted);
    if (number > 1) refuse_unknown(wanted, name, channel);
    table = &begin_table(ship, name, group, number, wanted);
    table->size.add(type);
  }
  ship.taken.insert(column);
  ship.new_tables = true;
  PivotColumn *const cells = buffer_.add_column(name, channel, table->rows, table->rows->width, type);
  table->columns.push_back({channel, column, cells, oid_of(type)});
  return cells;
}

// Throws 42710 where the table exists: it was not adopted, so it may belong to anyone.
void WideTables::refuse_unknown(const std::string &table, const std::string &ship,
                                const std::string &channel) {
  const std::string existing = names_.find(table);
  if (existing.empty()) return;
  throw Error("42710",
              "\"" + display_name(QualifiedName{source_.spec.target.schema, existing}) +
                  "\" already exists, but is not on record as a table of ship \"" + ship + "\"",
              "The tables of the ship have no room for channel \"" + channel +
                  "\", and the next one would have this name.",
              "Rename it, or pass another table_prefix.");
}

void WideTables::add_channels(const std::map<ChannelName, ValueType> &channels) {
  for (const auto &[name, type] : channels) {
    // An adopted table may have it.
    is_settled(name.first);
    if (buffer_.find_column(name.first, name.second) == nullptr) add_channel(name.first, name.second, type);
  }
}

// ---- creating tables --------------------------------------------------------------------------------------

NamedType WideTables::time_type() const {
  return {time_name, plan_.time_has_zone ? "pg_catalog.timestamptz" : "pg_catalog.timestamp"};
}

std::string WideTables::statement_for(const WideTable &table, const std::vector<NamedType> &lacking) const {
  const int toast_target = table.made_here ? table.size.toast_target() : 0;
  return table.oid == 0 ? create_wide_table(table.name, time_type(), lacking, toast_target)
                        : add_wide_columns(table.name, lacking, toast_target);
}

// Orders new columns by name, or as the caller listed the channels.
void WideTables::order_columns(WideTable &table) {
  const std::vector<std::string> &listed = source_.spec.channels;
  std::map<std::string, size_t> places;
  for (size_t n = 0; n < listed.size(); ++n) places.emplace(listed[n], n);
  std::sort(table.columns.begin(), table.columns.end(), [&](const WideColumn &a, const WideColumn &b) {
    if (!listed.empty() && places[a.channel] != places[b.channel])
      return places[a.channel] < places[b.channel];
    return a.name < b.name;
  });
  std::vector<std::int32_t> new_places(table.columns.size() + 1, 0);
  for (size_t n = 0; n < table.columns.size(); ++n)
    new_places[static_cast<size_t>(table.columns[n].cells->at)] = static_cast<std::int32_t>(n + 1);
  buffer_.reorder(*table.rows, new_places);
}

bool WideTables::hold(const WideTable &table) const {
  if (table.made_now) return true;
  if (!hold_same({table.oid, table.name, table.owner}, HeldFor::writing)) return false;
  check_target(table.oid, false, source_.spec);
  return true;
}

void WideTables::make(WideTable &table) {
  if (table.made == table.columns.size() && table.oid != 0) return;
  const bool is_new = table.oid == 0;
  if (is_new) {
    prepare_schema(table.name.schema, source_.spec);
    order_columns(table);
  } else if (!hold(table)) {
    throw Error("40001", "table \"" + display_name(table.name) + "\" was replaced during the run", {},
                "Run it again.");
  }
  std::vector<NamedType> lacking;
  std::vector<WideColumnRecord> records;
  for (size_t n = table.made; n < table.columns.size(); ++n) {
    WideColumn &column = table.columns[n];
    // The type may have changed after the channel was met first.
    column.type = oid_of(column.cells->type);
    lacking.emplace_back(column.name, made_as(column.cells->type));
    records.push_back({column.cells->at + 1, column.channel, column.name, column.type});
  }
  execute(statement_for(table, lacking));
  if (is_new) {
    table.oid = table.target.oid = find_target(table.name);
    table.owner = GetUserId();
    table.made_now = true;
    table.has_key = false;
    record_wide_table(source_, record_of(table));
  }
  record_wide_columns(table.oid, records);
  for (const WideColumnRecord &record : records)
    comment_on_column(table.oid, record.attnum, wide_column_comment(record.channel));
  table.counts.columns += static_cast<std::int64_t>(lacking.size());
  table.made = table.columns.size();
}

void WideTables::make_all() {
  for (WideTable &table : tables_) make(table);
}

void WideTables::build_key(WideTable &table) {
  if (table.has_key) return;
  execute(add_primary_key(table.name, {table.time_column}));
  table.has_key = true;
}

bool WideTables::widen(WideTable &table, const std::vector<std::string> &columns) {
  if (!hold(table)) return false;
  if (single<bool>(query(has_integer_beyond_decimal(table.name, columns)))) return false;
  drop_wide_view(source_, table.ship);
  ships_.at(table.ship).new_tables = true;
  execute(widen_to_decimal(table.name, columns));
  std::vector<WideColumnRecord> records;
  for (const std::string &name : columns)
    for (const WideColumn &column : table.columns)
      if (column.name == name)
        records.push_back({column.cells->at + 1, column.channel, name, oid_of(ValueType::decimal)});
  record_wide_columns(table.oid, records);
  return true;
}

void WideTables::committed() {
  for (auto &[name, ship] : ships_)
    ship.settled = std::any_of(ship.tables.begin(), ship.tables.end(),
                               [](const WideTable *table) { return table->oid != 0; });
  last_change_ = last_change();
  names_.forget_relations();
}

void WideTables::make_views() {
  for (auto &[name, ship] : ships_) {
    std::vector<WidePart> parts;
    for (const WideTable *table : ship.tables)
      parts.push_back({table->name, table->time_column, table->column_names()});
    if (parts.size() > 1 && ship.new_tables) make_wide_view(source_, name, parts);
    ship.new_tables = false;
  }
}

std::vector<std::string> WideTables::definition() const {
  std::vector<std::string> statements;
  for (const WideTable &table : tables_) {
    std::vector<NamedType> lacking;
    for (size_t n = table.made; n < table.columns.size(); ++n)
      lacking.emplace_back(table.columns[n].name, made_as(table.columns[n].cells->type));
    if (!lacking.empty()) statements.push_back(statement_for(table, lacking));
  }
  return statements;
}

}  // namespace tablesync::pg
