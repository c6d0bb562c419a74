// Counts what a MERGE, INSERT or DELETE of this process does, row by row: exact numbers per action (the
// command tag of MERGE has one total only, up to PostgreSQL 16), and rows so far while it runs.
#pragma once

#include <atomic>
#include <cstdint>

namespace tablesync::pg {

struct ModifyCounts {
  std::int64_t inserted = 0;  // attempted: a BEFORE trigger that returns NULL counts too
  std::int64_t updated = 0;
  std::int64_t deleted = 0;
};

void install_modify_counter();

// Until stop_counting(), the outermost statement that modifies rows adds every row that reaches it to
// `rows_seen`.
void start_counting(std::atomic<std::uint64_t> *rows_seen);
// Ends counting and returns the counts of the MERGE that ran after start_counting().
ModifyCounts stop_counting();

}  // namespace tablesync::pg
