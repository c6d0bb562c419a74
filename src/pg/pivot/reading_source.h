// Where readings come from: a query of this database, or a COPY of another server. Both give them one by one,
// as they come.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/deparse_pivot.h"
#include "core/progress.h"
#include "core/rate.h"
#include "core/reading.h"
#include "remote/copy.h"

namespace tablesync::pg {

// One row of a narrow table; absent where it is NULL. The texts are there until the next one comes.
struct Reading {
  MaybeText ship, channel;
  std::optional<Moment> time;  // or, of a time without zone, as its clock was
  RawValue value;
};

class ReadingSink {
 public:
  virtual ~ReadingSink() = default;
  virtual void take(const Reading &reading) = 0;
};

// Gives what select_readings() selects here to `sink`; returns how many there were. Waits where it would read
// faster than `rate`.
std::int64_t read_here(const ReadingPlan &plan, const std::string &select, ReadingSink &sink,
                       const Rate &rate, Progress &progress);
// The same of copy_readings(). Throws 22P04 for what is not the format.
std::int64_t read_there(const ReadingPlan &plan, remote::CopyOut &stream, ReadingSink &sink, const Rate &rate,
                        Progress &progress);

}  // namespace tablesync::pg
