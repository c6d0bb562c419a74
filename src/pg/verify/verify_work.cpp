#include "pg/verify/verify_work.h"

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/sql/deparse.h"
#include "core/sql/deparse_verify.h"
#include "pg/record/difference_record.h"
#include "pg/server/fault.h"
#include "pg/target/apply.h"
#include "pg/target/stage.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {

StepEnd VerifyWork::step() {
  steps_.enter(Phase::describe);
  take_definition();
  pair_.emplace(spec_, run_id_, steps_);
  pair_->open(false);
  pending_ = choose_pending();
  steps_.enter(Phase::verify);
  found_ = compare(*pair_, pending_, spec_.max_differences);
  fault_point(FaultPoint::target_compared);
  counts_.read = found_.source_rows;
  counts_.rejected = pair_->counts.rejected;
  counts_.unchanged = found_.target_rows - found_.extra - found_.different;
  if (spec_.command == Command::repair) repair();
  if (pair_->source) pair_->source->close();
  record_differences(run_id_, spec_, found_.listed);
  if (watermark_) pair_->target->record(run_id_, spec_, pair_->target_table.oid, *watermark_);
  return StepEnd::done;
}

// Takes the definition that the target was filled by, unless the call has its own.
void VerifyWork::take_definition() {
  const bool given =
      !spec_.custom_select.empty() || !spec_.custom_where.empty() || !spec_.soft_delete_column.empty();
  const unsigned int oid = make_target(spec_)->find(spec_.target);
  if (given || oid == 0) return;
  const std::optional<Watermark> known = make_target(spec_)->watermark(std::to_string(oid));
  if (!known || known->server != spec_.server) return;
  if (known->hidden_definition)
    throw Error(
        sqlstate::wrong_state,
        "another role filled \"" + display_name(spec_.target) + "\" from a part of the source's rows",
        "The part is defined by SQL of that role, which is not run with your privileges.",
        "Pass custom_select, custom_where or the option soft_delete_column, or call it as that role.");
  spec_.custom_select = known->custom_select;
  spec_.custom_where = known->custom_where;
  spec_.soft_delete_column = known->soft_delete_column;
}

// Returns a condition for the rows that the next sync would read: the target need not have them yet.
std::string VerifyWork::choose_pending() {
  if (!pair_->known || !pair_->source) return {};
  const std::optional<std::string> pending =
      unproven_rows(*pair_->known, pair_->source_table, pair_->source->position(),
                    [&](int timeline) { return pair_->source->switch_point(timeline); });
  if (!pending)
    notice(spec_, "all rows are compared, because the watermark does not describe the source as it is now");
  if (pending && !pending->empty() && !pair_->plan.keyed())
    notice(
        spec_,
        "rows that the next sync will read may be listed as extra, because there is no key to identify them",
        {}, "Pass primary_key => ARRAY[...].");
  return pending.value_or("");
}

