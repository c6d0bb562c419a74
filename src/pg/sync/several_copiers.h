// The chunks of a run, by several workers at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/sync_spec.h"
#include "pg/sync/run_record.h"
#include "pg/sync/run_steps.h"

namespace tablesync::pg {

// Copies all chunks that are not handed out yet (but for those that fail, which are on record) by so many
// workers, or by as many as there are slots for; returns what they did, all of it committed. Nothing where
// there is no slot at all: a NOTICE says so. Throws the first error of a worker, when all have ended.
std::optional<RunCounts> copy_by_several(const SyncSpec &spec, std::int64_t run_id, RunSteps &steps,
                                         int wanted);

// What such a worker is told: the sync, and the run.
std::pair<SyncSpec, std::int64_t> deserialize_copier_task(std::string_view bytes);

}  // namespace tablesync::pg
