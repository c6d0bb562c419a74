\echo
\echo '== A mistake: the source has no such table =='
\echo
\set ON_ERROR_STOP off
SELECT * FROM sync_table('shop', 'public.flihgts', 'raw.flights');
\set ON_ERROR_STOP on

\set ECHO none
SELECT :'SQLSTATE' = '42P01' AS failed_as_it_should \gset
\if :failed_as_it_should
\else
    DO $$ BEGIN RAISE 'the mistake should have raised the error 42P01'; END $$;
\endif
\set ECHO queries

\echo
\echo '== Every run is on record =='
\echo
SELECT run_id, source, status, rows_read AS read, rows_inserted AS inserted, rows_updated AS updated,
       rows_deleted AS deleted, rows_unchanged AS unchanged, round(extract(epoch FROM duration) * 1000) AS ms
FROM tablesync.run
ORDER BY run_id;
SELECT run_id, sqlstate, message, hint, context FROM tablesync.run WHERE status = 'failed' \gx
