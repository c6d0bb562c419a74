\echo
\echo '== Only what was written since: the table is read there, but no row travels =='
\echo
SELECT * FROM sync_table('shop', 'public.flights', 'raw.flights', sync_mode => 'xmin') \g /dev/null

\echo
\echo '== Somebody meddles with the target: no sync of changes can see that =='
\echo
UPDATE raw.flights SET delay = 0 WHERE flight_id = 4711;
DELETE FROM raw.flights WHERE flight_id BETWEEN 10001 AND 10002;
INSERT INTO raw.flights OVERRIDING SYSTEM VALUE SELECT 900001, date, delay, distance, origin, destination FROM raw.flights WHERE flight_id = 1;
SELECT * FROM explain_row('raw.flights', '10001');

\echo
\echo '== Both sides compared by checksums: few bytes travel =='
\echo
SELECT * FROM verify_table('shop', 'public.flights', 'raw.flights', repair => true);
SELECT * FROM verify_table('shop', 'public.flights', 'raw.flights');
