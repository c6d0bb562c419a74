#include "remote/horizon.h"

#include "core/base/quote.h"
#include "core/base/record.h"

namespace tablesync::remote {
namespace {

// A session sets now() when its statement arrives, and pg_stat_activity shows it a moment later. Also, a
// column of whole seconds rounds it to before the beginning of the transaction.
constexpr char margin[] = "'2 seconds'";

// A moment in a zone, less the time by which its clocks go back within the following hour, because local
// times repeat in that hour.
std::string local_time(const std::string &zone) {
  return "(h.instant AT TIME ZONE " + zone + ") - greatest('0', ((h.instant AT TIME ZONE " + zone +
         ") + '1 hour'::pg_catalog.interval) - ((h.instant + '1 hour'::pg_catalog.interval) AT TIME ZONE " +
         zone + "))";
}

// All processes of this database count, not only clients, because background workers and logical replication
// write, too. Autovacuum does not write rows and would hold the horizon back. A transaction without a start
// time began while track_activities was off. Operators are not qualified: the search_path of this transaction
// is safe.
std::string activity_query(std::int64_t lookback_ms, const std::string &time_zone) {
  const std::string lookback =
      quote_literal(std::to_string(lookback_ms) + " milliseconds") + "::pg_catalog.interval";
  const std::string local = time_zone.empty() ? "least(" + local_time("'UTC'") + ", " +
                                                    local_time("pg_catalog.current_setting('TimeZone')") + ")"
                                              : local_time(quote_literal(time_zone));
  return R"(
WITH activity AS (
    SELECT pg_catalog.min(a.xact_start) AS oldest,
           pg_catalog.count(*) FILTER (WHERE a.query = '<insufficient privilege>') > 0 AS hidden,
           pg_catalog.count(*) FILTER (WHERE a.query <> '<insufficient privilege>' AND (a.state = 'disabled'
               OR a.xact_start IS NULL AND (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL
                    OR a.state LIKE 'idle in transaction%'))) > 0 AS untracked
    FROM pg_catalog.pg_stat_activity a
    WHERE a.datid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
      AND a.pid <> pg_catalog.pg_backend_pid() AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
), horizon AS (
    SELECT a.*, CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_xact_replay_timestamp() - )" +
         lookback + R"(
                     WHEN a.hidden OR a.untracked
                     THEN least(a.oldest - )" +
         margin + R"(::pg_catalog.interval, pg_catalog.statement_timestamp() - )" + lookback + R"()
                     ELSE least(a.oldest, pg_catalog.statement_timestamp()) - )" +
         margin + R"(::pg_catalog.interval END AS instant
    FROM activity a
)
SELECT pg_catalog.to_char(h.instant AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00' AS instant,
       pg_catalog.to_char()" +
         local + R"(, 'YYYY-MM-DD HH24:MI:SS.US') AS local,
       pg_catalog.to_char(pg_catalog.statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'
           AS clock,
       pg_catalog.pg_is_in_recovery() AS standby,
       h.hidden,
       h.untracked,
       extract(epoch FROM pg_catalog.statement_timestamp() - h.oldest)::pg_catalog.float8 AS oldest_seconds,
       (SELECT b.pid FROM pg_catalog.pg_stat_activity b
        WHERE b.xact_start = h.oldest AND b.pid <> pg_catalog.pg_backend_pid() LIMIT 1) AS oldest_pid
FROM horizon h)";
}

struct HorizonRow {
  Horizon horizon;

  template <typename Record, typename Visitor>
  static void each_column(Record &row, Visitor &&column) {
    column("instant", row.horizon.instant);
    column("local", row.horizon.local);
    column("clock", row.horizon.clock);
    column("standby", row.horizon.standby);
    column("hidden", row.horizon.hidden);
    column("untracked", row.horizon.untracked);
    column("oldest_seconds", or_null(row.horizon.oldest_seconds));
    column("oldest_pid", row.horizon.oldest_pid);
  }
};

}  // namespace

Horizon read_horizon(Connection &connection, std::int64_t lookback_ms, const std::string &time_zone) {
  connection.execute("BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp");
  Horizon horizon =
      decode<HorizonRow>(only_row(connection.query(activity_query(lookback_ms, time_zone)))).horizon;
  horizon.prepared = single<bool>(connection.query(R"(
SELECT pg_catalog.count(*) > 0
FROM pg_catalog.pg_prepared_xacts p
WHERE p.database = pg_catalog.current_database())"));
  if (horizon.prepared) horizon.instant = horizon.local = "";
  return horizon;
}

}  // namespace tablesync::remote
