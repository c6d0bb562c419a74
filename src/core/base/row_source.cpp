#include "core/base/row_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

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

bool PeekedRows::is_empty() {
  if (source_.rows() > 0) return false;
  if (next_ == nullptr) next_ = source_.next_row(size_);
  // A message without a row is the header, which may come alone, or the trailer.
  if (next_ != nullptr && source_.rows() == 0 && header_.empty()) {
    header_.assign(next_, size_);
    next_ = source_.next_row(size_);
  }
  return source_.rows() == 0;
}

char *PeekedRows::next_row(std::size_t &size) {
  if (!header_.empty() && !header_sent_) {
    header_sent_ = true;
    size = header_.size();
    return header_.data();
  }
  if (next_ == nullptr) return source_.next_row(size);
  size = size_;
  return std::exchange(next_, nullptr);
}

}  // namespace tablesync
