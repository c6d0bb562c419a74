-- Every way to call sync_table wrongly that it knows: SQLSTATE, message, detail, hint.
\getenv role TABLESYNC_TEST_ROLE
\if :{?role}
SET ROLE :role;
\endif
SET client_min_messages = warning;
\pset format unaligned
\pset expanded on
\pset footer off

-- Names.
SELECT * FROM outcome($$SELECT sync_table(NULL, 'public.users', 'bad.t')$$);
SELECT * FROM outcome($$SELECT sync_table('nope', 'public.users', 'bad.t')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', NULL, 'bad.t')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', NULL)$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', '')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'a.b.c.d')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'otherdb.public.t')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.nothere', 'bad.t')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'noschema.users', 'bad.t')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users; DROP TABLE x', 'bad.t')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.a_sequence', 'bad.t')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.secret', 'bad.t')$$);

-- Arguments.
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', 'incr')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', NULL)$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', 'incremental')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.t', 'xmin_incremental')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', verify => 'maybe')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', 'incremental', incremental_field => 'nope')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', 'incremental', incremental_field => 'notes')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', 'incremental', incremental_field => 'name')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', 'incremental', incremental_field => 'born', incremental_field_type => 'integer')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', 'incremental', incremental_field => 'born', incremental_field_type => 'century')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.readings', 'bad.t', 'xmin')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', 'xmin', custom_select => 'SELECT * FROM users')$$);
-- What the user gives as SQL.
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_select => '')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_select => '-- nothing')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_select => 'SELECT 1 AS a; SELECT 2 AS a')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_select => 'SELECT 1 AS a) TO STDOUT; SELECT (2')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_select => 'CREATE TABLE x (a int)')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_select => 'SHOW search_path')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_select => 'SELECT id FROM users WHERE id = $1')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_select => 'SELECT id, id FROM users')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_where => '')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_where => 'id > ')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_where => 'nope = 1')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_count => 'SELECT 1, 2')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_count => 'SELECT NULL')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_count => 'SELECT 7')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"soft_delete_column": "nope"}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"soft_delete_column": "notes"}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"time_zone": ""}')$$);
-- verify_table.
SELECT * FROM outcome($$SELECT * FROM verify_table('nope', 'public.users', 'bad.t')$$);
SELECT * FROM outcome($$SELECT * FROM verify_table('shop', 'public.users', 'bad.nothere')$$);
SELECT * FROM outcome($$SELECT * FROM verify_table(NULL, 'bad.nothere', 'bad.t')$$);
SELECT * FROM outcome($$SELECT * FROM verify_table(NULL, 'bad.t', 'bad.t', custom_where => 'true')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', parallel_workers => 0)$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', parallel_workers => 65)$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', memory_limit_mb => 1)$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', batch_size => 0)$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_select => 'SELECT 1')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', target_server => 'shop')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', chunk_mode => true, custom_count => 'SELECT 1')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"chunk_by": "page"}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', custom_select => 'SELECT 1 AS a', options => '{"chunk_by": "ctid"}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.t', chunk_mode => true)$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.t', chunk_mode => true, primary_key => ARRAY['id'], options => '{"chunk_by": "ctid"}')$$);
SELECT * FROM outcome($$SELECT retry_chunks(-1)$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"adpt": true}')$$);
SELECT * FROM outcome($$SELECT * FROM verify_table('shop', 'public.users', 'bad.t', options => '"a"')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"xyzzyxyzzy": true}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"lookback": "1h"}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"adopt": "perhaps"}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"max_delete_fraction": 2}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"if_running": null}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '{"timeout": "soon"}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', options => '[1]')$$);

-- Targets.
CREATE SCHEMA bad;
CREATE VIEW bad.v AS SELECT 1 AS id;
CREATE TEMP TABLE temporary (id int PRIMARY KEY);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.v')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'pg_catalog.pg_class')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'tablesync.run')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'pg_temp.temporary')$$);
CREATE TABLE bad.ruled (LIKE bad.v);
CREATE RULE nothing AS ON INSERT TO bad.ruled DO INSTEAD NOTHING;
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.ruled')$$);

