// The record of the source of each target and of how far it was read (tablesync.watermark). state.h writes
// and reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/range/watermark.h"
#include "core/spec/run_spec.h"

namespace tablesync::pg {

// The watermark of the target with this oid, or nothing. Every role that may read the target may know it, but
// another role's custom_select, custom_where and soft_delete_column are hidden.
std::optional<Watermark> read_watermark(const std::string &target_oid);
void write_watermark(std::int64_t run_id, const RunSpec &spec, const std::string &target_oid,
                     const Watermark &watermark);

// Settles the restored records of the target with this oid. `holds`: its rows are those of the dump, so its
// watermark and checkpoints become valid; otherwise its watermark and the current user's checkpoint are
// deleted.
void settle_restored(const std::string &target_oid, bool holds);

}  // namespace tablesync::pg
