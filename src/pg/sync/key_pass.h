// KeyPass: the keys of all rows of the source, read in ranges, each in a transaction of its own, into a table
// of this session. A row whose key stays as it is is among them: each range of keys is read in one snapshot.
#pragma once

#include <cstdint>

#include "core/range/chunk.h"
#include "pg/pair/table_pair.h"
#include "pg/target/stage.h"

namespace tablesync::pg {

class KeyPass {
 public:
  KeyPass(TablePair &pair, std::int64_t rows_at_a_time) : pair_(pair), size_(rows_at_a_time) {}

  // Reads the next range, in the current transaction, which is open on both sides; false if there is none.
  bool step();
  // What the last step read is committed, if it read a range that was not given to make_smaller().
  void committed();
  // The source took longer for the range of the last step than a transaction may take. Returns false if it
  // cannot be smaller.
  bool make_smaller();
  std::int64_t count() const { return count_; }

 private:
  TablePair &pair_;
  std::int64_t size_;
  Chunk range_;
  Stage keys_{*pair_.the_target, keys_name, OnCommit::keep};
  bool made_ = false, done_ = false;
  bool reads_ = false;  // a range, in the last step
  std::int64_t count_ = 0, staged_ = 0;
};

}  // namespace tablesync::pg
