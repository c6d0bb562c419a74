-- Makes what the other tests use: a source database on this server, reached through 127.0.0.1 with a password,
-- and a plain role. With TABLESYNC_TEST_ROLE set, the tests run as that role, else as the superuser.
\set VERBOSITY terse
SET client_min_messages = error;
DROP DATABASE IF EXISTS tablesync_source;
DROP ROLE IF EXISTS tablesync_plain, tablesync_reader, tablesync_nologin;
RESET client_min_messages;
CREATE ROLE tablesync_reader LOGIN PASSWORD 'read only';
CREATE ROLE tablesync_plain LOGIN PASSWORD 'plain';
CREATE ROLE tablesync_nologin;
GRANT tablesync_nologin TO tablesync_plain;
CREATE DATABASE tablesync_source TEMPLATE template0 ENCODING 'UTF8';

CREATE EXTENSION pg_tablesync;
SELECT tablesync.grant_to('tablesync_plain');
SELECT tablesync.grant_to('tablesync_nologin');
SELECT pg_catalog.format('GRANT CREATE, TEMPORARY ON DATABASE %I TO tablesync_plain, tablesync_nologin', pg_catalog.current_database()) \gexec
GRANT CREATE ON SCHEMA public TO tablesync_plain;
GRANT USAGE ON FOREIGN DATA WRAPPER tablesync TO tablesync_plain;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text), pg_catalog.pg_ls_dir(text) TO tablesync_plain;
GRANT pg_read_server_files TO tablesync_plain;

SELECT pg_catalog.current_setting('port') AS port \gset
CREATE SERVER shop FOREIGN DATA WRAPPER tablesync
  OPTIONS (host '127.0.0.1', port :'port', dbname 'tablesync_source');
GRANT USAGE ON FOREIGN SERVER shop TO tablesync_plain, tablesync_nologin;
CREATE USER MAPPING FOR CURRENT_USER SERVER shop OPTIONS (user 'tablesync_reader', password 'read only');
CREATE USER MAPPING FOR tablesync_plain SERVER shop OPTIONS (user 'tablesync_reader', password 'read only');
CREATE USER MAPPING FOR tablesync_nologin SERVER shop OPTIONS (user 'tablesync_reader', password 'read only');

