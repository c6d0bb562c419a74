#include "remote/source_load.h"

#include "core/base/quote.h"
#include "core/base/record.h"

namespace tablesync::remote {
namespace {

// The lag of a standby that streams from the source, or of the source itself. A source that has replayed
// everything it received does not lag, provided that it is still streaming. Other sessions of the same role
// and program do not count, because they are syncs, which would wait for each other.
constexpr char load_query[] = R"(
WITH lag AS (
    SELECT r.application_name AS standby, pg_catalog.date_part('epoch', r.replay_lag) AS seconds
    FROM pg_catalog.pg_stat_replication r
    UNION ALL
    SELECT NULL, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
        coalesce(pg_catalog.pg_last_xact_replay_timestamp(), pg_catalog.pg_postmaster_start_time()))
    WHERE pg_catalog.pg_is_in_recovery()
      AND (pg_catalog.pg_last_wal_receive_lsn() OPERATOR(pg_catalog.<=) pg_catalog.pg_last_wal_replay_lsn()
           AND EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver w
                       WHERE w.status OPERATOR(pg_catalog.=) 'streaming')) IS NOT TRUE
), longest AS (
    SELECT l.standby, l.seconds FROM lag l WHERE l.seconds IS NOT NULL ORDER BY l.seconds DESC LIMIT 1
)
SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS may_look,
       (SELECT m.seconds FROM longest m) AS lag,
       (SELECT m.standby FROM longest m) AS standby,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
        WHERE a.backend_type OPERATOR(pg_catalog.=) 'client backend' AND a.state OPERATOR(pg_catalog.=) 'active'
          AND NOT (a.usename OPERATOR(pg_catalog.=) current_user
                   AND a.application_name OPERATOR(pg_catalog.=) pg_catalog.current_setting('application_name'))) AS sessions)";

}  // namespace

SourceLoad read_source_load(Connection &connection) {
  const auto [may_look, lag, standby, sessions] =
      values_of<bool, std::optional<double>, std::string, std::int64_t>(
          only_row(connection.query(load_query)));
  const std::string role = display_name(connection.user());
  if (!may_look)
    throw Error(sqlstate::insufficient_privilege,
                "role " + role + " is not permitted to read the load of the source",
                "max_source_lag and max_source_sessions read pg_stat_replication and other roles' rows of "
                "pg_stat_activity.",
                "On the source, GRANT pg_read_all_stats TO " + role + ".");
  return {lag.value_or(0), standby, sessions};
}

}  // namespace tablesync::remote
