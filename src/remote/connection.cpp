#include "remote/connection.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/quote.h"
#include "core/retry.h"
#include "core/text.h"

namespace tablesync::remote {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// A file that does not exist. Naming it keeps libpq from looking for one in the home directory of the
// operating system user that the server runs as.
constexpr char no_such_file[] = "/nonexistent/pg_tablesync";

int remaining_ms(steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000000));
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

void receive_notice(void *argument, const PGresult *result) {
  // Called by libpq, which is C: nothing may be thrown through it.
  auto *host = static_cast<Host *>(argument);
  try {
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    host->notice(sanitize(message != nullptr ? message : "", host->utf8()));
  } catch (const std::exception &) {
    // A notice is worth less than the work it speaks of.
    return;
  }
}

void ignore_notice(void *, const PGresult *) {}

ConnectStep step_of(ConnStatusType status, ConnectStep before) {
  switch (status) {
    case CONNECTION_STARTED:
      return ConnectStep::tcp;
    case CONNECTION_SSL_STARTUP:
      return ConnectStep::tls;
    case CONNECTION_MADE:
    case CONNECTION_AWAITING_RESPONSE:
    case CONNECTION_AUTH_OK:
      return ConnectStep::login;
    default:
      return before;
  }
}

struct Failure {
  ConnectStep step;
  std::string reason{};  // libpq's, or ours on timeout
  bool timed_out = false;
  std::string sqlstate{};  // the server's, where it let us know
};

bool is_sqlstate(std::string_view text) {
  return text.size() == 5 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

// The end of a verbose message: "LOCATION:  auth_failed, auth.c:335", in the language of the server.
bool tells_place_in_source(std::string_view line) {
  const size_t digits = line.find_last_not_of("0123456789");
  return digits != std::string_view::npos && digits + 1 < line.size() &&
         line.substr(0, digits + 1).ends_with(".c:");
}

// Takes what libpq says of a failed login, in its verbose form: "...: FATAL:  28P01: message", in the end a
// line with the place in the server's source. That form alone has the SQLSTATE; the user is told the rest.
// The text may be of any length and hold anything: the server that sends it has not proven who it is.
void take_reason(Failure &failure, std::string_view said) {
  while (!said.empty()) {
    std::string_view line = said.substr(0, said.find('\n'));
    said.remove_prefix(std::min(line.size() + 1, said.size()));
    if (tells_place_in_source(line)) continue;
    for (size_t at = 0; failure.sqlstate.empty() && (at = line.find(":  ", at)) != std::string_view::npos;
         at += 3) {
      const size_t code = at + 3;
      if (line.substr(code + 5, 2) != ": " || !is_sqlstate(line.substr(code, 5))) continue;
      failure.sqlstate = line.substr(code, 5);
      failure.reason += line.substr(0, code);
      line.remove_prefix(code + 7);
    }
    failure.reason += line;
    failure.reason += '\n';
  }
}

// A server that is down or full comes back; a name, a certificate or a password that is wrong stays wrong.
bool is_transient(const Failure &failure) {
  if (failure.timed_out || failure.step == ConnectStep::tcp) return true;
  if (!failure.sqlstate.empty()) return tablesync::is_transient(failure.sqlstate, true);
  // Of a connection that breaks off there is libpq's text only (a proxy without a server behind it, say).
  return failure.reason.find("closed the connection") != std::string::npos ||
         failure.reason.find("Connection reset") != std::string::npos;
}

std::string endpoint(const std::vector<ConnectionOption> &options) {
  const std::string host = option_value(options, "hostaddr", option_value(options, "host", ""));
  return (host.empty() ? std::string("the local socket") : "\"" + host + "\"") + ", port " +
         option_value(options, "port", "5432");
}

std::string hint_for(const Failure &failure, const ConnectionSettings &settings) {
  const std::string server = display_name(settings.server_name);
  // A peer that takes the connection and says nothing is no matter of TLS or passwords.
  switch (failure.timed_out ? ConnectStep::tcp : failure.step) {
    case ConnectStep::lookup:
      return "Check the host: ALTER SERVER " + server + " OPTIONS (SET host '...').";
    case ConnectStep::tcp:
      return "Check that the server runs, that it listens on that address (listen_addresses) and that no "
             "firewall is between.";
    case ConnectStep::tls:
      return "Check sslmode of server " + server + " and the certificate of the other side.";
    case ConnectStep::login:
      break;
  }
  if (failure.reason.find("database") != std::string::npos &&
      failure.reason.find("exist") != std::string::npos)
    return "Check the database: ALTER SERVER " + server + " OPTIONS (SET dbname '...').";
  return "Check the user mapping: ALTER USER MAPPING FOR ... SERVER " + server +
         " OPTIONS (SET user '...', SET password '...'), and pg_hba.conf of the other side.";
}

[[noreturn]] void fail_connect(const Failure &failure, const ConnectionSettings &settings, bool utf8) {
  Diagnostics diagnostics;
  diagnostics.sqlstate = sqlstate::connection_failed;
  diagnostics.message =
      "could not connect to server \"" + settings.server_name + "\" (" + endpoint(settings.options) + ")";
  diagnostics.detail = sanitize(trimmed(failure.reason), utf8);
  diagnostics.hint = hint_for(failure, settings);
  throw ConnectError(std::move(diagnostics), failure.step, is_transient(failure));
}

}  // namespace

