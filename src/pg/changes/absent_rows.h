// AbsentRows: rows of the source that are neither in the target nor in the stage. The rows of a run that
// reads changes only do not include them, for example where a key was changed without its field, or where
// somebody deleted rows of the target.
#pragma once

#include <cstdint>

#include "pg/pair/table_pair.h"
#include "pg/target/stage.h"

namespace tablesync::pg {

class AbsentRows {
 public:
  explicit AbsentRows(TablePair &pair) : pair_(pair), keys_(*pair.target, absent_name) {}

  // Finds their keys among those in keys_name. Returns the number of keys, which stay in a temporary table
  // until the transaction ends.
  std::int64_t find();
  // Adds the rows with these keys to the stage. Returns the number of rows. Memory is bounded, whatever the
  // number is.
  std::int64_t fetch();

 private:
  TablePair &pair_;
  Stage keys_;
};

// Whether reading the whole source takes less than fetching so many of its rows by their keys.
bool is_cheaper_to_read_all(std::int64_t absent, std::int64_t rows_of_source);

}  // namespace tablesync::pg
