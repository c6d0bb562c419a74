#include "pg/sync/table_sync.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/range/mode_rules.h"
#include "core/sql/deparse.h"
#include "core/table/target_files.h"
#include "pg/changes/absent_rows.h"
#include "pg/pair/compare.h"
#include "pg/pair/field_bounds.h"
#include "pg/server/fault.h"
#include "pg/sync/field_notices.h"
#include "pg/sync/next_watermark.h"
#include "pg/target/stage.h"
#include "pg/target/target_table.h"
#include "pg/target/triggers.h"

namespace tablesync::pg {

void TableSync::open() {
  steps_.enter(Phase::describe);
  stage_.forget();
  changed_.reset();
  pair_.open(true);
  choose_rows();
}

void TableSync::prepare() {
  open();
  if (!window_.why.empty()) notice(spec_, "reads everything, because " + window_.why);
  if (pair_.horizon) notice_horizon(pair_);
  if (spec_.mode == SyncMode::incremental) cap_ = notice_feed(pair_, *field_);
  count_.read(pair_);
}

// One step, or two if several workers read the source: their table must be committed before they can fill it.
StepEnd TableSync::step() {
  if (!parallel_) prepare();
  return finish();
}

StepEnd TableSync::finish() {
  if (parallel_)
    copy_in_parallel();
  else if (begin_in_parallel())
    return StepEnd::more;
  else
    copy();
  advance();
  fault_point(FaultPoint::watermark_computed);
  if (spec_.verify == VerifyMode::full) verify();
  pair_.target->record(pair_.run_id, spec_, pair_.target_table.oid, watermark_);
  // A sync in chunks that was begun before is obsolete, because all rows are in the target now.
  if (pair_.checkpoint) drop_checkpoint(pair_.target_table.oid);
  if (parallel_ && merged_) drop_hidden_table(parallel_->hidden());
  if (changed_) changed_->end();
  return StepEnd::done;
}

// Chooses the rows of the sync, and those of them that this run reads.
void TableSync::choose_rows() {
  const Table &source = pair_.source_table;
  if (spec_.mode == SyncMode::incremental)
    field_ = find_incremental_field(source, spec_.incremental_field, spec_.incremental_field_type);
  check_mode(spec_, source, pair_.plan.keyed());

  // The watermark does not cover the rows that the chunks of a first load have copied so far.
  const bool began_empty = pair_.target_is_empty || (pair_.checkpoint && pair_.checkpoint->first_load);
  window_ = choose_window(spec_, pair_.known, source, pair_.source->position(), began_empty,
                          [&](int timeline) { return pair_.source->switch_point(timeline); });
  if (window_.kind != ReadWindow::Kind::everything &&
      was_rewritten(pair_.known->target_files, pair_.files_of_target()))
    window_ = {ReadWindow::Kind::everything, std::string(rewritten) + " since the last run"};
  choose_conditions(pair_.known);
}

void TableSync::catch_up(const Watermark &since) {
  since_ = since;
  window_ = choose_catch_up(since, pair_.source_table, pair_.source->position(),
                            [&](int timeline) { return pair_.source->switch_point(timeline); });
  choose_conditions(since_);
}

void TableSync::conclude(const Watermark &since, std::int64_t keys) {
  since_ = since;
  window_ = {ReadWindow::Kind::nothing, {}};
  concludes_ = true;
  staged_keys_ = keys;
  choose_conditions(since_);
}

// Adds the conditions of the window. `known`: the watermark that the window begins with.
void TableSync::choose_conditions(const std::optional<Watermark> &known) {
  rows_ = pair_.all_rows;
  // Rows that are marked as deleted must be read, so that the target deletes them.
  const bool deletes_absent = spec_.mode == SyncMode::full && spec_.delete_missing;
  if (!pair_.target_is_empty && !deletes_absent) std::erase(rows_.conditions, pair_.live_rows);
  switch (window_.kind) {
    case ReadWindow::Kind::everything:
      break;
    case ReadWindow::Kind::at_or_above_value: {
      const std::string bound = lower_bound(*field_, known->value, *pair_.horizon, spec_);
      rows_.conditions.push_back(at_or_above(*field_, bound, no_days(bound)));
      break;
    }
    case ReadWindow::Kind::written_since_position:
      rows_.conditions.push_back(written_since(pair_.source_table, known->position.xmin));
      break;
    case ReadWindow::Kind::nothing:
      rows_.conditions.emplace_back("false");
      break;
  }
}

std::optional<std::vector<std::string>> TableSync::no_days(const std::string &bound) {
  if (!may_hold_no_day(field_->kind) || !spec_.custom_select.empty()) return std::nullopt;
  return pair_.source->no_days(*field_, bound);
}

// Whether this run reads every row that custom_count counts.
bool TableSync::reads_all_rows() const {
  return reads_everything() && rows_.conditions.size() == pair_.all_rows.conditions.size();
}

// ---- copy ----------------------------------------------------------------------------------------------

void TableSync::enter_copy() {
  steps_.enter(Phase::copy, reads_everything() ? pair_.source->table().row_estimate : -1);
}

void TableSync::copy() {
  if (may_store_directly()) {
    enter_copy();
    copy_into_target();
  } else {
    copy_into_stage();
  }
  finish_copy();
}

void TableSync::finish_copy() {
  for (const Column &column : pair_.target_table.columns)
    if (column.identity != 0 && (pair_.counts.inserted > 0 || since_))
      pair_.target->query(advance_identity(spec_.target, column.name));
  if (pair_.target_is_empty && pair_.counts.read > 0 && may_analyze(*pair_.target, pair_.target_table)) {
    pair_.target->execute(analyze(spec_.target));
    fault_point(FaultPoint::target_analyzed);
  }
}

// ---- copy in parallel ----------------------------------------------------------------------------------

bool TableSync::begin_in_parallel() {
  if (since_) return false;  // chunks leave little to read
  // One reader that stages what has changed is faster than several that stage everything.
  if (!pair_.target_is_empty && why_all_are_staged().empty()) return false;
  parallel_ = ParallelLoad::prepare(pair_, rows_, window_.kind == ReadWindow::Kind::at_or_above_value);
  return parallel_ != nullptr;
}

// Others may have changed or created the target while the loaders worked.
void TableSync::copy_in_parallel() {
  enter_copy();
  parallel_->run(pair_);
  if (parallel_->makes_target() && pair_.target->find(spec_.target) == 0) {
    make_target(parallel_->hidden(), spec_);
    if (pair_.plan.keyed() && !pair_.plan.key_proven) check_keys(*pair_.target, spec_.target, pair_.plan);
    pair_.counts.inserted = pair_.counts.read;
    finish_first_load(pair_.counts.read);
  } else {
    pair_.open_target_again();
    parallel_->check_unchanged(pair_);
    pair_.plan.stage = parallel_->hidden().name;
    merge_stage(pair_.counts.read);
  }
  finish_copy();
}

// In a first load the target is empty and locked by us, so an abort leaves no rows behind.
bool TableSync::may_store_directly() {
  return pair_.target_is_empty && pair_.exclusively_locked && !pair_.plan.converts() &&
         (pair_.plan.key_proven || !pair_.plan.keyed()) && pair_.target_is_plain();
}

void TableSync::copy_into_target() {
  std::int64_t stored = 0;
  {
    const std::unique_ptr<RowSource> stream = pair_.source->rows(rows_, pair_.plan);
    naming_repeated_key(pair_.plan, [&] {
      stored = pair_.target->load(*stream, spec_.target, pair_.plan, pair_.target_is_new, spec_.max_rate,
                                  steps_.progress());
    });
    pair_.counts.read = pair_.counts.inserted = stream->rows();
    pair_.counts.bytes = stream->bytes();
  }
  finish_first_load(stored);
}

void TableSync::finish_first_load(std::int64_t stored) {
  leave_source();
  count_.check(pair_.counts.read, reads_all_rows());
  if (stored != pair_.counts.read)
    throw Error(sqlstate::protocol_violation,
                "\"" + display_name(spec_.target) + "\" did not accept every row: of " +
                    counted(pair_.counts.read, "row") + ", " + with_commas(stored) + " were stored",
                "A BEFORE ROW trigger returned NULL: " +
                    join(before_row_triggers(*pair_.target, pair_.target_table), ", ") + ".",
                "Let the trigger return NEW for every row, or disable it: ALTER TABLE " +
                    display_name(spec_.target) + " DISABLE TRIGGER ....");
  check_seen(stored);
  if (pair_.plan.target_key_pending) pair_.build_key(pair_.counts.bytes);
}

// The rows were written without the executor, so a statement checks that readers will see them.
void TableSync::check_seen(std::int64_t stored) const {
  if (stored == 0 || spec_.verify == VerifyMode::none) return;
  std::int64_t seen = stored;
  if (!pair_.target_is_new)
    seen = single<std::int64_t>(pair_.target->query(count_rows(spec_.target)));
  else if (single<bool>(pair_.target->query(is_empty(spec_.target))))
    seen = 0;
  if (seen != stored)
    fail_swallowed(*pair_.target, pair_.target_table,
                   "of " + counted(stored, "row") + " stored, " + with_commas(seen) + " are visible", true);
}

void TableSync::copy_into_stage() { merge_stage(stage_rows()); }

std::string TableSync::why_all_are_staged() {
  if (!reads_everything() || since_) return "the run reads a part of the rows";
  return ChangedRows::obstacle(pair_);
}

// Nothing where every row must be staged.
std::optional<std::int64_t> TableSync::stage_changed_rows() {
  std::string why_not = why_all_are_staged();
  if (why_not.empty()) changed_ = ChangedRows::of(pair_, rows_, why_not);
  enter_copy();
  if (!changed_) {
    if (reads_everything() && !since_) steps_.explain("stages every row, because " + why_not);
    return std::nullopt;
  }
  const std::int64_t staged = changed_->stage(stage_);
  if (!changed_->repeats_key()) return staged;
  // Two rows have one key, or hashes of two keys are equal by accident. The statements find out which.
  changed_->end();
  changed_.reset();
  return std::nullopt;
}

std::int64_t TableSync::stage_rows() {
  if (const std::optional<std::int64_t> staged = stage_changed_rows()) return *staged;
  pair_.counts.read = 0;
  return pair_.stage_if_any(stage_, pair_.plan.staged(), rows_);
}

// What comes next uses the stage, even where no row is in it.
void TableSync::need_stage() {
  if (!stage_.is_made() && !parallel_) stage_.make(pair_.plan.staged());
}

void TableSync::merge_stage(std::int64_t staged) {
  merged_ = true;
  count_.check(pair_.counts.read, reads_all_rows());
  if (reads_everything() && spec_.delete_missing) refuse_empty(pair_.counts.read);
  // Rows that were written between chunks are found by their transaction, or by their key.
  const bool between_chunks =
      since_ && !concludes_ && window_.kind != ReadWindow::Kind::written_since_position;
  if (!reads_everything() && !concludes_) {
    // If a key may be in several chunks, or equal another key in the target, only the keys of all rows
    // together show it.
    const bool needs_keys = spec_.delete_missing || between_chunks || pair_.plan.key_is_coarser ||
                            (since_ && !pair_.plan.key_proven);
    if (needs_keys)
      stage_keys();
    else if (!pair_.plan.key_proven && staged > 0)
      pair_.check_source_keys(staged);
  }
  if (staged_keys_ >= 0) {
    need_stage();
    check_keys(*pair_.target, keys_name, pair_.plan);
    staged = add_absent_rows(staged);
  }
  leave_source();
  if (is_unchanged(staged)) return;
  need_stage();
  const bool everything = reads_everything();
  const bool all_staged = everything && !changed_;
  // A small part of the target is found by the index of the key, whatever the statistics are.
  const bool small_part = !all_staged && staged < pair_.target_table.row_estimate / 50;
  if (staged > 1000 && !small_part)
    pair_.target->query(all_staged ? analyze(pair_.plan.stage) : analyze(pair_.plan.stage, pair_.plan.key));
  if (pair_.plan.target_key_pending) pair_.build_key(0);
  apply_stage(staged, choose_deletes(), everything);
}

// Whether the target is equal to the source already.
bool TableSync::is_unchanged(std::int64_t staged) {
  if (!reads_everything()) return staged == 0 && staged_keys_ < 0 && !pair_.plan.target_key_pending;
  if (!changed_ || staged > 0 || (spec_.delete_missing && changed_->gone() > 0)) return false;
  pair_.counts.unchanged = changed_->unchanged();
  return true;
}

// Ends the transaction on the source, which need not wait for ours.
void TableSync::leave_source() {
  if (field_ && asks_source_for_highest()) {
    highest_on_source_ = single_or<std::string>(
        pair_.source->query(select(since_ ? pair_.all_rows : rows_,
                                   highest_in_field(*field_, quote_identifier(field_->name)))),
        "");
  }
  if (spec_.verify != VerifyMode::full) pair_.source->close();
  fault_point(FaultPoint::source_done);
}

// Whether neither the target nor the stage shows the highest value of the source: the target has the field in
// another type, such as a date that was a number, or the stage has only changed rows.
bool TableSync::asks_source_for_highest() const {
  if (changed_) return true;
  const std::vector<ColumnPlan> &columns = pair_.plan.columns;
  return std::any_of(columns.begin(), columns.end(), [&](const ColumnPlan &column) {
    return column.name == field_->name && column.converted();
  });
}

// Reads the keys of all rows in the same snapshot: a row whose key is not among them is gone.
void TableSync::stage_keys() {
  const SyncPlan keys = pair_.plan.key_alone();
  Stage stage(*pair_.target, keys_name);
  stage.make(keys);
  staged_keys_ = pair_.stage(stage.name(), keys, pair_.all_rows);
  stage.analyze();
  fault_point(FaultPoint::keys_staged);
}

// Adds rows of the source that are neither in the target nor among the changed ones, such as a row whose key
// was changed without its field. Returns the number of rows that are in the stage then.
std::int64_t TableSync::add_absent_rows(std::int64_t staged) {
  if (spec_.delete_missing) refuse_empty(staged_keys_);
  AbsentRows absent(pair_);
  const std::int64_t count = absent.find();
  // Rows that were loaded in parallel are in a table of several processes, and rejected rows are recorded.
  const bool may_read_all = !since_ && !parallel_ && pair_.counts.rejected == 0;
  if (may_read_all && is_cheaper_to_read_all(count, staged_keys_))
    staged = stage_everything("the target lacks " + counted(count, "row") + " of the source");
  else
    staged += absent.fetch();
  fault_point(FaultPoint::absent_rows_fetched);
  return staged;
}

std::int64_t TableSync::stage_everything(const std::string &why) {
  window_ = {ReadWindow::Kind::everything, why};
  notice(spec_, "reads everything, because " + why);
  choose_conditions(pair_.known);
  pair_.counts.read = 0;
  const std::int64_t staged = stage_rows();
  count_.check(pair_.counts.read, reads_all_rows());
  return staged;
}

void TableSync::refuse_empty(std::int64_t rows) const {
  if (rows > 0 || pair_.target_is_empty || spec_.allow_empty) return;
  const auto present = single<std::int64_t>(pair_.target->query(count_rows(spec_.target)));
  throw Error(
      sqlstate::wrong_state,
      "refusing to delete all " + counted(present, "row") + " of \"" + display_name(spec_.target) + "\"",
      "The source returned no rows.", "If it is really empty: options => '{\"allow_empty\": true}'.");
}

Deletes TableSync::choose_deletes() const {
  if (!spec_.delete_missing) return Deletes::none;
  if (window_.kind != ReadWindow::Kind::everything) return Deletes::absent_from_keys;
  if (changed_) return Deletes::listed;
  if (pair_.counts.rejected == 0) return Deletes::absent_from_stage;
  // A rejected row is still on the source, so it must not count as gone.
  notice(spec_, "deletes nothing, because rows were rejected", {},
         "SELECT * FROM tablesync.reject WHERE run_id = " + std::to_string(pair_.run_id) + ".");
  return Deletes::none;
}

void TableSync::apply_stage(std::int64_t staged, Deletes deletes, bool stage_is_everything) {
  const std::int64_t gone = deletes == Deletes::listed ? changed_->gone() : 0;
  if (gone > 0) changed_->list_gone();
  SyncPlan plan = pair_.plan;
  if (const std::string bounds = select_bounds(plan);
      pair_.target_table.kind == 'p' && staged > 0 && !bounds.empty())
    plan.bounds = within_bounds(plan, only_row(pair_.target->query(bounds)));
  const ApplyJob job{spec_,
                     plan,
                     *pair_.target,
                     pair_.target_table,
                     staged,
                     pair_.exclusively_locked,
                     steps_,
                     deletes,
                     stage_is_everything && deletes != Deletes::none,
                     changed_ != nullptr,
                     changed_ ? changed_->unchanged() : 0,
                     gone};
  // The few rows are to be found by their key. At the default cost of a page the whole target would be read.
  if (!stage_is_everything || changed_) pair_.target->set("random_page_cost", "1.1");
  apply(job, pair_.counts);
}

// ---- watermark -----------------------------------------------------------------------------------------

// Sets the watermark that the next run relies on. It is written in the transaction of the rows.
void TableSync::advance() {
  watermark_ = next_watermark(pair_, window_, since_);
  if (spec_.mode == SyncMode::incremental)
    advance_watermark(watermark_, *field_, highest(), *pair_.horizon, pair_.source->clock(), spec_, cap_);
}

// The highest value of the field that this run has read; empty where it has read none.
std::string TableSync::highest() {
  if (asks_source_for_highest()) return highest_on_source_;
  if (!merged_ || since_) return find_highest(*pair_.target, *field_, spec_.target);
  return stage_.is_made() || parallel_ ? find_highest(*pair_.target, *field_, pair_.plan.stage) : "";
}

// Compares the rows of the source, in the snapshot that was read, with the target.
void TableSync::verify() {
  steps_.enter(Phase::verify);
  const std::int64_t read = pair_.counts.read;
  Comparison found = compare(pair_, {}, spec_.max_differences);
  fault_point(FaultPoint::target_compared);
  pair_.counts.read = read;
  pair_.source->close();
  // Without a delete pass the target may have rows that are gone from the source.
  if (!spec_.delete_missing) found.extra = 0;
  if (found.total() == 0) return;
  throw Error(sqlstate::wrong_state,
              "\"" + display_name(spec_.target) + "\" differs from the source: " + describe_counts(found),
              describe_first(found, pair_.plan),
              (since_ ? "" : "This run changed nothing. ") + std::string("SELECT * FROM verify_table(") +
                  quote_literal(spec_.server) + ", " + quote_literal(spec_.source) + ", " +
                  quote_literal(display_name(spec_.target)) + ", repair => true) repairs it.");
}

std::string TableSync::watermark() const {
  if (spec_.mode == SyncMode::full) return {};
  return spec_.mode == SyncMode::xmin ? std::to_string(watermark_.position.xmin) : watermark_.value;
}

}  // namespace tablesync::pg
