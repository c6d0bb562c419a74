-- Every way to call pivot_ship wrongly that it knows: SQLSTATE, message, detail, hint; and readings that are hard to take.
\set target :DBNAME
\c tablesync_source
CREATE TABLE log (ship_id text, data_channel_id text, created_time timestamptz, value_format text, bool_v boolean, str_v text,
  long_v bigint, double_v float8);
CREATE TABLE named (LIKE log);
CREATE TABLE hard (LIKE log);
CREATE TABLE many (LIKE log);
CREATE TABLE alike (LIKE log);
CREATE TABLE long_ships (LIKE log);
CREATE TABLE read_twice (LIKE log);
CREATE TABLE hidden (LIKE log);
CREATE TABLE signals (signal text, "time" timestamptz, value float8);
CREATE SEQUENCE counter;
INSERT INTO log SELECT ship, channel, timestamptz '2024-03-01 00:00Z' + g * interval '1 minute', 'Decimal', NULL, NULL, NULL, g / 2.0
FROM unnest(ARRAY['HS4', 'HS5', 'Nordlys']) ship, unnest(ARRAY['rpm', 'load']) channel, generate_series(1, 60) g;
INSERT INTO alike SELECT unnest(ARRAY['Alpha', 'ALPHA', 'beta']), 'rpm', '2024-03-01 00:00Z', 'Integer', NULL, NULL, 1, NULL;
INSERT INTO long_ships SELECT repeat('long', 11), 'rpm', '2024-03-01 00:00Z', 'Integer', NULL, NULL, 1, NULL;
INSERT INTO named SELECT 'HS4', channel, '2024-03-01 00:00Z', 'Integer', NULL, NULL, n, NULL FROM unnest(ARRAY[
  'xmin', 'created_time', 'select', 'a "b" c', E'two\nlines', 'größe', 'RPM', 'rpm', repeat('x', 63), repeat('x', 63) || '1',
  repeat('x', 63) || '2', repeat('ö', 40)]) WITH ORDINALITY c (channel, n);
-- What each is to become is in its channel, or in its ship.
INSERT INTO hard VALUES
  (NULL, 'no ship', '2024-03-01 00:00Z', 'Integer', NULL, NULL, 1, NULL),
  ('HS4', NULL, '2024-03-01 00:00Z', 'Integer', NULL, NULL, 2, NULL),
  ('HS4', '', '2024-03-01 00:00Z', 'Integer', NULL, NULL, 3, NULL),
  ('HS4', 'no time', NULL, 'Integer', NULL, NULL, 4, NULL),
  ('HS4', 'number', '2024-03-01 00:00Z', 'integer', NULL, NULL, 5, NULL),
  ('HS4', 'number', '2024-03-01 00:00Z', 'INTEGER', NULL, NULL, 6, NULL),
  ('HS4', 'number', '2024-03-01 00:01Z', 'Integer', NULL, 'seven', NULL, NULL),
  ('HS4', 'number', '2024-03-01 00:02Z', 'String', NULL, 'seven', NULL, NULL),
  ('HS4', 'number', '2024-03-01 00:03Z', 'String', NULL, '7', NULL, NULL),
  ('HS4', 'number', '2024-03-01 00:04Z', 'Integer', NULL, NULL, NULL, NULL),
  ('HS4', 'number', '2024-03-01 00:05Z', NULL, NULL, '8', 8, NULL),
  ('HS4', 'number', '2024-03-01 00:06Z', 'Float', NULL, NULL, NULL, 9),
  ('HS4', 'on', '2024-03-01 00:00Z', 'Boolean', true, NULL, NULL, NULL),
  ('HS4', 'on', '2024-03-01 00:01Z', 'Boolean', NULL, NULL, 0, NULL),
  ('HS4', 'on', '2024-03-01 00:02Z', 'Boolean', NULL, NULL, 2, NULL),
  ('HS4', 'on', '2024-03-01 00:03Z', 'Decimal', NULL, NULL, NULL, 'NaN');
INSERT INTO many SELECT 'HS4', 'channel ' || g, '2024-03-01 00:00Z', 'Boolean', g % 2 = 0, NULL, NULL, NULL FROM generate_series(1, 1700) g;
INSERT INTO read_twice SELECT 'HS4', 'rpm', timestamptz '2024-03-01 00:00Z' + g * interval '1 second', 'Integer', NULL, NULL, g, NULL FROM generate_series(1, 5000) g;
INSERT INTO signals SELECT 'rpm', timestamptz '2024-03-01 00:00Z' + g * interval '1 minute', g FROM generate_series(1, 10) g;
GRANT SELECT ON log, named, hard, many, alike, long_ships, read_twice, signals, counter TO tablesync_reader;
\c :target
\getenv role TABLESYNC_TEST_ROLE
\if :{?role}
SET ROLE :role;
\endif
SET client_min_messages = warning;
SET timezone = 'UTC';
\pset format unaligned
\pset expanded on
\pset footer off

