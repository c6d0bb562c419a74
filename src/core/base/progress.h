// Progress of one run: a worker publishes it, others read and describe it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace tablesync {

enum class Phase : int {
  starting,
  waiting,
  describe,
  source_busy,
  scan,
  copy,
  key,
  remove,
  merge,
  verify,
  commit,
  retrying
};

const char *name_of(Phase phase);
// Whether rows are counted in this phase.
bool counts_rows(Phase phase);

// Lives in shared memory: written by one worker, read by anyone.
struct Progress {
  std::atomic<int> phase{0};
  std::atomic<std::uint64_t> rows{0};             // in this phase
  std::atomic<std::uint64_t> rows_before{0};      // copied in earlier chunks
  std::atomic<std::uint64_t> bytes{0};            // received so far
  std::atomic<std::int64_t> rows_expected{-1};    // in this phase; below 0: unknown
  std::atomic<std::int64_t> phase_started_us{0};  // microseconds, of the clock that the reader uses
  std::atomic<std::int64_t> memory_bytes{0};      // private memory of the worker
};

// A copy of the progress at one moment.
struct ProgressReading {
  Phase phase;
  std::int64_t rows, bytes, rows_expected, memory_bytes;
  double seconds;                // in this phase
  std::int64_t rows_before = 0;  // of the rows, those of earlier chunks

  // Rows per second, share done in percent and seconds left; below 0 if unknown.
  double rate() const;
  double percent() const;
  double seconds_left() const;
};
ProgressReading read(const Progress &progress, std::int64_t now_us);

// "copy: 450,000 of about 2,000,000 rows (22 %), 85.0 MB, 90,000 rows/s, about 17.2 s left"
std::string describe(const ProgressReading &reading);

}  // namespace tablesync
