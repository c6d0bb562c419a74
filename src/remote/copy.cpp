#include "remote/copy.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace tablesync::remote {
namespace {

// Whether a message holds a row. The server sends one message per row; the header of the format may come in
// front of the first row or alone, the trailer (-1 as int16) alone or behind the header ("COPY", Binary
// Format).
bool holds_row(std::string_view message) {
  constexpr std::string_view signature("PGCOPY\n\377\r\n\0", 11);
  constexpr size_t header_size = 19;  // signature, flags, length of the (empty) extension
  if (message.substr(0, signature.size()) == signature)
    message.remove_prefix(std::min(header_size, message.size()));
  return !message.empty() && message != std::string_view("\377\377", 2);
}

}  // namespace

CopyOut::CopyOut(Connection &connection, const std::string &sql) : connection_(connection) {
  connection_.start_copy_out(sql);
}

CopyOut::~CopyOut() { PQfreemem(message_); }

char *CopyOut::next_row(std::size_t &size) {
  while (!ready()) {
    if (finished_) return nullptr;
    connection_.wait_readable();
  }
  ahead_ = false;
  size = size_;
  return message_;
}

void CopyOut::resume() { connection_.measure_memory(); }

bool CopyOut::ready() {
  if (!ahead_ && !finished_) ahead_ = next_message();
  return ahead_;
}

// Makes the next message the current one. False if libpq has no complete one yet, or at the end.
bool CopyOut::next_message() {
  PGconn *const raw = connection_.connection_.get();
  PQfreemem(message_);
  message_ = nullptr;
  if (size_ > 0) connection_.message_arrived(static_cast<std::int64_t>(size_));
  size_ = 0;
  int length = PQgetCopyData(raw, &message_, 1);
  if (length == 0) {
    // The bytes have often arrived already; checking is cheaper than waiting.
    connection_.take_input();
    length = PQgetCopyData(raw, &message_, 1);
  }
  if (length == 0) return false;
  if (length == -2) connection_.fail_in_libpq();
  if (length == -1) {
    take_final_status();
    return false;
  }
  if (length > connection_.limit_) throw Error(connection_.too_large());
  size_ = static_cast<size_t>(length);
  bytes_ += length;
  if (holds_row({message_, size_})) ++rows_;
  return true;
}

// After the end of the data the final status follows: an error in the middle arrives only now.
void CopyOut::take_final_status() {
  connection_.expect_end();
  const Connection::Result result = connection_.next_result();
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) connection_.fail(result.get());
  const std::int64_t promised = std::strtoll(PQcmdTuples(result.get()), nullptr, 10);
  connection_.drain();
  if (promised != rows_)
    throw Error(sqlstate::protocol_violation,
                "received " + std::to_string(rows_) + (rows_ == 1 ? " row" : " rows") +
                    ", but the server sent " + std::to_string(promised),
                "The server is \"" + connection_.server_name_ + "\".");
  finished_ = true;
}

}  // namespace tablesync::remote
