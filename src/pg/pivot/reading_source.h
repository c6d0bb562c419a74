// Where readings come from: a query of this database, or a COPY of another server. Both give them one by one,
// as they come.
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
  // The texts are there until the next reading comes. Returns whether more are wanted.
  virtual bool take(const Reading &reading) = 0;
  // From scan_here(): those that follow need not be later than those before.
  virtual void lose_order() {}
};

// Gives what select_readings() selects here to `sink`, to the end or as long as it wants more; returns how
// many there were. Waits where it would read faster than `rate`.
std::int64_t read_local(const ReadingPlan &plan, const std::string &select, ReadingSink &sink,
                        const Rate &rate, Progress &progress);
// Whether scan_here() can be used for a table of this database: a plain one whose columns are what readings
// are made of, and whose rows nobody hides from the current user.
bool can_scan_local(const ReadingPlan &plan, const Table &table);
// The same for all rows of these ships (none: of all), without a plan of the executor: each row costs half.
// They come in the order of their age (in_order_of_age()) unless lose_order() is called.
std::int64_t scan_local(const ReadingPlan &plan, const Table &table, const std::vector<std::string> &ships,
                        ReadingSink &sink, const Rate &rate, Progress &progress);
// The same as read_here(), of a COPY of the selected rows. Throws 22P04 for what is not the format. If the
// sink wants no more, the stream is left in the middle, and its connection is of no use any more.
std::int64_t read_remote(const ReadingPlan &plan, RowSource &stream, ReadingSink &sink, const Rate &rate,
                         Progress &progress);

}  // namespace tablesync::pg
