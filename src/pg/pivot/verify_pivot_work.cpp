#include "pg/pivot/verify_pivot_work.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/server/spi.h"
#include "pg/target/held_relation.h"

namespace tablesync::pg {
namespace {

// Further differences are counted, not listed.
constexpr std::size_t most_differences = 1000;
// Cells that are compared at a time, as texts.
constexpr std::size_t cells_at_a_time = 300'000;

}  // namespace

VerifyPivotWork::VerifyPivotWork(const PivotSpec &spec, std::int64_t run_id, RunSteps &steps)
    : spec_(spec), run_id_(run_id), steps_(steps), copier_(spec, run_id, steps, false) {}

StepEnd VerifyPivotWork::step() {
  counts_ = {};
  copier_.open();
  if (!begun_) {
    refresh_wide_columns(copier_.source());
    copier_.forget_tables();
    copier_.open();
  }
  steps_.enter(Phase::verify);
  if (!begun_) begin();
  begun_ = true;
  compare_chunk(select_readings(copier_.plan(), choose_chunk()));
  const bool done = is_done();
  copier_.close_source();
  if (done) finish();
  return done ? StepEnd::done : StepEnd::more;
}

void VerifyPivotWork::begin() {
  if (copier_.pass().tables().tables().empty()) {
    for (const std::string &ship : spec_.ships) refuse_unrecorded(ship);
    throw Error(sqlstate::undefined_object,
                "there is no wide table of \"" + copier_.source().source + "\" in schema \"" +
                    spec_.target.schema + "\"",
                "No table whose name begins with \"" + spec_.target.name + "\" is on record.",
                "To adopt an existing table: SELECT * FROM pivot_ship(..., mode => 'tables_only').");
  }
  copier_.check_times();
  copier_.notice_beyond_cutoff();
  const PivotChunkCopier::Ends ends = copier_.find_ends(of_call(copier_.plan(), spec_));
  is_one_chunk_ = !ends.oldest || !copier_.finds_times();
  // Without any, only readings without a finite time are compared.
  begin_ = ends.oldest.value_or(spec_.from);
  end_ = ends.newest ? *ends.newest + 1 : spec_.cutoff;
}

// The first chunk includes readings before all finite times.
std::vector<std::string> VerifyPivotWork::choose_chunk() {
  const ReadingPlan &plan = copier_.plan();
  const bool is_last = is_one_chunk_ || end_ - begin_ <= spec_.chunk_interval;
  const Moment lower = is_first_ ? spec_.from : begin_;
  next_ = is_last ? end_ : begin_ + spec_.chunk_interval;
  std::vector<std::string> chunk = copier_.conditions();
  if (lower != before_all) chunk.push_back(time_from(plan, lower));
  chunk.push_back(time_before(plan, next_));
  is_first_ = false;
  return chunk;
}

// After an empty chunk, skips to the next reading, if any, because the gap may be long.
bool VerifyPivotWork::is_done() {
  begin_ = next_;
  if (begin_ >= end_) return true;
  if (counts_.read > 0) return false;
  std::vector<std::string> rest = of_call(copier_.plan(), spec_);
  rest.push_back(time_from(copier_.plan(), begin_));
  const std::optional<Moment> oldest = copier_.find_ends(rest).oldest;
  begin_ = oldest.value_or(end_);
  return begin_ >= end_;
}

// Where it matters which of two readings is the later, they are read once more, in their order.
void VerifyPivotWork::compare_chunk(const std::string &select) {
  const Found before = found_;
  two_values_ = false;
  batches_ = differed_ = 0;
  read(select);
  const bool depends_on_order = two_values_ || (batches_ > 1 && differed_ > 0);
  if (!depends_on_order || copier_.order().empty()) return;
  found_ = before;
  read(select + copier_.order());
}

void VerifyPivotWork::read(const std::string &select) {
  constexpr std::size_t parts_of_memory = 8;
  PivotBuffer &buffer = copier_.pass().buffer();
  buffer.forget_times();
  files_.forget();
  spill_.emplace(buffer, files_,
                 PivotLimits{(static_cast<std::size_t>(spec_.memory_limit_mb) << 20) / parts_of_memory,
                             static_cast<std::size_t>(spec_.batch_rows)});
  counts_.read = copier_.read(select, *this);
  while (const PivotSpill::Reading *const reading = spill_->next()) {
    if (buffer.add(*reading->column, reading->time, reading->value) == PivotBuffer::Outcome::replaced)
      two_values_ = true;
    if (spill_->is_full()) make_room();
  }
  compare(PivotBuffer::every_row);
}

bool VerifyPivotWork::take(const Reading &reading) {
  PivotBuffer &buffer = copier_.pass().buffer();
  Value value;
  if (reading.ship.empty() || reading.channel.empty() || !reading.time ||
      !value_of(reading.value, value, room_, why_)) {
    ++found_.unstored;
    return true;
  }
  PivotColumn *const column = buffer.find_column(reading.ship, reading.channel);
  if (column == nullptr) {
    refuse_unrecorded(reading.ship);
    note({std::string(reading.ship), *reading.time, std::string(reading.channel)}, text_of(value), {}, false);
    return true;
  }
  const PivotBuffer::Outcome outcome = spill_->add(*column, *reading.time, value);
  if (outcome == PivotBuffer::Outcome::not_convertible) {
    ++found_.unstored;
    return true;
  }
  if (outcome == PivotBuffer::Outcome::replaced) two_values_ = true;
  if (spill_->is_full()) make_room();
  return true;
}

// A table of that ship that no call has filled from this source cannot be compared with it.
void VerifyPivotWork::refuse_unrecorded(std::string_view ship) {
  const std::optional<QualifiedName> table = copier_.pass().tables().find_unrecorded(std::string(ship));
  if (!table) return;
  throw Error(sqlstate::wrong_state,
              "table \"" + display_name(*table) + "\" of ship \"" + std::string(ship) + "\" is not on record",
              "It exists, but this role has not called pivot_ship() to fill it from \"" +
                  copier_.source().source + "\".",
              "SELECT * FROM pivot_ship(..., mode => 'tables_only') adopts it; then verify again.");
}

void VerifyPivotWork::make_room() {
  if (const std::uint64_t before = spill_->make_room(); before > 0) compare(before);
}

void VerifyPivotWork::compare(std::uint64_t before) {
  ++batches_;
  for (WideTable &table : copier_.pass().tables().tables())
    if (!table.rows->rows.empty()) compare(table, before);
  spill_->clear(before);
}

// Compares the rows in batches, in the order of time, with the rows of the table at these times.
void VerifyPivotWork::compare(WideTable &table, std::uint64_t before) {
  RowPointers rows;
  for (const WideRow &row : table.rows->rows)
    if (row.touched < before) rows.push_back(&row);
  if (rows.empty()) return;
  hold_again({table.oid, table.name, table.owner}, HeldFor::reading);
  std::sort(rows.begin(), rows.end(), [](const WideRow *a, const WideRow *b) { return a->time < b->time; });
  const std::size_t at_a_time = std::max<std::size_t>(1, cells_at_a_time / (table.columns.size() + 1));
  for (std::size_t first = 0; first < rows.size(); first += at_a_time) {
    const std::size_t end = std::min(first + at_a_time, rows.size());
    std::vector<Moment> times;
    for (std::size_t n = first; n < end; ++n) times.push_back(stored_time(table.target, rows[n]->time));
    std::map<Moment, Row> found;
    for (Row &row : query(select_rows(table.name, table.time_column, table.column_names(), times,
                                      table.target.time_has_zone)))
      found.emplace(as_int64(row.front()), std::move(row));
    for (std::size_t n = first; n < end; ++n) {
      const auto stored = found.find(times[n - first]);
      compare(table, *rows[n], stored == found.end() ? nullptr : &stored->second);
    }
  }
}

void VerifyPivotWork::compare(const WideTable &table, const WideRow &row, const Row *found) {
  for (std::size_t n = 0; n < table.columns.size(); ++n) {
    const WideColumn &column = table.columns[n];
    if (column.cells->at >= row.width || row.nulls[column.cells->at]) continue;
    ++found_.compared;
    const std::string expected = text_of(copier_.pass().buffer().value_at(*column.cells, row));
    const Cell stored = found != nullptr ? found->at(n + 1) : Cell();
    const Cell shown = stored && column.cells->type == ValueType::boolean
                           ? Cell(as_bool(stored) ? "true" : "false")
                           : stored;
    note({table.ship, row.time, column.channel}, expected, shown, shown == expected);
  }
}

// The last reading of a channel and time counts, in whichever batch it comes.
void VerifyPivotWork::note(const Place &place, const std::string &expected, const Cell &found, bool equal) {
  if (!equal) ++differed_;
  const auto known = found_.differences.find(place);
  if (known != found_.differences.end()) {
    if (equal) {
      found_.differences.erase(known);
      --found_.different;
    } else {
      known->second = {expected, found};
    }
    return;
  }
  if (equal) return;
  ++found_.different;
  if (found_.differences.size() < most_differences) found_.differences[place] = {expected, found};
}

void VerifyPivotWork::finish() {
  std::vector<PivotDifference> listed;
  for (const auto &[place, difference] : found_.differences)
    listed.push_back({std::get<0>(place), std::get<2>(place),
                      // A time without zone is shown as it is stored.
                      text_of_moment(std::get<1>(place)), difference.found ? "different" : "missing",
                      difference.expected, difference.found});
  record_pivot_differences(run_id_, listed);
}

Row VerifyPivotWork::extra_columns() const {
  return encode(PivotComparison{found_.compared, found_.different, found_.unstored});
}

}  // namespace tablesync::pg
