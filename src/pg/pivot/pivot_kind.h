// pivot_ship() and verify_pivot() as kinds of run.
#pragma once

#include "pg/run/run_kind.h"

namespace tablesync::pg {

extern const RunKind pivot_kind, verify_pivot_kind;

}  // namespace tablesync::pg
