// RowSource: a stream of rows as messages of the binary COPY format, such as the COPY stream of a server or a
// filter over another RowSource.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tablesync {

class RowSource {
 public:
  RowSource() = default;
  RowSource(const RowSource &) = delete;
  RowSource &operator=(const RowSource &) = delete;
  virtual ~RowSource() = default;

  // Returns the next complete message and its size in bytes: one row, perhaps after the header of the format,
  // or the trailer. The message stays valid until the next call of next_row() or ready(), and the caller may
  // write to it, up to one byte past its end. Returns nullptr only when every row has arrived; a source that
  // breaks off throws.
  virtual char *next_row(std::size_t &size) = 0;
  // Whether next_row() would return a message without waiting.
  virtual bool ready() = 0;

  // Call it before the next read where other work was done since the last one: memory that it took is not
  // the stream's.
  virtual void resume() {}

  // The rows and bytes that have arrived so far.
  virtual std::int64_t rows() const = 0;
  virtual std::int64_t bytes() const = 0;
  // Whether it publishes its progress and keeps the rate by itself, since it also reads while no row is asked
  // for.
  virtual bool is_watched() const { return false; }
};

// The bytes of a RowSource, for a reader that asks for a number of bytes.
class RowBytes {
 public:
  // `source` must outlive this object, which must be its only reader.
  explicit RowBytes(RowSource &source) : source_(source) {}

  // Copies at most `capacity` bytes to `buffer`, and waits only while it has fewer than `wanted`. Returns
  // fewer than `wanted` only at the end.
  std::size_t read(char *buffer, std::size_t wanted, std::size_t capacity);

 private:
  RowSource &source_;
  const char *at_ = nullptr;  // in the current message
  std::size_t left_ = 0;
  bool ended_ = false;
};

// A RowSource of which it is known, before it is read, whether it has a row.
class PeekedRows final : public RowSource {
 public:
  // `source` must outlive this object, which must be its only reader.
  explicit PeekedRows(RowSource &source) : source_(source) {}

  // Whether there is no row. Waits for the first one, or for the end.
  bool is_empty();

  char *next_row(std::size_t &size) override;
  void resume() override { source_.resume(); }
  bool ready() override { return next_ != nullptr || source_.ready(); }
  std::int64_t rows() const override { return source_.rows(); }
  std::int64_t bytes() const override { return source_.bytes(); }

 private:
  RowSource &source_;
  std::string header_;  // a message that came before the first row
  bool header_sent_ = false;
  char *next_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace tablesync
