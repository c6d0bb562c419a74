#include "remote/connection.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <utility>

#include "core/base/quote.h"
#include "core/base/text.h"
#include "remote/waiting.h"

namespace tablesync::remote {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {
// Notices and notifications without a row or the end of an answer between them.
constexpr int most_chatter = 10000;
}  // namespace

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

// Waits until the socket is ready, no longer than stall_timeout, and not beyond the deadline.
void Connection::wait_for(Host::For what) {
  auto deadline = steady_clock::now() + stall_timeout_;
  if (deadline_) deadline = std::min(deadline, *deadline_);
  // A server that sends byte by byte is always ready.
  while (remaining_ms(deadline) > 0)
    if (host_.wait(PQsocket(connection_.get()), what, remaining_ms(deadline))) return;
  const char *const did = deadline_ && heard_          ? "did not complete its answer within "
                          : what == Host::For::reading ? "sent no data for "
                                                       : "accepted no data for ";
  fail_lost(std::string("The server ") + did +
            human_seconds(static_cast<double>(stall_timeout_.count()) / 1000) +
            " (tablesync.stall_timeout).");
}

// Waits for more bytes and takes them from the socket.
void Connection::wait_readable() {
  wait_for(Host::For::reading);
  heard_ = true;
  take_input();
}

// Reads from the socket. libpq has reserved memory for the message that it is receiving, so the limit is
// checked before the memory is filled.
void Connection::take_input() {
  take_notifications();
  if (has_outgrown_limit()) throw Error(too_large());
  if (PQconsumeInput(connection_.get()) == 0) fail_in_libpq();
}

Connection::Result Connection::next_result() {
  while (PQisBusy(connection_.get()) != 0) wait_readable();
  // Not busy: the result has arrived, and PQgetResult does not block.
  return Result(PQgetResult(connection_.get()));
}

// Takes all results that are left, so that the next statement can be sent. Throws the first error.
void Connection::drain() {
  Result failed;
  while (Result result = next_result()) {
    const ExecStatusType status = PQresultStatus(result.get());
    // libpq returns these repeatedly, so they would never be drained.
    if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH) fail(result.get());
    if (failed == nullptr && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
        status != PGRES_SINGLE_TUPLE)
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
  Rows rows;
  std::int64_t bytes = 0;
  Result result = next_result();
  for (; PQresultStatus(result.get()) == PGRES_SINGLE_TUPLE; result = next_result()) {
    rows.push_back(take_row(result.get(), bytes));
    if (bytes > most_bytes_ / 2) throw Error(too_large());
  }
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) fail(result.get());
  drain();
  note_kept_memory();
  return rows;
}

Row Connection::take_row(const PGresult *result, std::int64_t &bytes) const {
  Row row;
  bytes += static_cast<std::int64_t>(sizeof(Row));
  for (int c = 0; c < PQnfields(result); ++c) {
    const auto size = static_cast<size_t>(PQgetlength(result, 0, c));
    bytes += static_cast<std::int64_t>(sizeof(Cell) + size);
    if (PQgetisnull(result, 0, c) != 0)
      row.emplace_back(std::nullopt);
    else
      row.emplace_back(valid_text({PQgetvalue(result, 0, c), size}));
  }
  return row;
}

// Returns a text from the server if it is valid in the encoding of this process.
std::string Connection::valid_text(std::string_view text) const {
  const std::string_view invalid = invalid_bytes(text, character_);
  if (invalid.empty()) return std::string(text);
  std::string bytes;
  for (const char byte : invalid) bytes += " 0x" + to_hex({&byte, 1});
  throw Error("22021",
              "server \"" + server_name_ + "\" sent an invalid byte sequence for encoding \"" + encoding_ +
                  "\":" + bytes,
              "It is in a name, comment or other text of its catalogs.");
}

Rows Connection::query(const std::string &sql, const std::vector<std::string> &parameters) {
  begin_statement(Patience::bounded);
  send_query(sql, parameters);
  PQsetSingleRowMode(connection_.get());
  return take_rows();
}

