\echo Use "CREATE EXTENSION pg_tablesync" to load this file. \quit

-- The functions that users call are in the extension's schema; all state is in the schema tablesync.
-- No statement of this file relies on the search_path: every name is qualified.

CREATE SCHEMA tablesync;
COMMENT ON SCHEMA tablesync IS 'State of pg_tablesync: runs, and what each target was filled from';

-- ---- Connections ----------------------------------------------------------------------------------------

CREATE FUNCTION tablesync.fdw_validator(options pg_catalog.text[], catalog pg_catalog.oid) RETURNS pg_catalog.void
LANGUAGE C STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tablesync_fdw_validator';
COMMENT ON FUNCTION tablesync.fdw_validator(pg_catalog.text[], pg_catalog.oid) IS
  'Checks the options of servers and user mappings of the foreign-data wrapper tablesync';

CREATE FOREIGN DATA WRAPPER tablesync NO HANDLER VALIDATOR tablesync.fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER tablesync IS 'Names PostgreSQL servers that sync_table() reads from';

-- ---- State ----------------------------------------------------------------------------------------------

CREATE TABLE tablesync.run (
  run_id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner pg_catalog.regrole NOT NULL,
  command pg_catalog.text NOT NULL,
  status pg_catalog.text NOT NULL CONSTRAINT run_status CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY[
    'running', 'succeeded', 'failed', 'canceled', 'interrupted', 'skipped'])),
  server pg_catalog.name,
  source pg_catalog.text NOT NULL,
  target pg_catalog.text NOT NULL,
  sync_mode pg_catalog.text NOT NULL,
  started_at pg_catalog.timestamptz NOT NULL,
  finished_at pg_catalog.timestamptz,
  duration pg_catalog.interval GENERATED ALWAYS AS (finished_at OPERATOR(pg_catalog.-) started_at) STORED,
  rows_read pg_catalog.int8,
  rows_inserted pg_catalog.int8,
  rows_updated pg_catalog.int8,
  rows_deleted pg_catalog.int8,
  rows_unchanged pg_catalog.int8,
  rows_rejected pg_catalog.int8,
  bytes_read pg_catalog.int8,
  watermark pg_catalog.text,
  consistent pg_catalog.bool,
  sqlstate pg_catalog.text,
  message pg_catalog.text,
  detail pg_catalog.text,
  hint pg_catalog.text,
  context pg_catalog.text,
  worker_pid pg_catalog.int4 NOT NULL,
  worker_start pg_catalog.timestamptz NOT NULL,
  shared_memory pg_catalog.int8 NOT NULL,
  first_xid pg_catalog.int8,
  next_xid pg_catalog.int8
);
COMMENT ON TABLE tablesync.run IS 'One row per run, committed before its work begins; success is committed with the data';
COMMENT ON COLUMN tablesync.run.consistent IS 'Whether the target equals the source at one moment; if not, each row is at least as new as the beginning of the run';
COMMENT ON COLUMN tablesync.run.first_xid IS 'The transaction that wrote the rows; its xid and those of its subtransactions are below next_xid';
COMMENT ON COLUMN tablesync.run.shared_memory IS 'Handle of the segment that holds the live counters while the run lasts';
CREATE INDEX run_finished_at ON tablesync.run (finished_at);
CREATE INDEX run_running ON tablesync.run (target) WHERE status OPERATOR(pg_catalog.=) 'running';

CREATE TABLE tablesync.run_step (
  run_id pg_catalog.int8 NOT NULL REFERENCES tablesync.run ON DELETE CASCADE,
  step_no pg_catalog.int4 NOT NULL,
  step pg_catalog.text NOT NULL,
  started_at pg_catalog.timestamptz NOT NULL,
  finished_at pg_catalog.timestamptz NOT NULL,
  duration pg_catalog.interval GENERATED ALWAYS AS (finished_at OPERATOR(pg_catalog.-) started_at) STORED,
  rows pg_catalog.int8,
  bytes pg_catalog.int8,
  detail pg_catalog.text,
  PRIMARY KEY (run_id, step_no)
);
COMMENT ON TABLE tablesync.run_step IS 'The steps of each run: describe, waiting for the source, scan, copy, primary key, delete, merge, verify, commit, waiting to retry';

CREATE TABLE tablesync.failed_attempt (
  run_id pg_catalog.int8 NOT NULL REFERENCES tablesync.run ON DELETE CASCADE,
  attempt_no pg_catalog.int4 NOT NULL,
  failed_at pg_catalog.timestamptz NOT NULL,
  sqlstate pg_catalog.text NOT NULL,
  message pg_catalog.text NOT NULL,
  detail pg_catalog.text,
  context pg_catalog.text,
  retry_after pg_catalog.interval NOT NULL,
  PRIMARY KEY (run_id, attempt_no)
);
COMMENT ON TABLE tablesync.failed_attempt IS 'Failed attempts of a run that were retried; the error of the last attempt is in tablesync.run';

CREATE TABLE tablesync.watermark (
  target_oid pg_catalog.oid PRIMARY KEY,
  target pg_catalog.text NOT NULL,
  owner pg_catalog.regrole NOT NULL,
  server pg_catalog.name,
  source pg_catalog.text NOT NULL,
  sync_mode pg_catalog.text NOT NULL,
  field pg_catalog.text,
  value pg_catalog.text,
  pending pg_catalog.text,
  custom_select pg_catalog.text,
  custom_where pg_catalog.text,
  soft_delete_column pg_catalog.text,
  shape pg_catalog.text,
  system_identifier pg_catalog.text,
  database_oid pg_catalog.oid,
  relation_oid pg_catalog.oid,
  snapshot_xmin pg_catalog.int8,
  lsn pg_catalog.pg_lsn,
  timeline pg_catalog.int4,
  read_lsn pg_catalog.pg_lsn,
  read_timeline pg_catalog.int4,
  target_files pg_catalog.text,
  run_id pg_catalog.int8 NOT NULL,
  updated_at pg_catalog.timestamptz NOT NULL,
  restored pg_catalog.text
);
COMMENT ON TABLE tablesync.watermark IS 'What each target was filled from, and how far; written by the run that filled it, in its transaction';
COMMENT ON COLUMN tablesync.watermark.value IS 'Value of the field below which the target has every row of the source';
COMMENT ON COLUMN tablesync.watermark.pending IS 'Values of an integer field that are not proven yet, each with the time at which it was the highest';
COMMENT ON COLUMN tablesync.watermark.run_id IS 'The run that wrote the row; 0: a run before a restore';
COMMENT ON COLUMN tablesync.watermark.restored IS 'Digest of the target in the dump that this row came from: the row is valid once the target is found to have this digest';
COMMENT ON COLUMN tablesync.watermark.snapshot_xmin IS 'Transaction id of the source, with epoch: the target has all rows that earlier transactions wrote';
COMMENT ON COLUMN tablesync.watermark.read_lsn IS 'WAL position of the source when its rows were last read: a standby behind it has older rows than the target';
COMMENT ON COLUMN tablesync.watermark.target_files IS 'The files that hold the target''s rows: TRUNCATE and statements that rewrite the table change them; not valid in another database';

