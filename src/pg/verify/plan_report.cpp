// The SQL function sync_plan(): what sync_table() would do with the same arguments, and what would prevent
// it. It prepares the sync like the worker, in this session, and rolls that back.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/proc.h"
}

#include <sys/statvfs.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/known_rows.h"
#include "core/base/record.h"
#include "core/base/text.h"
#include "core/sql/deparse.h"
#include "pg/changes/filtered_rows.h"
#include "pg/server/airlock.h"
#include "pg/server/session_option.h"
#include "pg/server/spi.h"
#include "pg/server/sql_call.h"
#include "pg/server/transaction.h"
#include "pg/sync/chunk_choice.h"
#include "pg/sync/sync_call.h"
#include "pg/sync/table_sync.h"

namespace tablesync::pg {
namespace {

// The columns of sync_plan().
struct PlanLine {
  std::string item, value;
  std::string state;  // ok, warning or error; empty for a plain fact
  std::string fix;    // what to run

  template <typename Record, typename Visitor>
  static void each_column(Record &line, Visitor &&column) {
    column("item", line.item);
    column("value", or_null(line.value));
    column("state", or_null(line.state));
    column("fix", or_null(line.fix));
  }
};

class Report {
 public:
  void add(const std::string &item, const std::string &value) { add(item, value, {}, {}); }
  void ok(const std::string &item, const std::string &value) { add(item, value, "ok", {}); }
  void warn(const std::string &item, const std::string &value, const std::string &fix) {
    add(item, value, "warning", fix);
  }
  void fail(const std::string &item, const Diagnostics &diagnostics) {
    add(item, diagnostics.message + (diagnostics.detail.empty() ? "" : " (" + diagnostics.detail + ")"),
        "error", diagnostics.hint);
  }
  Rows rows() const { return encode_all(lines_); }

 private:
  void add(const std::string &item, const std::string &value, const std::string &state,
           const std::string &fix) {
    lines_.push_back({item, value, state, fix});
  }
  std::vector<PlanLine> lines_;
};

// Runs a query that returns one value. Empty where it returns no row.
std::string query_source(TablePair &pair, const std::string &sql,
                         const std::vector<std::string> &parameters = {}) {
  return single_or<std::string>(pair.source->query(sql, parameters), "");
}

class Planner {
 public:
  Planner(const SyncSpec &spec, Report &report)
      : limits_(spec.source_limits), spec_(without_limits(spec)), report_(report), sync_(spec_, 0, steps_) {}

  void run() {
    sync_.prepare();
    report_source();
    if (limits_.any()) report_load();
    report_window();
    report_target();
    if (pair().horizon) report_horizon();
    report_environment();
  }

 private:
  // A plan does not wait for the source.
  static SyncSpec without_limits(SyncSpec spec) {
    spec.source_limits = {};
    return spec;
  }

  TablePair &pair() { return sync_.pair(); }

  void report_source() {
    const Table &source = pair().source->table();
    report_.ok("connection",
               "PostgreSQL " + pair().source->server_version_text() + " as " + pair().source->role());
    const auto bytes = single<std::optional<std::int64_t>>(
        pair().source->query("SELECT pg_catalog.pg_table_size($1::pg_catalog.oid)", {source.oid}));
    report_.ok("source",
               display_name(source.name) +
                   (source.row_estimate < 0 ? "" : ", about " + with_commas(source.row_estimate) + " rows") +
                   ", " + human_bytes(bytes.value_or(0)));
    const bool superuser =
        query_source(pair(),
                     "SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) "
                     "current_user") == "t";
    if (superuser)
      report_.warn("role on the source", "a superuser: it may do far more than read",
                   "CREATE ROLE reader LOGIN PASSWORD '...'; GRANT SELECT ON " + display_name(source.name) +
                       " TO reader; and name it in the user mapping.");
    else
      report_.ok("role on the source", "may read the table");
  }

