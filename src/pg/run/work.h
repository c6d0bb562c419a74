// Work: what a run does between its lock and its end. run.h gives it one transaction after the other, keeps
// its record, and begins again with a new Work after a failure that may pass.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/base/rows.h"
#include "pg/record/run_record.h"

namespace tablesync::pg {

// What becomes of the transaction of a step, and what comes next.
enum class StepEnd {
  more,   // it is committed; another step follows
  done,   // it is committed with the end of the run
  again,  // it is rolled back, and the step is repeated: the work has learnt what the step needs
};

class Work {
 public:
  Work() = default;
  Work(const Work &) = delete;
  Work &operator=(const Work &) = delete;
  virtual ~Work() = default;

  // Does the next part, in the current transaction, and writes what must be committed with its rows. What
  // earlier parts did is committed, and a new Work goes on from there. Work without an end returns `more`
  // each time.
  virtual StepEnd step() = 0;
  // Whether the last part brought something that a new Work goes on from. If so, its retries are counted from
  // 0.
  virtual bool progressed() const { return true; }
  // The first transaction that wrote rows of the target; 0: that of the last part.
  virtual std::uint64_t first_xid() const { return 0; }
  // The rows of the last part.
  virtual const RunCounts &counts() const = 0;
  // How far the target is, as the mode counts; empty if it does not count.
  virtual std::string watermark() const = 0;
  // Whether the target is what the source was at one moment.
  virtual bool consistent() const { return true; }
  // After a part has failed: whether the work can go on without what failed, which is then recorded in the
  // current transaction. `by_source`: the source raised the error.
  virtual bool recover(const Diagnostics &failure, bool by_source) {
    static_cast<void>(failure), static_cast<void>(by_source);
    return false;
  }
  // Columns of the reply after those of sync_table().
  virtual Row extra_columns() const { return {}; }
};

}  // namespace tablesync::pg
