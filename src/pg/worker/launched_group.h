// LaunchedGroup: several workers of one run, at work at the same time.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "core/base/progress.h"
#include "core/base/rows.h"
#include "pg/worker/launched.h"

namespace tablesync::pg {

class LaunchedGroup {
 public:
  // Starts as many as there are slots for, and no more than wanted. `task`: of the nth, from 0.
  void start(int wanted, const std::function<WorkerTask(int)> &task);
  int count() const { return static_cast<int>(workers_.size()); }
  // Waits until all have ended well; returns their replies. Throws the first error: then end() them.
  // Meanwhile `progress` is the sum of theirs.
  std::vector<Row> wait(Progress &progress);
  // Ends all at once; then each is waited for.
  void end() noexcept;

 private:
  void wait_loop(Progress &progress);
  static bool look(Launched &worker);
  static void end_at_exit(int, Datum group);

  std::deque<Launched> workers_;  // they stay where they are
};

}  // namespace tablesync::pg