  void report_load() {
    const std::string excess = describe_excess(limits_, pair().source->load());
    if (excess.empty())
      report_.ok("load of the source", "within the limits");
    else
      report_.warn("load of the source", excess + ": the sync would wait", {});
  }

  void report_window() {
    std::string reads = "everything";
    if (sync_.window().kind == ReadWindow::Kind::at_or_above_value)
      reads = "rows whose " + spec_.incremental_field + " is at or above " + pair().known->value;
    if (sync_.window().kind == ReadWindow::Kind::written_since_position)
      reads = "rows written after transaction " + std::to_string(pair().known->position.xmin);
    if (!sync_.window().why.empty()) reads += ", because " + sync_.window().why;
    report_.add("mode", std::string(name_of(spec_.mode)) + ": reads " + reads);
    const ChunkChoice choice = choose_chunks(spec_, sync_);
    report_.add("chunks", std::string(choice.chunks ? "yes" : "no") + ", because " + choice.why);
    const std::string statement = copy_out(sync_.rows(), pair().plan);
    report_.add("statement on the source", statement);
    if (pair().source_table.kind == 'v' || pair().user_sql().any())
      report_.add(
          "runs in the time zone",
          pair().source->time_zone() + (spec_.time_zone.empty() ? " (see the option time_zone)" : ""));
    report_readers();
    report_estimate();
    if (sync_.field() && spec_.custom_select.empty()) report_field_index();
  }

  void report_readers() {
    if (spec_.parallel_workers <= 1) return;
    const std::string why =
        ParallelLoad::obstacle(pair(), sync_.window().kind == ReadWindow::Kind::at_or_above_value);
    if (why.empty())
      report_.ok("readers", std::to_string(spec_.parallel_workers) + ", each over a connection of its own");
    else
      report_.warn("readers", "one, because " + why, {});
  }

  // By the planner of the source: the rows, and the width of a row.
  void report_estimate() {
    const std::string plan =
        query_source(pair(), "EXPLAIN (FORMAT JSON) " + select_of(sync_.rows(), pair().plan));
    const auto [rows, width] = values_of<double, double>(only_row(query(
        "SELECT $1::pg_catalog.json #>> '{0,Plan,Plan Rows}', $1::pg_catalog.json #>> '{0,Plan,Plan Width}'",
        {plan})));
    constexpr double most = 1e15;  // estimates for joins have no upper bound
    bytes_ = static_cast<std::int64_t>(std::min(rows * width, most));
    report_.add("estimate", "about " + with_commas(static_cast<std::int64_t>(std::min(rows, most))) +
                                " rows, " + human_bytes(bytes_));
  }

  void report_field_index() {
    const std::string index =
        query_source(pair(), column_index_query(), {pair().source->table().oid, sync_.field()->name});
    const std::string column = display_name(sync_.field()->name);
    if (index.empty())
      report_.warn(
          "index on " + column, "none: every run reads the whole table on the source",
          "CREATE INDEX CONCURRENTLY ON " + display_name(pair().source->table().name) + " (" + column + ");");
    else
      report_.ok("index on " + column, index);
  }

  void report_target() {
    const std::string name = display_name(spec_.target);
    report_.ok("target", pair().target_is_new ? name + " will be created" : name);
    report_.add("key",
                pair().plan.keyed() ? join(pair().plan.key, ", ") : "none: rows are compared as a multiset");
    for (const ColumnPlan &column : pair().plan.columns)
      if (column.converted())
        report_.add("column " + display_name(column.name),
                    "converted value by value to " + pair().target_table.find_column(column.name)->sql_type +
                        "; a value that does not fit is " +
                        (spec_.on_bad_row == OnBadRow::reject ? "kept in tablesync.reject" : "an error"));
    report_.add("locks", locks());
    if (!pair().target_is_empty) report_comparison();
    if (pair().target_is_empty)
      report_.add("statement on the target", "rows go straight into the table; then its key is built");
    else if (pair().plan.keyed())
      report_.add("statement on the target", merge(spec_.target, pair().plan));
    else
      report_.add("statement on the target", reads_everything() && sync_.why_all_are_staged().empty()
                                                 ? insert_staged(spec_.target, pair().plan)
                                                 : insert_shortfall(spec_.target, pair().plan));
    if (spec_.delete_missing && pair().plan.keyed() && !pair().target_is_empty)
      report_.add("deletes", deletion());
    report_space();
  }

