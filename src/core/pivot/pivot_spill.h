// PivotSpill: keeps a PivotBuffer within its limits, whatever the order of the readings, so that each wide
// row is written once.
//
// When the buffer is full, rows are complete if the readings come in the order of time. These are written,
// and the others stay. In any other order nothing shows which row is complete. Then the rows go back to
// readings, and these and all further ones wait in temporary files, which are parts of the rows by hash.
// After the last reading the parts are read one after the other. A part that does not fit into the buffer is
// split again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/block_files.h"
#include "core/pivot/pivot_buffer.h"

namespace tablesync {

struct PivotLimits {
  std::size_t bytes;
  std::size_t rows;  // complete rows are written when there are so many
};

class PivotSpill {
 public:
  // The buffer and the files must outlive this.
  PivotSpill(PivotBuffer &buffer, BlockFiles &files, PivotLimits limits)
      : buffer_(buffer), files_(files), limits_(limits), rows_to_look_(limits.rows) {}
  PivotSpill(const PivotSpill &) = delete;
  PivotSpill &operator=(const PivotSpill &) = delete;

  // Like PivotBuffer::add(). A reading that waits is `stored`: next() returns it later.
  PivotBuffer::Outcome add(PivotColumn &column, std::int64_t time, const Value &value) {
    return waits_ ? wait(column, time, value) : buffer_.add(column, time, value);
  }
  bool is_full() const { return buffer_.bytes() > limits_.bytes || buffer_.rows() >= rows_to_look_; }
  // Call it when the buffer is full. If it does not return 0, the rows that were touched before that moment
  // are to be written, and clear() called.
  std::uint64_t make_room();
  // Removes rows from the buffer, after they were written.
  void clear(std::uint64_t before) {
    // Parts share no row, so that rows of a part that was read are new to their table.
    buffer_.clear(before, file_ == no_file || before != part_began_);
  }

  struct Reading {
    PivotColumn *column;
    std::int64_t time;
    Value value;
  };
  // Call it after the last add(), until it returns null: returns the readings that wait, which are to be
  // added to the buffer, and make_room() called where it is full. The readings of a row come in the order of
  // their arrival. A reading is valid until the next call.
  const Reading *next();

  // Forgets all that waits, when the files are gone.
  void forget();

 private:
  static constexpr std::size_t parts = 64;  // of the rows, at each level
  static constexpr int part_bits = 6;
  static constexpr std::size_t most_levels = 64 / part_bits;
  static constexpr std::size_t block_size = 4096;
  static constexpr std::size_t no_file = ~std::size_t{0};
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t used = 0;
  };

  PivotBuffer::Outcome wait(PivotColumn &column, std::int64_t time, const Value &value);
  void spill();
  void write_rows();
  void write(PivotColumn &column, std::int64_t time, const Value &value);
  void write_block(std::size_t part);
  void write_blocks();
  bool read();
  bool next_part();

  PivotBuffer &buffer_;
  BlockFiles &files_;
  const PivotLimits limits_;
  std::size_t rows_to_look_;  // whether they are complete
  bool waits_ = false;        // further readings wait
  std::size_t level_ = 0;     // of the files that are written; each has a file for each part
  std::array<Block, parts> to_write_;
  std::vector<std::size_t> parts_read_;  // of each level, from the first
  std::size_t file_ = no_file;           // that is read
  std::uint64_t part_began_ = 0;
  std::string_view block_;  // what is left of the block that was read last
  Reading reading_{};
};

}  // namespace tablesync
