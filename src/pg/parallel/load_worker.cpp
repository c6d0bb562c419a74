// A loader: one of the processes that read the source for a run with parallel_workers.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
}

#include <string>

#include "core/base/error.h"
#include "core/base/rate.h"
#include "core/base/text.h"
#include "pg/parallel/load_task.h"
#include "pg/record/run_record.h"
#include "pg/rows/load.h"
#include "pg/run/run_steps.h"
#include "pg/run/run_workers.h"
#include "pg/server/airlock.h"
#include "pg/server/latch_host.h"
#include "pg/server/transaction.h"
#include "pg/source/foreign_server.h"
#include "pg/target/target_table.h"
#include "pg/worker/shared_run.h"
#include "pg/worker/worker.h"
#include "remote/copy.h"
#include "remote/server_source.h"

namespace tablesync::pg {
namespace {

class StatementLoader {
 public:
  StatementLoader(const LoadTask &task, SharedRun &run) : task_(task), run_(run) {}

  // Runs statements until none is left. Returns the counts of its rows, a RunCounts.
  Row load_all() {
    SharedLoad &shared = *SharedLoad::attach(task_.shared);
    remote::ServerSource source(host_, connection_settings(task_.spec.server, task_.spec.memory_limit_mb));
    open(source);
    hold_again(task_.table, HeldFor::writing);
    SyncPlan plan;
    for (const std::string &column : task_.columns) plan.columns.emplace_back().name = column;
    RunCounts counts;
    const double began = now_seconds();
    for (size_t n; (n = static_cast<size_t>(shared.next_statement++)) < task_.statements.size();) {
      remote::CopyOut stream(source.connection(), task_.statements[n]);
      const std::int64_t stored =
          load(stream, task_.table.name, plan, true, rate(shared.loaders), run_.progress);
      if (stored != stream.rows())
        throw Error(sqlstate::protocol_violation,
                    "received " + with_commas(stream.rows()) + " rows, but stored " + with_commas(stored));
      counts.read += stream.rows();
      counts.bytes += stream.bytes();
      // A statement may end a little ahead of the rate. One such lead is too short to wait for, but they add
      // up.
      const auto elapsed_ms = static_cast<std::int64_t>((now_seconds() - began) * 1000);
      wait_for_ms(ms_ahead(rate(shared.loaders), counts.read, counts.bytes, elapsed_ms));
    }
    source.close();
    SharedLoad::detach(task_.shared);
    return encode(counts);
  }

 private:
  // The same name may lead to another server, whose rows would not be from the same snapshot.
  void open(remote::ServerSource &source) {
    const std::string hint =
        "The address may lead to more than one server, for example through a load balancer. Name one of "
        "them in the options of the server, or leave parallel_workers out.";
    const std::string message =
        "a connection to server \"" + task_.spec.server + "\" cannot join the run's snapshot";
    source.find(sql_name(task_.spec.source));
    try {
      source.open({{}, task_.spec.custom_where, {}, task_.spec.time_zone}, task_.snapshot);
    } catch (const Error &error) {
      const Diagnostics &reported = error.diagnostics();
      // The codes of an unknown snapshot, before and from PostgreSQL 17.
      if (reported.sqlstate != sqlstate::invalid_parameter && reported.sqlstate != sqlstate::undefined_object)
        throw;
      throw Error(sqlstate::wrong_state, message, "The server reported: " + reported.message + ".", hint);
    }
    const Table &table = source.table();
    if (table.system_identifier != task_.system_identifier || table.database_oid != task_.database_oid ||
        table.oid != task_.relation_oid || source.position().xmin != task_.snapshot_xmin)
      throw Error(sqlstate::wrong_state, message, "The connection leads to another server.", hint);
  }

  Rate rate(int loaders) const { return part_of(task_.spec.max_rate, loaders); }

  const LoadTask &task_;
  SharedRun &run_;
  LatchHost host_;
};

Row load_task(SharedRun &run, std::string_view request) {
  const LoadTask task = deserialize_load_task(request);
  return work_for_run(run, task.spec, "load", [&] {
    Row loaded;
    in_transaction([&] { loaded = StatementLoader(task, run).load_all(); });
    return loaded;
  });
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

// The entry point of a loader's process.
PGDLLEXPORT void tablesync_load_worker(Datum argument);

void tablesync_load_worker(Datum argument) {
  using namespace tablesync;
  pg::enter([=] { pg::worker_main(argument, pg::load_task); });
}
}