-- The source.
SELECT * FROM outcome($$SELECT pivot_ship('nope', 'public.log')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', NULL)$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', '')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.nothere')$$);
SELECT * FROM outcome($$SELECT pivot_ship(NULL, 'public.nothere')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.counter')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.hidden')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.users')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"columns": {"double_v": "duoble_v"}}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"columns": {"created_tme": "created_time"}}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"columns": ["created_time"]}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"columns": {"created_time": 1}}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"columns": {"created_time": null}}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"columns": {"created_time": "str_v"}}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"columns": {"bool_v": null, "str_v": null, "long_v": null, "double_v": null}}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.signals', options => '{"columns": {"ship_id": null, "data_channel_id": "signal", "created_time": "time", "value_format": null, "bool_v": null, "str_v": null, "long_v": null, "double_v": "value"}}')$$);

-- Ships.
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', ship_ids => ARRAY['HS4', NULL])$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', ship_ids => '{}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', 'HS4', ARRAY['HS5'])$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', 'HS6')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', '')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', ship_ids => ARRAY['HS4', 'nordlys'])$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.alike')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.alike', ship_ids => ARRAY['ALPHA', 'Alpha'])$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.long_ships')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', 'HS4', table_groups => '{"a group whose name leaves no room for the rest": "rpm"}')$$);

-- Modes.
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', mode => 'fulll')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', mode => NULL)$$);
SELECT mode, code, message, detail, hint FROM unnest('{realtime,concurrent,hybrid,streaming,dual_write,dual-write}'::text[]) mode,
  outcome(format($$SELECT pivot_ship('shop', 'public.log', mode => %L)$$, mode));

-- Times.
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', chunk_interval => '0')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', chunk_interval => '-1 hour')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', chunk_interval => '1 month')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', chunk_interval => '1 year -3 hours')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', chunk_interval => NULL)$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', sample_interval => '0')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', from_time => '2024-03-02 00:00Z', cutoff_time => '2024-03-01 00:00Z')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', from_time => '2024-03-01 00:00Z', cutoff_time => '2024-03-01 00:00Z')$$);
SELECT code FROM outcome($$SELECT pivot_ship('shop', 'public.log', from_time => '2200-01-01 00:00Z')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', cutoff_time => 'infinity')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', from_time => '-infinity')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"time_zone": "Europe/Berlim"}')$$);

-- Other arguments.
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', target_schema => NULL)$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', table_prefix => NULL)$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', target_schema => 'pg_catalog')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', target_schema => 'tablesync')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', value_type => 'jsonb')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', batch_size => 0)$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', parallel_workers => 0)$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', parallel_workers => 65)$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', memory_limit_mb => 0)$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', max_retries => -1)$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', channels => ARRAY['rpm', NULL])$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', channels => '{}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', channels => ARRAY['rpm', ''])$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', channels => ARRAY['rpm', 'load', 'rpm'])$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', table_groups => '["rpm"]')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', table_groups => '{"engine": 1}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', table_groups => '{"engine": "(rpm"}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', table_groups => '{"": "rpm"}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"ordr": "newest_first"}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"xyzzyxyzzy": true}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"order": "newest"}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"channels_table": "public.nothere"}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '{"max_rate": "fast"}')$$);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', options => '[1]')$$);
SELECT * FROM outcome($$SELECT verify_pivot('shop', 'public.log', target_schema => 'nowhere')$$);
SELECT * FROM outcome($$SELECT reprocess_failed_chunks(ship_id => 'HS6', run_id => -1)$$);

-- None of these has made anything.
SELECT count(*) FROM tablesync.pivot_table;
SELECT count(*) FROM pg_class WHERE relname LIKE 'tbl\_data%';

-- Tables that cannot be adopted.
CREATE SCHEMA bad_pivot;
CREATE TABLE bad_pivot.tbl_data_timeseries_hs4 (created_time date PRIMARY KEY, rpm float8);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', 'HS4', target_schema => 'bad_pivot')$$);
DROP TABLE bad_pivot.tbl_data_timeseries_hs4;
CREATE TABLE bad_pivot.tbl_data_timeseries_hs4 (created_time timestamptz, rpm float8);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', 'HS4', target_schema => 'bad_pivot')$$);
DROP TABLE bad_pivot.tbl_data_timeseries_hs4;
CREATE TABLE bad_pivot.tbl_data_timeseries_hs4 (created_time timestamptz PRIMARY KEY, rpm bytea);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', 'HS4', target_schema => 'bad_pivot')$$);
DROP TABLE bad_pivot.tbl_data_timeseries_hs4;
CREATE TABLE bad_pivot.tbl_data_timeseries_hs4 (created_time timestamptz PRIMARY KEY, rpm float8, owner text NOT NULL);
SELECT code FROM outcome($$SELECT pivot_ship('shop', 'public.log', 'HS4', target_schema => 'bad_pivot')$$);
DROP TABLE bad_pivot.tbl_data_timeseries_hs4;
CREATE VIEW bad_pivot.tbl_data_timeseries_hs4 AS SELECT now() AS created_time, 1.5::float8 AS rpm;
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', 'HS4', target_schema => 'bad_pivot')$$);
DROP VIEW bad_pivot.tbl_data_timeseries_hs4;

