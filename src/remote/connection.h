// Connection: a libpq connection that never blocks its process.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/rows.h"
#include "core/base/text.h"
#include "core/spec/connection_option.h"
#include "core/table/describe.h"
#include "remote/host.h"

namespace tablesync::remote {

// How far connecting got before it failed.
enum class ConnectStep { lookup, tcp, tls, login };
const char *name_of(ConnectStep step);

class ConnectError : public Error {
 public:
  ConnectError(Diagnostics diagnostics, ConnectStep step, bool transient)
      : Error(std::move(diagnostics)), step_(step), transient_(transient) {}
  ConnectStep step() const noexcept { return step_; }
  // Whether a retry may succeed without intervention: the server is down or full.
  bool transient() const noexcept { return transient_; }

 private:
  ConnectStep step_;
  bool transient_;
};

struct ConnectionSettings {
  std::string server_name;                // for messages
  std::vector<ConnectionOption> options;  // from connection_options()
  std::string client_encoding;            // the name libpq knows it by
  bool password_must_be_used = false;
  std::chrono::milliseconds stall_timeout{300000};   // longest time without a byte from the server
  std::int64_t most_bytes = std::int64_t{64} << 20;  // memory for what the server sends; see row_limit()
};

// The largest row of a COPY within a memory limit of `most_bytes`: about five copies of a row are in memory
// (libpq's buffer, the message, the value, the tuple, the written data).
std::int64_t row_limit(std::int64_t most_bytes);

class Connection {
 public:
  // Connects. Throws ConnectError 08001 (DETAIL has the server's message), or 2F003 if the password was not
  // used. `host` must outlive the connection.
  Connection(Host &host, const ConnectionSettings &settings);
  ~Connection();
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;

  // Runs one statement with text parameters; returns its rows, whose texts are valid in the encoding of this
  // process. Throws the server's error (SQLSTATE, detail, hint, context), 08006 if the connection broke or
  // the answer is not complete within stall_timeout, 54000 if it is larger than most_bytes, 22021 for invalid
  // text, and 08P01 for an unexpected answer.
  Rows query(const std::string &sql, const std::vector<std::string> &parameters = {});
  // query() in two steps, so that both servers can work concurrently. The source may compute for any time
  // without sending a byte: keepalives detect a lost connection.
  void start_query(const std::string &sql);
  Rows finish_query();
  // Runs a batch of our own statements in one round trip; rows are dropped.
  void execute(const std::string &batch);
  // Has the server parse one statement without running it, and returns the columns of its result; none if it
  // is not a query. Sets `parameters` to the number of its parameters.
  std::vector<ResultColumn> describe(const std::string &sql, int &parameters);
  // Starts COPY ... TO STDOUT, which CopyOut then reads.
  void start_copy_out(const std::string &sql);

  // Whether a transaction is open on the server.
  bool in_transaction() const { return PQtransactionStatus(connection_.get()) != PQTRANS_IDLE; }
  int server_version() const { return PQserverVersion(connection_.get()); }
  std::string user() const { return PQuser(connection_.get()); }
  bool encrypted() const { return PQsslInUse(connection_.get()) != 0; }
  // "15.20", as the server names itself.
  std::string server_version_text() const;

 private:
  friend class CopyOut;
  struct Finish {
    Host *host;
    void operator()(PGconn *connection) const noexcept {
      PQfinish(connection);
      host->release_descriptor();
    }
  };
  struct Clear {
    void operator()(PGresult *result) const noexcept { PQclear(result); }
  };
  using Result = std::unique_ptr<PGresult, Clear>;

  enum class Patience { bounded, endless };  // bounded: stall_timeout limits the whole answer

  void start(const ConnectionSettings &settings);
  void connect(const ConnectionSettings &settings);
  void begin_statement(Patience patience);
  void expect_end();
  void send(int sent);
  void send_query(const std::string &sql, const std::vector<std::string> &parameters);
  Rows take_rows();
  Row take_row(const PGresult *result, std::int64_t &bytes) const;
  std::string valid_text(std::string_view text) const;
  Result next_result();
  void drain();
  void wait_for(Host::For what);
  void wait_readable();
  void take_input();
  // Limits on messages that are no answer, and on libpq's memory.
  static void receive_notice(void *connection, const PGresult *result);
  void take_notifications();
  void message_arrived(std::int64_t size);
  void measure_memory();
  void note_kept_memory();
  bool has_outgrown_limit() const;
  Diagnostics too_large() const;
  std::string clean(const char *text) const;  // at most 8 kB, fit for the log
  [[noreturn]] void fail(const PGresult *result);
  [[noreturn]] void fail_in_libpq();  // with PQerrorMessage()
  [[noreturn]] void fail_lost(const std::string &detail);

  Host &host_;
  const CharacterLength character_ = [this](std::string_view text) { return host_.character(text); };
  std::string server_name_;
  std::string encoding_;
  std::chrono::milliseconds stall_timeout_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;  // of the answer
  bool heard_ = false;                                             // whether a part of it has arrived
  std::int64_t most_bytes_;
  std::int64_t limit_;  // of the current answer: most_bytes_ or row_limit()
  std::int64_t memory_at_first_;
  std::int64_t memory_before_;      // when the statement began or the last large message arrived
  std::int64_t kept_memory_ = 0;    // that libpq kept after earlier statements
  std::int64_t buffer_bytes_ = 0;   // the least size of libpq's buffer, by its contents so far
  std::int64_t arrived_bytes_ = 0;  // of messages since memory_before_
  int chatter_ = 0;  // notices and notifications since the statement began, or the last message arrived
  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace tablesync::remote
