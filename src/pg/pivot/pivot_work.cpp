#include "pg/pivot/pivot_work.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/sql/deparse.h"
#include "pg/pivot/wide_view.h"
#include "pg/record/pivot_record.h"
#include "pg/run/run_notice.h"
#include "pg/server/spi.h"
#include "pg/server/transaction.h"
#include "pg/target/held_relation.h"
#include "pg/worker/shared_run.h"

namespace tablesync::pg {
namespace {

// Drops the tables of these ships (none: of all) that pivot_ship() created and that were not renamed or
// moved, with their views.
void drop_wide_tables(const PivotSource &source, const std::vector<std::string> &ships) {
  for (const KnownTable &table : wide_tables(source)) {
    const bool asked = ships.empty() || std::find(ships.begin(), ships.end(), table.ship) != ships.end();
    if (!table.made_here || !asked) continue;
    // A table that its owner renamed or moved is kept.
    if (table.name != table.recorded || !hold_same({table.oid, table.name, table.owner}, HeldFor::writing)) {
      notice_once(source, "keeps table " + display_name(table.name) + " of ship " + table.ship,
                  "It was created as " + display_name(table.recorded) + " and renamed or moved later.");
      forget_wide_table(table.oid);
      continue;
    }
    drop_wide_view(source, table.ship);
    execute(drop_table(table.name));
    forget_wide_table(table.oid);
  }
}

// Collects the channels of readings.
class Sample final : public ReadingSink {
 public:
  bool take(const Reading &reading) override {
    if (reading.ship.empty() || reading.channel.empty()) return true;
    if (Value value; value_of(reading.value, value, room_, why_))
      found.add({std::string(reading.ship), std::string(reading.channel)}, value);
    return true;
  }
  Lacking found;

