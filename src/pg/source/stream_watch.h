// StreamWatch: what a worker does beside reading a stream of rows: publishes how far it is, and keeps within
// a rate.
#pragma once

#include <cstdint>

#include "core/base/progress.h"
#include "core/base/rate.h"
#include "core/base/row_source.h"

namespace tablesync::pg {

class StreamWatch {
 public:
  StreamWatch(const RowSource &stream, const Rate &rate, Progress &progress);
  // After each read.
  void look(bool at_clock);
  // After the last one.
  void finish();

 private:
  void publish_progress(bool at_clock);
  void throttle();

  const RowSource &stream_;
  const Rate &rate_;
  Progress &progress_;
  std::int64_t began_ms_;
  std::int64_t next_memory_check_ms_ = 0;
  std::uint64_t rows_before_, bytes_before_;  // what `progress` had
};

// Private memory of this process in bytes; 0 where the system does not tell.
std::int64_t private_memory();

}  // namespace tablesync::pg
