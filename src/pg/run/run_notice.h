// Notices of a run to its caller.
#pragma once

#include <string>

#include "core/spec/run_spec.h"

namespace tablesync::pg {

// Raises a NOTICE about the run's target.
void notice(const RunSpec &spec, const std::string &text, const std::string &detail = {},
            const std::string &hint = {});

}  // namespace tablesync::pg