-- Keys.
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', primary_key => ARRAY['nope'])$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', primary_key => ARRAY['id', 'id'])$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t', primary_key => ARRAY[NULL]::text[])$$);
CREATE TABLE bad.unkeyed (id bigint, name text, balance numeric(10,2), born date, notes json);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.unkeyed')$$);
CREATE UNIQUE INDEX part ON bad.unkeyed (id) WHERE id > 0;
SELECT code FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.unkeyed')$$);
ALTER TABLE bad.unkeyed ADD CONSTRAINT late UNIQUE (id) DEFERRABLE;
SELECT code FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.unkeyed')$$);
CREATE UNIQUE INDEX nullable ON bad.unkeyed (id);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.unkeyed')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.twice', 'bad.twice', primary_key => ARRAY['k'])$$);
CREATE TABLE bad.twice (k int PRIMARY KEY, v text);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.twice', 'bad.twice')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.nullkey', 'bad.twice')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.nullkey', 'bad.nullkey', primary_key => ARRAY['k'])$$);

-- Columns.
CREATE TABLE bad.narrow (id bigint PRIMARY KEY, name text);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.narrow')$$);
CREATE TABLE bad.extra (a int, b int, v text, more text NOT NULL, PRIMARY KEY (a, b));
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.pairs', 'bad.extra')$$);
CREATE TABLE bad.types (id boolean PRIMARY KEY);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.secret', 'bad.types')$$);
CREATE TABLE bad.empty (id boolean PRIMARY KEY, t text);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.empty', 'bad.empty')$$);
CREATE TABLE bad.rounded (id int PRIMARY KEY, n numeric(10,2), f float8, i8 bigint, d date, ts timestamp);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.numbers', 'bad.rounded')$$);
CREATE TABLE bad.garbage (id int PRIMARY KEY, n numeric, f float8, i8 float8, d date, ts timestamp);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.numbers', 'bad.garbage')$$);
CREATE TABLE bad.days (id int PRIMARY KEY, n numeric, f float8, i8 bigint, d int, ts timestamp);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.numbers', 'bad.days')$$);
CREATE TABLE bad.zoned (id int PRIMARY KEY, n numeric, f float8, i8 bigint, d date, ts timestamptz);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.numbers', 'bad.zoned')$$);
CREATE TABLE bad.wide (id bigint PRIMARY KEY, n numeric, f float8, i8 numeric, d timestamp, ts timestamp);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.numbers', 'bad.wide')$$);
TABLE bad.wide;
CREATE TABLE bad.short (id bigint PRIMARY KEY, name varchar(6));
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.short')$$);
CREATE TABLE bad.checked (id bigint PRIMARY KEY, name text CONSTRAINT not_99 CHECK (name <> 'user 99'));
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.checked')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.broken', 'bad.broken')$$);

-- Surprises.
CREATE TABLE bad.mine (id bigint PRIMARY KEY, name text);
INSERT INTO bad.mine SELECT g, 'mine' FROM generate_series(1, 40) g;
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.mine')$$);
SELECT count(*) FROM bad.mine WHERE name = 'mine';
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.mine', options => '{"adopt": true, "trust_owner": true}')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.mine', options => '{"adopt": true, "max_delete_fraction": 1}')$$);
SELECT count(*) FROM bad.mine;
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.mine')$$);
CREATE TABLE bad.was_full (id int PRIMARY KEY, t text);
INSERT INTO bad.was_full VALUES (1, 'a'), (2, 'b');
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.empty', 'bad.was_full', options => '{"adopt": true}')$$);
SELECT count(*) FROM bad.was_full;
SELECT rows_deleted FROM sync_table('shop', 'public.empty', 'bad.was_full', options => '{"adopt": true, "allow_empty": true}');
CREATE TABLE bad.readings (station text, value float8, note text);
INSERT INTO bad.readings SELECT 's', g, 'x' FROM generate_series(1, 500) g;
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.readings', 'bad.readings', options => '{"adopt": true}')$$);

-- Foreign keys that act on delete stand against replacing rows.
CREATE TABLE bad.seats (id int PRIMARY KEY, seat int UNIQUE);
INSERT INTO bad.seats SELECT g, 11 - g FROM generate_series(1, 10) g;
CREATE TABLE bad.guests (name text, seat int REFERENCES bad.seats ON DELETE CASCADE);
INSERT INTO bad.guests VALUES ('Ada', 1);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.seats', 'bad.seats', options => '{"adopt": true}')$$);
SELECT count(*) FROM bad.guests;

