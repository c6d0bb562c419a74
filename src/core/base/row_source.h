// RowSource: rows as messages of the binary COPY format, one after the other. The COPY stream of a server is
// one; a filter that wraps another one is one, too.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tablesync {

class RowSource {
 public:
  RowSource() = default;
  RowSource(const RowSource &) = delete;
  RowSource &operator=(const RowSource &) = delete;
  virtual ~RowSource() = default;

  // The next message, whole, and its size in bytes: one row, perhaps behind the header of the format, or the
  // trailer. It stays until the next call of this or of ready(), and may be written to, up to one byte behind
  // its end. nullptr at the end, which is returned only when every row is known to have arrived; a source that
  // breaks off throws.
  virtual char *next_row(std::size_t &size) = 0;
  // Whether next_row() would return a message without waiting.
  virtual bool ready() = 0;

  // What has arrived so far.
  virtual std::int64_t rows() const = 0;
  virtual std::int64_t bytes() const = 0;
};

// The bytes of a RowSource, for a reader that asks for so many at a time.
class RowBytes {
 public:
  // `source` must outlive this, and nobody else may read it.
  explicit RowBytes(RowSource &source) : source_(source) {}

  // Copies at most `capacity` bytes to `buffer`, and waits only while there are fewer than `wanted`. Returns
  // fewer than `wanted` at the end alone.
  std::size_t read(char *buffer, std::size_t wanted, std::size_t capacity);

 private:
  RowSource &source_;
  const char *at_ = nullptr;  // in the current message
  std::size_t left_ = 0;
  bool ended_ = false;
};

}  // namespace tablesync
