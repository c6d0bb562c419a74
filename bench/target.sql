-- What each contestant may rely on: one plain role, and a server entry with a password for each extension.

CREATE EXTENSION pg_tablesync;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION dblink;

CREATE ROLE loader LOGIN PASSWORD 'loads-tables';
GRANT CREATE ON DATABASE bench TO loader;
GRANT CREATE ON SCHEMA public TO loader;
GRANT USAGE ON FOREIGN DATA WRAPPER tablesync, postgres_fdw, dblink_fdw TO loader;
SELECT tablesync.grant_to('loader') \g /dev/null

SET ROLE loader;
CREATE SERVER by_tablesync FOREIGN DATA WRAPPER tablesync
    OPTIONS (host '127.0.0.1', port :'source_port', dbname 'bench');
CREATE SERVER by_fdw FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host '127.0.0.1', port :'source_port', dbname 'bench', fetch_size '10000');
CREATE SERVER by_dblink FOREIGN DATA WRAPPER dblink_fdw
    OPTIONS (host '127.0.0.1', port :'source_port', dbname 'bench');
CREATE USER MAPPING FOR loader SERVER by_tablesync OPTIONS (user 'reader', password 'reads-only');
CREATE USER MAPPING FOR loader SERVER by_fdw OPTIONS (user 'reader', password 'reads-only');
CREATE USER MAPPING FOR loader SERVER by_dblink OPTIONS (user 'reader', password 'reads-only');

CREATE SCHEMA remote;
IMPORT FOREIGN SCHEMA public LIMIT TO (orders) FROM SERVER by_fdw INTO remote;
ANALYZE remote.orders;
