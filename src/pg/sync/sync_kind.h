// sync_table() as a kind of run.
#pragma once

#include "pg/run/run_kind.h"

namespace tablesync::pg {

extern const RunKind sync_kind;

}  // namespace tablesync::pg
