// Parallel reading of one table over several connections, in ranges of blocks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/sql/deparse_source.h"

namespace tablesync {

// A range of blocks of every file of a table; `end` below 0: to the end.
struct BlockRange {
  std::int64_t begin, end;
  bool operator==(const BlockRange &) const = default;
};

// Splits a table into ranges of about equal size. `file_blocks`: the blocks of each of its files (its own, or
// those of its partitions). There are enough ranges to keep `readers` busy to the end although rows are
// uneven, and none is so small that requesting it costs more than reading it. A small table is one range.
std::vector<BlockRange> split_blocks(const std::vector<std::int64_t> &file_blocks, int readers);

// Restricts the rows to a range: adds a condition for each end.
SourceRows rows_in(const SourceRows &rows, const BlockRange &range);

// Whether a snapshot that was taken in recovery is the same for sessions that import it. Releases before
// November 2026 lost the transactions in progress, so importers saw their rows.
bool shares_standby_snapshots(int server_version_num);

}  // namespace tablesync
