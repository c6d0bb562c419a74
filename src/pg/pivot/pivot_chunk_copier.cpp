#include "pg/pivot/pivot_chunk_copier.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/run/run_notice.h"
#include "pg/run/target_lock.h"
#include "pg/server/fault.h"
#include "pg/server/guc.h"
#include "pg/server/session_option.h"
#include "pg/server/spi.h"
#include "pg/server/transaction.h"
#include "pg/source/make_source.h"
#include "pg/source/source_guard.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {
namespace {

Moment moment_of(const std::string &text) {
  const std::optional<Moment> moment = parse_moment(text);
  if (!moment) throw Error(sqlstate::internal, "\"" + text + "\" is not the time of a chunk");
  return *moment;
}

// The last multiple of `size`, counted from 2000-01-01, that is not above `moment`.
Moment multiple_below(Moment moment, std::int64_t size) {
  const std::int64_t rest = moment % size;
  const std::int64_t above = rest < 0 ? rest + size : rest;
  return moment < before_all + above ? before_all : moment - above;
}

}  // namespace

PivotChunkCopier::PivotChunkCopier(const PivotSpec &spec, std::int64_t run_id, RunSteps &steps,
                                   bool in_parallel)
    : ChunkCopier(spec, run_id, steps, in_parallel), spec_(spec), subject_(subject_of(spec)) {}

Moment first_begin(const PivotSpec &spec, Moment nearest, std::int64_t size, Moment end) {
  if (!spec.newest_first) return nearest;
  const Moment below = multiple_below(nearest, size);
  return end - below > size ? below + size : end;
}

// ---- both sides -------------------------------------------------------------------------------------------

std::string PivotChunkCopier::open() {
  begin_transaction();
  if (pass_) pass_->committed();
  if (!spec_.server.empty()) {
    const bool first = !remote_;
    if (first) {
      remote_ = make_source(host_, spec_.server, spec_.memory_limit_mb);
      fault_point(FaultPoint::source_connected);
    }
    wait_for_source(*remote_, spec_, steps_);
    if (first) remote_->find(sql_name(spec_.source));
    remote_->set_time_limit(max_source_transaction_ms);
    remote_->open();
    remote_->execute(in_order_of_rows());
    narrow_ = remote_->table();
    fault_point(FaultPoint::snapshot_open);
  } else {
    const std::string before = narrow_.oid;
    narrow_ = describe_readable(sql_name(spec_.source));
    if (!before.empty() && narrow_.oid != before)
      throw Error("40001", "\"" + display_name(narrow_.name) + "\" was replaced during the run",
                  "Another table or view has that name now.", "Run it again.");
    for (const char *name : {"synchronize_seqscans", "max_parallel_workers_per_gather"})
      set_session_option(name, "0");
  }
  plan_ = plan_readings(spec_, narrow_);
  if (!source_) {
    source_.emplace(PivotSource{{spec_, display_name(narrow_.name)}, {}});
    // Raises an error if the type of the column has no order.
    if (!spec_.order_by.empty())
      ask(explain(select_readings(plan_, {"false"}) + in_order_of_age(plan_, false)));
  }
  if (claims_) {
    const std::optional<Checkpoint> now = read_checkpoint(subject_);
    if (now) checkpoint = *now;
  }
  // If tables did not match their records, the catalogs show what is wrong with them.
  if (!pass_ || !pass_->is_current())
    pass_ = std::make_unique<PivotPass>(*source_, plan_, run_id_, !claims_, integers_, changes_ > 0);
  fault_point(FaultPoint::target_described);
  return {};
}

void PivotChunkCopier::look_at_tables() {
  pass_ = std::make_unique<PivotPass>(*source_, plan_, run_id_, true, integers_, true);
}

void PivotChunkCopier::close_source() {
  if (remote_) remote_->close();
}

void PivotChunkCopier::lose_source() {
  remote_.reset();
  pass_.reset();
}

Rows PivotChunkCopier::ask(const std::string &sql) { return remote_ ? remote_->query(sql) : query(sql); }

std::vector<std::string> PivotChunkCopier::conditions() const {
  std::vector<std::string> all = of_ships(plan_, spec_.ships);
  for (const std::string &condition : of_channels(plan_, spec_.channels)) all.push_back(condition);
  return all;
}