void Connection::start_query(const std::string &sql) {
  begin_statement(Patience::endless);
  send_query(sql, {});
  PQsetSingleRowMode(connection_.get());
}

Rows Connection::finish_query() {
  const auto patience = std::exchange(stall_timeout_, std::chrono::hours(24 * 20));
  memory_before_ = host_.memory();  // the caller has done other work
  Rows rows = take_rows();
  stall_timeout_ = patience;
  return rows;
}

void Connection::execute(const std::string &batch) {
  begin_statement(Patience::bounded);
  send(PQsendQuery(connection_.get(), batch.c_str()));
  PQsetSingleRowMode(connection_.get());  // so that libpq keeps no rows
  drain();
  note_kept_memory();
}

std::vector<ResultColumn> Connection::describe(const std::string &sql, int &parameters) {
  const auto checked = [&] {
    Result result = next_result();
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) fail(result.get());
    drain();
    return result;
  };
  begin_statement(Patience::bounded);
  send(PQsendPrepare(connection_.get(), "", sql.c_str(), 0, nullptr));
  checked();
  send(PQsendDescribePrepared(connection_.get(), ""));
  const Result result = checked();
  note_kept_memory();
  parameters = PQnparams(result.get());
  std::vector<ResultColumn> columns;
  for (int c = 0; c < PQnfields(result.get()); ++c)
    columns.push_back(
        {valid_text(PQfname(result.get(), c)), PQftype(result.get(), c), PQfmod(result.get(), c)});
  return columns;
}

void Connection::start_copy_out(const std::string &sql) {
  begin_statement(Patience::endless);
  limit_ = row_limit(most_bytes_);
  // The extended protocol takes one statement only, whatever the text holds.
  send(PQsendQueryParams(connection_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1));
  const Result result = next_result();
  if (PQresultStatus(result.get()) != PGRES_COPY_OUT) fail(result.get());
}

std::string Connection::server_version_text() const {
  const char *text = PQparameterStatus(connection_.get(), "server_version");
  return text != nullptr ? clean(text) : "";
}

// ---- other than answers ------------------------------------------------------------------------------------

void Connection::begin_statement(Patience patience) {
  deadline_.reset();
  if (patience == Patience::bounded) deadline_ = steady_clock::now() + stall_timeout_;
  heard_ = false;
  limit_ = most_bytes_;
  memory_before_ = host_.memory();
  arrived_bytes_ = chatter_ = 0;
}

// The rows of a COPY are complete, so the end of the answer must follow soon.
void Connection::expect_end() { deadline_ = steady_clock::now() + stall_timeout_; }

// Called by libpq, which is C: nothing may be thrown through it.
void Connection::receive_notice(void *connection, const PGresult *result) {
  auto &self = *static_cast<Connection *>(connection);
  if (++self.chatter_ > most_chatter) return;
  try {
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    self.host_.notice(self.clean(message != nullptr ? message : ""));
  } catch (const std::exception &) {
    // A notice is less important than the work.
    return;
  }
}

// Discards notifications, which libpq would keep.
void Connection::take_notifications() {
  while (PGnotify *const notification = PQnotifies(connection_.get())) {
    PQfreemem(notification);
    ++chatter_;
  }
  if (chatter_ > most_chatter)
    throw Error(sqlstate::protocol_violation, "server \"" + server_name_ + "\" sent too many notices",
                "It sent more than " + with_commas(most_chatter) + " notices and no answer.");
}

// A message of a COPY has arrived. Reading the memory usage costs as much as reading a row.
void Connection::message_arrived(std::int64_t size) {
  constexpr std::int64_t worth_a_look = 65536;
  chatter_ = 0;
  arrived_bytes_ += size;
  if (arrived_bytes_ < worth_a_look) return;
  arrived_bytes_ = 0;
  if (size > worth_a_look) buffer_bytes_ = std::max(buffer_bytes_, size);
  memory_before_ = host_.memory();
}

