-- A full sync, and the next ones: what arrives, and what is written.
\getenv role TABLESYNC_TEST_ROLE
\if :{?role}
SET ROLE :role;
\endif
SET client_min_messages = warning;
-- The target and its schema are made: columns, types, NOT NULLs, identity, key, comments.
SELECT status, rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged, rows_rejected, watermark
FROM sync_table('shop', 'public.users', 'raw.users');
\d raw.users
SELECT obj_description('raw.users'::regclass), col_description('raw.users'::regclass, 2);
SELECT count(*), sum(balance), count(born) FROM raw.users;
-- The identity's sequence goes on after the last row.
SELECT last_value FROM raw.users_id_seq;

-- Again: nothing is written.
SELECT status, rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged
FROM sync_table('shop', 'public.users', 'raw.users');

-- Changed on the target, it becomes the source's again.
UPDATE raw.users SET name = 'forged' WHERE id <= 3;
DELETE FROM raw.users WHERE id IN (10, 11);
INSERT INTO raw.users (id, name) OVERRIDING SYSTEM VALUE VALUES (1000, 'ghost');
SELECT status, rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged
FROM sync_table('shop', 'public.users', 'raw.users');
SELECT count(*), count(*) FILTER (WHERE name LIKE 'user %') FROM raw.users;

-- Rows that only the target has stay, where that is asked for.
INSERT INTO raw.users (id, name) OVERRIDING SYSTEM VALUE VALUES (1000, 'mine');
SELECT status, rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged
FROM sync_table('shop', 'public.users', 'raw.users', delete_missing => false);
SELECT name FROM raw.users WHERE id = 1000;

-- Changes that = does not see.
UPDATE raw.users SET notes = '{"n":1}', balance = balance WHERE id = 5;
SELECT rows_updated FROM sync_table('shop', 'public.users', 'raw.users');
SELECT notes FROM raw.users WHERE id = 5;

-- Odd names.
SELECT status, rows_inserted FROM sync_table('shop', 'public."Odd ""Names"""', 'raw."Odd ""Target"""');
SELECT status, rows_unchanged FROM sync_table('shop', 'public."Odd ""Names"""', 'raw."Odd ""Target"""');
TABLE raw."Odd ""Target""";

-- Without a key: rows are compared as a multiset.
SELECT status, rows_read, rows_inserted FROM sync_table('shop', 'public.readings', 'raw.readings');
SELECT rows_inserted, rows_updated, rows_deleted, rows_unchanged FROM sync_table('shop', 'public.readings', 'raw.readings');
UPDATE raw.readings SET value = '-0' WHERE ctid IN (SELECT ctid FROM raw.readings WHERE value = 0 LIMIT 2);
INSERT INTO raw.readings SELECT * FROM raw.readings WHERE value = 1 LIMIT 1;
DELETE FROM raw.readings WHERE ctid = (SELECT min(ctid) FROM raw.readings WHERE value = 3);
SELECT rows_inserted, rows_updated, rows_deleted, rows_unchanged FROM sync_table('shop', 'public.readings', 'raw.readings');
SELECT station, value::text, count(*) FROM raw.readings GROUP BY 1, 2 ORDER BY 1, 2;

-- A key of two columns, in the order of the source's key.
SELECT rows_inserted FROM sync_table('shop', 'public.pairs', 'raw.pairs');
\d raw.pairs
UPDATE raw.pairs SET v = 'x' WHERE b = 7;
SELECT rows_updated, rows_unchanged FROM sync_table('shop', 'public.pairs', 'raw.pairs');

-- Values of a second unique index are swapped.
SELECT rows_inserted FROM sync_table('shop', 'public.seats', 'raw.seats');
ALTER TABLE raw.seats ADD UNIQUE (seat);
UPDATE raw.seats SET seat = -seat;
UPDATE raw.seats SET seat = 11 + seat;
SELECT rows_inserted, rows_updated, rows_deleted, rows_unchanged FROM sync_table('shop', 'public.seats', 'raw.seats');
SELECT count(*) FROM raw.seats WHERE id = seat;

