// Work: what a run does between its lock and its end. run.h gives it one transaction after the
// other, keeps its record, and begins anew with a fresh Work where a failure may pass.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/base/rows.h"
#include "pg/record/run_record.h"

namespace tablesync::pg {

class Work {
 public:
  Work() = default;
  Work(const Work &) = delete;
  Work &operator=(const Work &) = delete;
  virtual ~Work() = default;

  // Does the next part, in the current transaction, and writes what must be committed with its rows. True
  // where that was the last part. What earlier parts did is committed: a fresh Work goes on from there.
  virtual bool step() = 0;
  // Whether the last part brought something that a fresh Work goes on from.
  virtual bool progressed() const { return true; }
  // The first transaction that wrote rows of the target; 0: that of the last part.
  virtual std::uint64_t first_xid() const { return 0; }
  // Of the last part.
  virtual const RunCounts &counts() const = 0;
  // How far the target is, as the mode counts; empty where it does not.
  virtual std::string watermark() const = 0;
  // Whether the target is what the source was at one moment.
  virtual bool consistent() const { return true; }
  // After a part has failed: whether the work can go on without what failed, which is then recorded, in the
  // current transaction. `by_source`: the source raised the error.
  virtual bool recover(const Diagnostics &failure, bool by_source) {
    static_cast<void>(failure), static_cast<void>(by_source);
    return false;
  }
  // What the caller is told beside the columns of sync_table().
  virtual Row extra_columns() const { return {}; }
};

}  // namespace tablesync::pg