void Connection::measure_memory() { memory_before_ = host_.memory(); }

// Memory that libpq keeps, such as its buffer, counts for each further statement.
void Connection::note_kept_memory() {
  kept_memory_ += std::max<std::int64_t>(host_.memory() - memory_before_, 0);
}

// libpq does not report the size of the message that it is receiving. But it has reserved memory for all of
// it before it waits, and nothing else allocates memory meanwhile.
bool Connection::has_outgrown_limit() const {
  constexpr std::int64_t slack = 1 << 20;
  const std::int64_t now = host_.memory();
  const std::int64_t grown = now - memory_before_;
  // libpq doubles its buffer, and touches only the part that a message fills. The size of the message is
  // checked when it is complete.
  const std::int64_t allowed =
      slack + (limit_ < most_bytes_
                   ? static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(limit_)))
                   : limit_);
  if (grown + kept_memory_ > allowed) return true;
  if (grown >= buffer_bytes_ && grown + buffer_bytes_ > allowed) return true;
  // Slow growth, for example of the parameters that libpq keeps.
  return now - memory_at_first_ > 4 * most_bytes_ + 64 * slack;
}

std::int64_t row_limit(std::int64_t most_bytes) {
  constexpr std::int64_t copies = 5, allowance = 16 << 20;  // above the limit of a worker
  return std::min(most_bytes, (most_bytes + allowance) / copies);
}

Diagnostics Connection::too_large() const {
  Diagnostics diagnostics;
  diagnostics.sqlstate = "54000";
  diagnostics.message = "server \"" + server_name_ + "\" sent more than memory_limit_mb allows";
  diagnostics.detail = limit_ < most_bytes_ ? "A row may have " + human_bytes(limit_) +
                                                  ", because about five copies of it are held in memory."
                                            : "A whole answer may have " + human_bytes(most_bytes_) + ".";
  diagnostics.hint = "Raise memory_limit_mb, or leave out the largest column with custom_select.";
  return diagnostics;
}

std::string Connection::clean(const char *text) const { return sanitize(text, character_); }

void Connection::fail(const PGresult *result) {
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_FATAL_ERROR && status != PGRES_NONFATAL_ERROR)
    throw Error(sqlstate::protocol_violation, "server \"" + server_name_ + "\" sent an unexpected answer",
                std::string("Its status is ") + PQresStatus(status) + ".");
  const auto field = [&](int code) {
    const char *value = result != nullptr ? PQresultErrorField(result, code) : nullptr;
    return value != nullptr ? clean(value) : std::string();
  };
  Diagnostics diagnostics;
  diagnostics.sqlstate = field(PG_DIAG_SQLSTATE);
  // An error without SQLSTATE is libpq's own: the connection is gone.
  if (!is_sqlstate(diagnostics.sqlstate) || PQstatus(connection_.get()) == CONNECTION_BAD) {
    const std::string message = field(PG_DIAG_MESSAGE_PRIMARY);
    if (diagnostics.sqlstate.empty() || message.empty()) fail_in_libpq();
    fail_lost(message);
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
  const std::string message = beginning_of(PQerrorMessage(connection_.get()));
  // libpq has only a text for this error; in another language it is reported as a lost connection.
  for (const char *words : {"out of memory", "cannot allocate memory"})
    if (message.find(words) != std::string::npos)
      throw Error(
          sqlstate::out_of_memory, "out of memory",
          "Memory ran out while receiving data from server \"" + server_name_ +
              "\": " + sanitize(message, character_),
          "A row must fit into memory as a whole. Leave out its largest column with custom_select, or "
          "give this server more memory.");
  fail_lost(message);
}

void Connection::fail_lost(const std::string &detail) {
  throw Error(sqlstate::connection_lost, "lost the connection to server \"" + server_name_ + "\"",
              sanitize(detail, character_), "Run it again when the server is back.");
}

}  // namespace tablesync::remote
