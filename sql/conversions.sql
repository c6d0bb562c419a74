-- Columns whose type on the target is another than on the source: what is converted, and what is refused.
\getenv role TABLESYNC_TEST_ROLE
\if :{?role}
SET ROLE :role;
\endif
SET client_min_messages = warning;
SET timezone = 'Europe/Berlin';
SET datestyle = 'SQL, DMY';
CREATE SCHEMA conv;

-- Texts, as the usual exports write them.
CREATE TABLE conv.texts (id int PRIMARY KEY, i int, n numeric(10,2), f float8, b boolean, d date, ts timestamp,
  tz timestamptz, s varchar(6), j jsonb, u uuid);
SELECT rows_read, rows_inserted, rows_rejected FROM sync_table('shop', 'public.texts', 'conv.texts');
SET datestyle = 'ISO';
\pset null '(null)'
\pset expanded on
TABLE conv.texts ORDER BY id;
\pset expanded off
SELECT rows_read, rows_unchanged FROM sync_table('shop', 'public.texts', 'conv.texts', verify => 'full');
-- Empty texts as NULL, where asked for.
SELECT rows_updated FROM sync_table('shop', 'public.texts', 'conv.texts', options => '{"empty_string_as_null": true}');
SELECT count(*) FROM conv.texts WHERE s = '';
SELECT * FROM verify_table('shop', 'public.texts', 'conv.texts', options => '{"empty_string_as_null": true}');

-- Numbers and moments: only what comes through unchanged.
CREATE TABLE conv.exact (id int PRIMARY KEY, n int, f numeric(5,1), i8 int, ts date, day date);
SELECT rows_inserted FROM sync_table('shop', 'public.exact', 'conv.exact');
TABLE conv.exact;
CREATE TABLE conv.inexact (LIKE conv.exact INCLUDING ALL);
SELECT code, message, detail, hint FROM outcome($$SELECT sync_table('shop', 'public.inexact', 'conv.inexact')$$) \gx
SELECT rows_read, rows_inserted, rows_rejected
FROM sync_table('shop', 'public.inexact', 'conv.inexact', options => '{"on_bad_row": "reject"}');
SELECT row_key, column_name, sqlstate, message, "row" FROM tablesync.reject WHERE target = 'conv.inexact' ORDER BY row_key;

-- Nobody can make anything of these. Each is an error that names the row, the column and the value ...
CREATE TABLE conv.i (id int PRIMARY KEY, v int);
CREATE TABLE conv.n (id int PRIMARY KEY, v numeric(10,2));
CREATE TABLE conv.b (id int PRIMARY KEY, v boolean);
CREATE TABLE conv.d (id int PRIMARY KEY, v date);
CREATE TABLE conv.ts (id int PRIMARY KEY, v timestamp);
CREATE TABLE conv.tz (id int PRIMARY KEY, v timestamptz);
CREATE TABLE conv.s (id int PRIMARY KEY, v varchar(6));
CREATE TABLE conv.u (id int PRIMARY KEY, v uuid);
CREATE TABLE conv.j (id int PRIMARY KEY, v json);
SELECT code, message, detail FROM outcome($$SELECT sync_table('shop', 'public.spoiled_columns', 'conv.d', custom_where => 'id = 7')$$) \gx
-- ... or all of them go to tablesync.reject.
SELECT t, r.rows_read, r.rows_inserted, r.rows_rejected
FROM unnest('{i,n,b,d,ts,tz,s,u,j}'::text[]) WITH ORDINALITY AS u (t, at), LATERAL sync_table('shop', 'public.spoiled_columns', 'conv.' || t,
  custom_where => format('id IN (SELECT id FROM spoiled WHERE column_name = %L)', t), options => '{"on_bad_row": "reject"}') r
ORDER BY at;
SELECT row_key, target, column_name, sqlstate, message FROM tablesync.reject WHERE target LIKE 'conv._' OR target LIKE 'conv.t_' ORDER BY reject_id;
-- Rejected rows are not taken for deleted ones.
INSERT INTO conv.i VALUES (1, 12);
SELECT rows_deleted, rows_rejected FROM sync_table('shop', 'public.spoiled_columns', 'conv.i',
  custom_where => 'id IN (SELECT id FROM spoiled WHERE column_name = ''i'')', options => '{"on_bad_row": "reject"}');

-- Rows that are marked as deleted, by columns of each type.
SELECT rows_read, rows_inserted FROM sync_table('shop', 'public.marked', 'conv.marked', options => '{"soft_delete_column": "gone"}');
SELECT id FROM conv.marked ORDER BY id;
SELECT rows_inserted, rows_deleted FROM sync_table('shop', 'public.marked', 'conv.marked',
  options => '{"soft_delete_column": "gone", "soft_delete_action": "mark"}');
SELECT id, gone FROM conv.marked ORDER BY id;
SELECT c, r.rows_read, r.rows_inserted, r.rows_deleted
FROM unnest('{gone,n,word,at}'::text[]) WITH ORDINALITY AS u (c, at), LATERAL sync_table('shop', 'public.marked', 'conv.marked_' || c,
  delete_missing => false, options => jsonb_build_object('soft_delete_column', c)) r ORDER BY u.at;
INSERT INTO conv.marked_word VALUES (2), (4);
SELECT rows_read, rows_inserted, rows_deleted, rows_unchanged FROM sync_table('shop', 'public.marked', 'conv.marked_word',
  delete_missing => false, options => '{"soft_delete_column": "word"}');
SELECT id FROM conv.marked_word ORDER BY id;
