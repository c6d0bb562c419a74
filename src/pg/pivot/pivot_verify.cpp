#include "pg/pivot/pivot_verify.h"

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "core/text.h"
#include "pg/server/held_relation.h"
#include "pg/server/spi.h"

namespace tablesync::pg {
namespace {

// More are counted, not listed.
constexpr std::size_t most_differences = 1000;
// Rows that are compared at a time: their cells are texts then.
constexpr std::size_t cells_at_a_time = 300'000;

}  // namespace

PivotVerify::PivotVerify(const PivotSpec &spec, std::int64_t run_id, RunSteps &steps)
    : spec_(spec), run_id_(run_id), steps_(steps), copier_(spec, run_id, steps, false) {}

bool PivotVerify::step() {
  counts_ = {};
  copier_.open();
  if (!begun_) {
    refresh_wide_columns(copier_.source());
    copier_.forget_tables();
    copier_.open();
  }
  if (!begun_ && copier_.pass().tables().tables().empty())
    throw Error(sqlstate::undefined_object,
                "there is no wide table of \"" + copier_.source().source + "\" in schema \"" +
                    spec_.target.schema + "\"",
                "None whose name begins with \"" + spec_.target.name + "\" is on record.");
  steps_.enter(Phase::verify);
  if (!begun_ && !find_range()) {
    finish();
    return true;
  }
  begun_ = true;
  const ReadingPlan &plan = copier_.plan();
  const Moment next = end_ - begin_ > spec_.chunk_interval ? begin_ + spec_.chunk_interval : end_;
  std::vector<std::string> chunk = copier_.conditions();
  chunk.push_back(time_from(plan, begin_));
  chunk.push_back(time_before(plan, next));
  counts_.read = copier_.read(select_readings(plan, chunk), *this);
  compare();
  copier_.close_source();
  begin_ = next;
  if (begin_ < end_) return false;
  finish();
  return true;
}

// Of the readings that are there; false where there are none.
bool PivotVerify::find_range() {
  const ReadingPlan &plan = copier_.plan();
  const Row ends = copier_.ask(oldest_and_newest(plan, spec_.ships, of_call(plan, spec_))).at(0);
  const std::optional<Moment> oldest = parse_moment(text_of(ends.at(0))),
                              newest = parse_moment(text_of(ends.at(1)));
  if (!oldest || !newest) return false;
  begin_ = *oldest;
  end_ = *newest + 1;
  return true;
}

void PivotVerify::take(const Reading &reading) {
  PivotBuffer &buffer = copier_.pass().buffer();
  Value value;
  if (reading.ship.empty() || reading.channel.empty() || !reading.time ||
      !value_of(reading.value, value, room_, why_)) {
    ++unstored_;
    return;
  }
  PivotColumn *const column = buffer.find_column(reading.ship, reading.channel);
  if (column == nullptr) {
    note({std::string(reading.ship), *reading.time, std::string(reading.channel)}, text_of(value), {}, false);
    return;
  }
  if (buffer.add(*column, *reading.time, value) == PivotBuffer::Outcome::not_convertible) {
    ++unstored_;
    return;
  }
  if (buffer.bytes() > (static_cast<std::size_t>(spec_.memory_limit_mb) << 20) / 8 ||
      buffer.rows() >= static_cast<std::size_t>(spec_.batch_rows))
    compare();
}

void PivotVerify::compare() {
  for (WideTable &table : copier_.pass().tables().tables())
    if (!table.rows->rows.empty()) compare(table);
  copier_.pass().buffer().clear();
}

// A range of rows after the other, in the order of time, with what the table has there.
void PivotVerify::compare(WideTable &table) {
  hold_again({table.oid, table.name, table.owner}, HeldFor::reading);
  RowPointers rows;
  for (const WideRow &row : table.rows->rows) rows.push_back(&row);
  std::sort(rows.begin(), rows.end(), [](const WideRow *a, const WideRow *b) { return a->time < b->time; });
  const std::size_t at_a_time = std::max<std::size_t>(1, cells_at_a_time / (table.columns.size() + 1));
  for (std::size_t first = 0; first < rows.size(); first += at_a_time) {
    const std::size_t end = std::min(first + at_a_time, rows.size());
    std::vector<Moment> times;
    for (std::size_t n = first; n < end; ++n) times.push_back(stored_time(table.target, rows[n]->time));
    std::map<Moment, Row> found;
    for (Row &row :
         query(select_rows(table.name, table.time_column, table.column_names(),
                           *std::min_element(times.begin(), times.end()),
                           *std::max_element(times.begin(), times.end()), table.target.time_has_zone)))
      found.emplace(std::strtoll(text_of(row.at(0)).c_str(), nullptr, 10), std::move(row));
    for (std::size_t n = first; n < end; ++n) {
      const auto there = found.find(times[n - first]);
      compare(table, *rows[n], there == found.end() ? nullptr : &there->second);
    }
  }
}

void PivotVerify::compare(const WideTable &table, const WideRow &row, const Row *found) {
  for (std::size_t n = 0; n < table.columns.size(); ++n) {
    const WideColumn &column = table.columns[n];
    if (column.cells->at >= row.width || row.nulls[column.cells->at]) continue;
    ++compared_;
    const std::string expected = text_of(copier_.pass().buffer().value_at(*column.cells, row));
    const Cell there = found != nullptr ? found->at(n + 1) : Cell();
    const Cell shown =
        there && column.cells->type == ValueType::boolean ? Cell(bool_of(there) ? "true" : "false") : there;
    note({table.ship, row.time, column.channel}, expected, shown, shown == expected);
  }
}

// The last reading of a channel and time counts, wherever it comes.
void PivotVerify::note(const Place &place, const std::string &expected, const Cell &found, bool equal) {
  const auto known = differences_.find(place);
  if (known != differences_.end()) {
    if (equal) {
      differences_.erase(known);
      --different_;
    } else {
      known->second = {expected, found};
    }
    return;
  }
  if (equal) return;
  ++different_;
  if (differences_.size() < most_differences) differences_[place] = {expected, found};
}

void PivotVerify::finish() {
  std::vector<PivotDifference> listed;
  for (const auto &[place, difference] : differences_)
    listed.push_back({std::get<0>(place), std::get<2>(place),
                      // Of a clock without zone: as it stands there.
                      text_of_moment(std::get<1>(place)), difference.found ? "different" : "missing",
                      difference.expected, difference.found});
  record_pivot_differences(run_id_, listed);
}

Row PivotVerify::told() const {
  return {std::to_string(compared_), std::to_string(different_), std::to_string(unstored_)};
}

}  // namespace tablesync::pg
