#include "pg/pivot/pivot_pass.h"

#include <algorithm>
#include <unordered_map>

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/server/fault.h"
#include "pg/server/spi.h"
#include "pg/target/local_target.h"
#include "pg/target/plain_table.h"
#include "pg/target/target_table.h"
#include "pg/target/triggers.h"

namespace tablesync::pg {
namespace {

// A third of the memory is for the buffer; the rest is for writing it, and for the process itself.
constexpr std::size_t parts_of_memory = 3;
constexpr std::size_t rejected_at_a_time = 1000;

ChannelName name_of(const Reading &reading) {
  return {std::string(reading.ship), std::string(reading.channel)};
}

std::int64_t cells_of(const WideRow &row) {
  return std::count(row.nulls, row.nulls + row.width, false) - 1;  // without the time
}

std::int64_t cells_of(const RowPointers &rows) {
  std::int64_t cells = 0;
  for (const WideRow *row : rows) cells += cells_of(*row);
  return cells;
}

void sort_by_time(RowPointers &rows) {
  const auto earlier = [](const WideRow *a, const WideRow *b) { return a->time < b->time; };
  if (!std::is_sorted(rows.begin(), rows.end(), earlier)) std::sort(rows.begin(), rows.end(), earlier);
}

template <typename F>
void in_batches(const RowPointers &rows, std::int64_t most, F f) {
  const auto size = static_cast<std::size_t>(most);
  if (rows.size() > size)
    for (auto at = rows.begin(); at != rows.end();) {
      const auto end = at + std::min(rows.end() - at, most);
      f(RowPointers(at, end));
      at = end;
    }
  else if (!rows.empty())
    f(rows);
}

Cell copy_of(MaybeText text) { return is_there(text) ? Cell(text) : Cell(); }

}  // namespace

void Lacking::add_decimal(const ChannelName &channel) {
  any_ = true;
  decimals.insert(channel);
}

void Lacking::add(const ChannelName &channel, const Value &value) {
  any_ = true;
  const auto [place, is_new] = channels.try_emplace(channel, value.type);
  std::string room;
  if (!is_new && place->second == ValueType::integer && value.type == ValueType::decimal &&
      !convert(value, ValueType::integer, room))
    place->second = ValueType::decimal;
}

PivotPass::PivotPass(const PivotSource &source, const ReadingPlan &plan, std::int64_t run_id, bool alone,
                     const std::set<ChannelName> &integers, bool exact)
    : spec_(source.spec),
      plan_(plan),
      run_id_(run_id),
      alone_(alone),
      integers_(integers),
      buffer_({set_text_header, stored_text}),
      tables_(source, plan_, buffer_),
      spill_(buffer_, files_,
             {(static_cast<std::size_t>(spec_.memory_limit_mb) << 20) / parts_of_memory,
              static_cast<std::size_t>(spec_.batch_rows)}) {
  tables_.load(exact);
}

void PivotPass::begin(const Bound &lower, const Bound &upper, bool in_order, Moment cutoff) {
  cutoff_ = cutoff;
  in_order_ = in_order;
  has_two_values_ = needs_order_ = false;
  beyond_ = {};
  lower_ = lower;
  upper_ = upper;
  bulk_.clear();
  buffer_.forget_times();
  spill_.forget();
  files_.forget();
  counts_ = {};
}

// ---- a reading --------------------------------------------------------------------------------------------

bool PivotPass::take(const Reading &reading) {
  take_value(reading);
  return !needs_order_;
}

void PivotPass::take_value(const Reading &reading) {
  if (reading.time && *reading.time >= cutoff_) {
    ++beyond_.count;
    beyond_.newest = std::max(beyond_.newest, *reading.time);
    return;
  }
  ++counts_.read;
  if (reading.ship.empty()) return reject(reading, "no ship");
  if (reading.channel.empty()) return reject(reading, "no channel");
  if (!reading.time) return reject(reading, "no time");
  Value value;
  if (!value_of(reading.value, value, room_, why_)) return reject(reading, why_);
  if (PivotColumn *const column = find_column(reading, value); column != nullptr)
    store(*column, reading, value);
}

// Returns null where there is no column and the pass must not create it.
PivotColumn *PivotPass::find_column(const Reading &reading, const Value &value) {
  if (PivotColumn *const column = buffer_.find_column(reading.ship, reading.channel)) return column;
  const ChannelName name = name_of(reading);
  if (!alone_ || lacking_.any() || tables_.is_settled(name.first)) {
    // An adopted table may have it.
    PivotColumn *const column = buffer_.find_column(name.first, name.second);
    if (column == nullptr) lacking_.add(name, value);
    return column;
  }
  return tables_.add_channel(name.first, name.second, value.type);
}

void PivotPass::store(PivotColumn &column, const Reading &reading, const Value &value) {
  if (lacking_.any()) {
    // Nothing more is stored, but all that is missing is collected.
    if (column.type == ValueType::integer && value.type == ValueType::decimal &&
        !convert(value, ValueType::integer, room_))
      make_decimal(column, reading, value);
    return;
  }
  PivotBuffer::Outcome outcome = spill_.add(column, *reading.time, value);
  if (outcome == PivotBuffer::Outcome::not_convertible) {
    if (value.type == ValueType::decimal && make_decimal(column, reading, value)) {
      if (!lacking_.any()) outcome = spill_.add(column, *reading.time, value);
    } else {
      return reject(reading, "its value is of type " + std::string(tablesync::name_of(value.type)) +
                                 ", and its column, of type " + sql_type_of(column.type) +
                                 ", cannot hold it without loss");
    }
  }
  if (outcome == PivotBuffer::Outcome::replaced) meet_two_values();
  if (!needs_order_ && spill_.is_full()) make_room();
}

// Out of order, it is unknown which of the two is the later.
void PivotPass::meet_two_values() {
  has_two_values_ = true;
  needs_order_ = needs_order_ || !in_order_;
}

// Whether the column takes decimals from now on, or will, when the pass is repeated.
bool PivotPass::make_decimal(PivotColumn &column, const Reading &reading, const Value &value) {
  WideTable &table = tables_.table_of(column.table);
  if (column.type != ValueType::integer || !table.made_here) return false;
  const ChannelName name = name_of(reading);
  if (integers_.contains(name)) return false;
  if (table.oid == 0 && !lacking_.any()) return buffer_.change_type(column, ValueType::decimal);
  if (table.oid == 0 || table.made_now)
    // The column is rolled back with the transaction.
    lacking_.add(name, value);
  else
    lacking_.add_decimal(name);
  return true;
}

// ---- rejected readings ------------------------------------------------------------------------------------

void PivotPass::reject(const Reading &reading, const std::string &why) {
  if (lacking_.any()) return;
  ++counts_.rejected;
  ++rejected_by_ship_[std::string(reading.ship)];
  RejectedReading rejected{copy_of(reading.ship),
                           copy_of(reading.channel),
                           {},
                           copy_of(reading.value.format),
                           {},
                           copy_of(reading.value.str_v),
                           {},
                           {},
                           why};
  if (reading.time) rejected.time = text_of_moment(*reading.time, plan_.time_has_zone);
  if (reading.value.bool_v) rejected.bool_v = text_of(Value::of(*reading.value.bool_v));
  if (reading.value.long_v) rejected.long_v = text_of(Value::of(*reading.value.long_v));
  if (reading.value.double_v) rejected.double_v = text_of(Value::of(*reading.value.double_v));
  if (is_there(reading.value.beyond_double)) rejected.double_v = copy_of(reading.value.beyond_double);
  rejected_.push_back(std::move(rejected));
  if (rejected_.size() >= rejected_at_a_time) write_rejected();
}

void PivotPass::write_rejected() {
  record_rejected(run_id_, spec_, rejected_);
  rejected_.clear();
}

// ---- the rows of the buffer -------------------------------------------------------------------------------

void PivotPass::make_room() {
  if (const std::uint64_t before = spill_.make_room(); before > 0) flush(before);
}

// The readings that wait in files have been checked, counted and given columns.
void PivotPass::add_waiting() {
  while (const PivotSpill::Reading *const reading = spill_.next()) {
    if (buffer_.add(*reading->column, reading->time, reading->value) == PivotBuffer::Outcome::replaced)
      meet_two_values();
    if (needs_order_) return;
    if (spill_.is_full()) make_room();
  }
}

void PivotPass::flush(std::uint64_t before) {
  for (WideTable &table : tables_.tables())
    if (!needs_order_ && !table.rows->rows.empty()) write(table, before);
  spill_.clear(before);
}

void PivotPass::write(WideTable &table, std::uint64_t before) {
  RowPointers rows, late;
  for (const WideRow &row : table.rows->rows)
    if (row.touched < before) (row.late ? late : rows).push_back(&row);
  if (rows.empty() && late.empty()) return;
  tables_.make(table);
  const bool bulk = is_bulk(table);
  // Other tables are written by SQL, which needs the key.
  if (!bulk) tables_.build_key(table);
  if (table.has_key && !bulk) {
    late.insert(late.begin(), rows.begin(), rows.end());
    rows.clear();
  }
  sort_by_time(rows);
  sort_by_time(late);
  in_batches(rows, spec_.batch_rows, [&](const RowPointers &batch) { write_new(table, batch); });
  if (late.empty()) return;
  tables_.build_key(table);
  in_batches(late, spec_.batch_rows, [&](const RowPointers &batch) { write_over(table, batch); });
}

void PivotPass::write_new(WideTable &table, const RowPointers &rows) {
  if (table.has_key)
    store_indexed(table.target, rows);
  else
    store_first(table.target, rows);
  table.counts.written += static_cast<std::int64_t>(rows.size());
  table.counts.cells += cells_of(rows);
}

void PivotPass::write_over(WideTable &table, const RowPointers &rows) {
  const bool finds_replaced =
      !in_order_ && std::any_of(rows.begin(), rows.end(), [](const WideRow *row) { return row->late; });
  const std::string statement = (table.triggers.empty() ? upsert_rows : upsert_rows_with_triggers)(
      table.name, table.time_column, table.column_names(), finds_replaced);
  const std::vector<Upserted> upserted = upsert(table.target, statement, rows);
  refuse_swallowed(table, upserted);
  std::unordered_map<Moment, bool> written;  // by time: whether another value was overwritten
  for (const Upserted &row : upserted) written.emplace(*row.written, row.replaced);
  table.counts.written += static_cast<std::int64_t>(written.size());
  for (const WideRow *row : rows) {
    const auto found = written.find(stored_time(table.target, row->time));
    if (found == written.end()) continue;
    table.counts.cells += cells_of(*row);
    // The overwritten value can be of this chunk, in a row that was written before.
    if (row->late && found->second) meet_two_values();
  }
}

void PivotPass::refuse_swallowed(const WideTable &table, const std::vector<Upserted> &rows) const {
  const auto is_lost = [](const Upserted &row) { return !row.written; };
  const auto is_moved = [](const Upserted &row) { return !row.wanted; };
  const auto lost = std::find_if(rows.begin(), rows.end(), is_lost);
  const auto moved = std::find_if(rows.begin(), rows.end(), is_moved);
  if (lost == rows.end() && moved == rows.end()) return;
  const auto wanted = static_cast<std::int64_t>(rows.size()) - std::count_if(moved, rows.end(), is_moved);
  const auto text = [&](const std::optional<Moment> &time) {
    return text_of_moment(*time, table.target.time_has_zone);
  };
  const std::string name = display_name(table.name);
  throw Error(
      sqlstate::protocol_violation,
      "\"" + name + "\" did not accept every row: of " + counted(wanted, "row") + ", " +
          with_commas(std::count_if(lost, rows.end(), is_lost)) + " were not written",
      (lost == rows.end() ? "" : "The row of " + text(lost->wanted) + " is one of them. ") +
          (moved == rows.end() ? "" : "A row was written at " + text(moved->written) + " instead. ") +
          "The table has BEFORE ROW triggers: " + join(table.triggers, ", ") + ".",
      "Let the trigger return NEW for every row, with its time as it is, or disable it: ALTER TABLE " + name +
          " DISABLE TRIGGER ....");
}

// Whether rows can be stored without looking for existing ones: the table has none in the chunk's range, and
// nothing but columns and indexes. A row that others add meanwhile is a unique_violation, and the chunk is
// retried.
bool PivotPass::is_bulk(WideTable &table) {
  const auto [place, is_new] = bulk_.try_emplace(&table, false);
  if (!is_new) return place->second;
  const Attributes attributes = table.attributes();
  if (!tables_.hold(table) || !has_attributes(table.target, attributes)) {
    outdated_ = true;
    throw Error("40001", "table \"" + display_name(table.name) + "\" was changed during the run", {},
                "Run it again.");
  }
  const bool is_plain = takes_plain_rows(table.target, attributes) && is_plain_table(table.name);
  table.triggers.clear();
  if (!is_plain) {
    Table described;
    described.oid = std::to_string(table.oid);
    LocalTarget target;
    table.triggers = before_row_triggers(target, described);
  }
  // A new table need not be plain, because an event trigger can have added anything to it.
  if (table.made_now) return place->second = is_plain;
  // The range can be checked only if the table has times in the form of the bounds, which are in UTC.
  const bool same_times =
      table.target.form == TimeForm::as_it_is && (plan_.time_has_zone || plan_.time_zone == "UTC");
  const auto is_empty = [&] {
    return single<bool>(
        query(is_range_empty(table.name, table.time_column, only_text(lower_), only_text(upper_))));
  };
  return place->second = is_plain && same_times && (has_no_page(table.target) || is_empty());
}

void PivotPass::finish() {
  add_waiting();
  flush(PivotBuffer::every_row);
  if (needs_order_) return;
  write_rejected();
  std::vector<TableCounts> all;
  for (WideTable &table : tables_.tables()) {
    if (table.made_now) tables_.build_key(table);
    TableCounts &counts = table.counts;
    counts.ship = table.ship;
    counts.table = display_name(table.name);
    counts.read += table.rows->readings;
    counts.replaced += table.rows->replaced;
    counts_.inserted += counts.written;
    table.rows->readings = table.rows->replaced = 0;
    // Rejected readings are counted with the first table of their ship.
    if (const auto rejected = rejected_by_ship_.extract(table.ship)) {
      counts.rejected = rejected.mapped();
      counts.read += counts.rejected;
    }
    if (counts.read > 0 || counts.columns > 0) all.push_back(counts);
    counts = {};
  }
  for (const auto &[ship, count] : rejected_by_ship_) {
    TableCounts counts;
    counts.ship = ship;
    counts.read = counts.rejected = count;
    all.push_back(counts);
  }
  rejected_by_ship_.clear();
  tables_.make_views();
  add_counts(run_id_, all);
  fault_point(FaultPoint::merge_done);
}

void PivotPass::committed() {
  for (WideTable &table : tables_.tables()) table.made_now = false;
  tables_.committed();
}

}  // namespace tablesync::pg