std::vector<std::string> PivotChunkCopier::of_ships_and_call() const {
  std::vector<std::string> all = of_ships(plan_, spec_.ships);
  for (std::string &condition : of_call(plan_, spec_)) all.push_back(std::move(condition));
  return all;
}

std::int64_t PivotChunkCopier::read(const std::string &select, ReadingSink &sink) {
  if (!remote_) return read_local(plan_, select, sink, spec_.max_rate, steps_.progress());
  const std::unique_ptr<RowSource> stream = remote_->rows(select);
  const std::int64_t count = read_remote(plan_, *stream, sink, spec_.max_rate, steps_.progress());
  counts_.bytes += stream->bytes();
  return count;
}

const std::string &PivotChunkCopier::order() {
  if (!order_)
    order_ = in_order_of_age(plan_, single<std::optional<bool>>(ask(has_ages(narrow_))).value_or(false));
  if (order_->empty())
    notice_once(
        *source_,
        "readings of one ship, channel and time have several values: the last one that is read wins",
        "\"" + display_name(narrow_.name) +
            "\" is not an ordinary table of the source, so its rows do not show which was written later. "
            "The next run may read them in another order.",
        R"(Name a column that is greater in the later reading: options => '{"order_by": "..."}'.)");
  return *order_;
}

// ---- times of the source ----------------------------------------------------------------------------------

PivotChunkCopier::Ends PivotChunkCopier::find_ends(const std::vector<std::string> &conditions) {
  Ends ends;
  for (const bool finite : {false, true}) {
    const auto [oldest, newest] = values_of<std::string, std::string>(
        only_row(ask(oldest_and_newest(plan_, spec_.ships, conditions, finite))));
    ends = {parse_moment(oldest), parse_moment(newest)};
    if (ends.oldest != before_all && ends.newest != after_all) break;
  }
  return ends;
}

bool PivotChunkCopier::finds_times() {
  constexpr double large = 10'000, part = 0.1;  // a table of 80 MB, or so
  const double to_read = total_cost(ask(explain(select_readings(plan_, of_ships_and_call()))));
  const std::string ends = oldest_and_newest(plan_, spec_.ships, of_call(plan_, spec_), false);
  if (to_read < large || total_cost(ask(explain(ends))) < part * to_read) return true;
  notice(spec_, "is read in one chunk, because the source does not find readings by their time",
         "If that chunk fails or is interrupted, all of it is read again.",
         "On the source: CREATE INDEX ON " + display_name(plan_.source) + " (" +
             plan_.column(ReadingColumn::created_time) + ");");
  return false;
}

// A foreign table sends its conditions to a server of any kind, and a view or a partition can lead to one.
void PivotChunkCopier::check_times() {
  if ((narrow_.kind == 'r' || narrow_.kind == 'm') && !narrow_.has_children) return;
  std::optional<Moment> time;
  // The row can be deleted between the two queries.
  for (int tries = 0; tries < 2; ++tries) {
    time = parse_moment(single_or<std::string>(ask(any_time(plan_, spec_.ships)), ""));
    if (!time || *time == before_all || *time == after_all) return;
    if (single<bool>(ask(finds_time(plan_, spec_.ships, *time)))) return;
  }
  const std::string name = display_name(narrow_.name);
  throw Error(
      sqlstate::not_supported, "\"" + name + "\" does not find readings by their time",
      "It has a reading of " + text_of_moment(*time, plan_.time_has_zone) +
          ", but returns none for that time, because the tables behind it compare times differently from "
          "this server.",
      "Read a view of it, which makes this server compare the times: CREATE VIEW ... AS SELECT * FROM " +
          name + " OFFSET 0;");
}

void PivotChunkCopier::notice_beyond_cutoff() {
  const bool may_surprise = spec_.cutoff_is_now || (!plan_.time_has_zone && spec_.time_zone.empty());
  // A chunk that is retried has an end of its own.
  if (!may_surprise || spec_.failed_chunk != 0) return;
  const auto [count, text] = values_of<std::int64_t, std::string>(only_row(ask(beyond_cutoff(plan_, spec_))));
  const std::optional<Moment> newest = parse_moment(text);
  if (newest) notice_beyond({count, *newest});
}

