// What one of several workers that copy the chunks of a table's sync is told: the sync, and the run.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "core/sync_spec.h"
#include "pg/server/worker.h"

namespace tablesync::pg {

// The task of the nth of so many.
WorkerTask copier_task(const SyncSpec &spec, std::int64_t run_id, int n, int wanted);
std::pair<SyncSpec, std::int64_t> deserialize_copier_task(std::string_view bytes);

}  // namespace tablesync::pg