CREATE TABLE tablesync.checkpoint (
  owner pg_catalog.regrole NOT NULL,
  subject pg_catalog.text NOT NULL,
  target pg_catalog.text NOT NULL,
  run_id pg_catalog.int8 NOT NULL,
  request pg_catalog.jsonb NOT NULL,
  definition pg_catalog.text NOT NULL,
  server pg_catalog.name,
  source pg_catalog.text NOT NULL,
  first_load pg_catalog.bool NOT NULL,
  key_pending pg_catalog.bool NOT NULL,
  chunk_by pg_catalog.text NOT NULL,
  files pg_catalog.text NOT NULL,
  shape pg_catalog.text NOT NULL,
  value pg_catalog.text,
  system_identifier pg_catalog.text,
  database_oid pg_catalog.oid,
  relation_oid pg_catalog.oid,
  snapshot_xmin pg_catalog.int8,
  lsn pg_catalog.pg_lsn,
  timeline pg_catalog.int4,
  read_lsn pg_catalog.pg_lsn,
  read_timeline pg_catalog.int4,
  target_files pg_catalog.text,
  chunks pg_catalog.int8 NOT NULL,
  chunk_size pg_catalog.int8 NOT NULL,
  lower pg_catalog.text[],
  complete pg_catalog.bool NOT NULL,
  next_xmin pg_catalog.int8,
  next_lsn pg_catalog.pg_lsn,
  next_timeline pg_catalog.int4,
  started_at pg_catalog.timestamptz NOT NULL,
  updated_at pg_catalog.timestamptz NOT NULL,
  restored pg_catalog.text,
  starts_over pg_catalog.bool NOT NULL DEFAULT false,
  PRIMARY KEY (owner, subject)
);
COMMENT ON TABLE tablesync.checkpoint IS 'Progress of each incomplete sync in chunks, by role; written with the rows of each chunk';
COMMENT ON COLUMN tablesync.checkpoint.subject IS 'The oid of a sync''s target, or the name of a pivot; also in tablesync.chunk';
COMMENT ON COLUMN tablesync.checkpoint.run_id IS 'The last run that worked on it; 0: a run before a restore';
COMMENT ON COLUMN tablesync.checkpoint.restored IS 'As in tablesync.watermark';
COMMENT ON COLUMN tablesync.checkpoint.starts_over IS 'The row was restored without its chunks: the next run begins with the first chunk';
COMMENT ON COLUMN tablesync.checkpoint.request IS 'The parameters of the call that differ from their defaults, so that it can be resumed without its caller';
COMMENT ON COLUMN tablesync.checkpoint.key_pending IS 'The target has no primary key yet: it is built after the last chunk';
COMMENT ON COLUMN tablesync.checkpoint.snapshot_xmin IS 'Transaction id of the source before the first chunk, with epoch: rows that were written later are read at the end';
COMMENT ON COLUMN tablesync.checkpoint.target_files IS 'The files that held the target''s rows when the first chunk began';
COMMENT ON COLUMN tablesync.checkpoint.next_xmin IS 'Set when the rows that were written later are read in chunks too: transaction id of the source before the first of these chunks';
COMMENT ON COLUMN tablesync.checkpoint.lower IS 'Where the next chunk begins: a page number, or the values of a key as text';

CREATE TABLE tablesync.chunk (
  run_id pg_catalog.int8 NOT NULL REFERENCES tablesync.run ON DELETE CASCADE,
  chunk_no pg_catalog.int8 NOT NULL,
  owner pg_catalog.regrole NOT NULL,
  subject pg_catalog.text NOT NULL,
  status pg_catalog.text NOT NULL CONSTRAINT chunk_status CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY[
    'running', 'succeeded', 'failed'])),
  lower pg_catalog.text[],
  upper pg_catalog.text[],
  started_at pg_catalog.timestamptz NOT NULL,
  finished_at pg_catalog.timestamptz,
  rows_read pg_catalog.int8,
  rows_inserted pg_catalog.int8,
  rows_updated pg_catalog.int8,
  first_xid pg_catalog.int8 NOT NULL,
  next_xid pg_catalog.int8 NOT NULL,
  attempts pg_catalog.int4 NOT NULL,
  sqlstate pg_catalog.text,
  message pg_catalog.text,
  detail pg_catalog.text,
  PRIMARY KEY (run_id, chunk_no)
);
COMMENT ON TABLE tablesync.chunk IS 'The chunks of each run: a range of pages (from lower, below upper) or of keys (above lower, up to upper)';
COMMENT ON COLUMN tablesync.chunk.status IS 'running: a parallel worker copies the chunk, or ended while it did';
COMMENT ON COLUMN tablesync.chunk.chunk_no IS 'Number within the sync: a run that resumes another continues its numbers';
COMMENT ON COLUMN tablesync.chunk.first_xid IS 'As in tablesync.run';
CREATE INDEX chunk_not_done ON tablesync.chunk (subject, owner, chunk_no) WHERE status OPERATOR(pg_catalog.<>) 'succeeded';

CREATE TABLE tablesync.reject (
  reject_id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id pg_catalog.int8 NOT NULL REFERENCES tablesync.run ON DELETE CASCADE,
  owner pg_catalog.regrole NOT NULL,
  target pg_catalog.text NOT NULL,
  row_key pg_catalog.text,
  column_name pg_catalog.text,
  "row" pg_catalog.jsonb NOT NULL,
  sqlstate pg_catalog.text NOT NULL,
  message pg_catalog.text NOT NULL,
  rejected_at pg_catalog.timestamptz NOT NULL
);
COMMENT ON TABLE tablesync.reject IS 'Complete rows of the source that could not be converted, with the error; kept as long as the run';
CREATE INDEX reject_run_id ON tablesync.reject (run_id);
CREATE INDEX reject_target ON tablesync.reject (target, row_key);

CREATE TABLE tablesync.difference (
  run_id pg_catalog.int8 NOT NULL REFERENCES tablesync.run ON DELETE CASCADE,
  difference_no pg_catalog.int4 NOT NULL,
  owner pg_catalog.regrole NOT NULL,
  target pg_catalog.text NOT NULL,
  kind pg_catalog.text NOT NULL,
  row_key pg_catalog.text,
  columns pg_catalog.text[],
  PRIMARY KEY (run_id, difference_no)
);
COMMENT ON TABLE tablesync.difference IS 'The first differences that each verification found; kept as long as the run';

