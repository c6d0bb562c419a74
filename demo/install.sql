\echo
\echo '== What a superuser does once, on the target =='
\echo
CREATE EXTENSION pg_tablesync;
CREATE ROLE analyst LOGIN PASSWORD 'works-here';
SELECT tablesync.grant_to('analyst');
GRANT USAGE ON FOREIGN DATA WRAPPER tablesync TO analyst;
GRANT CREATE ON DATABASE warehouse TO analyst;
