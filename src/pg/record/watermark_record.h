// The record of what each target was filled from, and how far (tablesync.watermark). See state.h for how it
// is written and read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/range/watermark.h"
#include "core/spec/run_spec.h"

namespace tablesync::pg {

// What the target with this oid was last filled from and how far, or nothing. Whoever may read the target may
// know that; another role's custom_select, custom_where and soft_delete_column are hidden.
std::optional<Watermark> read_watermark(const std::string &target_oid);
void write_watermark(std::int64_t run_id, const RunSpec &spec, const std::string &target_oid,
                     const Watermark &watermark);

// What a dump brought of the target with this oid: where its rows are those of the dump, the watermark and
// the checkpoints hold from now on; else the watermark and the current user's checkpoint are gone.
void settle_restored(const std::string &target_oid, bool holds);

}  // namespace tablesync::pg
