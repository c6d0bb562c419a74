// Compares the rows of a pair of tables, under one snapshot of each side, with few bytes over the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/pair/table_pair.h"
#include "pg/record/difference_record.h"

namespace tablesync::pg {

struct Comparison {
  std::int64_t source_rows = 0;  // without those that are pending
  std::int64_t target_rows = 0;
  std::int64_t missing = 0, extra = 0, different = 0;
  std::vector<Difference> listed;  // the first of them

  std::int64_t total() const { return missing + extra + different; }
};

// `pending`: condition over the source's rows that the target need not have yet; or empty. `limit`: how many
// differences are listed. Leaves them all in the temporary table tablesync_differences until the transaction
// ends; where values must be converted to be compared, all rows in the stage, too.
Comparison compare(TablePair &pair, const std::string &pending, int limit);

// "3 missing, 2 different, 1 extra", and the first of them.
std::string describe_counts(const Comparison &comparison);
std::string describe_first(const Comparison &comparison, const SyncPlan &plan);

}  // namespace tablesync::pg
