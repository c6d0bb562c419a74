// KnownRows: the rows of a table as hashes, 16 bytes each, to be compared with a stream of rows. A hash table
// with open addressing (Knuth, The Art of Computer Programming 3, 6.4, algorithm L).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace tablesync {

// Two hashes of a row, 64 bits each. They must be distributed evenly.
struct RowHashes {
  std::uint64_t key;    // of its key; where the table has none, a first hash of the whole row
  std::uint64_t image;  // of the whole row
};

class KnownRows {
 public:
  // Rows with a key are there once, and a row of the stream is compared with the one that has its key. Rows
  // without a key may be there several times, and each of them stands for one row of the stream.
  explicit KnownRows(bool keyed) : keyed_(keyed) {}

  // How many rows fit into so many bytes, and how many bytes so many rows take.
  static std::int64_t rows_in(std::int64_t bytes);
  static std::int64_t bytes_of(std::int64_t rows);
  // Forgets all rows and makes room for so many. Throws std::bad_alloc.
  void make_room(std::int64_t rows);
  // Forgets all rows and keeps the room.
  void clear();

  // Adds a row that `times` rows of the table are like. False, and nothing done, where there is no room.
  bool add(const RowHashes &row, std::uint64_t times = 1);

  enum class Found {
    nothing,  // no row has this key, or is like this one
    changed,  // the row with this key is another one
    same,     // there is such a row
    again     // the row with this key was taken before
  };
  // Looks for a row of the stream, and takes the row that it finds.
  Found take(const RowHashes &row);
  // Takes exactly this row. False where it is not there, or was taken.
  bool take_same(const RowHashes &row);

  // The rows that were not taken.
  std::int64_t left() const { return left_; }
  // Calls f(row, times) for each of them, as add() takes them, until it returns false.
  template <typename F>
  void each_left(F f) const {
    for (std::size_t n = 0; n < size_; ++n) {
      const Slot &slot = slots_[n];
      if (slot.key == 0 || times_of(slot) == 0) continue;
      if (!f(RowHashes{slot.key, slot.image}, times_of(slot))) return;
    }
  }

 private:
  // `key` 0: free. `image`: of rows with a key 63 bits of the hash, and the lowest one says that the row was
  // taken; of others the upper half is of the hash, and the lower half counts the rows that were not taken.
  struct Slot {
    std::uint64_t key;
    std::uint64_t image;
  };
  static constexpr std::uint64_t taken = 1, count_mask = 0xffffffff;

  static std::uint64_t key_of(const RowHashes &row) { return row.key == 0 ? 1 : row.key; }
  std::uint64_t times_of(const Slot &slot) const {
    return keyed_ ? (slot.image & taken) ^ taken : slot.image & count_mask;
  }
  bool is_same(const Slot &slot, const RowHashes &row) const {
    return (slot.image | mask()) == (row.image | mask());
  }
  std::uint64_t mask() const { return keyed_ ? taken : count_mask; }
  std::size_t first_slot(std::uint64_t key) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::size_t>((static_cast<Wide>(key) * size_) >> 64);
  }
  std::size_t next_slot(std::size_t n) const { return n + 1 == size_ ? 0 : n + 1; }

  const bool keyed_;
  std::unique_ptr<Slot[]> slots_;
  std::size_t size_ = 0, used_ = 0, most_ = 0;  // most_: slots that may be used, so that one stays free
  std::int64_t left_ = 0;
};

}  // namespace tablesync