// Clocks differ, and readings arrive while a call begins, so a minute is tolerated.
void PivotChunkCopier::notice_beyond(const BeyondCutoff &beyond) const {
  constexpr Moment minute = 60'000'000;
  if (beyond.count == 0 || (spec_.cutoff_is_now && beyond.newest < spec_.cutoff + minute)) return;
  const std::string zone = spec_.time_zone.empty() ? "UTC" : spec_.time_zone;
  notice_once(*source_,
              counted(beyond.count, "reading") +
                  (beyond.count == 1 ? " is left out because it is" : " are left out because they are") +
                  " not before the cutoff, " + text_of_moment(spec_.cutoff) +
                  (spec_.cutoff_is_now ? ", which is now" : ""),
              "The newest has the time " + text_of_moment(beyond.newest) +
                  (plan_.time_has_zone
                       ? "."
                       : ", if the times of the source, which have no time zone, are in " + zone + "."),
              plan_.time_has_zone
                  ? "To include them: cutoff_time => '...'."
                  : R"(If they are in another time zone: options => '{"time_zone": "..."}'.)");
}

// ---- which chunk ------------------------------------------------------------------------------------------

// Chunks begin and end at multiples of their length since 2000-01-01 UTC, as partitions by day do. The last
// one has all that is left, including readings older than any at the beginning of the run, unless from_time
// excludes them.
void PivotChunkCopier::find_end() {
  Moment begin = moment_of(only_text(checkpoint.lower));
  const Moment far = moment_of(checkpoint.since.value);
  const Bound open = spec_.from == before_all ? Bound{} : Bound{text_of_moment(spec_.from)};
  const std::optional<Moment> next = was_empty_ ? skip_gap(begin) : begin;
  begin = next.value_or(begin);
  if (spec_.newest_first) {
    const Moment lower = multiple_below(begin - 1, size_);
    is_last_ = lower <= far || !next;
    chunk_.upper = {text_of_moment(begin)};
    chunk_.lower = is_last_ ? open : Bound{text_of_moment(lower)};
  } else {
    const Moment upper = next ? std::min(multiple_below(begin, size_) + size_, far) : far;
    is_last_ = upper >= far;
    chunk_.lower = chunk_.number == 1 ? open : Bound{text_of_moment(begin)};
    chunk_.upper = {text_of_moment(upper)};
  }
}

Bound PivotChunkCopier::next_begin() const {
  if (is_last_) return {};
  return spec_.newest_first ? chunk_.lower : chunk_.upper;
}

// After an empty chunk, skips to the next reading, if any, because the gap may be long.
std::optional<Moment> PivotChunkCopier::skip_gap(Moment begin) {
  std::vector<std::string> rest = of_channels(plan_, spec_.channels);
  rest.push_back(spec_.newest_first ? time_before(plan_, begin) : time_from(plan_, begin));
  const Ends found = find_ends(rest);
  const std::optional<Moment> next = spec_.newest_first ? found.newest : found.oldest;
  if (!next) return std::nullopt;
  return first_begin(spec_, *next, size_, begin);
}

// ---- its readings -----------------------------------------------------------------------------------------

bool PivotChunkCopier::copy_rows() {
  steps_.enter(Phase::copy);
  const Moment end = chunk_.upper.empty() ? after_all : moment_of(only_text(chunk_.upper));
  // If all is read up to now, few readings are left out, so the pass filters them instead of the query.
  const bool reads_all = chunk_.lower.empty() && spec_.cutoff_is_now && end == spec_.cutoff &&
                         (plan_.time_has_zone || plan_.time_zone == "UTC");
  if (is_new_ && chunk_.number == 1 && !reads_all) notice_beyond_cutoff();
  const std::string order = in_order_ ? this->order() : "";
  std::vector<std::string> all = conditions(), without_time = all;
  if (!chunk_.lower.empty()) all.push_back(time_from(plan_, moment_of(only_text(chunk_.lower))));
  if (!chunk_.upper.empty() && !reads_all) all.push_back(time_before(plan_, end));
  const bool scans =
      reads_all && !remote_ && spec_.channels.empty() && order.empty() && can_scan_local(plan_, narrow_);
  // The readings of a scan can be in order without a sort.
  pass_->begin(chunk_.lower, chunk_.upper, in_order_ || (scans && plan_.order_by.empty()),
               reads_all ? end : after_all);
  const std::int64_t read_now =
      scans ? scan_local(plan_, narrow_, spec_.ships, *pass_, spec_.max_rate, steps_.progress())
            : read(select_readings(plan_, all) + order, *pass_);
  // Readings without a time are rejected, in one chunk.
  if (chunk_.lower.empty() && plan_.time_may_be_null && !reads_all && !pass_->needs_order()) {
    without_time.push_back(time_is_null(plan_));
    read(select_readings(plan_, without_time), *pass_);
  }
  if (must_repeat()) return false;
  close_source();
  pass_->finish();
  if (must_repeat()) return false;
  if (reads_all && spec_.failed_chunk == 0) notice_beyond(pass_->beyond());
  // The next chunk is read in order too if this one had to be, or if no order is known.
  in_order_ = in_order_ && (order.empty() || pass_->has_two_values());
  changes_ = 0;
  was_empty_ = read_now == 0;
  const std::int64_t bytes = counts_.bytes;
  counts_ = pass_->counts();
  counts_.bytes = bytes;
  return true;
}