void VerifyWork::repair() {
  refuse_older_source();
  const std::int64_t wanted = found_.missing + found_.different;
  constexpr std::int64_t worth_a_sync = 1'000'000;
  if (wanted > worth_a_sync)
    throw Error(sqlstate::wrong_state,
                "refusing to repair " + counted(wanted, "row") + " of \"" + display_name(spec_.target) +
                    "\" one by one",
                describe_counts(found_) + ".", "A full sync is faster: sync_mode => 'full'.");
  if (!pair_->plan.keyed() && found_.total() > 0)
    throw Error(sqlstate::invalid_key,
                "there is no key to repair the rows of \"" + display_name(spec_.target) + "\" by",
                describe_counts(found_) + ".", "Run a full sync, which compares rows without a key too.");
  refuse_many_deletes();
  if (pair_->counts.rejected > 0 && found_.extra > 0)
    throw Error(
        sqlstate::wrong_state,
        "refusing to delete rows of \"" + display_name(spec_.target) + "\" that may still be on the source",
        counted(pair_->counts.rejected, "row") +
            " of the source could not be converted, and may be among them.",
        "Correct them on the source, or convert them in custom_select.");
  if (found_.extra > 0) {
    steps_.enter(Phase::remove, found_.extra);
    const auto deleted = pair_->target->execute(delete_extra(pair_->target_table.name, pair_->plan));
    if (deleted != found_.extra)
      throw Error(sqlstate::protocol_violation,
                  "\"" + display_name(spec_.target) + "\" did not delete every row: of " +
                      with_commas(found_.extra) + " rows, " + with_commas(deleted) + " were deleted");
    counts_.deleted = deleted;
  }
  if (wanted > 0) {
    std::int64_t staged = found_.source_rows;
    if (!pair_->plan.converts()) {
      Stage(*pair_->target, stage_name).make(pair_->plan);
      staged = pair_->stage_by_key(pair_->target->query(list_keys_to_fetch(pair_->plan.key.size())));
      if (staged != wanted) check_keys(*pair_->target, stage_name, pair_->plan);
      if (staged != wanted)
        throw Error(
            sqlstate::protocol_violation,
            "of " + with_commas(wanted) + " rows that the source has, it returned " + with_commas(staged));
    }
    RunCounts written;
    apply({spec_, pair_->plan, *pair_->target, pair_->target_table, staged, pair_->exclusively_locked, steps_,
           Deletes::none, false},
          written);
    counts_.inserted = written.inserted;
    counts_.updated = written.updated;
  }
  fault_point(FaultPoint::rows_repaired);
  choose_watermark();
}

// A standby that lags does not have the rows yet that a sync copied from the primary. A repair would delete
// them, and the next sync would copy them again.
void VerifyWork::refuse_older_source() {
  if (!pair_->source || !pair_->known) return;
  if (!is_behind(*pair_->known, pair_->source_table, pair_->source->position())) return;
  // A primary that is behind was restored from a backup: there are no newer rows.
  if (!pair_->source->files().in_recovery) return;
  throw Error(sqlstate::wrong_state,
              "refusing to repair \"" + display_name(spec_.target) + "\" from a standby that is behind",
              "The standby is at " + pair_->source->position().lsn +
                  "; the target has rows that were read at " + pair_->known->last_read.lsn + ".",
              "Wait until the standby has caught up, or repair from the primary.");
}

void VerifyWork::refuse_many_deletes() const {
  const double allowed = spec_.max_delete_fraction * static_cast<double>(found_.target_rows);
  if (found_.extra == 0 || static_cast<double>(found_.extra) <= allowed) return;
  if (found_.source_rows == 0 && spec_.allow_empty) return;
  throw Error(
      sqlstate::wrong_state,
      "refusing to delete " + with_commas(found_.extra) + " of " + with_commas(found_.target_rows) +
          " rows of \"" + display_name(spec_.target) + "\"",
      "The source has no rows with these keys. They are more than max_delete_fraction allows, so none was "
      "deleted.",
      "If this is intended, pass options => '{\"max_delete_fraction\": 1}'.");
}

// All rows were compared and repaired. So the target equals the source in this snapshot, whatever history the
// watermark belongs to.
void VerifyWork::choose_watermark() {
  const bool adopts = !pair_->known && spec_.adopt && counts_.rejected == 0;
  if (!pair_->source || (!pair_->known && !adopts)) return;
  const bool is_own = !pair_->known || pair_->known->own;
  if (pending_.empty() || is_own) watermark_ = pair_->known.value_or(Watermark{});
  if (!watermark_) return;
  // The repaired rows are as new as this read, whatever the next sync will read.
  watermark_->last_read = pair_->source->position();
  if (!pending_.empty()) return;
  const Table &source = pair_->source_table;
  watermark_->server = spec_.server;
  watermark_->source = display_name(source.name);
  watermark_->custom_select = spec_.custom_select;
  watermark_->custom_where = spec_.custom_where;
  watermark_->soft_delete_column = spec_.deleting_column();
  watermark_->take_table(source);
  watermark_->target_files = pair_->files_of_target();
  watermark_->position = pair_->source->position();
}

Row VerifyWork::extra_columns() const {
  return encode(ComparedRows{found_.source_rows, found_.missing, found_.extra, found_.different});
}

}  // namespace tablesync::pg
