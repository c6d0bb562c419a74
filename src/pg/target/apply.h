// Makes the target equal to the stage, touching changed rows only.
#pragma once

#include <cstdint>

#include "core/base/error.h"
#include "core/range/target.h"
#include "core/spec/sync_spec.h"
#include "core/table/sync_plan.h"
#include "core/table/table.h"
#include "pg/record/run_record.h"
#include "pg/run/run_steps.h"

namespace tablesync::pg {

// listed: the rows in gone_name, unless their key is in the stage.
enum class Deletes { none, absent_from_stage, absent_from_keys, listed };

struct ApplyJob {
  const SyncSpec &spec;
  const SyncPlan &plan;
  Target &target;
  const Table &target_table;
  std::int64_t staged;      // rows in the stage
  bool exclusively_locked;  // nobody else writes the target
  RunSteps &steps;
  Deletes deletes;
  // It holds all rows of the source but the `unchanged` ones; not only those that have changed since.
  bool stage_is_everything;
  bool is_filtered = false;    // rows that the target has as they are were kept out of the stage
  std::int64_t unchanged = 0;  // how many
  std::int64_t gone = 0;       // rows in gone_name; 0: there may be no such table
};

// Throws 21000 or 23502 where a table of the plan's columns has a key twice, or a null in one.
void check_keys(Target &target, const QualifiedName &table, const SyncPlan &plan);
// `key`: the text of a key that more than one row of the source has, alone or as part of the server's detail.
[[noreturn]] void fail_repeated_key(const std::string &key, const SyncPlan &plan);
// Whether the error is a unique_violation of the key.
bool is_of_key(const Diagnostics &error, const SyncPlan &plan);
// Runs f, which writes rows of the source into an empty target. There a unique_violation of the key means
// that the source has the key twice.
template <typename F>
void naming_repeated_key(const SyncPlan &plan, F f) {
  try {
    f();
  } catch (const Error &error) {
    if (is_of_key(error.diagnostics(), plan)) fail_repeated_key(error.diagnostics().detail, plan);
    throw;
  }
}
// Throws 08P01 because the target does not have every row that was written into it.
[[noreturn]] void fail_swallowed(Target &target, const Table &table, const std::string &what,
                                 bool exclusively_locked);

// Deletes what the source lacks (where the job says so), then updates and inserts; by key, or as multisets
// of rows where there is none. Fills the counts. Throws
//   21000, 23502  the source has a key twice, or a null in it
//   55000         more rows would be deleted than max_delete_fraction allows
//   08P01         the target did not accept every row (a trigger dropped some)
void apply(const ApplyJob &job, RunCounts &counts);

}  // namespace tablesync::pg
