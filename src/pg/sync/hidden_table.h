// Hidden tables: what several loaders fill before the target is touched. Each is the caller's own, in the
// target's schema, on record in tablesync.hidden_table, known by its oid, and gone when its run ends: as the
// target itself, or dropped. What a crash leaves is dropped by the next run of the same target.
#pragma once

#include <cstdint>
#include <string>

#include "core/spec/run_spec.h"
#include "core/table/sync_plan.h"
#include "pg/target/held_relation.h"

namespace tablesync::pg {

// Whether the name of a table of that schema, while it is filled, would come to those who decode changes from
// the WAL: it is in a publication with it, or a slot of this database has a plugin of its own. They do not
// know it.
bool is_name_decoded(const std::string &schema);
// Whether the current user may make one.
bool may_make_hidden_table(const RunSpec &spec);
// Makes one that is like the stage.
HeldRelation make_hidden_stage(std::int64_t run_id, const RunSpec &spec, const SyncPlan &plan);
// Hides the target, which was made in this transaction.
HeldRelation hide_target(std::int64_t run_id, const RunSpec &spec, unsigned int target_oid);
// Makes it the target; it must be held. 42P07 where there is one by now.
void make_target(const HeldRelation &hidden, const RunSpec &spec);
void drop_hidden_table(const HeldRelation &hidden);

// Drops what runs of this target have left, where the current user may. Hold the target's lock.
void drop_hidden_tables_of(const RunSpec &spec);

}  // namespace tablesync::pg
