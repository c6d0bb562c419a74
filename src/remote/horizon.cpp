#include "remote/horizon.h"

#include <cstdlib>

#include "core/base/quote.h"

namespace tablesync::remote {
namespace {

// A session stamps now() when its statement arrives, and shows it in pg_stat_activity a moment later. And a
// column of whole seconds rounds it: to before the transaction began.
constexpr char margin[] = "'2 seconds'";

// A moment as it is written in a zone, less what the zone's clocks go back within the hour that follows: in
// that hour local times repeat.
std::string local_time(const std::string &zone) {
  return "(h.instant AT TIME ZONE " + zone + ") - greatest('0', ((h.instant AT TIME ZONE " + zone +
         ") + '1 hour'::pg_catalog.interval) - ((h.instant + '1 hour'::pg_catalog.interval) AT TIME ZONE " +
         zone + "))";
}

// Every kind of process of this database counts, not clients alone: background workers and logical
// replication write too. An autovacuum does not, and would hold the horizon for as long as it takes. A
// transaction that shows no beginning was begun while track_activities was off.
// Operators are not qualified: the search_path of this transaction is safe.
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
SELECT pg_catalog.to_char(h.instant AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00', pg_catalog.to_char()" +
         local + R"(, 'YYYY-MM-DD HH24:MI:SS.US'),
       pg_catalog.to_char(pg_catalog.statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00',
       pg_catalog.pg_is_in_recovery(), h.hidden, h.untracked,
       extract(epoch FROM pg_catalog.statement_timestamp() - h.oldest)::pg_catalog.float8,
       (SELECT b.pid FROM pg_catalog.pg_stat_activity b
        WHERE b.xact_start = h.oldest AND b.pid <> pg_catalog.pg_backend_pid() LIMIT 1)
FROM horizon h)";
}

}  // namespace

Horizon read_horizon(Connection &connection, std::int64_t lookback_ms, const std::string &time_zone) {
  connection.execute("BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp");
  const Rows activity = connection.query(activity_query(lookback_ms, time_zone));
  const Rows prepared = connection.query(
      "SELECT pg_catalog.count(*) > 0 FROM pg_catalog.pg_prepared_xacts p WHERE p.database = "
      "pg_catalog.current_database()");
  if (activity.size() != 1 || activity[0].size() != 8 || prepared.size() != 1 || prepared[0].size() != 1)
    throw Error(sqlstate::protocol_violation, "the source did not tell its activity");
  const Row &row = activity[0];
  Horizon horizon;
  horizon.instant = text_of(row[0]);
  horizon.local = text_of(row[1]);
  horizon.clock = text_of(row[2]);
  horizon.standby = bool_of(row[3]);
  horizon.hidden = bool_of(row[4]);
  horizon.untracked = bool_of(row[5]);
  horizon.oldest_seconds = std::atof(text_of(row[6]).c_str());
  horizon.oldest_pid = text_of(row[7]);
  horizon.prepared = bool_of(prepared[0][0]);
  if (horizon.prepared) horizon.instant = horizon.local = "";
  return horizon;
}

}  // namespace tablesync::remote
