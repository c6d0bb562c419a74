// Connection: one libpq connection that never blocks the process it lives in.
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
  // Whether it may work the next time without anybody's doing: the server is down, or full.
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
  std::chrono::milliseconds stall_timeout{300000};   // without a byte from the server
  std::int64_t most_bytes = std::int64_t{64} << 20;  // that what the server sends may take; see row_limit()
};

// How large a row of a COPY may be where so many bytes may be used: it is in memory five times on its way
// (libpq's buffer, the message, the value, the tuple, what is written of it).
std::int64_t row_limit(std::int64_t most_bytes);

class Connection {
 public:
  // Connects. Throws ConnectError 08001 (the server's own words in DETAIL), or 2F003 where the password was
  // not used. `host` must outlive the connection.
  Connection(Host &host, const ConnectionSettings &settings);
  ~Connection();
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;

  // Runs one statement with text parameters; returns its rows, whose texts are valid in the encoding of this
  // process. Throws the server's error (SQLSTATE, detail, hint, context), 08006 where the connection broke or
  // the answer is not complete within stall_timeout, 54000 where it is larger than most_bytes, 22021 for a
  // text that is not valid, and 08P01 for what is no answer.
  Rows query(const std::string &sql, const std::vector<std::string> &parameters = {});
  // The same in two steps, so that both servers can work at the same time. The source may compute for as long
  // as it takes without a byte: keepalives tell whether it is still there.
  void start_query(const std::string &sql);
  Rows finish_query();
  // Runs a batch of our own statements in one round trip; rows are dropped.
  void execute(const std::string &batch);
  // Has the server parse one statement alone, without running it, and returns the columns of its result; none
  // where it is not a query. `parameters`: how many $n it holds.
  std::vector<ResultColumn> describe(const std::string &sql, int &parameters);
  // Starts COPY ... TO STDOUT. Then read with CopyOut.
  void start_copy_out(const std::string &sql);

  // Whether a transaction is open there.
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

  enum class Patience { bounded, endless };  // whether stall_timeout is for the answer as a whole

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
  // What the server may send in place of an answer, and how much memory libpq may need for it.
  static void receive_notice(void *connection, const PGresult *result);
  void take_notifications();
  void message_arrived(std::int64_t size);
  void note_kept_memory();
  bool has_outgrown_limit() const;
  Diagnostics too_large() const;
  std::string clean(const char *text) const;  // at most 8 kB, fit for the log
  [[noreturn]] void fail(const PGresult *result);
  [[noreturn]] void fail_in_libpq();  // what PQerrorMessage() says
  [[noreturn]] void fail_lost(const std::string &detail);

  Host &host_;
  const CharacterLength character_ = [this](std::string_view text) { return host_.character(text); };
  std::string server_name_;
  std::string encoding_;
  std::chrono::milliseconds stall_timeout_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;  // of the answer
  bool heard_ = false;                                             // whether any of it has come
  std::int64_t most_bytes_;
  std::int64_t limit_;  // of what is waited for: most_bytes_, or row_limit()
  std::int64_t memory_at_first_;
  std::int64_t memory_before_;      // when the statement began, or the last large message had arrived
  std::int64_t kept_memory_ = 0;    // that earlier statements have left libpq with
  std::int64_t buffer_bytes_ = 0;   // the least that libpq's buffer must have for what was in it
  std::int64_t arrived_bytes_ = 0;  // of messages since memory_before_
  int chatter_ = 0;  // notices and notifications since the statement began, or the last message arrived
  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace tablesync::remote
