#include "pg/source/stream_watch.h"

#include <unistd.h>

#include <fstream>

#include "pg/server/latch_host.h"

namespace tablesync::pg {

StreamWatch::StreamWatch(const RowSource &stream, const Rate &rate, Progress &progress)
    : stream_(stream),
      rate_(rate),
      progress_(progress),
      began_ms_(steady_ms()),
      rows_before_(progress.rows),
      bytes_before_(progress.bytes) {}

void StreamWatch::look(bool at_clock) {
  publish_progress(at_clock);
  throttle();
}

// Reading the clock and the memory usage is expensive compared with reading a row.
void StreamWatch::publish_progress(bool at_clock) {
  progress_.rows.store(rows_before_ + static_cast<std::uint64_t>(stream_.rows()), std::memory_order_relaxed);
  progress_.bytes.store(bytes_before_ + static_cast<std::uint64_t>(stream_.bytes()),
                        std::memory_order_relaxed);
  if (!at_clock) return;
  const std::int64_t now = steady_ms();
  if (now < next_memory_check_ms_) return;
  next_memory_check_ms_ = now + 1000;
  progress_.memory_bytes = private_memory();
}

// Unread data stays in the buffers between the two servers, until they are full and the source waits.
void StreamWatch::throttle() {
  if (!rate_.limited()) return;
  const std::int64_t wait_ms = ms_ahead(rate_, stream_.rows(), stream_.bytes(), steady_ms() - began_ms_);
  constexpr std::int64_t worth_a_wait = 20;
  if (wait_ms >= worth_a_wait) wait_for_ms(wait_ms);
}

void StreamWatch::finish() {
  publish_progress(false);
  progress_.memory_bytes = private_memory();
}

std::int64_t private_memory() {
  // proc(5): size, resident, shared, ... in pages.
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0, resident = 0, shared = 0;
  if (!(statm >> size >> resident >> shared)) return 0;
  return (resident - shared) * sysconf(_SC_PAGESIZE);
}

}  // namespace tablesync::pg
