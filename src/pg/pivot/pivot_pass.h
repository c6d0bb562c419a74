// PivotPass: stores readings in wide tables, in one transaction. Each reading goes to its column in the
// buffer, and rows of the buffer are written to their tables when it is full. If the readings do not come in
// the order of time, they wait in temporary files instead, until the last one has come (PivotSpill).
//
//   reading -> value -> column -> [file] -> buffer -> pages | tuples and index entries | upsert
//
// A pass does not alter a table that others can see. If such a table lacks a column, the pass only collects
// what is missing from then on. Its transaction is rolled back, and the readings are read again when the
// columns exist.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/pivot/pivot_buffer.h"
#include "core/pivot/pivot_spill.h"
#include "core/range/chunk.h"
#include "pg/pivot/reading_source.h"
#include "pg/pivot/wide_tables.h"
#include "pg/record/pivot_record.h"
#include "pg/record/run_record.h"
#include "pg/server/temp_file.h"

namespace tablesync::pg {

// Tables and columns that a pass needs and that do not exist.
class Lacking {
 public:
  std::map<ChannelName, ValueType> channels;
  std::set<ChannelName> decimals;  // columns of integers that must take decimals
  bool any() const { return any_; }
  // Adds the channel of a reading, which has no column.
  void add(const ChannelName &channel, const Value &value);
  void add_decimal(const ChannelName &channel);

 private:
  bool any_ = false;
};

// Readings that are not before the cutoff.
struct BeyondCutoff {
  std::int64_t count = 0;
  Moment newest = before_all;
};

class PivotPass final : public ReadingSink {
 public:
  // `alone`: no other worker creates tables. `integers`: columns that cannot take decimals. `exact`: see
  // WideTables.
  PivotPass(const PivotSource &source, const ReadingPlan &plan, std::int64_t run_id, bool alone,
            const std::set<ChannelName> &integers, bool exact = false);

  // Begins a chunk (an empty bound: open). Readings at or after `cutoff` are left out. `in_order`: of two
  // readings of one cell the later comes last. If not, needs_order() is true after two that differ.
  void begin(const Bound &lower, const Bound &upper, bool in_order, Moment cutoff = after_all);
  // Returns false once needs_order() is true.
  bool take(const Reading &reading) override;
  void lose_order() override { in_order_ = false; }
  // Writes what waits, the rest of the buffer, and the records.
  void finish();
  const Lacking &lacking() const { return lacking_; }
  // The number and the newest time of the readings that were left out.
  const BeyondCutoff &beyond() const { return beyond_; }
  // Whether an error was thrown because someone changed a table meanwhile.
  bool outdated() const { return outdated_; }
  // Whether two readings of one cell had two values, since begin().
  bool has_two_values() const { return has_two_values_; }
  // Whether two such readings came out of order. Then nothing more was stored, and all readings must be read
  // again, in order, in another transaction.
  bool needs_order() const { return needs_order_; }
  RunCounts counts() const { return counts_; }

  // Call it when the transaction is committed and others can see what it created.
  void committed();
  bool is_current() const { return tables_.is_current(); }
  WideTables &tables() { return tables_; }
  PivotBuffer &buffer() { return buffer_; }

 private:
  void take_value(const Reading &reading);
  PivotColumn *find_column(const Reading &reading, const Value &value);
  void store(PivotColumn &column, const Reading &reading, const Value &value);
  bool make_decimal(PivotColumn &column, const Reading &reading, const Value &value);
  void reject(const Reading &reading, const std::string &why);
  void write_rejected();
  void make_room();
  void add_waiting();
  void flush(std::uint64_t before);
  void write(WideTable &table, std::uint64_t before);
  void write_new(WideTable &table, const RowPointers &rows);
  void write_over(WideTable &table, const RowPointers &rows);
  void refuse_swallowed(const WideTable &table, const std::vector<Upserted> &rows) const;
  void meet_two_values();
  bool is_bulk(WideTable &table);

  const PivotSpec &spec_;
  const ReadingPlan &plan_;
  const std::int64_t run_id_;
  const bool alone_;
  const std::set<ChannelName> &integers_;
  PivotBuffer buffer_;
  WideTables tables_;
  Bound lower_, upper_;
  Moment cutoff_ = after_all;
  BeyondCutoff beyond_;
  bool in_order_ = true, has_two_values_ = false, needs_order_ = false;
  // For tables that were checked in this chunk: whether rows can be stored without looking for existing ones.
  std::map<const WideTable *, bool> bulk_;
  bool outdated_ = false;
  Lacking lacking_;
  std::vector<RejectedReading> rejected_;
  std::map<std::string, std::int64_t> rejected_by_ship_;
  RunCounts counts_;
  TempBlockFiles files_;
  PivotSpill spill_;
  std::string room_, why_;  // of the current reading
};

}  // namespace tablesync::pg
