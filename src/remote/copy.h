// CopyOut: the rows of a COPY ... TO STDOUT (FORMAT binary).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/row_source.h"
#include "remote/connection.h"

namespace tablesync::remote {

class CopyOut final : public RowSource {
 public:
  // Starts the statement. The connection must outlive this.
  CopyOut(Connection &connection, const std::string &sql);
  ~CopyOut() override;

  // Returns the end only after the server confirmed that the statement succeeded: a stream that breaks off
  // throws 08006 (or the server's error). Throws 08P01 if the number of received rows differs from that of
  // the command tag.
  char *next_row(std::size_t &size) override;
  bool ready() override;
  void resume() override;

  bool finished() const { return finished_; }
  std::int64_t rows() const override { return rows_; }
  std::int64_t bytes() const override { return bytes_; }

 private:
  bool next_message();
  void take_final_status();

  Connection &connection_;
  char *message_ = nullptr;  // owned: PQfreemem
  size_t size_ = 0;
  bool ahead_ = false;  // the message has not been returned yet
  std::int64_t rows_ = 0;
  std::int64_t bytes_ = 0;
  bool finished_ = false;
};

}  // namespace tablesync::remote
