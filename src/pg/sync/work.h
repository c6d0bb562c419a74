// Work: what a run does between its lock and its commit. sync_worker.cpp runs it, keeps its record and
// commits.
#pragma once

#include <string>

#include "core/rows.h"
#include "pg/sync/run_record.h"

namespace tablesync::pg {

class Work {
 public:
  Work() = default;
  Work(const Work &) = delete;
  Work &operator=(const Work &) = delete;
  virtual ~Work() = default;

  // Does it all, in the current transaction.
  virtual void run() = 0;
  // Writes what must be committed with the rows.
  virtual void record() = 0;
  virtual const RunCounts &counts() const = 0;
  // How far the target is, as the mode counts; empty where it does not.
  virtual std::string told_watermark() const = 0;
  // What the caller is told beside the columns of sync_table().
  virtual Row told() const { return {}; }
};

}  // namespace tablesync::pg
