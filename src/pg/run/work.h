// Work: the work of a run between its lock and its end. run.h provides its transactions, writes its record,
// and starts a new Work after a transient failure.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/base/rows.h"
#include "pg/record/run_record.h"

namespace tablesync::pg {

// How the transaction of a step ends, and what follows.
enum class StepEnd {
  more,   // it is committed; another step follows
  done,   // it is committed with the end of the run
  again,  // it is rolled back, and the step is repeated with what the work has learnt
};

class Work {
 public:
  Work() = default;
  Work(const Work &) = delete;
  Work &operator=(const Work &) = delete;
  virtual ~Work() = default;

  // Does the next part in the current transaction, and writes the records that must commit with its rows.
  // Earlier parts are committed, and a new Work resumes from there. Work without an end always returns
  // `more`.
  virtual StepEnd step() = 0;
  // Whether a new Work would resume after the last part. If so, retries are counted from 0 again.
  virtual bool progressed() const { return true; }
  // The first transaction that wrote rows of the target; 0: the transaction of the last part.
  virtual std::uint64_t first_xid() const { return 0; }
  // The rows of the last part.
  virtual const RunCounts &counts() const = 0;
  // The watermark of the target in the terms of the mode; empty if the mode has none.
  virtual std::string watermark() const = 0;
  // Whether the target equals the source at one moment.
  virtual bool consistent() const { return true; }
  // After a part has failed: whether the work can continue without it; then records the failure in the
  // current transaction. `by_source`: the source raised the error.
  virtual bool recover(const Diagnostics &failure, bool by_source) {
    static_cast<void>(failure), static_cast<void>(by_source);
    return false;
  }
  // Columns of the reply after those of sync_table().
  virtual Row extra_columns() const { return {}; }
};

}  // namespace tablesync::pg