-- Runs a statement and says how it ended.
CREATE FUNCTION outcome(statement text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  code := '00000';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
    hint = PG_EXCEPTION_HINT;
END $$;

-- The source.
\set target :DBNAME
\c tablesync_source
CREATE TABLE users (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  balance numeric(10,2),
  born date,
  notes json
);
COMMENT ON TABLE users IS 'who''s who';
COMMENT ON COLUMN users.name IS 'as they write it';
INSERT INTO users (name, balance, born, notes)
SELECT 'user ' || g, g * 1.5, CASE WHEN g % 7 > 0 THEN date '2000-01-01' + g END, '{"n": 1}'
FROM generate_series(1, 100) g;

CREATE TABLE "Odd ""Names""" ("a b" int PRIMARY KEY, "select" text, "ünïcødé" text, "x""y" text);
INSERT INTO "Odd ""Names""" VALUES (1, 'one', NULL, ''), (2, E'two\n', 'Å', '''"\');

CREATE TABLE readings (station text, value float8, note text);
INSERT INTO readings SELECT 's' || g % 3, g % 5, NULL FROM generate_series(1, 50) g;

CREATE TABLE empty (id int PRIMARY KEY, t text);
CREATE TABLE pairs (a int, b int, v text, PRIMARY KEY (b, a));
INSERT INTO pairs SELECT g % 10, g, 'v' || g FROM generate_series(1, 30) g;
CREATE TABLE seats (id int PRIMARY KEY, seat int UNIQUE);
INSERT INTO seats SELECT g, g FROM generate_series(1, 10) g;

CREATE TABLE events (id int, day date, what text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
INSERT INTO events SELECT g, date '2024-01-01' + g, 'e' || g FROM generate_series(1, 50) g;

CREATE VIEW adults AS SELECT id, name FROM users WHERE id > 50;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n, sum(balance) AS balance FROM users;
CREATE VIEW twice AS SELECT 1 AS k, 'a' AS v UNION ALL SELECT 1, 'b';
CREATE VIEW nullkey AS SELECT NULL::int AS k, 'a' AS v UNION ALL SELECT 1, 'b';
CREATE VIEW broken AS SELECT id, 100 / (id - 90) AS v FROM users;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE moods (id int PRIMARY KEY, m mood, ms mood[]);
INSERT INTO moods VALUES (1, 'ok', '{sad,ok}');
CREATE TABLE generated (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO generated VALUES (1), (2);
CREATE TABLE numbers (id int PRIMARY KEY, n numeric(10,4), f float8, i8 bigint, d date, ts timestamp);
INSERT INTO numbers VALUES (1, 1.2345, 1.5, 42, '2024-01-01', '2024-01-01 12:00');
-- What a careless export makes of numbers, dates and words; and what nobody can make anything of.
CREATE TABLE texts (id text PRIMARY KEY, i text, n text, f text, b text, d text, ts text, tz text, s text, j text, u text);
INSERT INTO texts VALUES
  ('1', '12.0', '12.50', '0.1', 'yes', '2024-01-05', '2024-01-05 10:20:30.5', '2024-01-05T10:20:30Z', 'short', '{"a": 1}',
   'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
  ('2.0', ' 7 ', ' 1.5 ', '1e3', '0', '20240105', '20240105103000', '2024-01-05 10:20:30+02', '', '[]', ''),
  ('3', '', '', '', '', '', '', '', NULL, '', NULL),
  ('4', '-0', '1e2', '-inf', 'TRUE', '5 Jan 2024', '2024/1/5', 'infinity', 'ünïcø', NULL, NULL),
  ('5', '+5.', '.5', 'NaN', 'Off', 'Jan 5, 2024', '2024-01-05', '20240105T102030 -0500', '123456', '"x"', NULL);
CREATE TABLE spoiled (id int PRIMARY KEY, column_name text, v text);
INSERT INTO spoiled VALUES (1, 'i', '12.5'), (2, 'i', '99999999999'), (3, 'i', 'abc'), (4, 'n', '12.345'),
  (5, 'n', '123456789.1'), (6, 'b', 'perhaps'), (7, 'd', 'now'), (8, 'd', 'today'), (9, 'd', '2024-02-30'),
  (10, 'd', '01/02/2024'), (11, 'd', '2024-01-05 10:00'), (12, 'ts', '2024-01-05T10:00:00Z'),
  (13, 'ts', '2024-01-05 10:00:00.1234567'), (14, 'tz', 'yesterday'), (15, 's', 'much too long'), (16, 'i', 'NaN'),
  (17, 'u', 'no uuid'), (18, 'j', '{');
CREATE VIEW spoiled_columns AS SELECT id, v AS v FROM spoiled;
CREATE TABLE exact (id int PRIMARY KEY, n numeric, f float8, i8 bigint, ts timestamp, day int);
INSERT INTO exact VALUES (1, 12.0, 3, 42, '2024-01-05', 20240105), (2, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE inexact AS SELECT * FROM exact;
ALTER TABLE inexact ADD PRIMARY KEY (id);
INSERT INTO inexact VALUES (3, 12.5, 0.1, 3000000000, '2024-01-05 12:00', 9497), (4, 'NaN', 1e300, 5, NULL, 20241301);
CREATE TABLE marked (id int PRIMARY KEY, gone boolean, n int, word text, at timestamptz);
INSERT INTO marked VALUES (1, false, 0, 'N', NULL), (2, true, 1, ' y ', '2024-01-01'), (3, NULL, NULL, NULL, NULL),
  (4, true, -1, 'True', 'infinity'), (5, false, 0, '', NULL);
CREATE TABLE secret (id int PRIMARY KEY);
CREATE SEQUENCE a_sequence;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO tablesync_reader;
REVOKE ALL ON secret FROM tablesync_reader;
GRANT SELECT ON a_sequence TO tablesync_reader;
