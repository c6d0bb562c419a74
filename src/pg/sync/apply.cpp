#include "pg/sync/apply.h"

#include <algorithm>
#include <cstdlib>

#include "core/deparse.h"
#include "core/text.h"
#include "pg/run/target.h"
#include "pg/server/fault.h"
#include "pg/server/modify_counter.h"
#include "pg/server/spi.h"
#include "pg/server/transaction.h"

namespace tablesync::pg {
namespace {

std::int64_t number(const Rows &rows) { return std::strtoll(text_of(rows.at(0).at(0)).c_str(), nullptr, 10); }

[[noreturn]] void fail_swallowed(const ApplyJob &job, const std::string &what) {
  const std::vector<std::string> triggers = before_row_triggers(job.target);
  const std::string table = display_name(job.target.name);
  throw Error(
      sqlstate::protocol_violation, "\"" + table + "\" did not take every row: " + what,
      triggers.empty() ? "Another session changed the table during the run."
                       : "It has BEFORE ROW triggers that may return NULL: " + join(triggers, ", ") + ".",
      triggers.empty() ? "Run it again."
                       : "Let the trigger return NEW (or OLD) for every row, or disable it: ALTER TABLE " +
                             table + " DISABLE TRIGGER ....");
}

// Runs one statement on the target and sees that every row that it meant to change was changed.
std::int64_t modify(const ApplyJob &job, const std::string &statement, const char *verb) {
  job.steps.progress().rows = 0;
  start_counting(&job.steps.progress().rows);
  const auto done = static_cast<std::int64_t>(execute(statement));
  stop_counting();
  const auto meant = static_cast<std::int64_t>(job.steps.progress().rows.load());
  if (meant > done)
    fail_swallowed(job,
                   "of " + with_commas(meant) + " rows to be " + verb + ", " + with_commas(done) + " were");
  return done;
}

}  // namespace

void check_keys(const SyncPlan &plan) {
  if (plan.key_proven || !plan.keyed()) return;
  const Rows bad = query(find_bad_key(plan));
  if (bad.empty()) return;
  const std::string key = join(plan.key, ", ");
  if (bool_of(bad[0][1])) {
    throw Error(sqlstate::not_null_violation,
                "source returned a null in key (" + key + "): " + text_of(bad[0][0]),
                "A null never matches, so the row would be inserted again on every run.",
                "Choose a key without nulls: primary_key => ARRAY[...].");
  }
  throw Error(sqlstate::cardinality, "source returned key " + text_of(bad[0][0]) + " more than once",
              "The key is (" + key + ").",
              "Choose columns that are unique on the source: primary_key => ARRAY[...].");
}

namespace {

// How many rows the target had. Where the stage is not everything it would take a scan to know: only asked
// for where the estimate does not settle the question.
std::int64_t rows_before(const ApplyJob &job, const RunCounts &counts) {
  if (job.stage_is_everything && job.deletes != Deletes::none)
    return counts.deleted + counts.updated + counts.unchanged;
  const double clearly_allowed = job.spec.max_delete_fraction / 10;
  const auto estimate = static_cast<double>(job.target.row_estimate);
  if (static_cast<double>(counts.deleted) < clearly_allowed * estimate) return job.target.row_estimate;
  return number(query(count_rows(job.target.name))) + counts.deleted - counts.inserted;
}

void check_deletes(const ApplyJob &job, const RunCounts &counts) {
  // Without a key a changed row is one deleted and one inserted: what counts is how many are gone.
  const std::int64_t lost = job.plan.keyed() ? counts.deleted : counts.deleted - counts.inserted;
  if (lost <= 0) return;
  if (job.staged == 0 && job.stage_is_everything && job.spec.allow_empty) return;
  const std::int64_t before = rows_before(job, counts);
  if (before <= 0 || static_cast<double>(lost) <= job.spec.max_delete_fraction * static_cast<double>(before))
    return;
  const int percent = static_cast<int>(100.0 * static_cast<double>(lost) / static_cast<double>(before));
  throw Error(sqlstate::wrong_state,
              "refusing to delete " + with_commas(lost) + " of " + with_commas(before) + " rows of \"" +
                  display_name(job.target.name) + "\"",
              "That is " + std::to_string(percent) + " %, more than max_delete_fraction (" +
                  std::to_string(static_cast<int>(job.spec.max_delete_fraction * 100)) +
                  " %). They are still there.",
              "If it is meant: options => '{\"max_delete_fraction\": 1}'.");
}

// ---- by key ----------------------------------------------------------------------------------------------

std::int64_t delete_rows(const ApplyJob &job) {
  std::int64_t deleted = 0;
  if (job.deletes == Deletes::none && job.marked.empty()) return 0;
  job.steps.enter(Phase::remove, -1);
  fault_point(FaultPoint::deletes_begun);
  if (!job.marked.empty())
    deleted += modify(job, delete_marked(job.target.name, job.plan, job.marked), "deleted");
  if (job.deletes != Deletes::none)
    deleted += modify(job,
                      delete_missing(job.target.name, job.plan,
                                     job.deletes == Deletes::absent_from_keys ? KeysOf::keys : KeysOf::stage),
                      "deleted");
  // They are done with; unless this is undone.
  if (!job.marked.empty()) execute(unstage_marked(job.plan, job.marked));
  fault_point(FaultPoint::deletes_done);
  return deleted;
}

void merge_rows(const ApplyJob &job, RunCounts &counts) {
  counts.deleted = delete_rows(job);
  job.steps.enter(Phase::merge, job.staged);
  // MERGE does not say how many rows it meant to update, so it cannot tell when a trigger swallowed one.
  if (!before_row_triggers(job.target).empty()) {
    if (job.plan.has_updatable_columns())
      counts.updated = modify(job, update_changed(job.target.name, job.plan), "updated");
    counts.inserted = modify(job, insert_absent(job.target.name, job.plan), "inserted");
    return;
  }
  start_counting(&job.steps.progress().rows);
  const auto done = static_cast<std::int64_t>(execute(merge(job.target.name, job.plan)));
  const ModifyCounts acted = stop_counting();
  if (acted.inserted + acted.updated != done)
    fail_swallowed(job, "of " + with_commas(acted.inserted + acted.updated) +
                            " rows to be inserted or updated, " + with_commas(done) + " were");
  counts.inserted = acted.inserted;
  counts.updated = acted.updated;
}

// Changed rows leave before any row comes in: values of a second unique index may be swapped among them.
void replace_rows(const ApplyJob &job, RunCounts &counts) {
  const std::vector<std::string> references = cascading_references(job.target);
  if (!references.empty())
    throw Error(
        sqlstate::unique_violation,
        "changed rows of \"" + display_name(job.target.name) +
            "\" would have to be deleted and inserted again",
        "Another unique index, or a GENERATED ALWAYS identity that is not in the key, forbids to update "
        "them in place. Foreign keys that act on delete point at the table: " +
            join(references, ", ") + ".",
        "Make the unique constraint go, or the foreign key NO ACTION.");
  counts.deleted = delete_rows(job);
  job.steps.enter(Phase::merge, job.staged);
  counts.updated = modify(job, delete_changed(job.target.name, job.plan), "replaced");
  counts.inserted = modify(job, insert_absent(job.target.name, job.plan), "inserted") - counts.updated;
}

bool in_key_index(const ApplyJob &job, const Error &error) {
  const UniqueKey *key = job.target.find_key(job.plan.key);
  return key != nullptr && error.diagnostics().constraint == key->index_name;
}

// A row that is gone from the source, or was changed there unseen, can hold a value that another row has now.
[[noreturn]] void fail_blocked(const ApplyJob &job, const Diagnostics &said) {
  for (const UniqueKey &index : job.target.keys) {
    if (index.index_name != said.constraint) continue;
    const Rows found = query(find_blocking_row(job.target.name, job.plan, index));
    if (found.empty()) break;
    throw Error(
        sqlstate::unique_violation,
        "row " + text_of(found[0][0]) + " of \"" + display_name(job.target.name) +
            "\" blocks a row of the source: unique index \"" + index.index_name + "\" has " +
            text_of(found[0][1]) + " already",
        "The source has given that value to another row, and this run has not read the row that held it: "
        "it was deleted there, or changed without the sync being able to see it.",
        "Pass delete_missing => true, which removes what the source has no longer; or "
        "SELECT * FROM verify_table(..., repair => true).");
  }
  throw Error(said);
}

// A 23505 of the key itself comes from another writer's row, and only while the target is not locked: try
// again. Of another unique index, it comes from the order of updates: replace.
void apply_by_key(const ApplyJob &job, RunCounts &counts) {
  check_keys(job.plan);
  bool must_replace = job.plan.updates_need_replace();
  for (int attempt = 1; !must_replace; ++attempt) {
    bool collided_in_key = false;
    const bool done = in_subtransaction([&] { merge_rows(job, counts); },
                                        [&](const ServerError &error) {
                                          collided_in_key = in_key_index(job, error);
                                          if (error.diagnostics().sqlstate != sqlstate::unique_violation)
                                            return false;
                                          return !collided_in_key || (!job.exclusively_locked && attempt < 3);
                                        });
    if (done) return;
    must_replace = !collided_in_key;
  }
  Diagnostics said;
  const bool done = in_subtransaction([&] { replace_rows(job, counts); },
                                      [&](const ServerError &error) {
                                        said = error.diagnostics();
                                        return said.sqlstate == sqlstate::unique_violation;
                                      });
  if (!done) fail_blocked(job, said);
}

// ---- as multisets ----------------------------------------------------------------------------------------

void apply_by_multiset(const ApplyJob &job, RunCounts &counts) {
  job.steps.enter(Phase::remove, -1);
  // Under the same search_path as the statements that use it: the text of a regclass depends on it.
  execute(create_difference(job.target.name, job.plan));
  const Row difference = query(sum_difference()).at(0);
  const std::int64_t lacking = std::atoll(text_of(difference.at(0)).c_str());
  const std::int64_t too_many = std::atoll(text_of(difference.at(1)).c_str());
  if (job.deletes != Deletes::none) {
    fault_point(FaultPoint::deletes_begun);
    counts.deleted = modify(job, delete_surplus(job.target.name, job.plan), "deleted");
    if (counts.deleted != too_many)
      fail_swallowed(
          job, with_commas(too_many) + " rows were to be deleted, " + with_commas(counts.deleted) + " were");
    fault_point(FaultPoint::deletes_done);
  }
  job.steps.enter(Phase::merge, -1);
  counts.inserted = modify(job, insert_shortfall(job.target.name, job.plan), "inserted");
  if (counts.inserted != lacking)
    fail_swallowed(
        job, with_commas(lacking) + " rows were to be inserted, " + with_commas(counts.inserted) + " were");
}

}  // namespace

void apply(const ApplyJob &job, RunCounts &counts) {
  if (job.plan.keyed())
    apply_by_key(job, counts);
  else
    apply_by_multiset(job, counts);
  fault_point(FaultPoint::merge_done);
  const std::int64_t live = job.marked.empty() ? job.staged : number(query(count_rows(job.plan.stage)));
  counts.unchanged = live - counts.inserted - counts.updated;
  if (counts.unchanged < 0) fail_swallowed(job, "more rows were written than staged");
  check_deletes(job, counts);

  const bool must_agree =
      job.stage_is_everything && job.deletes == Deletes::absent_from_stage && job.exclusively_locked;
  if (job.spec.verify == VerifyMode::none || !must_agree) return;
  const std::int64_t now = number(query(count_rows(job.target.name)));
  if (now != live)
    fail_swallowed(job, "the source has " + with_commas(live) + " rows, the target " + with_commas(now));
}

}  // namespace tablesync::pg
