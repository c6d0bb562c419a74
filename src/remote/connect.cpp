// Making a connection, and the error if that fails.
#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/base/quote.h"
#include "core/base/retry.h"
#include "core/base/text.h"
#include "remote/connection.h"
#include "remote/neutral_environment.h"
#include "remote/waiting.h"

namespace tablesync::remote {

using std::chrono::steady_clock;

namespace {

// A file that does not exist. Naming it keeps libpq from looking for one in the home directory of the
// operating system user that the server runs as.
constexpr char no_such_file[] = "/nonexistent/pg_tablesync";

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
  std::string sqlstate{};  // the server's; empty if unknown
};

// The end of a verbose message: "LOCATION:  auth_failed, auth.c:335", in the language of the server.
bool is_source_location(std::string_view line) {
  const size_t digits = line.find_last_not_of("0123456789");
  return digits != std::string_view::npos && digits + 1 < line.size() &&
         line.substr(0, digits + 1).ends_with(".c:");
}

// Takes libpq's verbose message of a failed login: "...: FATAL:  28P01: message", with the location in the
// server's source as the last line. Only that form has the SQLSTATE; the user gets the rest. The text may
// have any length and content, because the server has not proven its identity.
void take_reason(Failure &failure, std::string_view message) {
  while (!message.empty()) {
    std::string_view line = message.substr(0, message.find('\n'));
    message.remove_prefix(std::min(line.size() + 1, message.size()));
    if (is_source_location(line)) continue;
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

// A server that is down or full recovers; a wrong name, certificate or password stays wrong.
bool is_transient(const Failure &failure) {
  if (failure.timed_out || failure.step == ConnectStep::tcp) return true;
  if (!failure.sqlstate.empty()) return tablesync::is_transient(failure.sqlstate, true);
  // For a connection that breaks off there is only libpq's text (for example a proxy without a server).
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
  // If a peer accepts the connection and stays silent, TLS and passwords are not the cause.
  switch (failure.timed_out ? ConnectStep::tcp : failure.step) {
    case ConnectStep::lookup:
      return "Check the host: ALTER SERVER " + server + " OPTIONS (SET host '...').";
    case ConnectStep::tcp:
      return "Check that the server runs, that it listens on that address (listen_addresses) and that no "
             "firewall blocks the connection.";
    case ConnectStep::tls:
      return "Check sslmode of server " + server + " and the certificate of that server.";
    case ConnectStep::login:
      break;
  }
  if (failure.reason.find("database") != std::string::npos &&
      failure.reason.find("exist") != std::string::npos)
    return "Check the database: ALTER SERVER " + server + " OPTIONS (SET dbname '...').";
  return "Check the user mapping: ALTER USER MAPPING FOR ... SERVER " + server +
         " OPTIONS (SET user '...', SET password '...'), and pg_hba.conf of that server.";
}

[[noreturn]] void fail_connect(const Failure &failure, const ConnectionSettings &settings,
                               const CharacterLength &character) {
  Diagnostics diagnostics;
  diagnostics.sqlstate = sqlstate::connection_failed;
  diagnostics.message =
      "could not connect to server \"" + settings.server_name + "\" (" + endpoint(settings.options) + ")";
  diagnostics.detail = sanitize(failure.reason, character);
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
    : host_(host),
      server_name_(settings.server_name),
      encoding_(settings.client_encoding),
      stall_timeout_(settings.stall_timeout),
      most_bytes_(settings.most_bytes),
      limit_(settings.most_bytes),
      memory_at_first_(host.memory()),
      memory_before_(memory_at_first_) {
  connect(settings);
  if (settings.password_must_be_used && PQconnectionUsedPassword(connection_.get()) == 0)
    throw Error(
        sqlstate::password_required, "password is required",
        "Server \"" + server_name_ + "\" accepted the connection without asking for the password.",
        "Let its pg_hba.conf require a password of this role (scram-sha-256), or have a superuser set "
        "password_required 'false' on the user mapping.");
}

Connection::~Connection() = default;

// Starts connecting with libpq.
void Connection::start(const ConnectionSettings &settings) {
  std::vector<ConnectionOption> options = settings.options;
  if (settings.password_must_be_used) require_password_exchange(options, PQlibVersion());
  std::vector<const char *> names;
  std::vector<const char *> values;
  const auto set = [&](const char *name, const char *value) {
    names.push_back(name);
    values.push_back(value);
  };
  for (const ConnectionOption &option : options) set(option.name.c_str(), option.value.c_str());
  set("client_encoding", settings.client_encoding.c_str());
  set("passfile", no_such_file);
  if (option_value(options, "sslcert", "").empty()) set("sslcert", no_such_file);
  names.push_back(nullptr);
  values.push_back(nullptr);

  host_.acquire_descriptor();
  connection_ =
      std::unique_ptr<PGconn, Finish>(PQconnectStartParams(names.data(), values.data(), 0), Finish{&host_});
  if (connection_ == nullptr) {
    host_.release_descriptor();
    throw Error(sqlstate::out_of_memory, "out of memory");
  }
}

void Connection::connect(const ConnectionSettings &settings) {
  const NeutralEnvironment neutral;
  start(settings);
  PGconn *const raw = connection_.get();
  PQsetNoticeReceiver(raw, ignore_notice, nullptr);
  PQsetErrorVerbosity(raw, PQERRORS_VERBOSE);

  // libpq looks names up while it starts or polls; a failure before any socket work is a look-up's.
  Failure failure{ConnectStep::lookup};
  const int timeout_s =
      std::max(std::atoi(option_value(settings.options, "connect_timeout", "10").c_str()), 1);
  const auto deadline = steady_clock::now() + std::chrono::seconds(timeout_s);
  PostgresPollingStatusType poll =
      PQstatus(raw) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  failure.step = step_of(PQstatus(raw), failure.step);
  while (poll != PGRES_POLLING_OK) {
    if (poll == PGRES_POLLING_FAILED) {
      take_reason(failure, beginning_of(PQerrorMessage(raw)));
      fail_connect(failure, settings, character_);
    }
    if (has_outgrown_limit()) throw ConnectError(too_large(), failure.step, false);
    const auto what = poll == PGRES_POLLING_READING ? Host::For::reading : Host::For::writing;
    // The socket changes when libpq tries the next address. libpq must not poll a socket that is not ready,
    // because it would block. Nor may a server that keeps sending delay us beyond the deadline.
    if (remaining_ms(deadline) == 0 || !host_.wait(PQsocket(raw), what, remaining_ms(deadline))) {
      if (remaining_ms(deadline) > 0) continue;
      failure.timed_out = true;
      failure.reason =
          "The server did not answer within " + std::to_string(timeout_s) + " s (connect_timeout).";
      fail_connect(failure, settings, character_);
    }
    poll = PQconnectPoll(raw);
    failure.step = step_of(PQstatus(raw), failure.step);
  }
  PQsetErrorVerbosity(raw, PQERRORS_DEFAULT);
  if (PQsetnonblocking(raw, 1) != 0) fail_in_libpq();
  PQsetNoticeReceiver(raw, receive_notice, this);
}

}  // namespace tablesync::remote