-- Transactions and places that it cannot be called from.
BEGIN;
CREATE TABLE bad.uncommitted (id int);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.users', 'bad.t')$$);
ROLLBACK;
BEGIN;
LOCK TABLE bad.mine IN SHARE MODE;
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.mine')$$);
ROLLBACK;
SELECT * FROM outcome($$CREATE MATERIALIZED VIEW bad.m AS SELECT run_id FROM sync_table('shop', 'public.users', 'bad.t')$$);

-- The source is the target.
SET ROLE NONE;
SELECT current_setting('port') AS port \gset
CREATE SERVER myself FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1', port :'port', dbname :'DBNAME');
CREATE USER MAPPING FOR CURRENT_USER SERVER myself OPTIONS (user 'tablesync_plain', password 'plain');
GRANT SELECT ON bad.mine TO tablesync_plain;
GRANT USAGE ON SCHEMA bad TO tablesync_plain;
SELECT * FROM outcome($$SELECT sync_table('myself', 'bad.mine', 'bad.mine', options => '{"adopt": true, "trust_owner": true}')$$);

-- Privileges, as a plain role.
CREATE TABLE bad.not_yours (id bigint PRIMARY KEY, name text);
GRANT SELECT, INSERT ON bad.not_yours TO tablesync_plain;
CREATE TABLE bad.policed (id bigint PRIMARY KEY, name text);
GRANT ALL ON bad.policed TO tablesync_plain;
ALTER TABLE bad.policed ENABLE ROW LEVEL SECURITY;
CREATE SCHEMA closed;
GRANT USAGE ON SCHEMA closed TO tablesync_plain;
CREATE SERVER locked FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1');
CREATE SERVER unmapped FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1');
CREATE SERVER bare FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1', port :'port', dbname 'tablesync_source');
GRANT USAGE ON FOREIGN SERVER unmapped, bare TO tablesync_plain;
CREATE USER MAPPING FOR tablesync_plain SERVER bare OPTIONS (user 'tablesync_reader');
CREATE FOREIGN DATA WRAPPER another;
CREATE SERVER other_kind FOREIGN DATA WRAPPER another;
GRANT USAGE ON FOREIGN SERVER other_kind TO tablesync_plain;
SET ROLE tablesync_plain;
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.not_yours')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.policed')$$);
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'closed.t')$$);
SELECT * FROM outcome($$SELECT sync_table('locked', 'public.adults', 'bad.t')$$);
SELECT * FROM outcome($$SELECT sync_table('unmapped', 'public.adults', 'bad.t')$$);
SELECT * FROM outcome($$SELECT sync_table('bare', 'public.adults', 'bad.t')$$);
SELECT * FROM outcome($$SELECT sync_table('other_kind', 'public.adults', 'bad.t')$$);
SELECT * FROM outcome($$SELECT * FROM wait_run(123456789)$$);
SELECT * FROM outcome($$SELECT cancel_run(123456789)$$);
SET ROLE NONE;
SELECT format('REVOKE CREATE ON DATABASE %I FROM tablesync_plain, tablesync_nologin', :'DBNAME') \gexec
SET ROLE tablesync_plain;
SELECT code, message FROM outcome($$SELECT sync_table('shop', 'public.adults', 'no_such_schema.t')$$);
SET ROLE NONE;
SELECT format('GRANT CREATE ON DATABASE %I TO tablesync_plain', :'DBNAME') \gexec
SET ROLE tablesync_nologin;
SELECT * FROM outcome($$SELECT sync_table('shop', 'public.adults', 'bad.t')$$);
SET ROLE NONE;

-- What failed is on record, with the run in its context.
SELECT status, sqlstate, message, context ~ '^run [0-9]+ of sync_table shop: public.nothere -> bad.t$' AS context
FROM tablesync.run WHERE source = 'public.nothere' ORDER BY run_id DESC LIMIT 1;
SELECT count(*) FROM pg_class WHERE relname = 't' AND relnamespace = 'bad'::regnamespace;
