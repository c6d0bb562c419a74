-- verify_table, explain_row and sync_plan.
\getenv role TABLESYNC_TEST_ROLE
\if :{?role}
SET ROLE :role;
\endif
SET client_min_messages = warning;
CREATE SCHEMA ver;
SELECT rows_inserted FROM sync_table('shop', 'public.users', 'ver.users');
SELECT * FROM verify_table('shop', 'public.users', 'ver.users');

-- Every kind of difference, also what = does not see.
UPDATE ver.users SET name = 'forged', balance = NULL WHERE id = 3;
UPDATE ver.users SET notes = '{"n":1}' WHERE id = 4;
DELETE FROM ver.users WHERE id IN (10, 11);
INSERT INTO ver.users (id, name) OVERRIDING SYSTEM VALUE VALUES (1000, 'ghost');
SELECT * FROM verify_table('shop', 'public.users', 'ver.users');
SELECT * FROM verify_table('shop', 'public.users', 'ver.users', options => '{"max_differences": 1}');
SELECT status, rows_read, rows_inserted, rows_unchanged FROM tablesync.run WHERE target = 'ver.users' ORDER BY run_id DESC LIMIT 1;
SELECT kind, row_key, columns FROM tablesync.difference WHERE target = 'ver.users' ORDER BY run_id, difference_no;
-- Mended in one transaction.
SELECT * FROM verify_table('shop', 'public.users', 'ver.users', repair => true);
SELECT status, rows_inserted, rows_updated, rows_deleted FROM tablesync.run WHERE target = 'ver.users' ORDER BY run_id DESC LIMIT 1;
SELECT * FROM verify_table('shop', 'public.users', 'ver.users');
-- A repair deletes no more than a sync does.
INSERT INTO ver.users (id, name) OVERRIDING SYSTEM VALUE SELECT g, 'ghost' FROM generate_series(1001, 1200) g;
SELECT * FROM outcome($$SELECT * FROM verify_table('shop', 'public.users', 'ver.users', repair => true)$$) \gx
SELECT count(*) FROM ver.users;
SELECT count(*) FROM verify_table('shop', 'public.users', 'ver.users', repair => true, options => '{"max_delete_fraction": 1, "max_differences": 5}');
SELECT count(*) FROM ver.users;

-- A key of two columns, partitions, no key at all, views.
SELECT rows_inserted FROM sync_table('shop', 'public.pairs', 'ver.pairs');
UPDATE ver.pairs SET v = 'x' WHERE b = 7;
SELECT * FROM verify_table('shop', 'public.pairs', 'ver.pairs', repair => true);
SELECT * FROM verify_table('shop', 'public.pairs', 'ver.pairs');
SELECT rows_inserted FROM sync_table('shop', 'public.readings', 'ver.readings');
SELECT * FROM verify_table('shop', 'public.readings', 'ver.readings');
DELETE FROM ver.readings WHERE ctid = (SELECT min(ctid) FROM ver.readings WHERE value = 3 AND station = 's1');
INSERT INTO ver.readings VALUES ('new', 1, NULL);
SELECT * FROM verify_table('shop', 'public.readings', 'ver.readings');
SELECT * FROM outcome($$SELECT * FROM verify_table('shop', 'public.readings', 'ver.readings', repair => true)$$) \gx
SELECT rows_inserted FROM sync_table('shop', 'public.events', 'ver.events');
DELETE FROM ver.events WHERE id = 5;
SELECT * FROM verify_table('shop', 'public.events', 'ver.events', repair => true);

-- With the filter that it was filled by, unless the call has another.
SELECT rows_inserted FROM sync_table('shop', 'public.users', 'ver.some', custom_where => 'id <= 5');
SELECT * FROM verify_table('shop', 'public.users', 'ver.some');
SELECT * FROM verify_table('shop', 'public.users', 'ver.some', custom_where => 'id <= 6');
SELECT rows_inserted FROM sync_table('shop', 'public.users', 'ver.chosen', custom_select => 'SELECT id, upper(name) AS name FROM users');
UPDATE ver.chosen SET name = 'x' WHERE id = 1;
SELECT * FROM verify_table('shop', 'public.users', 'ver.chosen');

-- Two tables of this database: a shadow run beside another engine.
CREATE TABLE ver.shadow AS TABLE ver.pairs;
SELECT * FROM verify_table(NULL, 'ver.pairs', 'ver.shadow');
UPDATE ver.shadow SET v = 'y' WHERE b = 8;
DELETE FROM ver.shadow WHERE b = 9;
SELECT * FROM verify_table(NULL, 'ver.pairs', 'ver.shadow');
SELECT * FROM outcome($$SELECT * FROM verify_table(NULL, 'ver.pairs', 'ver.pairs')$$) \gx

-- A sync that verifies itself fails on a difference that it could not see, and changes nothing.
SELECT rows_inserted FROM sync_table('shop', 'public.users', 'ver.xmin', 'xmin');
UPDATE ver.xmin SET name = 'forged' WHERE id = 3;
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'ver.xmin', 'xmin', verify => 'full')$$) \gx
SELECT count(*) FROM verify_table('shop', 'public.users', 'ver.xmin', repair => true);
SELECT status FROM sync_table('shop', 'public.users', 'ver.xmin', 'xmin', verify => 'full');

-- Where is my row?
SELECT item, CASE WHEN item IN ('written by', 'last sync') THEN regexp_replace(value, '[0-9]+.*', '...') ELSE value END
FROM explain_row('ver.users', '5');
SELECT item, value FROM explain_row('ver.users', '12345') WHERE item IN ('target', 'source', 'verdict');
DELETE FROM ver.users WHERE id = 5;
SELECT item, value FROM explain_row('ver.users', '5') WHERE item IN ('target', 'source', 'verdict');
INSERT INTO ver.users (id, name) OVERRIDING SYSTEM VALUE VALUES (1000, 'ghost');
SELECT item, regexp_replace(value, '[0-9]{3,}', '...') FROM explain_row('ver.users', '1000') WHERE item IN ('written by', 'source', 'verdict');
SELECT item, value FROM explain_row('ver.some', '50') WHERE item IN ('target', 'source', 'filter', 'verdict');
SELECT item, value FROM explain_row('ver.pairs', '7', '7') WHERE item IN ('target', 'verdict');
SELECT * FROM outcome($$SELECT * FROM explain_row('ver.pairs', '7')$$) \gx
SELECT * FROM outcome($$SELECT * FROM explain_row('ver.nothere', '7')$$) \gx
SELECT * FROM outcome($$SELECT * FROM explain_row('ver.users', NULL)$$) \gx

-- What would happen: nothing does.
SELECT item, state, fix FROM sync_plan('shop', 'public.users', 'ver.planned', 'incremental', incremental_field => 'born')
WHERE item <> 'horizon';  -- others may be at work on the source
SELECT to_regclass('ver.planned');
SELECT item, value FROM sync_plan('shop', 'public.users', 'ver.planned') WHERE item LIKE 'statement%' OR item IN ('mode', 'locks', 'key');
SELECT item, value FROM sync_plan('shop', 'public.users', 'ver.users', delete_missing => true) WHERE item LIKE 'statement on the t%' OR item IN ('mode', 'deletes');
SELECT * FROM sync_plan('shop', 'public.nope', 'ver.planned');
SELECT * FROM outcome($$SELECT * FROM sync_plan('shop', 'public.users', 'ver.planned', 'sometimes')$$) \gx
