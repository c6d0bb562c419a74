// The record of what a verification found. Written as run_record.h says.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rows.h"
#include "core/run_spec.h"
#include "pg/sync/compare.h"

namespace tablesync::pg {

// Keeps the differences that it listed.
void record_differences(std::int64_t run_id, const RunSpec &spec, const std::vector<Difference> &differences);
// They, as kind, row_key and columns (an array as text). Read as the current user.
Rows find_differences(std::int64_t run_id);

}  // namespace tablesync::pg
