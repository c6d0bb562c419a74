// BlockFiles: temporary files of blocks of bytes, for data that does not fit into memory.
#pragma once

#include <cstddef>
#include <string_view>

namespace tablesync {

// Files are numbered from 0, and are empty at first. A file is written, then read once.
class BlockFiles {
 public:
  virtual ~BlockFiles() = default;
  // The block must not be empty.
  virtual void append(std::size_t file, std::string_view block) = 0;
  // Returns the blocks in the order in which they came, each valid until the next call. After the last one,
  // returns an empty view; the file is empty then.
  virtual std::string_view next(std::size_t file) = 0;
};

}  // namespace tablesync
