// Hidden tables: what several loaders fill before the target is touched. Each is the caller's own, in the
// target's schema, on record in tablesync.hidden_table, and gone when its run ends: as the target itself, or
// dropped. What a crash leaves is dropped by the next run of the same target.
#pragma once

#include <cstdint>

#include "core/quote.h"
#include "core/run_spec.h"
#include "core/sync_plan.h"

namespace tablesync::pg {

struct HiddenTable {
  QualifiedName name;
  std::string oid;
};

// Whether the current user may make one.
bool may_make_hidden_table(const RunSpec &spec);
// Makes one that is like the stage.
HiddenTable make_hidden_stage(std::int64_t run_id, const RunSpec &spec, const SyncPlan &plan);
// Hides the target, which was made in this transaction.
HiddenTable hide_target(std::int64_t run_id, const RunSpec &spec, const std::string &target_oid);
// Makes it the target. 42P07 where there is one by now.
void make_target(const HiddenTable &hidden, const RunSpec &spec);
void drop_hidden_table(const HiddenTable &hidden);

// Drops what runs of this target have left, where the current user may. Hold the target's lock.
void drop_hidden_tables_of(const RunSpec &spec);

}  // namespace tablesync::pg
