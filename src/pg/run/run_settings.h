// The settings that the processes of a run work with.
#pragma once

#include "core/spec/run_spec.h"

namespace tablesync::pg {

// The caller's settings that its triggers and types may depend on, then ours.
void apply_settings(const RunSpec &spec);

}  // namespace tablesync::pg
