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
CREATE TABLE secret (id int PRIMARY KEY);
CREATE SEQUENCE a_sequence;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO tablesync_reader;
REVOKE ALL ON secret FROM tablesync_reader;
GRANT SELECT ON a_sequence TO tablesync_reader;