CREATE TABLE tablesync.hidden_table (
  table_oid pg_catalog.oid PRIMARY KEY,
  table_name pg_catalog.name NOT NULL,
  run_id pg_catalog.int8 NOT NULL,
  owner pg_catalog.regrole NOT NULL,
  target pg_catalog.text NOT NULL,
  made_at pg_catalog.timestamptz NOT NULL
);
COMMENT ON TABLE tablesync.hidden_table IS 'Tables that runs with parallel_workers fill before they touch the target; a row is deleted with its table';

CREATE TABLE tablesync.pivot_table (
  pivot_table_id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_oid pg_catalog.oid NOT NULL,
  owner pg_catalog.regrole NOT NULL,
  server pg_catalog.name,
  source pg_catalog.text NOT NULL,
  ship pg_catalog.text NOT NULL,
  group_name pg_catalog.text,
  target_schema pg_catalog.name NOT NULL,
  table_prefix pg_catalog.text NOT NULL,
  table_name pg_catalog.name NOT NULL,
  time_column pg_catalog.name NOT NULL,
  time_attnum pg_catalog.int2 NOT NULL,
  time_has_zone pg_catalog.bool NOT NULL,
  made_here pg_catalog.bool NOT NULL,
  made_at pg_catalog.timestamptz NOT NULL,
  request pg_catalog.jsonb NOT NULL,
  change_id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY
);
COMMENT ON TABLE tablesync.pivot_table IS 'The wide tables of each ship, by the source that fills them and the role that pivots';
COMMENT ON COLUMN tablesync.pivot_table.made_here IS 'Whether pivot_ship() created the table, and may drop it; false: the table existed before';
COMMENT ON COLUMN tablesync.pivot_table.group_name IS 'Group of channels, if table_groups was given';
COMMENT ON COLUMN tablesync.pivot_table.change_id IS 'Changes with each change of the table''s columns';
COMMENT ON COLUMN tablesync.pivot_table.request IS 'The last call for this table, so that its chunks can be retried; as in tablesync.checkpoint';
CREATE UNIQUE INDEX pivot_table_key ON tablesync.pivot_table (table_oid, owner, source, COALESCE(server, ''));
CREATE INDEX pivot_table_ship ON tablesync.pivot_table (ship);

CREATE TABLE tablesync.pivot_column (
  table_oid pg_catalog.oid NOT NULL,
  owner pg_catalog.regrole NOT NULL,
  attnum pg_catalog.int2 NOT NULL,
  channel pg_catalog.text NOT NULL,
  column_name pg_catalog.name NOT NULL,
  column_type pg_catalog.text NOT NULL,
  PRIMARY KEY (table_oid, owner, attnum)
);
COMMENT ON TABLE tablesync.pivot_column IS 'The column of a wide table that stores the readings of a channel, by role';
COMMENT ON COLUMN tablesync.pivot_column.attnum IS 'Identifies the column even after it is renamed';

CREATE TABLE tablesync.pivot_run (
  pivot_run_id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id pg_catalog.int8 NOT NULL REFERENCES tablesync.run ON DELETE CASCADE,
  ship pg_catalog.text,
  target_table pg_catalog.text,
  rows_read pg_catalog.int8 NOT NULL,
  rows_written pg_catalog.int8 NOT NULL,
  cells_written pg_catalog.int8 NOT NULL,
  columns_added pg_catalog.int4 NOT NULL,
  rows_replaced pg_catalog.int8 NOT NULL,
  rows_rejected pg_catalog.int8 NOT NULL,
  updated_at pg_catalog.timestamptz NOT NULL
);
COMMENT ON TABLE tablesync.pivot_run IS 'What each run of pivot_ship() did, by wide table; written with the rows';
COMMENT ON COLUMN tablesync.pivot_run.rows_read IS 'Number of readings';
COMMENT ON COLUMN tablesync.pivot_run.rows_replaced IS 'Readings that were not stored because a later one has the same channel and time';
CREATE UNIQUE INDEX pivot_run_key ON tablesync.pivot_run (run_id, COALESCE(ship, ''), COALESCE(target_table, ''));

CREATE TABLE tablesync.chunk_to_redo (
  failed_chunk_id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ship_id pg_catalog.text,
  start_time pg_catalog.timestamptz,
  end_time pg_catalog.timestamptz,
  owner pg_catalog.regrole NOT NULL,
  server pg_catalog.name,
  source pg_catalog.text,
  target_schema pg_catalog.name,
  table_prefix pg_catalog.text,
  request pg_catalog.jsonb,
  run_id pg_catalog.int8,
  chunk_no pg_catalog.int8,
  attempts pg_catalog.int4 NOT NULL,
  sqlstate pg_catalog.text,
  message pg_catalog.text,
  failed_at pg_catalog.timestamptz,
  CONSTRAINT failed_chunk_range CHECK (start_time OPERATOR(pg_catalog.<) end_time)
);
COMMENT ON TABLE tablesync.chunk_to_redo IS 'The rows of tablesync.failed_chunk, of all roles';
COMMENT ON COLUMN tablesync.chunk_to_redo.request IS 'The call that failed, as in tablesync.checkpoint; NULL where a user gave the chunk';
CREATE UNIQUE INDEX chunk_to_redo_run ON tablesync.chunk_to_redo (run_id, chunk_no);

-- A view, because COPY FROM does not support tables with row-level security.
CREATE VIEW tablesync.failed_chunk WITH (security_barrier = true) AS
  SELECT c.failed_chunk_id, c.ship_id, c.start_time, c.end_time, c.owner, c.server, c.source, c.target_schema,
         c.table_prefix, c.run_id, c.chunk_no, c.attempts, c.sqlstate, c.message, c.failed_at
  FROM tablesync.chunk_to_redo c WHERE pg_catalog.pg_has_role(c.owner::pg_catalog.oid, 'USAGE');
ALTER VIEW tablesync.failed_chunk ALTER COLUMN owner SET DEFAULT CURRENT_USER::pg_catalog.regrole;
COMMENT ON VIEW tablesync.failed_chunk IS 'Chunks of pivots that reprocess_failed_chunks() will retry: failed chunks of runs, and chunks that users insert as ship_id, start_time, end_time';
COMMENT ON COLUMN tablesync.failed_chunk.ship_id IS 'NULL: every ship of the run';

CREATE FUNCTION tablesync.take_failed_chunk() RETURNS pg_catalog.trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.ship_id IS NULL OR NEW.start_time IS NULL OR NEW.end_time IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '23502', MESSAGE = 'a failed chunk needs ship_id, start_time and end_time';
  END IF;
  INSERT INTO tablesync.chunk_to_redo (ship_id, start_time, end_time, owner, server, source, target_schema, table_prefix, attempts)
  VALUES (NEW.ship_id, NEW.start_time, NEW.end_time, NEW.owner, NEW.server, NEW.source, NEW.target_schema, NEW.table_prefix, 0);
  RETURN NEW;
