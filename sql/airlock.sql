-- 100,000 errors of each kind in one session leave nothing behind: no memory, no file descriptors.
\getenv role TABLESYNC_TEST_ROLE
\if :{?role}
SET ROLE :role;
\endif
SET client_min_messages = warning;
CREATE FUNCTION private_kb() RETURNS bigint LANGUAGE sql AS $$
  SELECT (m[2]::bigint - m[3]::bigint) * 4 FROM string_to_array(pg_read_file('/proc/self/statm'), ' ') m
$$;
CREATE FUNCTION open_files() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM pg_ls_dir('/proc/self/fd') $$;
CREATE FUNCTION fail_often(statement text, expected text, times int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..times LOOP
    BEGIN
      EXECUTE statement;
      RAISE 'no error';
    EXCEPTION WHEN OTHERS THEN
      IF SQLSTATE <> expected THEN RAISE; END IF;
    END;
  END LOOP;
END $$;
-- Each kind once, so that caches are filled; then the bound.
CREATE FUNCTION growth(statement text, expected text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE kb bigint; files bigint;
BEGIN
  PERFORM fail_often(statement, expected, 1000);
  kb := private_kb();
  files := open_files();
  PERFORM fail_often(statement, expected, 100000);
  kb := private_kb() - kb;
  IF kb > 2048 OR open_files() > files THEN
    RETURN format('grew by %s kB and %s files', kb, open_files() - files);
  END IF;
  RETURN 'bounded';
END $$;
-- An exception of ours, thrown with C++ objects alive.
SELECT growth($$SELECT sync_table('nope', 'a', 'b')$$, '42704');
-- An ERROR of the server, caught on its way through C++ frames.
SELECT growth($$SELECT sync_table('shop', 'a', 'a.b.c.d.e')$$, '42601');
-- An ERROR of a statement run through SPI, in a nested scope of settings.
SELECT growth($$SELECT sync_table('shop', 'a', 'b', options => '[]')$$, '22023');
-- An exception in an entry that is not a SQL call of ours: the validator.
SELECT growth($$CREATE SERVER bad FOREIGN DATA WRAPPER tablesync OPTIONS (nope '1')$$, 'HV00D');
-- The session still works.
SELECT status FROM sync_table('shop', 'public.pairs', 'public.after_errors');
