// Makes the target equal to the stage, touching changed rows only.
#pragma once

#include <cstdint>

#include "core/sync_plan.h"
#include "core/sync_spec.h"
#include "core/table.h"
#include "pg/record/run_record.h"
#include "pg/run/run_steps.h"

namespace tablesync::pg {

enum class Deletes { none, absent_from_stage, absent_from_keys };

struct ApplyJob {
  const SyncSpec &spec;
  const SyncPlan &plan;
  const Table &target;
  std::int64_t staged;      // rows in the stage
  bool exclusively_locked;  // nobody else writes the target
  RunSteps &steps;
  Deletes deletes;
  bool stage_is_everything;  // it holds all rows of the source, not the changed ones only
  std::string marked;        // rows of the stage, as s, for which this holds are to be deleted; or empty
};

// Throws 21000 or 23502 where the stage has a key twice, or a null in one.
void check_keys(const SyncPlan &plan);

// Deletes what the source lacks (where the job says so), then updates and inserts; by key, or as multisets
// of rows where there is none. Fills the counts. Throws
//   21000, 23502  the source has a key twice, or a null in it
//   55000         more rows would be deleted than max_delete_fraction allows
//   08P01         the target did not take every row (a trigger swallowed some)
void apply(const ApplyJob &job, RunCounts &counts);

}  // namespace tablesync::pg
