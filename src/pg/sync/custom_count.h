// CustomCount: the number of rows that the call's custom_count says the source has.
#pragma once

#include <cstdint>

#include "pg/pair/table_pair.h"

namespace tablesync::pg {

class CustomCount {
 public:
  // Asks the source, where the call has custom_count. Throws 42601 where its result is not one number.
  void read(TablePair &pair);
  // Throws 55000 where the source returned another number of rows: another one than that, or, if not
  // `everything` was read, more.
  void check(std::int64_t rows_read, bool everything) const;

 private:
  std::int64_t counted_ = -1;  // below 0: the call has no custom_count
};

}  // namespace tablesync::pg
