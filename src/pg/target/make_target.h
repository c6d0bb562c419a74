// The one place that decides which kind of Target serves a call.
#pragma once

#include <memory>

#include "core/range/target.h"
#include "core/spec/sync_spec.h"

namespace tablesync::pg {

std::unique_ptr<Target> make_target(const SyncSpec &spec);

}  // namespace tablesync::pg
