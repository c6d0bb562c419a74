#include "pg/target/apply.h"

#include <algorithm>

#include "core/base/record.h"
#include "core/base/text.h"
#include "core/sql/deparse.h"
#include "pg/server/fault.h"
#include "pg/target/triggers.h"

namespace tablesync::pg {
namespace {

[[noreturn]] void fail_swallowed(const ApplyJob &job, const std::string &what) {
  pg::fail_swallowed(job.target, job.target_table, what, job.exclusively_locked);
}

// Runs one statement on the target and sees that every row that it meant to change was changed.
std::int64_t modify(const ApplyJob &job, const std::string &statement, const char *verb) {
  const Modified done = job.target.modify(statement, job.steps.progress());
  if (done.meant > done.rows)
    fail_swallowed(job, "of " + counted(done.meant, "row") + ", " + with_commas(done.rows) + " were " + verb);
  return done.rows;
}

}  // namespace

void fail_swallowed(Target &target, const Table &table, const std::string &what, bool exclusively_locked) {
  const std::vector<std::string> before = before_row_triggers(target, table),
                                 all = triggers_of(target, table);
  const std::string name = display_name(table.name);
  const std::string disable = "disable it: ALTER TABLE " + name + " DISABLE TRIGGER ....";
  std::string detail = "Another session changed the table during the run.", hint = "Run it again.";
  if (!before.empty()) {
    detail = "It has BEFORE ROW triggers that may return NULL: " + join(before, ", ") + ".";
    hint = "Let the trigger return NEW (or OLD) for every row, or " + disable;
  } else if (!all.empty()) {
    detail = "It has triggers that may have changed its rows: " + join(all, ", ") + ".";
    hint = "Let the trigger leave the table's rows alone, or " + disable;
  } else if (exclusively_locked) {
    detail = "No other session could write it, and it has no trigger. An extension may own the table.";
    hint = "Sync into an ordinary table.";
  }
  throw Error(sqlstate::protocol_violation, "\"" + name + "\" did not accept every row: " + what, detail,
              hint);
}

namespace {

// As the server writes them before "=(": whatever its language.
std::string key_columns(const SyncPlan &plan) {
  std::vector<std::string> names;
  for (const std::string &column : plan.key) names.push_back(display_name(column));
  return "(" + join(names, ", ") + ")=";
}

}  // namespace

bool is_of_key(const Diagnostics &error, const SyncPlan &plan) {
  return error.sqlstate == sqlstate::unique_violation &&
         error.detail.find(key_columns(plan) + "(") != std::string::npos;
}

void fail_repeated_key(const std::string &key, const SyncPlan &plan) {
  const std::string columns = join(plan.key, ", "), before = key_columns(plan);
  const size_t at = key.find(before);
  const size_t from = at == std::string::npos ? 0 : at + before.size();
  throw Error(sqlstate::cardinality,
              "source returned key " + key.substr(from, key.rfind(')') + 1 - from) + " more than once",
              plan.key_proven ? "The key is (" + columns +
                                    "), the primary key of the source. Its index on the source must be "
                                    "corrupt because it has a key twice."
                              : "The key is (" + columns + "). " + plan.key_doubt,
              plan.key_proven ? "On the source, set enable_indexscan, enable_indexonlyscan and "
                                "enable_bitmapscan to off, find the rows, keep one of them, and REINDEX the "
                                "table."
              : plan.key_is_coarser
                  ? "Give the column the type and the collation that it has on the source."
                  : "Choose columns that are unique on the source: primary_key => ARRAY[...].");
}

void check_keys(Target &target, const QualifiedName &table, const SyncPlan &plan) {
  const Rows bad = target.query(find_bad_key(table, plan));
  if (bad.empty()) return;
  const auto [key, has_null] = values_of<std::string, bool>(bad.front());
  if (!has_null) fail_repeated_key(key, plan);
  throw Error(sqlstate::not_null_violation,
              "source returned a null in key (" + join(plan.key, ", ") + "): " + key,
              "A null never matches, so the row would be inserted again on every run.",
              "Choose a key without nulls: primary_key => ARRAY[...].");
}

namespace {

// Whether the number of rows in the end proves that each of the stage is in the target, and no other.
bool is_counted(const ApplyJob &job) {
  return job.stage_is_everything &&
         (job.deletes == Deletes::absent_from_stage || job.deletes == Deletes::listed) &&
         job.exclusively_locked && job.spec.verify != VerifyMode::none;
}

// How many rows the target had. Where the stage is not everything it would take a scan to know: only asked
// for where the estimate does not settle the question.
std::int64_t rows_before(const ApplyJob &job, const RunCounts &counts) {
  if (job.stage_is_everything && job.deletes != Deletes::none)
    return counts.deleted + counts.updated + counts.unchanged;
  const double clearly_allowed = job.spec.max_delete_fraction / 10;
  const auto estimate = static_cast<double>(job.target_table.row_estimate);
  if (static_cast<double>(counts.deleted) < clearly_allowed * estimate) return job.target_table.row_estimate;
  return single<std::int64_t>(job.target.query(count_rows(job.target_table.name))) + counts.deleted -
         counts.inserted;
}

void check_deletes(const ApplyJob &job, const RunCounts &counts) {
  // Without a key a changed row is one deleted and one inserted: what counts is how many are gone.
  const std::int64_t lost = job.plan.keyed() ? counts.deleted : counts.deleted - counts.inserted;
  if (lost <= 0) return;
  if (job.staged + job.unchanged == 0 && job.stage_is_everything && job.spec.allow_empty) return;
  const std::int64_t before = rows_before(job, counts);
  if (before <= 0 || static_cast<double>(lost) <= job.spec.max_delete_fraction * static_cast<double>(before))
    return;
  const int percent = static_cast<int>(100.0 * static_cast<double>(lost) / static_cast<double>(before));
  throw Error(sqlstate::wrong_state,
              "refusing to delete " + with_commas(lost) + " of " + counted(before, "row") + " of \"" +
                  display_name(job.target_table.name) + "\"",
              "That is " + std::to_string(percent) + " %, more than max_delete_fraction (" +
                  std::to_string(static_cast<int>(job.spec.max_delete_fraction * 100)) +
                  " %). No row was deleted.",
              "If this is intended, pass options => '{\"max_delete_fraction\": 1}'.");
}

// ---- by key ----------------------------------------------------------------------------------------------

std::string deletion(const ApplyJob &job) {
  const QualifiedName &target = job.target_table.name;
  if (job.deletes == Deletes::listed) {
    const std::string statement = delete_gone(target, job.plan);
    return is_ablated(Ablation::staged_keys) ? statement.substr(0, statement.find(" AND NOT EXISTS"))
                                             : statement;
  }
  return delete_missing(target, job.plan,
                        job.deletes == Deletes::absent_from_keys ? KeysOf::keys : KeysOf::stage);
}

std::int64_t delete_rows(const ApplyJob &job) {
  std::int64_t deleted = 0;
  if (job.deletes == Deletes::none && !job.plan.mark) return 0;
  job.steps.enter(Phase::remove, -1);
  fault_point(FaultPoint::deletes_begun);
  if (job.plan.mark) deleted += modify(job, delete_marked(job.target_table.name, job.plan), "deleted");
  if (job.deletes != Deletes::none && (job.deletes != Deletes::listed || job.gone > 0))
    deleted += modify(job, deletion(job), "deleted");
  fault_point(FaultPoint::deletes_done);
  return deleted;
}

void upsert_rows(const ApplyJob &job, bool by_merge, RunCounts &counts) {
  job.steps.enter(Phase::merge, job.staged);
  if (!by_merge) {
    if (job.plan.has_updatable_columns())
      counts.updated = modify(job, update_changed(job.target_table.name, job.plan), "updated");
    counts.inserted = modify(job, insert_absent(job.target_table.name, job.plan), "inserted");
    return;
  }
  const Modified done = job.target.modify(merge(job.target_table.name, job.plan), job.steps.progress());
  if (done.inserted + done.updated != done.rows)
    fail_swallowed(job, "of " + counted(done.inserted + done.updated, "row") + ", " + with_commas(done.rows) +
                            " were inserted or updated");
  counts.inserted = done.inserted;
  counts.updated = done.updated;
}

// Deletes come first: a row that stays may get a value of a unique index from one that goes. But where
// deleting a row takes others of the table with it, those that stay must first point elsewhere.
void merge_rows(const ApplyJob &job, bool by_merge, RunCounts &counts) {
  const bool cascades = cascades_to_itself(job.target, job.target_table);
  if (!cascades) counts.deleted = delete_rows(job);
  upsert_rows(job, by_merge, counts);
  if (cascades) counts.deleted = delete_rows(job);
}

// Changed rows leave before any row comes in: values of a second unique index may be swapped among them.
void replace_rows(const ApplyJob &job, RunCounts &counts) {
  const std::vector<std::string> references = cascading_references(job.target, job.target_table);
  if (!references.empty())
    throw Error(
        sqlstate::unique_violation,
        "changed rows of \"" + display_name(job.target_table.name) +
            "\" would have to be deleted and inserted again",
        "Another unique index, or a GENERATED ALWAYS identity outside of the key, prevents updating them in "
        "place. Foreign keys with an ON DELETE action reference the table: " +
            join(references, ", ") + ".",
        "Drop the unique constraint, or make the foreign key ON DELETE NO ACTION.");
  counts.deleted = delete_rows(job);
  job.steps.enter(Phase::merge, job.staged);
  counts.updated = modify(job, delete_changed(job.target_table.name, job.plan), "replaced");
  counts.inserted = modify(job, insert_absent(job.target_table.name, job.plan), "inserted") - counts.updated;
}

// A row that was deleted on the source, or changed there unseen, can have a value that another row has now.
[[noreturn]] void fail_blocked(const ApplyJob &job, const Diagnostics &error) {
  for (const UniqueKey &index : job.target_table.keys) {
    if (index.index_name != error.constraint) continue;
    const Rows found = job.target.query(find_blocking_row(job.target_table.name, job.plan, index));
    if (found.empty()) break;
    const auto [row, value] = values_of<std::string, std::string>(found.front());
    throw Error(
        sqlstate::unique_violation,
        "row " + row + " of \"" + display_name(job.target_table.name) +
            "\" blocks a row of the source: unique index \"" + index.index_name + "\" already has " + value,
        "On the source another row has that value now. This run did not read the row that had it before, "
        "because that row was deleted, or changed in a way that the sync cannot see.",
        "Pass delete_missing => true, which deletes rows that the source no longer has, or run "
        "SELECT * FROM verify_table(..., repair => true).");
  }
  throw Error(error);
}

// A 23505 of the key itself comes from the source, or from another writer's row while the target is not
// locked: try again. A 23505 of another unique index comes from the order of updates: replace the rows. A
// 21000 comes from the source. A 0A000 comes from MERGE, which not every table supports: two statements do
// the same. check_keys() then finds a key that the source has twice, where nobody has looked for one before.
void apply_by_key(const ApplyJob &job, RunCounts &counts) {
  // Counting the rows afterwards proves the same, and costs less.
  if (!job.plan.key_proven || !is_counted(job)) check_keys(job.target, job.plan.stage, job.plan);
  bool must_replace = job.plan.updates_need_replace();
  // MERGE does not report how many rows it meant to update, so nobody would notice a row that a trigger
  // drops.
  bool by_merge = before_row_triggers(job.target, job.target_table).empty();
  Diagnostics error;
  for (int attempt = 1; !must_replace; ++attempt) {
    bool in_key = false;
    const bool done = job.target.attempt([&] { merge_rows(job, by_merge, counts); },
                                         [&](const Diagnostics &reported) {
                                           error = reported;
                                           in_key = is_of_key(error, job.plan);
                                           return error.sqlstate == sqlstate::unique_violation ||
                                                  error.sqlstate == sqlstate::cardinality ||
                                                  (by_merge && error.sqlstate == sqlstate::not_supported);
                                         });
    if (done) return;
    if (error.sqlstate == sqlstate::cardinality || in_key) check_keys(job.target, job.plan.stage, job.plan);
    if (error.sqlstate == sqlstate::cardinality || (in_key && (job.exclusively_locked || attempt >= 3)))
      throw Error(error);
    must_replace = error.sqlstate == sqlstate::unique_violation && !in_key;
    if (error.sqlstate == sqlstate::not_supported) by_merge = false;
  }
  const bool done = job.target.attempt([&] { replace_rows(job, counts); },
                                       [&](const Diagnostics &reported) {
                                         error = reported;
                                         return error.sqlstate == sqlstate::unique_violation;
                                       });
  if (!done) fail_blocked(job, error);
}

// ---- as multisets ----------------------------------------------------------------------------------------

// The stage holds the rows that the target lacks, and those that it has too many are listed.
void apply_filtered_multiset(const ApplyJob &job, RunCounts &counts) {
  counts.deleted = delete_rows(job);
  job.steps.enter(Phase::merge, job.staged);
  counts.inserted = modify(job, insert_staged(job.target_table.name, job.plan), "inserted");
}

void apply_by_multiset(const ApplyJob &job, RunCounts &counts) {
  if (job.is_filtered) return apply_filtered_multiset(job, counts);
  job.steps.enter(Phase::remove, -1);
  // Under the same search_path as the statements that use it: the text of a regclass depends on it.
  job.target.execute(create_difference(job.target_table.name, job.plan));
  const auto [lacking, too_many] =
      values_of<std::int64_t, std::int64_t>(only_row(job.target.query(sum_difference())));
  if (job.deletes != Deletes::none) {
    fault_point(FaultPoint::deletes_begun);
    counts.deleted = modify(job, delete_surplus(job.target_table.name, job.plan), "deleted");
    if (counts.deleted != too_many)
      fail_swallowed(job,
                     "of " + counted(too_many, "row") + ", " + with_commas(counts.deleted) + " were deleted");
    fault_point(FaultPoint::deletes_done);
  }
  job.steps.enter(Phase::merge, -1);
  counts.inserted = modify(job, insert_shortfall(job.target_table.name, job.plan), "inserted");
  if (counts.inserted != lacking)
    fail_swallowed(job,
                   "of " + counted(lacking, "row") + ", " + with_commas(counts.inserted) + " were inserted");
}

}  // namespace

void apply(const ApplyJob &job, RunCounts &counts) {
  if (job.plan.keyed())
    apply_by_key(job, counts);
  else
    apply_by_multiset(job, counts);
  fault_point(FaultPoint::merge_done);
  const std::int64_t live =
      job.unchanged +
      (job.plan.mark ? single<std::int64_t>(job.target.query(count_staged(job.plan))) : job.staged);
  counts.unchanged = live - counts.inserted - counts.updated;
  if (counts.unchanged < 0) fail_swallowed(job, "more rows were written than staged");
  check_deletes(job, counts);

  if (!is_counted(job)) return;
  const std::int64_t now = single<std::int64_t>(job.target.query(count_rows(job.target_table.name)));
  if (now == live) return;
  if (job.plan.keyed()) check_keys(job.target, job.plan.stage, job.plan);
  fail_swallowed(job, "the source has " + counted(live, "row") + ", the target has " + with_commas(now));
}

}  // namespace tablesync::pg
