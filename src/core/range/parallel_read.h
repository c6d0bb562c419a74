// How one table is read over several connections: in ranges of blocks, handed out one after the other.
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

// Splits a table, whose files (its own, or those of its partitions) have so many blocks, into ranges that
// hold about as much each: as many as keep `readers` busy to the end though rows are uneven, and none so
// small that asking for it costs more than reading it. One range where the table is too small to be split.
std::vector<BlockRange> split_blocks(const std::vector<std::int64_t> &file_blocks, int readers);

// The rows of a range: as many more conditions as it has ends.
SourceRows rows_in(const SourceRows &rows, const BlockRange &range);

// Whether a snapshot that was taken in recovery means the same to those who import it. Releases before
// November 2026 forgot transactions that were under way: importers saw their rows.
bool shares_standby_snapshots(int server_version_num);

}  // namespace tablesync
