// The settings that the processes of a run work with.
#pragma once

#include "core/sync_spec.h"

namespace tablesync::pg {

// The caller's settings that its triggers and types may depend on, then ours.
void apply_settings(const SyncSpec &spec);

}  // namespace tablesync::pg