END $$;
COMMENT ON FUNCTION tablesync.take_failed_chunk IS 'Stores a chunk that a user inserts';
CREATE TRIGGER take_failed_chunk INSTEAD OF INSERT ON tablesync.failed_chunk
  FOR EACH ROW EXECUTE FUNCTION tablesync.take_failed_chunk();

CREATE TABLE tablesync.pivot_difference (
  run_id pg_catalog.int8 NOT NULL REFERENCES tablesync.run ON DELETE CASCADE,
  difference_no pg_catalog.int4 NOT NULL,
  ship pg_catalog.text NOT NULL,
  channel pg_catalog.text NOT NULL,
  reading_time pg_catalog.timestamptz NOT NULL,
  kind pg_catalog.text NOT NULL,
  expected pg_catalog.text NOT NULL,
  found pg_catalog.text,
  PRIMARY KEY (run_id, difference_no)
);
COMMENT ON TABLE tablesync.pivot_difference IS 'The first differences that each run of verify_pivot() found; kept as long as the run';

-- A user who has the privileges of a role sees its rows, as in pg_stat_activity. The functions are stricter: they act
-- on a row as its owner, or not at all.

-- None of these tables is dumped as it is, because their oids are not valid in another database: see "Dumps".

-- chunk_to_redo has no policy, because nobody reads it but through its view.
DO $$
DECLARE
  state pg_catalog.name;
  has_owner pg_catalog.bool;
BEGIN
  FOR state, has_owner IN
    SELECT c.relname, EXISTS (SELECT FROM pg_catalog.pg_attribute a
      WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attname OPERATOR(pg_catalog.=) 'owner')
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace OPERATOR(pg_catalog.=) 'tablesync'::pg_catalog.regnamespace AND c.relkind OPERATOR(pg_catalog.=) 'r'
      AND c.relname OPERATOR(pg_catalog.<>) 'chunk_to_redo'
  LOOP
    EXECUTE pg_catalog.format('ALTER TABLE tablesync.%I ENABLE ROW LEVEL SECURITY', state);
    EXECUTE pg_catalog.format('CREATE POLICY own_rows ON tablesync.%I FOR SELECT USING (%s)', state,
      CASE WHEN has_owner THEN 'pg_catalog.pg_has_role(owner::pg_catalog.oid, ''USAGE'')'
      ELSE pg_catalog.format('EXISTS (SELECT FROM tablesync.run r WHERE r.run_id OPERATOR(pg_catalog.=) %I.run_id)', state) END);
  END LOOP;
END $$;

-- Rows that a sync copied carry times of another server, and its late rows arrive late in this database too. A sync that
-- reads a table which this database fills must not take more for proven than this database does. So every role that may
-- read a table may know how far it is filled. The view reads as its owner.
CREATE VIEW tablesync.cascade WITH (security_barrier = true) AS
  SELECT w.target_oid, w.sync_mode, w.field, CASE WHEN w.restored IS NULL THEN w.value END AS value FROM tablesync.watermark w
  WHERE pg_catalog.has_table_privilege(w.target_oid, 'SELECT');
COMMENT ON VIEW tablesync.cascade IS 'How far the targets of this database are filled, for syncs that read them in turn';
GRANT USAGE ON SCHEMA tablesync TO PUBLIC;
GRANT SELECT ON tablesync.cascade TO PUBLIC;

-- ---- Dumps -----------------------------------------------------------------------------------------------

-- pg_dump reads this table, which is always empty, and the rows that its condition adds: the state that the next run
-- needs, by the names that tables and roles have at that time. A restore inserts these rows into this table. A trigger
-- finds the tables and roles by their names and stores the state where it belongs; rows whose table or role does not
-- exist are skipped. History is not dumped.
CREATE TABLE tablesync.dumped_state (
  state_no pg_catalog.int8 PRIMARY KEY,
  kind pg_catalog.text NOT NULL,
  owner pg_catalog.name NOT NULL,
  table_schema pg_catalog.name,
  table_name pg_catalog.name,
  state pg_catalog.jsonb NOT NULL
);
COMMENT ON TABLE tablesync.dumped_state IS 'The state that pg_dump dumps and a restore stores; contains no rows';
COMMENT ON COLUMN tablesync.dumped_state.kind IS 'The table of the schema tablesync that the state belongs to';

-- Digest of the rows of a table, in any order: it is the same before a dump and after its restore, and almost certainly
-- differs if a row differs. The caller may be a superuser who dumps the table of another role, so no code of a user runs:
-- values are converted to text by the functions of their types. A table that has become a view (possible before
-- PostgreSQL 16) is not read, and neither is one with foreign tables below it.
CREATE FUNCTION tablesync.digest(relation pg_catalog.regclass) RETURNS pg_catalog.text
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' SET lc_monetary = 'C' AS $$
DECLARE
  digest text;
BEGIN
  EXECUTE format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', relation);
  -- A view has no file. A partitioned table has none either, but cannot become a view.
  IF pg_relation_filenode(relation) IS NULL AND NOT EXISTS (SELECT FROM pg_partitioned_table p WHERE p.partrelid = relation) OR EXISTS (
    WITH RECURSIVE below (oid) AS (
      SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = relation
      UNION SELECT i.inhrelid FROM pg_inherits i JOIN below b ON b.oid = i.inhparent)
    SELECT FROM below b JOIN pg_class c ON c.oid = b.oid WHERE c.relkind = 'f')
  THEN
    RETURN NULL;
  END IF;
  EXECUTE format('SELECT concat(count(*), ''/'', sum(hashtextextended(textin(record_out(r.*)), 0))) FROM %s AS r', relation) INTO digest;
  RETURN digest;
END $$;
COMMENT ON FUNCTION tablesync.digest IS 'The number of rows of a table, and a sum of their hashes';

