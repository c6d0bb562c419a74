// LaunchedGroup: several concurrent workers of one run.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "core/base/progress.h"
#include "core/base/rows.h"
#include "pg/worker/launched.h"

namespace tablesync::pg {

// Must not outlive the transaction in which it was started.
class LaunchedGroup {
 public:
  LaunchedGroup() = default;
  LaunchedGroup(const LaunchedGroup &) = delete;
  LaunchedGroup &operator=(const LaunchedGroup &) = delete;
  ~LaunchedGroup() { forget(); }

  // Starts up to `wanted` workers, as many as there are slots for. `task(n)` returns the task of the nth,
  // from 0. A FATAL error of this process also ends the workers.
  void start(int wanted, const std::function<WorkerTask(int)> &task);
  int count() const { return static_cast<int>(workers_.size()); }
  // Relays their messages and adds their progress since the last poll() to `progress`. Returns whether any
  // worker is running. Does not block. Throws the first error of a worker: then call end().
  bool poll(Progress &progress);
  // Waits until all have succeeded and returns their replies. Throws as poll().
  std::vector<Row> wait(Progress &progress);
  // Terminates all running workers, then waits for each.
  void end() noexcept;

 private:
  static bool look(Launched &worker);
  static void end_all_at_exit(int, Datum);
  void remember();
  void forget() noexcept;

  std::deque<Launched> workers_;        // their addresses are stable
  std::uint64_t rows_ = 0, bytes_ = 0;  // already added to the leader's progress
  bool remembered_ = false;
  LaunchedGroup *next_ = nullptr;  // in the list of the groups of this process
};

}  // namespace tablesync::pg
