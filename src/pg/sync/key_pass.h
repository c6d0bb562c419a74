// KeyPass: reads the keys of all rows of the source into a table of this session, in ranges, each in a
// transaction of its own. No row that keeps its key is missed, because each range of keys is read in one
// snapshot.
#pragma once

#include <cstdint>

#include "core/range/chunk.h"
#include "pg/pair/table_pair.h"
#include "pg/target/stage.h"

namespace tablesync::pg {

class KeyPass {
 public:
  KeyPass(TablePair &pair, std::int64_t rows_at_a_time) : pair_(pair), size_(rows_at_a_time) {}

  // Reads the next range, in the current transaction, which must be open on both sides. Returns false if
  // there is none.
  bool step();
  // Call it when the transaction of the last step() is committed. No effect after make_smaller().
  void committed();
  // Call it where the source took longer for the range of the last step than a transaction may take. Returns
  // false if the range cannot be smaller.
  bool make_smaller();
  std::int64_t count() const { return count_; }

 private:
  TablePair &pair_;
  std::int64_t size_;
  Chunk range_;
  Stage keys_{*pair_.the_target, keys_name, OnCommit::keep};
  bool made_ = false, done_ = false;
  bool reads_ = false;  // the last step read a range
  std::int64_t count_ = 0, staged_ = 0;
};

}  // namespace tablesync::pg