const char *name_of(ConnectStep step) {
  switch (step) {
    case ConnectStep::lookup:
      return "name look-up";
    case ConnectStep::tcp:
      return "TCP";
    case ConnectStep::tls:
      return "TLS";
    case ConnectStep::login:
      return "login";
  }
  return "";
}

Connection::Connection(Host &host, const ConnectionSettings &settings)
    : host_(host), server_name_(settings.server_name), stall_timeout_(settings.stall_timeout) {
  connect(settings);
  if (settings.password_must_be_used && PQconnectionUsedPassword(connection_.get()) == 0)
    throw Error(sqlstate::password_required, "password is required",
                "Server \"" + server_name_ + "\" let the connection in without asking for the password.",
                "Its pg_hba.conf must ask this role for a password (scram-sha-256), or a superuser sets "
                "password_required 'false' on the user mapping.");
}

Connection::~Connection() = default;

void Connection::connect(const ConnectionSettings &settings) {
  std::vector<const char *> names;
  std::vector<const char *> values;
  const auto set = [&](const char *name, const char *value) {
    names.push_back(name);
    values.push_back(value);
  };
  bool has_certificate = false;
  int timeout_s = 10;
  for (const ConnectionOption &option : settings.options) {
    set(option.name.c_str(), option.value.c_str());
    has_certificate = has_certificate || option.name == "sslcert";
    if (option.name == "connect_timeout") timeout_s = std::max(std::atoi(option.value.c_str()), 1);
  }
  set("client_encoding", settings.client_encoding.c_str());
  set("passfile", no_such_file);
  if (!has_certificate) set("sslcert", no_such_file);
  names.push_back(nullptr);
  values.push_back(nullptr);

  host_.acquire_descriptor();
  connection_ =
      std::unique_ptr<PGconn, Finish>(PQconnectStartParams(names.data(), values.data(), 0), Finish{&host_});
  if (connection_ == nullptr) {
    host_.release_descriptor();
    throw Error(sqlstate::out_of_memory, "out of memory");
  }
  PGconn *const raw = connection_.get();
  PQsetNoticeReceiver(raw, ignore_notice, nullptr);
  PQsetErrorVerbosity(raw, PQERRORS_VERBOSE);

  // libpq looks names up while it starts or polls; a failure before any socket work is a look-up's.
  Failure failure{ConnectStep::lookup};
  const auto deadline = steady_clock::now() + std::chrono::seconds(timeout_s);
  PostgresPollingStatusType poll =
      PQstatus(raw) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  failure.step = step_of(PQstatus(raw), failure.step);
  while (poll != PGRES_POLLING_OK) {
    if (poll == PGRES_POLLING_FAILED) {
      take_reason(failure, PQerrorMessage(raw));
      fail_connect(failure, settings, host_.utf8());
    }
    const auto what = poll == PGRES_POLLING_READING ? Host::For::reading : Host::For::writing;
    // The socket changes when libpq goes on to the next address. libpq must not go on with a socket that is
    // not ready: it would block in it.
    if (!host_.wait(PQsocket(raw), what, remaining_ms(deadline))) {
      if (remaining_ms(deadline) > 0) continue;
      failure.timed_out = true;
      failure.reason = "No answer within " + std::to_string(timeout_s) + " s (connect_timeout).";
      fail_connect(failure, settings, host_.utf8());
    }
    poll = PQconnectPoll(raw);
    failure.step = step_of(PQstatus(raw), failure.step);
  }
  PQsetErrorVerbosity(raw, PQERRORS_DEFAULT);
  if (PQsetnonblocking(raw, 1) != 0) fail_in_libpq();
  PQsetNoticeReceiver(raw, receive_notice, &host_);
}

