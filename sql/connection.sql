-- Foreign servers and user mappings: options, test_connection, connection_info.
\getenv role TABLESYNC_TEST_ROLE
\if :{?role}
SET ROLE :role;
\endif
SET client_min_messages = warning;
\pset format unaligned
\pset expanded on
\pset footer off
SELECT ok, server_version <> '' AS version, remote_role, encrypted, latency < interval '5 s' AS latency, server_kind, failed_step
FROM test_connection('shop');

-- Options: an allow-list, each in its place.
SELECT * FROM outcome($$CREATE SERVER bad FOREIGN DATA WRAPPER tablesync OPTIONS (passfile '/etc/passwd')$$);
SELECT * FROM outcome($$CREATE SERVER bad FOREIGN DATA WRAPPER tablesync OPTIONS (service 'x')$$);
SELECT code, hint FROM outcome($$CREATE SERVER bad FOREIGN DATA WRAPPER tablesync OPTIONS (prot '1')$$);
SELECT code, message, hint FROM outcome($$CREATE SERVER bad FOREIGN DATA WRAPPER tablesync OPTIONS (password 'x')$$);
SELECT code, message, hint FROM outcome($$CREATE SERVER bad FOREIGN DATA WRAPPER tablesync OPTIONS (connect_timeout 'soon')$$);
CREATE SERVER mine FOREIGN DATA WRAPPER tablesync OPTIONS (host 'db.example.com', dbname 'shop', sslmode 'require');
SELECT code, message, hint FROM outcome($$CREATE USER MAPPING FOR CURRENT_USER SERVER mine OPTIONS (host 'x')$$);
SET ROLE NONE;
SELECT code, message FROM outcome($$ALTER FOREIGN DATA WRAPPER tablesync OPTIONS (ADD host 'x')$$);
\if :{?role}
SET ROLE :role;
\endif
CREATE USER MAPPING FOR CURRENT_USER SERVER mine OPTIONS (user 'reader', password 'hush');
\pset expanded off
\pset format aligned
SELECT * FROM connection_info('mine');
\pset format unaligned
\pset expanded on

-- Only a superuser lets a role in without a password, or names files of the server.
SET ROLE tablesync_plain;
CREATE SERVER plain FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1');
SELECT * FROM outcome($$CREATE USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (password_required 'false')$$);
SELECT code FROM outcome($$CREATE USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (sslcert '/etc/x', sslkey '/etc/y')$$);
SELECT ok, failed_step, sqlstate, message, hint FROM test_connection('plain');
CREATE USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (user 'x', password_required 'true');
SELECT ok, failed_step, sqlstate, message, hint FROM test_connection('plain');
SELECT * FROM outcome($$SELECT * FROM connection_info('plain')$$);
SET ROLE NONE;
CREATE SERVER hidden FOREIGN DATA WRAPPER tablesync;
SET ROLE tablesync_plain;
SELECT ok, failed_step, sqlstate, message, hint FROM test_connection('hidden');
SELECT * FROM outcome($$SELECT * FROM test_connection('nope')$$);
SELECT * FROM outcome($$SELECT * FROM test_connection(NULL)$$);

-- What failed, and what to do.
SELECT current_setting('port') AS port \gset
ALTER SERVER plain OPTIONS (ADD port :'port', ADD dbname 'tablesync_source');
ALTER USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (SET user 'tablesync_reader', ADD password 'wrong');
SELECT ok, failed_step, sqlstate, detail ~ 'password authentication failed' AS said, hint FROM test_connection('plain');
ALTER USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (SET password 'read only');
SELECT ok, failed_step FROM test_connection('plain');
ALTER SERVER plain OPTIONS (SET dbname 'no_such_db');
SELECT ok, failed_step, sqlstate, detail ~ 'does not exist' AS said, hint FROM test_connection('plain');
ALTER SERVER plain OPTIONS (SET port '1');
SELECT ok, failed_step, sqlstate, detail ~ 'refused' AS said, hint FROM test_connection('plain');
ALTER SERVER plain OPTIONS (SET host 'no-such-host.invalid');
SELECT ok, failed_step, sqlstate, detail ~ 'no-such-host' AS said, hint FROM test_connection('plain');
ALTER SERVER plain OPTIONS (SET host '127.0.0.1', SET port :'port', SET dbname 'tablesync_source', ADD sslmode 'require');
SELECT ok, failed_step, sqlstate, hint FROM test_connection('plain');
