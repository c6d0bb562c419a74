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

enum class Deletes { none, absent_from_stage, absent_from_keys };

struct ApplyJob {
  const SyncSpec &spec;
  const SyncPlan &plan;
  Target &the_target;
  const Table &target;
  std::int64_t staged;      // rows in the stage
  bool exclusively_locked;  // nobody else writes the target
  RunSteps &steps;
  Deletes deletes;
  bool stage_is_everything;  // it holds all rows of the source, not the changed ones only
};

// Throws 21000 or 23502 where a table of the plan's columns has a key twice, or a null in one.
void check_keys(Target &target, const QualifiedName &table, const SyncPlan &plan);
// `key`: the text of one that more than one row of the source has, alone or in what the server said of it.
[[noreturn]] void fail_repeated_key(const std::string &key, const SyncPlan &plan);
// Whether the server's 23505 is of the key.
bool is_of_key(const Diagnostics &error, const SyncPlan &plan);
// Runs f, which writes rows of the source into a target that had none: a 23505 of the key says that the
// source has it twice.
template <typename F>
void naming_repeated_key(const SyncPlan &plan, F f) {
  try {
    f();
  } catch (const Error &error) {
    if (is_of_key(error.diagnostics(), plan)) fail_repeated_key(error.diagnostics().detail, plan);
    throw;
  }
}
// Throws 08P01: the target has not what was written into it.
[[noreturn]] void fail_swallowed(Target &target, const Table &table, const std::string &what,
                                 bool exclusively_locked);

// Deletes what the source lacks (where the job says so), then updates and inserts; by key, or as multisets
// of rows where there is none. Fills the counts. Throws
//   21000, 23502  the source has a key twice, or a null in it
//   55000         more rows would be deleted than max_delete_fraction allows
//   08P01         the target did not take every row (a trigger swallowed some)
void apply(const ApplyJob &job, RunCounts &counts);

}  // namespace tablesync::pg
