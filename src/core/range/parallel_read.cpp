#include "core/range/parallel_read.h"

#include <algorithm>
#include <numeric>

namespace tablesync {
namespace {

constexpr std::int64_t ranges_per_reader = 8;
constexpr std::int64_t least_blocks = 64;

// The number of blocks below this block number, in all files.
std::int64_t blocks_below(const std::vector<std::int64_t> &files, std::int64_t block) {
  return std::accumulate(files.begin(), files.end(), std::int64_t{0},
                         [&](std::int64_t sum, std::int64_t size) { return sum + std::min(size, block); });
}

// The lowest block number below which all files together have at least `wanted` blocks.
std::int64_t block_at(const std::vector<std::int64_t> &files, std::int64_t wanted) {
  std::int64_t low = 0, high = *std::max_element(files.begin(), files.end());
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (blocks_below(files, middle) < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace

std::vector<BlockRange> split_blocks(const std::vector<std::int64_t> &file_blocks, int readers) {
  const std::int64_t total = std::accumulate(file_blocks.begin(), file_blocks.end(), std::int64_t{0});
  const std::int64_t count = std::clamp<std::int64_t>(total / least_blocks, 1, readers * ranges_per_reader);
  std::vector<BlockRange> ranges{{0, -1}};
  for (std::int64_t n = 1; n < count; ++n) {
    const std::int64_t bound = block_at(file_blocks, total / count * n);
    if (bound <= ranges.back().begin) continue;
    ranges.back().end = bound;
    ranges.push_back({bound, -1});
  }
  return ranges;
}

SourceRows rows_in(const SourceRows &rows, const BlockRange &range) {
  SourceRows part = rows;
  for (const std::string &condition : in_blocks(range.begin, range.end)) part.conditions.push_back(condition);
  return part;
}

bool shares_standby_snapshots(int server_version_num) {
  const int major = server_version_num / 10000, minor = server_version_num % 10000;
  switch (major) {
    case 14:
      return minor >= 25;
    case 15:
      return minor >= 20;
    case 16:
      return minor >= 16;
    case 17:
      return minor >= 12;
    case 18:
      return minor >= 6;
    default:
      return major > 18;
  }
}

}  // namespace tablesync
