// Sources of readings: a query of this database, or a COPY from another server. Both pass on one reading
// after the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/progress.h"
#include "core/base/rate.h"
#include "core/base/row_source.h"
#include "core/pivot/reading_stream.h"
#include "core/sql/deparse_readings.h"
#include "core/table/table.h"

namespace tablesync::pg {

class ReadingSink {
 public:
  virtual ~ReadingSink() = default;
  // The texts are valid until take() returns. Returns whether more readings are wanted.
  virtual bool take(const Reading &reading) = 0;
  // scan_local() calls it when the next readings may be older than the previous ones.
  virtual void lose_order() {}
};

// Passes the readings that a query of select_readings() returns in this database to `sink`, as long as it
// wants more. Returns their number. Waits where it would read faster than `rate`.
std::int64_t read_local(const ReadingPlan &plan, const std::string &select, ReadingSink &sink,
                        const Rate &rate, Progress &progress);
// Whether scan_local() can read a table of this database: a plain one whose columns are used as they are, and
// none of whose rows are hidden from the current user.
bool can_scan_local(const ReadingPlan &plan, const Table &table);
// Like read_local(), for all rows of these ships (none: of all ships), but without the executor: a row costs
// half. The readings come in the order of their age (in_order_of_age()) unless lose_order() is called.
std::int64_t scan_local(const ReadingPlan &plan, const Table &table, const std::vector<std::string> &ships,
                        ReadingSink &sink, const Rate &rate, Progress &progress);
// Like read_local(), from a COPY of the selected rows. Throws 22P04 where the stream is not in its format. If
// the sink wants no more, the stream is not read to its end, and its connection cannot be used again.
std::int64_t read_remote(const ReadingPlan &plan, RowSource &stream, ReadingSink &sink, const Rate &rate,
                         Progress &progress);

}  // namespace tablesync::pg
