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

  // Reads the next range, in the current transaction, which is open on both sides; false where there is none.
  // Call committed() when that is committed.
  bool step();
  void committed();
  // The source took longer for a range than a transaction may take: false where it cannot be smaller.
  bool make_smaller();
  std::int64_t count() const { return count_; }
  // Drops the keys.
  void drop() const { keys_.drop(); }

 private:
  TablePair &pair_;
  std::int64_t size_;
  Chunk range_;
  Stage keys_{keys_name, OnCommit::keep};
  bool made_ = false, done_ = false;
  std::int64_t count_ = 0, staged_ = 0;
};

}  // namespace tablesync::pg
