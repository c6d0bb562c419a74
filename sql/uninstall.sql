SET client_min_messages = warning;
-- The extension's own schema may be any.
CREATE SCHEMA api;
DROP EXTENSION pg_tablesync CASCADE;
CREATE EXTENSION pg_tablesync SCHEMA api;
SELECT tablesync.grant_to('tablesync_plain');
SELECT oid::regprocedure::text ~ '^api\.' AS moved, has_function_privilege('tablesync_plain', oid, 'EXECUTE')
FROM pg_proc WHERE proname IN ('sync_table', 'wait_run') ORDER BY 1;
DROP EXTENSION pg_tablesync;
SELECT count(*) FROM pg_namespace WHERE nspname = 'tablesync';
