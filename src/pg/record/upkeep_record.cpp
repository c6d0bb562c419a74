#include "pg/record/upkeep_record.h"

#include "core/base/array.h"
#include "core/base/text.h"
#include "pg/record/state.h"

namespace tablesync::pg {

// A run that ends meanwhile has another status when its row is locked. A process whose start is hidden counts
// as the process of the run.
void close_interrupted(const std::string &target) {
  state_of_all(R"(
UPDATE tablesync.run r
SET status = 'interrupted',
    finished_at = clock_timestamp(),
    sqlstate = '57P02',
    message = 'the worker ended unexpectedly: the server crashed or was stopped'
WHERE r.status = 'running'
  AND ($1 = '' OR r.target = $1)
  AND NOT EXISTS (
      SELECT FROM pg_stat_get_activity(r.worker_pid) a
      WHERE a.backend_start = r.worker_start OR a.backend_start IS NULL))",
               {target});
}

void forget_dropped_targets() {
  // Only the chunks that cannot be processed again.
  const std::string of_none = "NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = ";
  state_of_all("DELETE FROM tablesync.watermark t WHERE " + of_none + "t.target_oid)", {});
  state_of_all(R"(
WITH gone AS (
    DELETE FROM tablesync.pivot_table t
    WHERE )" + of_none +
                   R"(t.table_oid)
    RETURNING t.table_oid
)
DELETE FROM tablesync.pivot_column c
USING gone g
WHERE c.table_oid = g.table_oid)",
               {});
  for (const char *rows : {"checkpoint t WHERE", "chunk t WHERE t.status = 'failed' AND"})
    state_of_all(std::string("DELETE FROM tablesync.") + rows + R"( t.subject ~ '^[0-9]+$'
  AND )" + of_none + "t.subject::oid)",
                 {});
}

void forget_dropped_roles() {
  for (const char *rows : {"checkpoint t WHERE", "hidden_table t WHERE", "chunk_to_redo t WHERE",
                           "chunk t WHERE t.status <> 'succeeded' AND"})
    state_of_all(std::string("DELETE FROM tablesync.") + rows + R"(
  NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = t.owner::oid))",
                 {});
}

// The last run that worked on the target must be the interrupted one. A run that was refused because of
// another one did not work on it.
std::vector<Resumable> find_resumable(const std::vector<std::string> &commands) {
  const Expressions expressions = {
      {"owner", "c.owner::oid"},
      // A prefix of wide tables can have the name of a table.
      {"command", R"(coalesce((
    SELECT r.command
    FROM tablesync.run r
    WHERE r.run_id = c.run_id), l.command))"},
      {"crashes", R"((
    SELECT count(*)
    FROM worked w
    WHERE w.target = c.target
      AND w.sqlstate = '57P02'
      AND w.run_id > coalesce((
          SELECT max(o.run_id)
          FROM worked o
          WHERE o.target = c.target
            AND o.status <> 'interrupted'), 0)))"},
      {"ended_ms_ago", "(extract(epoch FROM clock_timestamp() - l.finished_at) * 1000)::int8"}};
  return decode_all<Resumable>(state_of_all(R"(
WITH worked AS (
    SELECT r.run_id, r.owner, r.target, r.status, r.sqlstate, r.finished_at, r.command
    FROM tablesync.run r
    WHERE r.command = ANY ($1::text[])
      AND r.status <> 'skipped'
      AND r.sqlstate IS DISTINCT FROM '55P03'
)
SELECT )" + select_list<Resumable>("c", expressions) +
                                                R"(
FROM tablesync.checkpoint c
JOIN pg_catalog.pg_roles o ON o.oid = c.owner::oid
CROSS JOIN LATERAL (
    SELECT w.*
    FROM worked w
    WHERE w.target = c.target
    ORDER BY w.run_id DESC
    LIMIT 1
) l
WHERE l.owner = c.owner
  AND l.status = 'interrupted'
  AND o.rolcanlogin
  AND has_database_privilege(
      o.oid, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()), 'CONNECT')
  AND EXISTS (
      SELECT FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
      JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
      WHERE e.extname = 'pg_tablesync'
        AND p.proname = l.command
        AND has_function_privilege(o.oid, p.oid, 'EXECUTE'))
ORDER BY l.run_id)",
                                            {array_text(commands)}));
}

std::vector<unsigned int> owners_of_leftovers() {
  return only_column<unsigned int>(state_of_all(R"(
SELECT DISTINCT o.oid
FROM tablesync.hidden_table h
JOIN pg_catalog.pg_roles o ON o.oid = h.owner::oid
WHERE o.rolcanlogin
  AND NOT EXISTS (
      SELECT FROM tablesync.run r
      WHERE r.run_id = h.run_id
        AND r.status = 'running'))",
                                                {}));
}

}  // namespace tablesync::pg
