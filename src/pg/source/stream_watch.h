// StreamWatch: publishes the progress of a worker that reads a stream of rows, and throttles it to a rate.
#pragma once

#include <cstdint>

#include "core/base/progress.h"
#include "core/base/rate.h"
#include "core/base/row_source.h"

namespace tablesync::pg {

class StreamWatch {
 public:
  StreamWatch(const RowSource &stream, const Rate &rate, Progress &progress);
  // Call after each read. `at_clock`: also checks the memory usage.
  void look(bool at_clock);
  // Call after the last read.
  void finish();

 private:
  void publish_progress(bool at_clock);
  void throttle();

  const RowSource &stream_;
  const Rate &rate_;
  Progress &progress_;
  std::int64_t began_ms_;
  std::int64_t next_memory_check_ms_ = 0;
  std::uint64_t rows_before_, bytes_before_;  // of `progress` at the beginning
};

// Private memory of this process in bytes; 0 if unknown.
std::int64_t private_memory();

}  // namespace tablesync::pg