CREATE FUNCTION tablesync.state_to_dump() RETURNS SETOF tablesync.dumped_state
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
BEGIN
  -- A role that is not a superuser dumps the state that it may see.
  IF has_table_privilege('tablesync.chunk_to_redo', 'SELECT') THEN
    RETURN QUERY SELECT -row_number() OVER (), 'chunk_to_redo', r.rolname, NULL::name, NULL::name, to_jsonb(t)
    FROM tablesync.chunk_to_redo t JOIN pg_roles r ON r.oid = t.owner::oid;
  END IF;
  IF NOT has_table_privilege('tablesync.watermark', 'SELECT') THEN
    RETURN;
  END IF;
  -- History is not dumped, so two facts about a checkpoint are taken from it now: whether a chunk is not done, and whether
  -- another role has filled the target since.
  RETURN QUERY
  WITH place AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  ), content AS MATERIALIZED (
    SELECT t.oid, coalesce(CASE WHEN has_table_privilege(t.oid, 'SELECT') THEN tablesync.digest(t.oid) END, 'unknown') AS digest
    FROM (SELECT w.target_oid AS oid FROM tablesync.watermark w
          UNION SELECT k.subject::oid FROM tablesync.checkpoint k WHERE k.subject ~ '^[0-9]+$') t
    JOIN place p USING (oid)
  ), dumped (kind, owner_oid, relation, state) AS (
    SELECT 'watermark', w.owner::oid, w.target_oid, to_jsonb(w) || jsonb_build_object('restored', coalesce(w.restored, c.digest))
    FROM tablesync.watermark w JOIN content c ON c.oid = w.target_oid
    UNION ALL
    SELECT 'checkpoint', k.owner::oid, c.oid, to_jsonb(k) || jsonb_build_object('restored', coalesce(k.restored, c.digest),
      'starts_over', k.starts_over OR c.oid IS NULL OR EXISTS (
        SELECT FROM tablesync.chunk h WHERE h.subject = k.subject AND h.owner = k.owner AND h.status <> 'succeeded'))
    FROM tablesync.checkpoint k LEFT JOIN content c ON c.oid::text = k.subject
    WHERE (c.oid IS NOT NULL OR k.subject !~ '^[0-9]+$') AND NOT EXISTS (
      SELECT FROM tablesync.watermark w WHERE w.target_oid = c.oid AND w.owner <> k.owner AND w.run_id > k.run_id)
    UNION ALL
    SELECT 'pivot_table', t.owner::oid, t.table_oid, to_jsonb(t) || jsonb_build_object('time_column', a.attname, 'columns', (
      SELECT jsonb_agg(b.attname ORDER BY b.attnum) FROM pg_attribute b WHERE b.attrelid = t.table_oid AND b.attnum > 0 AND NOT b.attisdropped))
    FROM tablesync.pivot_table t JOIN pg_attribute a ON a.attrelid = t.table_oid AND a.attnum = t.time_attnum AND NOT a.attisdropped
    UNION ALL
    SELECT 'pivot_column', t.owner::oid, t.table_oid, jsonb_agg(jsonb_build_object('channel', t.channel, 'name', a.attname))
    FROM tablesync.pivot_column t JOIN pg_attribute a ON a.attrelid = t.table_oid AND a.attnum = t.attnum AND NOT a.attisdropped
    GROUP BY t.owner, t.table_oid
    UNION ALL
    SELECT 'hidden_table', t.owner::oid, t.table_oid, to_jsonb(t)
    FROM tablesync.hidden_table t JOIN place p ON p.oid = t.table_oid AND p.relname = t.table_name
  )
  SELECT row_number() OVER (), d.kind, r.rolname, p.nspname, p.relname, d.state
  FROM dumped d JOIN pg_roles r ON r.oid = d.owner_oid LEFT JOIN place p ON p.oid = d.relation
  WHERE d.relation IS NULL OR p.oid IS NOT NULL;
END $$;
COMMENT ON FUNCTION tablesync.state_to_dump IS 'The state that the next run needs, with names instead of oids, as far as the caller may see it';
-- The pg_dump of any role reads both.
GRANT SELECT ON tablesync.dumped_state TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('tablesync.dumped_state', 'UNION ALL SELECT * FROM tablesync.state_to_dump()');

-- Names are resolved to oids once, during the restore: a table that is created later is another table. A row that exists
-- already belongs to this database, and is kept.
CREATE FUNCTION tablesync.take_dumped_state() RETURNS pg_catalog.trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  role oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = NEW.owner);
  relation pg_class := (SELECT c FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                        WHERE n.nspname = NEW.table_schema AND c.relname = NEW.table_name AND c.relkind IN ('r', 'p'));
  bound jsonb;
BEGIN
  IF role IS NULL OR (NEW.table_name IS NOT NULL AND relation IS NULL) THEN
    RAISE NOTICE 'pg_tablesync: skipping the % of %: % does not exist', NEW.kind, coalesce(format('%I.%I', NEW.table_schema, NEW.table_name), 'a pivot'),
      CASE WHEN role IS NULL THEN format('role %I', NEW.owner) ELSE 'the table' END;
    RETURN NULL;
  END IF;
  bound := CASE jsonb_typeof(NEW.state) WHEN 'object' THEN NEW.state || jsonb_build_object('owner', role::text, 'run_id', 0) END;
  CASE NEW.kind
  WHEN 'watermark' THEN
    INSERT INTO tablesync.watermark SELECT (jsonb_populate_record(NULL::tablesync.watermark, bound || jsonb_build_object(
        'target_oid', relation.oid, 'target', format('%I.%I', NEW.table_schema, NEW.table_name)))).*
      ON CONFLICT DO NOTHING;
  WHEN 'checkpoint' THEN
    INSERT INTO tablesync.checkpoint SELECT (jsonb_populate_record(NULL::tablesync.checkpoint, bound || CASE WHEN relation IS NULL THEN '{}'
        ELSE jsonb_build_object('subject', relation.oid::text) END)).*
      ON CONFLICT DO NOTHING;
  WHEN 'pivot_table' THEN
    -- pivot_ship() may drop a table only if its owner and columns are as they were dumped.
    INSERT INTO tablesync.pivot_table (table_oid, owner, server, source, ship, group_name, target_schema, table_prefix, table_name,
        time_column, time_attnum, time_has_zone, made_here, made_at, request)
      SELECT relation.oid, role::regrole, t.server, t.source, t.ship, t.group_name, t.target_schema, t.table_prefix, t.table_name,
        t.time_column, a.attnum, t.time_has_zone, t.made_here AND relation.relowner = role AND NEW.state->'columns' = (
          SELECT jsonb_agg(b.attname ORDER BY b.attnum) FROM pg_attribute b WHERE b.attrelid = relation.oid AND b.attnum > 0 AND NOT b.attisdropped),
        t.made_at, t.request
      FROM jsonb_populate_record(NULL::tablesync.pivot_table, bound) t
      JOIN pg_attribute a ON a.attrelid = relation.oid AND a.attname = t.time_column AND a.attnum > 0 AND NOT a.attisdropped
      ON CONFLICT DO NOTHING;
  WHEN 'pivot_column' THEN
    INSERT INTO tablesync.pivot_column (table_oid, owner, attnum, channel, column_name, column_type)
      SELECT relation.oid, role::regrole, a.attnum, c.channel, a.attname, format_type(a.atttypid, a.atttypmod)
      FROM jsonb_to_recordset(NEW.state) c (channel text, name name)
      JOIN pg_attribute a ON a.attrelid = relation.oid AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
      ON CONFLICT DO NOTHING;
  WHEN 'chunk_to_redo' THEN
    INSERT INTO tablesync.chunk_to_redo (ship_id, start_time, end_time, owner, server, source, target_schema, table_prefix, request,
        attempts, sqlstate, message, failed_at)
      SELECT t.ship_id, t.start_time, t.end_time, role::regrole, t.server, t.source, t.target_schema, t.table_prefix, t.request,
        t.attempts, t.sqlstate, t.message, t.failed_at FROM jsonb_populate_record(NULL::tablesync.chunk_to_redo, bound) t
      WHERE NOT EXISTS (SELECT FROM tablesync.chunk_to_redo o WHERE o.owner = role::regrole
        AND (o.ship_id, o.start_time, o.end_time, o.server, o.source, o.target_schema, o.table_prefix) IS NOT DISTINCT FROM
          (t.ship_id, t.start_time, t.end_time, t.server, t.source, t.target_schema, t.table_prefix));
  WHEN 'hidden_table' THEN
    INSERT INTO tablesync.hidden_table SELECT (jsonb_populate_record(NULL::tablesync.hidden_table, bound || jsonb_build_object(
        'table_oid', relation.oid))).*
      WHERE relation.relowner = role AND NEW.state->>'table_name' = relation.relname::text AND relation.relname LIKE 'tablesync\_hidden\_%'
      ON CONFLICT DO NOTHING;
  ELSE
    RAISE NOTICE 'pg_tablesync: skipping state of the unknown kind %', NEW.kind;
  END CASE;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION tablesync.take_dumped_state IS 'Stores a row of a dump as state';