-- Transactions and places that it cannot be called from.
BEGIN;
CREATE TABLE bad_pivot.uncommitted (id int);
SELECT * FROM outcome($$SELECT pivot_ship('shop', 'public.log', target_schema => 'bad_pivot')$$);
ROLLBACK;

-- Names of channels. What cannot be a column's name, or is taken, gets its beginning and digits of its own.
SELECT columns_added, rows_read, rows_written, cells_written, rows_rejected FROM pivot_ship('shop', 'public.named', target_schema => 'bad_pivot');
\pset expanded off
SELECT to_json(c.channel) AS channel, to_json(regexp_replace(c.column_name::text, '_[0-9a-f]{8}$', '_########')) AS column, octet_length(c.column_name::text) AS bytes
FROM tablesync.pivot_column c JOIN tablesync.pivot_table t USING (table_oid) WHERE t.target_schema = 'bad_pivot' ORDER BY c.channel COLLATE "C";
SELECT count(*), count(DISTINCT value) FROM bad_pivot.tbl_data_timeseries_hs4 t, jsonb_each(to_jsonb(t) - 'created_time');
-- Every time the same.
CREATE TABLE bad_pivot.first_time AS SELECT c.channel, c.column_name FROM tablesync.pivot_column c JOIN tablesync.pivot_table t USING (table_oid)
WHERE t.target_schema = 'bad_pivot';
SELECT columns_added FROM pivot_ship('shop', 'public.named', target_schema => 'bad_pivot', drop_tables => true, options => '{"order": "oldest_first"}');
SELECT count(*) FROM tablesync.pivot_column c JOIN tablesync.pivot_table t USING (table_oid) JOIN bad_pivot.first_time f USING (channel, column_name)
WHERE t.target_schema = 'bad_pivot';

-- Values that no column can hold, and readings without a ship, a channel, or a time. Of two readings the last one counts.
CREATE TABLE bad_pivot.hard_hs4 (created_time timestamptz PRIMARY KEY, number bigint, "on" boolean);
SELECT ship, cells_written, columns_added FROM pivot_ship('shop', 'public.hard', target_schema => 'bad_pivot', table_prefix => 'hard_');
SELECT * FROM bad_pivot.hard_hs4 ORDER BY created_time;
SELECT row_key, column_name, sqlstate, message, coalesce("row"->>'bool_v', "row"->>'str_v', "row"->>'long_v', "row"->>'double_v') AS value
FROM tablesync.reject WHERE target = 'bad_pivot.hard_' ORDER BY row_key COLLATE "C", column_name COLLATE "C";
SELECT DISTINCT (SELECT array_agg(k ORDER BY k COLLATE "C") FROM jsonb_object_keys("row") k) AS keys FROM tablesync.reject WHERE target = 'bad_pivot.hard_';

-- More channels than a table has columns.
SELECT regexp_replace(target_table, '^.*\.', '') AS target_table, columns_added, rows_rejected FROM pivot_ship('shop', 'public.many', target_schema => 'bad_pivot', table_prefix => 'many_')
ORDER BY 1;
SELECT sum((SELECT count(*) FROM jsonb_object_keys(to_jsonb(t) - 'created_time'))) AS channels FROM bad_pivot.many_hs4 t;
SELECT count(DISTINCT c.channel) FROM tablesync.pivot_column c JOIN tablesync.pivot_table t USING (table_oid) WHERE t.table_prefix = 'many_';

-- One at a time.
SELECT count(*) >= 0 AS begun FROM pivot_ship('shop', 'public.read_twice', target_schema => 'bad_pivot', table_prefix => 'twice_', wait => false, batch_size => 100,
  chunk_interval => '1 minute', options => '{"max_rate": "100 rows"}');
-- Waits for a minute at most, which no run takes.
CREATE PROCEDURE bad_pivot.wait_until(condition text) LANGUAGE plpgsql AS $$
DECLARE
  done bool;
BEGIN
  FOR n IN 1 .. 1200 LOOP
    EXECUTE condition INTO done;
    EXIT WHEN done;
    COMMIT;
    PERFORM pg_sleep(0.05);
  END LOOP;
END $$;
CALL bad_pivot.wait_until($$SELECT EXISTS (SELECT FROM tablesync.chunk JOIN tablesync.run r USING (run_id) WHERE r.status = 'running')$$);
\pset expanded on
SELECT code, regexp_replace(message, 'process \d+', 'process N') AS message, detail, hint
FROM outcome($$SELECT pivot_ship('shop', 'public.read_twice', target_schema => 'bad_pivot', table_prefix => 'twice_')$$);
SELECT cancel_run(run_id) FROM tablesync.run WHERE status = 'running';
CALL bad_pivot.wait_until($$SELECT NOT EXISTS (SELECT FROM tablesync.run WHERE status = 'running')$$);
SELECT status, command, sync_mode FROM tablesync.run ORDER BY run_id DESC LIMIT 1;

-- What failed is on record, with the run in its context.
SELECT status, sqlstate, message, command FROM tablesync.run WHERE source = 'public.nothere' ORDER BY run_id DESC LIMIT 1;