// Sends what libpq has queued. `sent`: the result of the PQsend call that queued it.
void Connection::send(int sent) {
  PGconn *const raw = connection_.get();
  if (sent == 0) fail_in_libpq();
  for (;;) {
    const int flushed = PQflush(raw);
    if (flushed == 0) return;
    if (flushed < 0) fail_in_libpq();
    wait_for(Host::For::writing);
  }
}

// Waits until the socket is ready, no longer than stall_timeout.
void Connection::wait_for(Host::For what) {
  const auto deadline = steady_clock::now() + stall_timeout_;
  while (!host_.wait(PQsocket(connection_.get()), what, remaining_ms(deadline)))
    if (remaining_ms(deadline) == 0)
      fail_lost(std::string("The server ") + (what == Host::For::reading ? "sent" : "took") +
                " no data for " + human_seconds(static_cast<double>(stall_timeout_.count()) / 1000) +
                " (tablesync.stall_timeout).");
}

// Waits for more bytes and takes them from the socket.
void Connection::wait_readable() {
  wait_for(Host::For::reading);
  if (PQconsumeInput(connection_.get()) == 0) fail_in_libpq();
}

Connection::Result Connection::next_result() {
  while (PQisBusy(connection_.get()) != 0) wait_readable();
  // Not busy: what is asked for has arrived, and PQgetResult does not block.
  return Result(PQgetResult(connection_.get()));
}

// Takes all results that are left, so that the next statement can be sent. Throws the first error.
void Connection::drain() {
  Result failed;
  while (Result result = next_result()) {
    const ExecStatusType status = PQresultStatus(result.get());
    // libpq returns these again and again: they would never be drained.
    if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH) fail(result.get());
    if (failed == nullptr && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
      failed = std::move(result);
  }
  if (failed != nullptr) fail(failed.get());
}

void Connection::send_query(const std::string &sql, const std::vector<std::string> &parameters) {
  constexpr Oid text_oid = 25;  // pg_type.dat: text
  const std::vector<Oid> types(parameters.size(), text_oid);
  std::vector<const char *> values;
  for (const std::string &parameter : parameters) values.push_back(parameter.c_str());
  send(PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), types.data(),
                         values.data(), nullptr, nullptr, 0));
}

