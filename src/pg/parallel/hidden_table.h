// Hidden tables: tables that parallel loaders fill before they touch the target. Each belongs to the caller,
// is in the target's schema, and is recorded in tablesync.hidden_table by its oid. When its run ends, it has
// become the target or is dropped. If a crash leaves one, the next run of the same target drops it.
#pragma once

#include <cstdint>
#include <string>

#include "core/spec/run_spec.h"
#include "core/table/sync_plan.h"
#include "pg/target/held_relation.h"

namespace tablesync::pg {

// Whether consumers of logical decoding would receive the name of a hidden table of that schema, which they
// do not know: a publication includes the table, or a slot of this database has a plugin of its own.
bool is_name_decoded(const std::string &schema);
// Whether the current user may create a hidden table.
bool may_make_hidden_table(const RunSpec &spec);
// Creates a hidden table with the columns of the stage.
HeldRelation make_hidden_stage(std::int64_t run_id, const RunSpec &spec, const SyncPlan &plan);
// Renames the target, which was created in this transaction, to a hidden name.
HeldRelation hide_target(std::int64_t run_id, const RunSpec &spec, unsigned int target_oid);
// Renames the hidden table, which must be held, to the target. Throws 42P07 where the target exists by now.
void make_target(const HeldRelation &hidden, const RunSpec &spec);
void drop_hidden_table(const HeldRelation &hidden);

// Drops the hidden tables that runs of this target left, as far as the current user may. The caller must hold
// the target's lock.
void drop_hidden_tables_of(const RunSpec &spec);

}  // namespace tablesync::pg
