-- What a role may do before and after tablesync.grant_to(), and what it sees of others.
SET client_min_messages = warning;
SELECT status FROM sync_table('shop', 'public.pairs', 'public.private_pairs');
CREATE ROLE tablesync_other LOGIN PASSWORD 'other';
SET ROLE tablesync_other;
SELECT code, message FROM outcome($$SELECT sync_table('shop', 'public.pairs', 'public.t')$$);
SELECT code, message FROM outcome($$SELECT * FROM tablesync.run$$);
SELECT code, message FROM outcome($$SELECT tablesync.grant_to('tablesync_other')$$);
SET ROLE NONE;
SELECT tablesync.grant_to('tablesync_other');
SET ROLE tablesync_other;
SELECT code, message FROM outcome($$SELECT sync_table('shop', 'public.pairs', 'public.t')$$);
-- Runs of others are not seen, waited for or canceled.
SELECT count(*) FROM tablesync.run;
SELECT count(*) FROM tablesync.run_step;
SELECT count(*) FROM tablesync.watermark;
SELECT count(*) FROM tablesync.progress;
SET ROLE NONE;
SELECT max(run_id) AS run FROM tablesync.run \gset
SET ROLE tablesync_other;
SELECT code, message = 'run ' || :run || ' does not exist' AS message FROM outcome('SELECT wait_run(' || :run || ')');
SELECT code FROM outcome('SELECT cancel_run(' || :run || ')');
-- State is written by the extension alone.
SELECT code, message FROM outcome($$UPDATE tablesync.watermark SET value = 'x'$$);
SELECT code, message FROM outcome($$DELETE FROM tablesync.run$$);
SELECT code, message FROM outcome($$INSERT INTO tablesync.run_step VALUES (1, 1, 'x', now(), now())$$);
SET ROLE NONE;
SELECT tablesync.revoke_from('tablesync_other');
SET ROLE tablesync_other;
SELECT code, message FROM outcome($$SELECT sync_table('shop', 'public.pairs', 'public.t')$$);
SELECT code, message FROM outcome($$SELECT * FROM tablesync.run$$);
SET ROLE NONE;
DROP ROLE tablesync_other;

-- Everything has a comment; nothing is open to PUBLIC but what everybody's pg_dump calls; no function of ours relies on the search_path.
SELECT d.objid::regprocedure FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_tablesync'
WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  AND (obj_description(d.objid, 'pg_proc') IS NULL OR has_function_privilege('public', d.objid, 'EXECUTE'));
SELECT d.objid::regclass FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_tablesync'
JOIN pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'v')
WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND obj_description(d.objid, 'pg_class') IS NULL;

-- Settings.
SELECT name, setting, unit, context FROM pg_settings WHERE name LIKE 'tablesync.%' ORDER BY 1;
SET tablesync.nothing = 1;
SET tablesync.memory_limit_mb = 1;

