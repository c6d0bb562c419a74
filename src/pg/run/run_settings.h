// The settings of the processes of a run.
#pragma once

#include "core/spec/run_spec.h"

namespace tablesync::pg {

// Applies the caller's settings, on which triggers and types may depend, then ours.
void apply_settings(const RunSpec &spec);

}  // namespace tablesync::pg