-- Partitioned tables, views, materialized views, generated columns.
SELECT rows_inserted FROM sync_table('shop', 'public.events', 'raw.events');
SELECT rows_unchanged FROM sync_table('shop', 'public.events', 'raw.events');
CREATE TABLE raw.parts (id int, day date, what text, PRIMARY KEY (id, day)) PARTITION BY HASH (id);
CREATE TABLE raw.parts_0 PARTITION OF raw.parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE raw.parts_1 PARTITION OF raw.parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT rows_inserted FROM sync_table('shop', 'public.events', 'raw.parts');
UPDATE raw.parts SET what = 'x' WHERE id = 3;
SELECT rows_updated, rows_unchanged FROM sync_table('shop', 'public.events', 'raw.parts');
SELECT rows_inserted FROM sync_table('shop', 'public.adults', 'raw.adults');
SELECT rows_unchanged FROM sync_table('shop', 'public.adults', 'raw.adults');
SELECT rows_inserted FROM sync_table('shop', 'public.adults', 'raw.keyed_adults', primary_key => ARRAY['id']);
SELECT rows_unchanged FROM sync_table('shop', 'public.adults', 'raw.keyed_adults', primary_key => ARRAY['id']);
\d raw.keyed_adults
SELECT rows_inserted FROM sync_table('shop', 'public.totals', 'raw.totals');
SELECT rows_inserted FROM sync_table('shop', 'public.generated', 'raw.generated');
TABLE raw.generated;
CREATE TABLE raw.generated_too (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
SELECT rows_inserted FROM sync_table('shop', 'public.generated', 'raw.generated_too');
SELECT rows_unchanged FROM sync_table('shop', 'public.generated', 'raw.generated_too');
TABLE raw.generated_too;

-- A type that is missing here becomes text; where it exists, it is used.
SELECT rows_inserted FROM sync_table('shop', 'public.moods', 'raw.moods_text');
SELECT rows_unchanged FROM sync_table('shop', 'public.moods', 'raw.moods_text');
CREATE TYPE public.mood AS ENUM ('ok', 'sad');
SELECT rows_inserted FROM sync_table('shop', 'public.moods', 'raw.moods');
SELECT pg_typeof(m), pg_typeof(ms), * FROM raw.moods;

-- An empty source, into an absent and into an empty table.
SELECT rows_read FROM sync_table('shop', 'public.empty', 'raw.empty');
SELECT rows_read FROM sync_table('shop', 'public.empty', 'raw.empty');

-- Names without a schema: the caller's search_path here, the role's own there.
CREATE SCHEMA mine;
SET search_path = mine, public;
SELECT rows_inserted FROM sync_table('shop', 'pairs', 'pairs');
SELECT count(*) FROM mine.pairs;
RESET search_path;

-- Ten calls in one transaction.
BEGIN;
SELECT count(*), sum((sync_table('shop', 'public.pairs', 'raw.pairs')).rows_unchanged) FROM (SELECT 1) one;
DO $$
DECLARE unchanged bigint;
BEGIN
  FOR i IN 1..9 LOOP
    SELECT rows_unchanged INTO STRICT unchanged FROM sync_table('shop', 'public.pairs', 'raw.pairs');
    ASSERT unchanged = 30;
  END LOOP;
END $$;
COMMIT;

-- Without waiting; the procedure.
SELECT run_id, status FROM sync_table('shop', 'public.pairs', 'raw.pairs', wait => false) \gset
\echo :status
SELECT status, rows_unchanged FROM wait_run(:run_id);
SELECT cancel_run(:run_id);
DO $$
DECLARE
  run_id bigint; status text; r bigint; i bigint; u bigint; d bigint; same bigint; rejected bigint; w text; t interval; one boolean;
BEGIN
  CALL run_sync('shop', 'public.pairs', 'raw.pairs', run_id => run_id, status => status, rows_read => r,
    rows_inserted => i, rows_updated => u, rows_deleted => d, rows_unchanged => same, rows_rejected => rejected,
    watermark => w, duration => t, consistent => one);
  ASSERT status = 'succeeded' AND same = 30 AND one;
END $$;

-- Records.
SELECT DISTINCT status, command, sync_mode, server, finished_at >= started_at AS ended FROM tablesync.run WHERE target LIKE 'raw.%';
SELECT s.step_no, s.step, s.rows, s.bytes > 0 AS bytes, s.finished_at >= s.started_at AS ended
FROM tablesync.run r JOIN tablesync.run_step s USING (run_id)
WHERE r.run_id = (SELECT min(run_id) FROM tablesync.run WHERE target = 'raw.users') ORDER BY 1;
SELECT target, server, source, sync_mode FROM tablesync.watermark WHERE target IN ('raw.users', 'raw.pairs') ORDER BY 1;
SELECT count(*) FROM tablesync.progress;