CREATE TRIGGER take_dumped_state BEFORE INSERT ON tablesync.dumped_state FOR EACH ROW EXECUTE FUNCTION tablesync.take_dumped_state();

-- A publication FOR ALL TABLES includes these tables. A subscriber would take their oids, which are those of the
-- publisher, for its own. So it ignores the replicated rows.
CREATE FUNCTION tablesync.leave_out_replicated() RETURNS pg_catalog.trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN NULL; END $$;
COMMENT ON FUNCTION tablesync.leave_out_replicated IS 'Ignores rows that logical replication applies';
DO $$
DECLARE
  state pg_catalog.regclass;
BEGIN
  FOR state IN SELECT c.oid FROM pg_catalog.pg_class c
    WHERE c.relnamespace OPERATOR(pg_catalog.=) 'tablesync'::pg_catalog.regnamespace AND c.relkind OPERATOR(pg_catalog.=) 'r'
  LOOP
    EXECUTE pg_catalog.format('CREATE TRIGGER leave_out_replicated BEFORE INSERT OR UPDATE OR DELETE ON %s
      FOR EACH ROW EXECUTE FUNCTION tablesync.leave_out_replicated()', state);
    EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE REPLICA TRIGGER leave_out_replicated', state);
  END LOOP;
END $$;

-- ---- Functions for users ------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.sync_table(
  server pg_catalog.name, source pg_catalog.text, target pg_catalog.text,
  sync_mode pg_catalog.text DEFAULT 'full',
  primary_key pg_catalog.text[] DEFAULT NULL,
  incremental_field pg_catalog.text DEFAULT NULL,
  incremental_field_type pg_catalog.text DEFAULT NULL,
  custom_select pg_catalog.text DEFAULT NULL,
  custom_where pg_catalog.text DEFAULT NULL,
  custom_count pg_catalog.text DEFAULT NULL,
  delete_missing pg_catalog.bool DEFAULT NULL,
  batch_size pg_catalog.int4 DEFAULT NULL,
  chunk_mode pg_catalog.bool DEFAULT NULL,
  enable_checkpoint pg_catalog.bool DEFAULT true,
  parallel_workers pg_catalog.int4 DEFAULT 1,
  memory_limit_mb pg_catalog.int4 DEFAULT NULL,
  max_retries pg_catalog.int4 DEFAULT NULL,
  target_server pg_catalog.name DEFAULT NULL,
  verify pg_catalog.text DEFAULT 'count',
  wait pg_catalog.bool DEFAULT true,
  options pg_catalog.jsonb DEFAULT NULL,
  OUT run_id pg_catalog.int8, OUT status pg_catalog.text,
  OUT rows_read pg_catalog.int8, OUT rows_inserted pg_catalog.int8, OUT rows_updated pg_catalog.int8,
  OUT rows_deleted pg_catalog.int8, OUT rows_unchanged pg_catalog.int8, OUT rows_rejected pg_catalog.int8,
  OUT watermark pg_catalog.text, OUT duration pg_catalog.interval, OUT consistent pg_catalog.bool)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_sync_table';
COMMENT ON FUNCTION @extschema@.sync_table IS
  'Makes a table of this database equal to a table of another server; returns one row of counts';

CREATE PROCEDURE @extschema@.run_sync(
  server pg_catalog.name, source pg_catalog.text, target pg_catalog.text,
  sync_mode pg_catalog.text DEFAULT 'full',
  primary_key pg_catalog.text[] DEFAULT NULL,
  incremental_field pg_catalog.text DEFAULT NULL,
  incremental_field_type pg_catalog.text DEFAULT NULL,
  custom_select pg_catalog.text DEFAULT NULL,
  custom_where pg_catalog.text DEFAULT NULL,
  custom_count pg_catalog.text DEFAULT NULL,
  delete_missing pg_catalog.bool DEFAULT NULL,
  batch_size pg_catalog.int4 DEFAULT NULL,
  chunk_mode pg_catalog.bool DEFAULT NULL,
  enable_checkpoint pg_catalog.bool DEFAULT true,
  parallel_workers pg_catalog.int4 DEFAULT 1,
  memory_limit_mb pg_catalog.int4 DEFAULT NULL,
  max_retries pg_catalog.int4 DEFAULT NULL,
  target_server pg_catalog.name DEFAULT NULL,
  verify pg_catalog.text DEFAULT 'count',
  wait pg_catalog.bool DEFAULT true,
  options pg_catalog.jsonb DEFAULT NULL,
  INOUT run_id pg_catalog.int8 DEFAULT NULL, INOUT status pg_catalog.text DEFAULT NULL,
  INOUT rows_read pg_catalog.int8 DEFAULT NULL, INOUT rows_inserted pg_catalog.int8 DEFAULT NULL,
  INOUT rows_updated pg_catalog.int8 DEFAULT NULL, INOUT rows_deleted pg_catalog.int8 DEFAULT NULL,
  INOUT rows_unchanged pg_catalog.int8 DEFAULT NULL, INOUT rows_rejected pg_catalog.int8 DEFAULT NULL,
  INOUT watermark pg_catalog.text DEFAULT NULL, INOUT duration pg_catalog.interval DEFAULT NULL,
  INOUT consistent pg_catalog.bool DEFAULT NULL)
LANGUAGE C AS 'MODULE_PATHNAME', 'tablesync_run_sync';
COMMENT ON PROCEDURE @extschema@.run_sync IS
  'sync_table() for long runs: holds no snapshot while it waits, so that vacuum is not held back';

CREATE FUNCTION @extschema@.sync_plan(
  server pg_catalog.name, source pg_catalog.text, target pg_catalog.text,
  sync_mode pg_catalog.text DEFAULT 'full',
  primary_key pg_catalog.text[] DEFAULT NULL,
  incremental_field pg_catalog.text DEFAULT NULL,
  incremental_field_type pg_catalog.text DEFAULT NULL,
  custom_select pg_catalog.text DEFAULT NULL,
  custom_where pg_catalog.text DEFAULT NULL,
  custom_count pg_catalog.text DEFAULT NULL,
  delete_missing pg_catalog.bool DEFAULT NULL,
  batch_size pg_catalog.int4 DEFAULT NULL,
  chunk_mode pg_catalog.bool DEFAULT NULL,
  enable_checkpoint pg_catalog.bool DEFAULT true,
  parallel_workers pg_catalog.int4 DEFAULT 1,
  memory_limit_mb pg_catalog.int4 DEFAULT NULL,
  max_retries pg_catalog.int4 DEFAULT NULL,
  target_server pg_catalog.name DEFAULT NULL,
  verify pg_catalog.text DEFAULT 'count',
  wait pg_catalog.bool DEFAULT true,
  options pg_catalog.jsonb DEFAULT NULL,
  OUT item pg_catalog.text, OUT value pg_catalog.text, OUT state pg_catalog.text, OUT fix pg_catalog.text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_sync_plan';
COMMENT ON FUNCTION @extschema@.sync_plan IS
  'Reports what sync_table() would do with the same arguments, and what would prevent it; changes nothing';

CREATE FUNCTION @extschema@.verify_table(
  server pg_catalog.name, source pg_catalog.text, target pg_catalog.text,
  primary_key pg_catalog.text[] DEFAULT NULL,
  custom_select pg_catalog.text DEFAULT NULL,
  custom_where pg_catalog.text DEFAULT NULL,
  repair pg_catalog.bool DEFAULT false,
  memory_limit_mb pg_catalog.int4 DEFAULT NULL,
  options pg_catalog.jsonb DEFAULT NULL,
  OUT kind pg_catalog.text, OUT row_key pg_catalog.text, OUT columns pg_catalog.text[])
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_verify_table';
COMMENT ON FUNCTION @extschema@.verify_table IS
  'Compares a table with its source: one row per difference; repair => true repairs them';

CREATE FUNCTION @extschema@.explain_row(
  target pg_catalog.text, VARIADIC key pg_catalog.text[],
  OUT item pg_catalog.text, OUT value pg_catalog.text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_explain_row';
COMMENT ON FUNCTION @extschema@.explain_row IS
  'Explains why a row is, or is not, in a target: where it is, which run wrote it, what excludes it';

CREATE FUNCTION @extschema@.retry_chunks(
  run pg_catalog.int8, dry_run pg_catalog.bool DEFAULT false,
  OUT chunk_no pg_catalog.int8, OUT status pg_catalog.text, OUT lower pg_catalog.text[], OUT upper pg_catalog.text[],
  OUT rows_read pg_catalog.int8, OUT sqlstate pg_catalog.text, OUT message pg_catalog.text)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_retry_chunks';
COMMENT ON FUNCTION @extschema@.retry_chunks IS
  'Retries the chunks that failed in a run, or in runs that it resumed, and lists them; dry_run => true only lists them';

CREATE FUNCTION @extschema@.pivot_ship(
  server pg_catalog.name, source pg_catalog.text,
  ship_id pg_catalog.text DEFAULT NULL,
  ship_ids pg_catalog.text[] DEFAULT NULL,
  mode pg_catalog.text DEFAULT 'full',
  target_schema pg_catalog.text DEFAULT 'public',
  table_prefix pg_catalog.text DEFAULT 'tbl_data_timeseries_',
  from_time pg_catalog.timestamptz DEFAULT NULL,
  cutoff_time pg_catalog.timestamptz DEFAULT NULL,
  chunk_interval pg_catalog.interval DEFAULT '24 hours',
  sample_interval pg_catalog.interval DEFAULT '10 minutes',
  poll_interval pg_catalog.interval DEFAULT '1 minute',
  channels pg_catalog.text[] DEFAULT NULL,
  table_groups pg_catalog.jsonb DEFAULT NULL,
  value_type pg_catalog.text DEFAULT 'native',
  drop_tables pg_catalog.bool DEFAULT false,
  parallel_workers pg_catalog.int4 DEFAULT 1,
  batch_size pg_catalog.int4 DEFAULT 50000,
  memory_limit_mb pg_catalog.int4 DEFAULT NULL,
  max_retries pg_catalog.int4 DEFAULT 3,
  job_name pg_catalog.text DEFAULT NULL,
  wait pg_catalog.bool DEFAULT NULL,
  options pg_catalog.jsonb DEFAULT NULL,
  OUT run_id pg_catalog.int8, OUT ship pg_catalog.text, OUT target_table pg_catalog.text,
  OUT rows_read pg_catalog.int8, OUT rows_written pg_catalog.int8, OUT cells_written pg_catalog.int8,
  OUT columns_added pg_catalog.int4, OUT rows_rejected pg_catalog.int8, OUT duration pg_catalog.interval)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_pivot_ship';
COMMENT ON FUNCTION @extschema@.pivot_ship IS
  'Turns narrow readings of ships into one wide table per ship; returns one row of counts per table';

CREATE FUNCTION @extschema@.reprocess_failed_chunks(
  ship_id pg_catalog.text DEFAULT NULL,
  dry_run pg_catalog.bool DEFAULT false,
  delay pg_catalog.interval DEFAULT NULL,
  run_id pg_catalog.int8 DEFAULT NULL,
  OUT failed_chunk_id pg_catalog.int8, OUT ship pg_catalog.text,
  OUT start_time pg_catalog.timestamptz, OUT end_time pg_catalog.timestamptz, OUT status pg_catalog.text,
  OUT rows_read pg_catalog.int8, OUT rows_written pg_catalog.int8, OUT sqlstate pg_catalog.text, OUT message pg_catalog.text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_reprocess_failed_chunks';
COMMENT ON FUNCTION @extschema@.reprocess_failed_chunks IS
  'Retries the chunks of tablesync.failed_chunk, and lists the result of each; dry_run => true only lists them';

CREATE FUNCTION @extschema@.verify_pivot(
  server pg_catalog.name, source pg_catalog.text,
  ship_id pg_catalog.text DEFAULT NULL,
  ship_ids pg_catalog.text[] DEFAULT NULL,
  target_schema pg_catalog.text DEFAULT 'public',
  table_prefix pg_catalog.text DEFAULT 'tbl_data_timeseries_',
  from_time pg_catalog.timestamptz DEFAULT NULL,
  cutoff_time pg_catalog.timestamptz DEFAULT NULL,
  channels pg_catalog.text[] DEFAULT NULL,
  memory_limit_mb pg_catalog.int4 DEFAULT NULL,
  options pg_catalog.jsonb DEFAULT NULL,
  OUT ship pg_catalog.text, OUT channel pg_catalog.text, OUT reading_time pg_catalog.timestamptz,
  OUT kind pg_catalog.text, OUT expected pg_catalog.text, OUT found pg_catalog.text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_verify_pivot';
COMMENT ON FUNCTION @extschema@.verify_pivot IS
  'Compares readings with the cells of wide tables: one row per reading that is missing or different';

CREATE FUNCTION @extschema@.wait_run(
  run pg_catalog.int8, timeout pg_catalog.interval DEFAULT NULL,
  OUT run_id pg_catalog.int8, OUT status pg_catalog.text,
  OUT rows_read pg_catalog.int8, OUT rows_inserted pg_catalog.int8, OUT rows_updated pg_catalog.int8,
  OUT rows_deleted pg_catalog.int8, OUT rows_unchanged pg_catalog.int8, OUT rows_rejected pg_catalog.int8,
  OUT watermark pg_catalog.text, OUT duration pg_catalog.interval, OUT consistent pg_catalog.bool)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_wait_run';
COMMENT ON FUNCTION @extschema@.wait_run IS
  'Waits for the end of a run; raises its error if it failed. After the timeout, returns its current state';

CREATE FUNCTION @extschema@.cancel_run(run pg_catalog.int8) RETURNS pg_catalog.bool
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_cancel_run';
COMMENT ON FUNCTION @extschema@.cancel_run IS
  'Cancels a run; returns false if it has already ended';

CREATE FUNCTION @extschema@.test_connection(
  server pg_catalog.name,
  OUT ok pg_catalog.bool, OUT server_version pg_catalog.text, OUT remote_role pg_catalog.text,
  OUT encrypted pg_catalog.bool, OUT latency pg_catalog.interval, OUT server_kind pg_catalog.text,
  OUT failed_step pg_catalog.text, OUT sqlstate pg_catalog.text, OUT message pg_catalog.text,
  OUT detail pg_catalog.text, OUT hint pg_catalog.text)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_test_connection';
COMMENT ON FUNCTION @extschema@.test_connection IS
  'Connects to a server; on failure returns the step that failed and a hint';

CREATE FUNCTION @extschema@.connection_info(
  server pg_catalog.name, OUT option pg_catalog.text, OUT value pg_catalog.text, OUT origin pg_catalog.text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_connection_info';
COMMENT ON FUNCTION @extschema@.connection_info IS
  'Lists the settings of a connection to the server and the origin of each; secrets are masked';

-- ---- Monitoring -------------------------------------------------------------------------------------------

CREATE FUNCTION tablesync.run_progress(
  run pg_catalog.int8,
  OUT phase pg_catalog.text, OUT rows pg_catalog.int8, OUT bytes pg_catalog.int8, OUT percent pg_catalog.int4,
  OUT rows_per_second pg_catalog.int8, OUT time_left pg_catalog.interval, OUT memory_bytes pg_catalog.int8)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_run_progress';
COMMENT ON FUNCTION tablesync.run_progress IS 'Live counters of one run of the caller; no row if it has ended';

CREATE VIEW tablesync.progress WITH (security_invoker = true) AS
  SELECT r.run_id AS run, pg_catalog."left"(r.target, 32) AS target, p.phase, p.rows,
         pg_catalog.pg_size_pretty(p.bytes) AS size, p.percent AS pct, p.rows_per_second AS "rows/s", p.time_left,
         pg_catalog.pg_size_pretty(p.memory_bytes) AS memory
  FROM tablesync.run r CROSS JOIN LATERAL tablesync.run_progress(r.run_id) p
  WHERE r.status OPERATOR(pg_catalog.=) 'running';
COMMENT ON VIEW tablesync.progress IS 'Runs in progress, with live counters';

CREATE FUNCTION tablesync.drop_hidden_tables() RETURNS pg_catalog.int4
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tablesync_drop_hidden_tables';
COMMENT ON FUNCTION tablesync.drop_hidden_tables IS
  'Drops the tables that runs left behind and that the caller owns; returns their number';

-- ---- Functions for our statements ---------------------------------------------------------------------------

CREATE FUNCTION tablesync.refuse_value(value pg_catalog.text, type pg_catalog.text, code pg_catalog.text)
RETURNS pg_catalog.text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code,
    MESSAGE = format('type %s cannot hold %L without loss', type, left(value, 200));
END $$;
COMMENT ON FUNCTION tablesync.refuse_value IS 'Raises an error for a value that a conversion would change';

-- ---- Privileges -----------------------------------------------------------------------------------------

-- The text of grant_to() with other words is revoke_from(), so that it takes what grant_to() gives: rows that a policy
-- restricts, two views, and functions.
DO $do$
DECLARE
  grant_to pg_catalog.text := $create$
CREATE FUNCTION tablesync.grant_to(role pg_catalog.regrole) RETURNS pg_catalog.void
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  extension pg_extension := (SELECT e FROM pg_extension e WHERE extname = 'pg_tablesync');
  relations text := (
    SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
    WHERE relnamespace = 'tablesync'::regnamespace AND (relrowsecurity OR relname IN ('failed_chunk', 'progress')));
  routines text := (
    SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
    WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = extension.oid AND d.deptype = 'e'
      AND (p.pronamespace = extension.extnamespace OR p.proname IN ('run_progress', 'drop_hidden_tables', 'refuse_value', 'digest')));
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA tablesync TO %s', role);
  -- Where everybody may use the schema, nothing is granted.
  IF 'GRANT' = 'REVOKE' OR NOT has_schema_privilege(role::oid, extension.extnamespace, 'USAGE') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', extension.extnamespace::regnamespace, role);
  END IF;
  EXECUTE format('GRANT SELECT ON %s TO %s', relations, role);
  EXECUTE format('GRANT INSERT (%1$s), UPDATE (%1$s), DELETE ON tablesync.failed_chunk TO %2$s',
    'ship_id, start_time, end_time, server, source, target_schema, table_prefix', role);
  EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', routines, role);
END $$ $create$;
BEGIN
  EXECUTE grant_to;
  EXECUTE pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(grant_to, 'grant_to', 'revoke_from'), 'GRANT', 'REVOKE'), ' TO ', ' FROM ');
END $do$;
COMMENT ON FUNCTION tablesync.grant_to IS 'Grants a role all privileges that it needs to use pg_tablesync';
COMMENT ON FUNCTION tablesync.revoke_from IS 'Revokes the privileges that tablesync.grant_to() granted';

-- Everybody's pg_dump calls state_to_dump().
DO $$
DECLARE
  routine pg_catalog.regprocedure;
BEGIN
  FOR routine IN
    SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
      AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype OPERATOR(pg_catalog.=) 'e'
      AND e.extname OPERATOR(pg_catalog.=) 'pg_tablesync'
      AND d.objid OPERATOR(pg_catalog.<>) 'tablesync.state_to_dump'::pg_catalog.regproc::pg_catalog.oid
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', routine);
  END LOOP;
END $$;
