#include "core/base/row_source.h"

#include <algorithm>
#include <cstring>

namespace tablesync {

std::size_t RowBytes::read(char *buffer, std::size_t wanted, std::size_t capacity) {
  std::size_t filled = 0;
  while (filled < capacity) {
    if (left_ == 0) {
      if (ended_ || (filled >= wanted && !source_.ready())) break;
      at_ = source_.next_row(left_);
      ended_ = at_ == nullptr;
      if (ended_) left_ = 0;
      continue;
    }
    const std::size_t part = std::min(left_, capacity - filled);
    std::memcpy(buffer + filled, at_, part);
    at_ += part;
    left_ -= part;
    filled += part;
  }
  return filled;
}

}  // namespace tablesync
