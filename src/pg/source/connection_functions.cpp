// The SQL functions test_connection and connection_info.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
}

#include <chrono>
#include <optional>

#include "core/base/error.h"
#include "core/base/record.h"
#include "pg/server/airlock.h"
#include "pg/server/guc.h"
#include "pg/server/latch_host.h"
#include "pg/server/sql_call.h"
#include "pg/server/transaction.h"
#include "pg/source/foreign_server.h"
#include "pg/worker/shared_run.h"
#include "pg/worker/worker.h"
#include "remote/connection.h"

namespace tablesync::pg {
namespace {

// The columns of test_connection().
struct ConnectionTest {
  bool works = false;
  std::string version, role;
  std::optional<bool> encrypted;
  std::string latency, kind;
  std::string failed_step;
  Diagnostics error = no_error();

  template <typename Record, typename Visitor>
  static void each_column(Record &test, Visitor &&column) {
    column("ok", test.works);
    column("server_version", or_null(test.version));
    column("remote_role", or_null(test.role));
    column("encrypted", test.encrypted);
    column("latency", or_null(test.latency), "interval");
    column("server_kind", or_null(test.kind));
    column("failed_step", or_null(test.failed_step));
    column("sqlstate", or_null(test.error.sqlstate));
    column("message", or_null(test.error.message));
    column("detail", or_null(test.error.detail));
    column("hint", or_null(test.error.hint));
  }

  static Diagnostics no_error() {
    Diagnostics none;
    none.sqlstate.clear();
    return none;
  }
};

Row failed_row(const std::string &step, const Diagnostics &error) {
  ConnectionTest test;
  test.failed_step = step;
  test.error = error;
  return encode(test);
}

std::string step_of(const Error &error) {
  const std::string &code = error.diagnostics().sqlstate;
  if (const auto *connecting = dynamic_cast<const remote::ConnectError *>(&error))
    return name_of(connecting->step());
  if (code == sqlstate::insufficient_privilege) return "USAGE";
  if (code == sqlstate::undefined_object) return "user mapping";
  if (code == sqlstate::invalid_option) return "options";
  if (code == sqlstate::password_required) return "login";
  return "query";
}

std::string as_interval(std::chrono::steady_clock::duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(time).count()) +
         " microseconds";
}

Row connect_and_ask(const std::string &server) {
  LatchHost host;
  remote::Connection connection(host, connection_settings(server, memory_limit_mb));
  // The first statement loads catalogs; the second one measures the round trip.
  const auto [role, standby] = values_of<std::string, bool>(
      only_row(connection.query("SELECT current_user, pg_catalog.pg_is_in_recovery()")));
  const auto start = std::chrono::steady_clock::now();
  connection.query("SELECT");
  const auto end = std::chrono::steady_clock::now();
  ConnectionTest test;
  test.works = true;
  test.version = connection.server_version_text();
  test.role = role;
  test.encrypted = connection.encrypted();
  test.latency = as_interval(end - start);
  test.kind = standby ? "standby" : "primary";
  return encode(test);
}

// A failure becomes the result, except an error of this server (for example a cancel).
Row test_task(SharedRun &, std::string_view request) {
  const std::string server(request);
  Row row;
  in_transaction([&] {
    try {
      row = connect_and_ask(server);
    } catch (const ServerError &) {
      throw;
    } catch (const Error &error) {
      row = failed_row(step_of(error), error.diagnostics());
    }
  });
  return row;
}

Row test_connection(const std::string &server) {
  try {
    connection_options(connection_source(server));
  } catch (const ServerError &) {
    throw;
  } catch (const Error &error) {
    // An unknown server is an error of the call; other failures are its result.
    const std::string &code = error.diagnostics().sqlstate;
    if (code == sqlstate::wrong_object_type ||
        (code == sqlstate::undefined_object && step_of(error) != "user mapping"))
      throw;
    return failed_row(step_of(error), error.diagnostics());
  }
  return run_in_worker(
      {"tablesync_test_connection_worker", "pg_tablesync test_connection " + server, server, server});
}

Rows connection_info(const std::string &server) {
  const ConnectionSource source = connection_source(server);
  Rows rows;
  rows.push_back({"foreign-data wrapper", source.wrapper_name, "server"});
  for (const ConnectionOption &option : connection_options(source))
    rows.push_back({option.name, option.secret ? "********" : option.value, option.origin});
  return rows;
}

std::string server_argument(FunctionCallInfo fcinfo) {
  const auto server = name_argument(fcinfo, 0);
  if (!server) throw Error(sqlstate::null_not_allowed, "server name must not be null");
  return *server;
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_test_connection);
PG_FUNCTION_INFO_V1(tablesync_connection_info);
PGDLLEXPORT void tablesync_test_connection_worker(Datum argument);

Datum tablesync_test_connection(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] {
    pg::check_may_launch("test_connection");
    return pg::record_result(fcinfo, pg::test_connection(pg::server_argument(fcinfo)));
  });
}

Datum tablesync_connection_info(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] { return pg::set_result(fcinfo, pg::connection_info(pg::server_argument(fcinfo))); });
}

// The entry of the worker process of one test_connection() call.
void tablesync_test_connection_worker(Datum argument) {
  using namespace tablesync;
  pg::enter([=] { pg::worker_main(argument, pg::test_task); });
}
}
