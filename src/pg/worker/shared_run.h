// SharedRun: the shared memory segment of a caller, its worker, and sessions that watch the run.
//
//   caller writes    the role of the worker, the request
//   worker writes    the run's id once its record is committed, progress, the reply
//   message queue    the worker's errors and notices, in the protocol's own format (pqmq.h)
#pragma once

extern "C" {
#include "postgres.h"

#include "storage/dsm.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
}

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/progress.h"
#include "core/base/rows.h"

namespace tablesync::pg {

struct SharedRun {
  Oid database;
  Oid role;
  pid_t caller_pid;
  std::uint32_t progress_handle;    // this segment, for others to attach to
  std::atomic<bool> caller_failed;  // for example, it was canceled: ends the worker
  bool caller_waits;                // false: the caller only waits for the run's id
  std::atomic<std::int64_t> run_id;
  std::atomic<bool> replied;
  std::atomic<bool> error_is_transient;  // a retry of the run may succeed
  size_t reply_size;
  char reply[16384];  // serialized Row
  Progress progress;
};

// One mapping of the segment in this process. Created by the caller, attached by others.
class SharedSegment {
 public:
  // Creates a segment with `request`. It exists as long as the current resource owner, or other processes
  // that attached to it.
  static SharedSegment create(std::string_view request);
  // Attaches, or finds the existing mapping of this process. run() is nullptr if the segment no longer exists
  // or is not one of ours.
  static SharedSegment attach(dsm_handle handle);
  // Unmaps what create() or attach() mapped; no effect on an earlier mapping.
  void detach();

  SharedRun *run() const { return run_; }
  std::string_view request() const { return request_; }
  shm_mq *queue() const { return queue_; }
  dsm_segment *segment() const { return segment_; }
  dsm_handle handle() const { return dsm_segment_handle(segment_); }

 private:
  void find_parts();
  dsm_segment *segment_ = nullptr;
  bool mapped_here_ = false;
  SharedRun *run_ = nullptr;
  shm_mq *queue_ = nullptr;
  std::string_view request_;
};

std::string serialize(const Row &row);
Row deserialize_row(std::string_view bytes);

}  // namespace tablesync::pg
