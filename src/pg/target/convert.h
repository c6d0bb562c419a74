// Converts what came over the wire in another form into the stage, and finds the rows that cannot be: their
// key, column and value are named, or they go to tablesync.reject.
#pragma once

#include <cstdint>

#include "core/range/target.h"
#include "core/spec/sync_spec.h"
#include "core/table/sync_plan.h"

namespace tablesync::pg {

// Moves all rows of tablesync_received to `stage`, a table of the plan's target types; returns how many were
// rejected. Throws the first bad row's error (class 22), with the row named, where `on_bad_row` says so.
std::int64_t convert_received_rows(Target &target, const SyncSpec &spec, const SyncPlan &plan,
                                   const QualifiedName &stage, OnBadRow on_bad_row, std::int64_t run_id);

}  // namespace tablesync::pg
