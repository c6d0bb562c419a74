// LaunchedGroup: several workers of one run, at work at the same time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "core/base/progress.h"
#include "core/base/rows.h"
#include "pg/worker/launched.h"

namespace tablesync::pg {

// Lives no longer than the transaction that it was started in.
class LaunchedGroup {
 public:
  LaunchedGroup() = default;
  LaunchedGroup(const LaunchedGroup &) = delete;
  LaunchedGroup &operator=(const LaunchedGroup &) = delete;
  ~LaunchedGroup() { forget(); }

  // Starts as many as there are slots for, and no more than wanted. `task`: of the nth, from 0. Where this
  // process ends by a FATAL error from here on, so do they.
  void start(int wanted, const std::function<WorkerTask(int)> &task);
  int count() const { return static_cast<int>(workers_.size()); }
  // Passes on their messages and adds to `progress` what they have done since the last time. Returns whether
  // any is at work. Does not block. Throws the first error of a worker: then end() them.
  bool poll(Progress &progress);
  // Waits until all have ended well; returns their replies. Throws as poll().
  std::vector<Row> wait(Progress &progress);
  // Ends those that are at work, all at once; then waits for each.
  void end() noexcept;

 private:
  static bool look(Launched &worker);
  static void end_all_at_exit(int, Datum);
  void remember();
  void forget() noexcept;

  std::deque<Launched> workers_;        // they stay where they are
  std::uint64_t rows_ = 0, bytes_ = 0;  // that are in the leader's progress
  bool remembered_ = false;
  LaunchedGroup *next_ = nullptr;  // in the list of those that the process has
};

}  // namespace tablesync::pg