// Whether the pass found that its readings must be read again: in order, or after columns are added.
bool PivotChunkCopier::must_repeat() {
  if (pass_->needs_order()) {
    in_order_ = true;
    lose_source();
    return true;
  }
  if (!pass_->lacking().any()) return false;
  lacking_ = pass_->lacking();
  forget_tables();
  return true;
}

void PivotChunkCopier::record_outcome(const Diagnostics *failure) {
  if (failure != nullptr)
    record_failed_chunk(*source_, run_id_, chunk_.number, only_text(chunk_.lower), only_text(chunk_.upper),
                        *failure);
  else if (!is_new_)
    forget_failed_chunk(chunk_run_, chunk_.number);
}

bool PivotChunkCopier::recover(const Diagnostics &failure, bool by_source) {
  if (pass_ && pass_->outdated()) {
    lose_source();
    refresh_wide_columns(*source_);
    // Limits how often changes of tables by others can repeat the chunk.
    constexpr int most_changes = 10;
    return in_chunk() && ++changes_ <= most_changes;
  }
  return ChunkCopier::recover(failure, by_source);
}

bool PivotChunkCopier::alter_tables() {
  if (!lacking_.any()) return false;
  if (remote_) remote_->close();
  change_tables(lacking_);
  lacking_ = {};
  return true;
}

// ---- missing tables and columns ---------------------------------------------------------------------------

// A session waiting for ACCESS EXCLUSIVE blocks everyone queued behind it. So each wait is short, and
// followed by a pause.
void PivotChunkCopier::change_tables(const Lacking &lacking) {
  constexpr std::int64_t first_wait_ms = 50, longest_wait_ms = 2000;
  const std::int64_t began_ms = steady_ms(), limit_ms = lock_timeout_ms();
  const auto no_lock = [](const ServerError &error) {
    return error.diagnostics().sqlstate == sqlstate::lock_not_available;
  };
  const auto change_now = [&] { change_at_once(lacking); };
  for (std::int64_t wait_ms = first_wait_ms;; wait_ms = std::min(2 * wait_ms, longest_wait_ms)) {
    if (steady_ms() - began_ms > limit_ms) {
      change_now();
      break;
    }
    if (with_setting("lock_timeout", "100ms", [&] { return in_subtransaction(change_now, no_lock); })) break;
    wait_for_ms(wait_ms);
  }
  pass_.reset();
}

void PivotChunkCopier::change_at_once(const Lacking &lacking) {
  lock_definition(spec_.target);
  look_at_tables();
  WideTables &tables = pass_->tables();
  tables.add_channels(lacking.channels);
  tables.make_all();
  for (WideTable &table : tables.tables()) tables.build_key(table);
  widen(lacking);
  pass_->begin({}, {}, true);
  pass_->finish();
}

void PivotChunkCopier::widen(const Lacking &lacking) {
  std::map<WideTable *, std::vector<WideColumn *>> columns;
  for (WideTable &table : pass_->tables().tables())
    for (WideColumn &column : table.columns)
      if (lacking.decimals.contains({table.ship, column.channel}) && column.cells->type == ValueType::integer)
        columns[&table].push_back(&column);
  for (const auto &[table, all] : columns) {
    std::vector<std::string> names;
    for (const WideColumn *column : all) names.push_back(column->name);
    if (pass_->tables().widen(*table, names)) continue;
    // One by one, because one of them has a value that would change.
    for (const WideColumn *column : all)
      if (!pass_->tables().widen(*table, {column->name})) integers_.insert({table->ship, column->channel});
  }
}

}  // namespace tablesync::pg
