// CopyOut: the rows of a COPY ... TO STDOUT (FORMAT binary), as one stream of bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "remote/connection.h"

namespace tablesync::remote {

class CopyOut {
 public:
  // Starts the statement. The connection must outlive this.
  CopyOut(Connection &connection, const std::string &sql);
  ~CopyOut();
  CopyOut(const CopyOut &) = delete;
  CopyOut &operator=(const CopyOut &) = delete;

  // Copies at most `capacity` bytes to `buffer`, waiting only while there are fewer than `wanted`.
  // Returns fewer than `wanted` at the end alone, and the end is returned only when the server said that the
  // statement succeeded: a stream that breaks off throws 08006 (or the server's error), never ends.
  // Throws 08P01 where the number of rows received is not the one of the command tag.
  size_t read(char *buffer, size_t wanted, size_t capacity);

  // The next message, whole: one row, perhaps behind the format's header, or its trailer. It stays until the
  // next call and may be written to, up to one byte behind its end. nullptr at the end, under the conditions
  // of read(). Use either this or read().
  char *next_row(size_t &size);

  bool finished() const { return finished_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  bool next_message();
  void take_final_status();

  Connection &connection_;
  char *message_ = nullptr;  // owned: PQfreemem
  size_t size_ = 0;
  size_t taken_ = 0;
  std::int64_t rows_ = 0;
  std::int64_t bytes_ = 0;
  bool finished_ = false;
};

}  // namespace tablesync::remote