  std::string locks() {
    const std::string name = display_name(spec_.target);
    if (!pair().exclusively_locked) return "ROW EXCLUSIVE on " + name + ": other sessions can read and write";
    // See pg/rows/refill.h.
    if (pair().target_is_empty && !pair().target_is_new && !pair().target_table.keys.empty())
      return "ACCESS EXCLUSIVE on " + name +
             " if that is free at once: other sessions wait; else SHARE ROW EXCLUSIVE: they can read";
    return "SHARE ROW EXCLUSIVE on " + name + ": other sessions can read, and wait to write";
  }

  bool reads_everything() const { return sync_.window().kind == ReadWindow::Kind::everything; }

  std::string deletion() {
    if (!reads_everything()) return delete_missing(spec_.target, pair().plan, KeysOf::keys);
    if (sync_.why_all_are_staged().empty()) return delete_gone(spec_.target, pair().plan);
    return delete_missing(spec_.target, pair().plan, KeysOf::stage);
  }

  // What a round trip takes, and what a second brings, by one answer of some size.
  void report_link() {
    if (!ChangedRows::digest_obstacle(pair(), sync_.rows()).empty()) return;
    constexpr int sample = 1 << 17;
    const double began = now_seconds();
    query_source(pair(), "SELECT 1");
    const double answered = now_seconds();
    query_source(pair(), "SELECT pg_catalog.repeat('x', " + std::to_string(sample) + ")");
    const double round_trip = answered - began;
    const double rate = sample / std::max(now_seconds() - answered - round_trip, 1e-6);
    // Digests cost about as much as reading the rows on the source does.
    constexpr double worth_it = 10, thin = 20e6;  // seconds; bytes in a second
    if (rate > thin || static_cast<double>(bytes_) / rate < worth_it) return;
    report_.warn(
        "link",
        human_seconds(round_trip) + " for a round trip, about " +
            human_bytes(static_cast<std::int64_t>(rate)) + " in a second: all rows take " +
            human_seconds(static_cast<double>(bytes_) / rate),
        "Where little has changed, pass options => '{\"compare\": \"digest\"}', which fetches only rows that differ.");
  }

  void report_comparison() {
    if (!reads_everything()) return;
    if (const std::string why = sync_.why_all_are_staged(); !why.empty())
      return report_.add("comparison", "every row is staged, because " + why);
    if (spec_.compare == CompareBy::digest) {
      const std::string why = ChangedRows::digest_obstacle(pair(), sync_.rows());
      if (why.empty())
        return report_.add("comparison", "digests of both sides; only rows that differ are fetched");
      report_.warn("digests", "not compared, because " + why, {});
    } else {
      report_link();
    }
    const std::int64_t rows = std::max<std::int64_t>(pair().target_table.row_estimate, 0);
    const bool fits = rows <= KnownRows::rows_in(FilteredRows::memory(spec_));
    report_.add("comparison", "rows that the target has are dropped as they arrive: hashes of about " +
                                  with_commas(rows) + " rows, " +
                                  (fits ? human_bytes(KnownRows::bytes_of(rows)) + " in memory"
                                        : "in several passes over temporary files"));
  }

  void report_space() {
    struct statvfs disk {};
    if (statvfs(DataDir, &disk) != 0) return;
    const auto free = static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
    // The rows are written to the stage, to the target and to the WAL.
    const std::int64_t needed = 3 * bytes_;
    const std::string text = human_bytes(free) + " free on the disk of the data directory, at most about " +
                             human_bytes(needed) + " needed";
    if (free < needed)
      report_.warn("free space", text, "Free disk space, or narrow the sync with custom_where.");
    else
      report_.ok("free space", text);
  }