Rows Connection::take_rows() {
  const Result result = next_result();
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) fail(result.get());
  }
  drain();
  Rows rows;
  for (int r = 0; r < PQntuples(result.get()); ++r) {
    Row row;
    for (int c = 0; c < PQnfields(result.get()); ++c) {
      if (PQgetisnull(result.get(), r, c) != 0)
        row.emplace_back(std::nullopt);
      else
        row.emplace_back(std::string(PQgetvalue(result.get(), r, c),
                                     static_cast<size_t>(PQgetlength(result.get(), r, c))));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Rows Connection::query(const std::string &sql, const std::vector<std::string> &parameters) {
  send_query(sql, parameters);
  return take_rows();
}

void Connection::start_query(const std::string &sql) { send_query(sql, {}); }

Rows Connection::finish_query() {
  const auto patience = std::exchange(stall_timeout_, std::chrono::hours(24 * 20));
  Rows rows = take_rows();
  stall_timeout_ = patience;
  return rows;
}

void Connection::execute(const std::string &batch) {
  send(PQsendQuery(connection_.get(), batch.c_str()));
  drain();
}

std::vector<ResultColumn> Connection::describe(const std::string &sql, int &parameters) {
  const auto checked = [&] {
    Result result = next_result();
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) fail(result.get());
    drain();
    return result;
  };
  send(PQsendPrepare(connection_.get(), "", sql.c_str(), 0, nullptr));
  checked();
  send(PQsendDescribePrepared(connection_.get(), ""));
  const Result result = checked();
  parameters = PQnparams(result.get());
  std::vector<ResultColumn> columns;
  for (int c = 0; c < PQnfields(result.get()); ++c)
    columns.push_back({PQfname(result.get(), c), PQftype(result.get(), c), PQfmod(result.get(), c)});
  return columns;
}

void Connection::start_copy_out(const std::string &sql) {
  // The extended protocol takes one statement only, whatever the text holds.
  send(PQsendQueryParams(connection_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1));
  const Result result = next_result();
  if (PQresultStatus(result.get()) != PGRES_COPY_OUT) fail(result.get());
}

std::string Connection::server_version_text() const {
  const char *text = PQparameterStatus(connection_.get(), "server_version");
  return text != nullptr ? sanitize(text, host_.utf8()) : "";
}

void Connection::fail(const PGresult *result) {
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_FATAL_ERROR && status != PGRES_NONFATAL_ERROR)
    throw Error(sqlstate::protocol_violation,
                "server \"" + server_name_ + "\" gave an answer that was not asked for",
                std::string("It is ") + PQresStatus(status) + ".");
  const auto field = [&](int code) {
    const char *value = result != nullptr ? PQresultErrorField(result, code) : nullptr;
    return value != nullptr ? sanitize(value, host_.utf8()) : std::string();
  };
  Diagnostics diagnostics;
  diagnostics.sqlstate = field(PG_DIAG_SQLSTATE);
  // An error without SQLSTATE is libpq's own: the connection is gone.
  if (diagnostics.sqlstate.size() != 5 || PQstatus(connection_.get()) == CONNECTION_BAD) {
    const std::string said = field(PG_DIAG_MESSAGE_PRIMARY);
    if (diagnostics.sqlstate.empty() || said.empty()) fail_in_libpq();
    fail_lost(said);
  }
  diagnostics.message = field(PG_DIAG_MESSAGE_PRIMARY);
  diagnostics.detail = field(PG_DIAG_MESSAGE_DETAIL);
  diagnostics.hint = field(PG_DIAG_MESSAGE_HINT);
  diagnostics.context = field(PG_DIAG_CONTEXT);
  diagnostics.schema = field(PG_DIAG_SCHEMA_NAME);
  diagnostics.table = field(PG_DIAG_TABLE_NAME);
  diagnostics.column = field(PG_DIAG_COLUMN_NAME);
  diagnostics.datatype = field(PG_DIAG_DATATYPE_NAME);
  diagnostics.constraint = field(PG_DIAG_CONSTRAINT_NAME);
  add_context(diagnostics, "remote server \"" + server_name_ + "\"");
  if (diagnostics.sqlstate == sqlstate::insufficient_privilege && diagnostics.hint.empty()) {
    const char *role = PQuser(connection_.get());
    diagnostics.hint = "On the source, GRANT USAGE on the schema and SELECT on the table to " +
                       display_name(role != nullptr ? role : "") + ".";
  }
  throw Error(std::move(diagnostics));
}

void Connection::fail_in_libpq() {
  const std::string said = PQerrorMessage(connection_.get());
  // libpq has no code for it, only words; in another language it remains a lost connection.
  for (const char *words : {"out of memory", "cannot allocate memory"})
    if (said.find(words) != std::string::npos)
      throw Error(sqlstate::out_of_memory, "out of memory",
                  "There was no room for what server \"" + server_name_ +
                      "\" sent: " + sanitize(trimmed(said), host_.utf8()),
                  "A row has to fit as a whole: leave out its largest column by custom_select, or give this "
                  "server more memory.");
  fail_lost(said);
}

void Connection::fail_lost(const std::string &detail) {
  throw Error(sqlstate::connection_lost, "lost the connection to server \"" + server_name_ + "\"",
              sanitize(trimmed(detail), host_.utf8()), "Run it again when the server is back.");
}

}  // namespace tablesync::remote