 private:
  std::string room_, why_;
};

}  // namespace

PivotWork::PivotWork(const PivotSpec &spec, std::int64_t run_id, RunSteps &steps)
    : spec_(spec),
      run_id_(run_id),
      steps_(steps),
      copier_(spec, run_id, steps, false),
      leader_(spec, run_id, steps, copier_),
      checkpoint_(copier_.checkpoint) {}

StepEnd PivotWork::step() {
  counts_ = {};
  progressed_ = begun_;
  if (!begun_) {
    begun_ = true;
    const StepEnd end = prepare();
    // The first chunk is read in the same transaction, unless tables were changed, which must not be rolled
    // back with it.
    if (end == StepEnd::more && checkpoint_.chunks == 0 && !changed_tables_) return copy_chunk();
    copier_.close_source();
    return end;
  }
  if (copier_.alter_tables()) return StepEnd::more;
  // The checkpoint of start() was rolled back with the first chunk.
  if (starts_ && checkpoint_.chunks == 0 && copier_.in_chunk()) save_start();
  if (copier_.failed() >= most_failed_chunks) return finish();
  const bool redoes = leader_.choose_failed();
  if (!redoes && checkpoint_.complete) return finish();
  if (!redoes && copy_in_parallel()) return StepEnd::more;
  copier_.open();
  return copy_chunk();
}

StepEnd PivotWork::copy_chunk() {
  if (!copier_.in_chunk()) copier_.choose_next();
  const StepEnd copied = copier_.copy();
  counts_ = copier_.counts();
  return copied;
}

// ---- before the first chunk -------------------------------------------------------------------------------

// `done`: there are no chunks to be copied.
StepEnd PivotWork::prepare() {
  steps_.enter(Phase::describe);
  copier_.open();
  check_ships();
  copier_.check_times();
  const std::optional<Checkpoint> begun = read_checkpoint(copier_.subject());
  const bool backfills = spec_.mode == PivotMode::full || spec_.mode == PivotMode::migration_only;
  if (backfills && begun && begun->starts_over)
    notice(
        spec_,
        "starts again from the first chunk, because the dump does not record which of its chunks were done");
  else if (backfills && begun && !spec_.restart) {
    leader_.refuse_other_definition(*begun, definition_of(spec_));
    resume(*begun);
    return StepEnd::more;
  }
  if (spec_.drop_tables && spec_.mode != PivotMode::schema_only) {
    changed_tables_ = true;
    drop_wide_tables(copier_.source(), spec_.ships);
    copier_.forget_tables();
    copier_.close_source();
    copier_.open();
  }
  // The newest chunk shows more channels than a sample of it; the oldest does not show the channels of today.
  if (!backfills || (spec_.mode == PivotMode::full && !spec_.newest_first)) analyze();
  if (!backfills) {
    record_request(copier_.source());
    return StepEnd::done;
  }
  start();
  return StepEnd::more;
}

void PivotWork::check_ships() {
  if (!copier_.plan().has(ReadingColumn::ship_id)) return;
  for (const std::string &ship : spec_.ships)
    if (!single<bool>(copier_.ask(has_ship(copier_.plan(), ship)))) refuse_unknown(ship);
}

void PivotWork::refuse_unknown(const std::string &ship) {
  auto ships = only_column<std::string>(copier_.ask(list_ships(copier_.plan())));
  std::sort(ships.begin(), ships.end());
  const std::string near = nearest(ship, ships);
  constexpr size_t most = 10;
  const size_t shown = std::min(ships.size(), most);
  std::vector<std::string> some(ships.begin(), ships.begin() + static_cast<std::ptrdiff_t>(shown));
  throw Error(
      sqlstate::undefined_object,
      "there are no readings of ship \"" + ship + "\" in \"" + display_name(copier_.plan().source) + "\"",
      ships.empty()
          ? "There are no readings of any ship."
          : "There are readings of " + join(some, ", ") + (ships.size() > shown ? ", and others." : "."),
      near.empty() ? "" : "Perhaps you meant \"" + near + "\".");
}

// Reads a sample of the time before each ship's newest reading, to find the channels.
void PivotWork::analyze() {
  changed_tables_ = true;
  const ReadingPlan &plan = copier_.plan();
  std::vector<SampleWindow> windows;
  for (const Row &row : copier_.ask(newest_by_ship(plan, copier_.of_ships_and_call()))) {
    const auto [ship, time] = values_of<Cell, std::string>(row);
    const std::optional<Moment> newest = parse_moment(time);
    if (!ship || !newest || *newest == before_all) continue;
    windows.push_back({*ship, *newest - std::min(spec_.sample_interval, *newest - before_all), *newest + 1});
  }
  Sample sample;
  if (!windows.empty()) {
    steps_.enter(Phase::copy);
    counts_.read = copier_.read(select_windows(plan, windows, copier_.conditions()), sample);
    steps_.fold("sample");
  }
  make_sampled(sample.found);
}

void PivotWork::make_sampled(const Lacking &found) {
  copier_.close_source();
  if (spec_.mode != PivotMode::schema_only) {
    copier_.change_tables(found);
    copier_.open();
    return;
  }
  std::vector<std::string> statements;
  std::vector<TableCounts> counts;
  in_discarded_subtransaction([&] {
    copier_.look_at_tables();
    WideTables &tables = copier_.pass().tables();
    tables.add_channels(found.channels);
    statements = tables.definition();
    for (const WideTable &table : tables.tables()) {
      const bool asked = spec_.ships.empty() ||
                         std::find(spec_.ships.begin(), spec_.ships.end(), table.ship) != spec_.ships.end();
      if (!asked) continue;
      TableCounts would;
      would.ship = table.ship;
      would.table = display_name(table.name);
      would.columns = static_cast<std::int64_t>(table.columns.size() - table.made);
      counts.push_back(would);
    }
  });
  for (const std::string &statement : statements) notice(spec_, "would run a statement", statement);
  add_counts(run_id_, counts);
}

void PivotWork::resume(const Checkpoint &begun) {
  checkpoint_ = begun;
  checkpoint_.run_id = run_id_;
  leader_.redo_up_to(checkpoint_.chunks);
  notice(spec_, "resumes run " + std::to_string(begun.run_id) + " after " + counted(begun.chunks, "chunk"));
  copier_.save();
}

void PivotWork::start() {
  starts_ = true;
  checkpoint_ = {};
  checkpoint_.run_id = run_id_;
  checkpoint_.request = to_kept(spec_);
  checkpoint_.definition = definition_of(spec_);
  checkpoint_.by = ChunkBy::time;
  checkpoint_.size = spec_.chunk_interval;
  checkpoint_.since.server = spec_.server;
  checkpoint_.since.source = copier_.source().source;
  if (!copier_.finds_times()) {
    // One chunk, which ends beyond all readings and cannot be made smaller.
    checkpoint_.size = 1;
    checkpoint_.lower = {text_of_moment(spec_.newest_first ? spec_.cutoff : spec_.cutoff - 1)};
    checkpoint_.since.value = text_of_moment(spec_.newest_first ? after_all : spec_.cutoff);
    save_start();
    return;
  }
  const PivotChunkCopier::Ends ends = copier_.find_ends(of_call(copier_.plan(), spec_));
  // Without any, there is one chunk, for readings without a finite time.
  const Moment newest = ends.newest.value_or(spec_.cutoff - 1);
  const Moment oldest = std::max(ends.oldest.value_or(newest), spec_.from);
  checkpoint_.lower = {text_of_moment(
      first_begin(spec_, spec_.newest_first ? newest : oldest, checkpoint_.size, spec_.cutoff))};
  checkpoint_.since.value = text_of_moment(spec_.newest_first ? oldest : spec_.cutoff);
  save_start();
}

void PivotWork::save_start() {
  drop_checkpoint(copier_.subject());
  copier_.save();
}

// ---- the chunks -------------------------------------------------------------------------------------------

// The first chunk is copied alone, because it creates the tables. Then parallel workers can fill them.
bool PivotWork::copy_in_parallel() {
  const std::optional<Moment> next = parse_moment(only_text(checkpoint_.lower));
  const std::optional<Moment> end = parse_moment(checkpoint_.since.value);
  if (checkpoint_.chunks == 0 || !next || !end || !leader_.may_have_others()) return false;
  const Moment left = std::max(*next, *end) - std::min(*next, *end);
  const auto wanted = static_cast<int>(
      std::min<std::int64_t>(spec_.parallel_workers, left / std::max<std::int64_t>(checkpoint_.size, 1) + 1));
  if (wanted < 2) return false;
  const std::optional<RunCounts> done =
      leader_.copy_in_parallel(wanted, "tablesync_pivot_chunk_worker", serialize(share_of(spec_, wanted)));
  if (done) counts_ = *done;
  return done.has_value();
}

StepEnd PivotWork::finish() {
  if (leader_.has_failed() || !checkpoint_.complete)
    leader_.fail_incomplete("SELECT * FROM reprocess_failed_chunks(run_id => " + std::to_string(run_id_) +
                            ").");
  drop_checkpoint(copier_.subject());
  if (spec_.failed_chunk != 0)
    forget_failed_chunk(spec_.failed_chunk);
  else
    record_request(copier_.source());
  return StepEnd::done;
}

}  // namespace tablesync::pg