  void report_horizon() {
    const Horizon &horizon = *pair().horizon;
    if (horizon.standby)
      report_.warn("horizon",
                   "the source is a standby: transactions are assumed to be shorter than the lookback",
                   "Sync from the primary, or use sync_mode => 'xmin'.");
    else if (horizon.hidden)
      report_.warn(
          "horizon",
          "other sessions' transactions are hidden: they are assumed to be shorter than the lookback",
          "GRANT pg_read_all_stats TO " + pair().source->role() + "; on the source.");
    else if (horizon.prepared)
      report_.warn("horizon", "pinned by a prepared transaction",
                   "SELECT * FROM pg_prepared_xacts; on the source.");
    else if (horizon.oldest_seconds > 60)
      report_.warn(
          "horizon",
          "pinned for " + human_seconds(horizon.oldest_seconds) + " by process " + horizon.oldest_pid,
          "SELECT * FROM pg_stat_activity WHERE pid = " + horizon.oldest_pid + "; on the source.");
    else
      report_.ok("horizon", horizon.instant);
    const auto skew =
        single<double>(query("SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - " +
                             quote_literal(horizon.clock) + "::pg_catalog.timestamptz)"));
    if (std::fabs(skew) > 5)
      report_.warn("clocks", human_seconds(std::fabs(skew)) + " apart; only the clock of the source is used",
                   "Keep both servers' time with NTP.");
    else
      report_.ok("clocks", human_seconds(std::fabs(skew)) + " apart");
    if (sync_.field()->kind == FieldKind::timestamp || is_day_grained(sync_.field()->kind))
      report_.add("time zone",
                  spec_.time_zone.empty()
                      ? spec_.incremental_field +
                            " has no time zone: its values are assumed to be in UTC or in that of the source"
                      : spec_.incremental_field + " is assumed to be in " + spec_.time_zone);
  }

  void report_environment() {
    const std::string remote = query_source(pair(), "SELECT pg_catalog.current_setting('server_encoding')");
    const std::string local = session_option("server_encoding");
    if (remote == local)
      report_.ok("encoding", local);
    else
      report_.warn(
          "encoding",
          remote + " on the source, " + local + " on the target: a text that cannot be converted is an error",
          {});
    const int used = single<int>(query(R"(
SELECT pg_catalog.count(*)
FROM pg_catalog.pg_stat_activity a
WHERE a.backend_type NOT IN (
    'client backend', 'autovacuum launcher', 'autovacuum worker', 'checkpointer', 'background writer',
    'walwriter', 'archiver', 'startup', 'walreceiver', 'walsender'))"));
    const int slots = as_int(session_option("max_worker_processes"));
    const std::string text =
        std::to_string(slots - used) + " of " + std::to_string(slots) + " worker slots free";
    if (used >= slots)
      report_.warn("worker slots", text,
                   "ALTER SYSTEM SET max_worker_processes = " + std::to_string(slots + 8) + "; and restart.");
    else
      report_.ok("worker slots", text);
  }

  const SourceLimits limits_;
  const SyncSpec spec_;
  Report &report_;
  Progress progress_;
  RunSteps steps_{progress_};
  TableSync sync_;
  std::int64_t bytes_ = 0;
};

Rows plan(FunctionCallInfo fcinfo) {
  const SyncSpec spec = sync_spec_from(fcinfo);
  Report report;
  try {
    in_discarded_subtransaction([&] { Planner(spec, report).run(); });
  } catch (const Error &error) {
    // The error of a sync is part of the report; a cancel is not.
    if (error.diagnostics().sqlstate == sqlstate::canceled ||
        error.diagnostics().sqlstate == sqlstate::admin_shutdown)
      throw;
    report.fail("sync_table", error.diagnostics());
  }
  return report.rows();
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_sync_plan);

Datum tablesync_sync_plan(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] { return pg::set_result(fcinfo, pg::plan(fcinfo)); });
}
}
