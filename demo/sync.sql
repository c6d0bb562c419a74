\echo
\echo '== The rest is done by an ordinary role: it names the source once =='
\echo
SELECT current_user, usesuper FROM pg_user WHERE usename = current_user;
CREATE SERVER shop FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1', port :'source_port', dbname 'shop');
CREATE USER MAPPING FOR CURRENT_USER SERVER shop OPTIONS (user 'reader', password 'reads-only');
SELECT * FROM test_connection('shop') \gx

\echo
\echo '== A table of 200,000 rows. The target does not exist yet =='
\echo
SELECT * FROM sync_table('shop', 'public.flights', 'raw.flights') \gx

\echo
\echo '== The others. Each call returns such a row; the notice says the same in a line =='
\echo
SELECT * FROM sync_table('shop', 'public.airports', 'raw.airports') \g /dev/null
SELECT * FROM sync_table('shop', 'public.sp500', 'raw.sp500') \g /dev/null
SELECT * FROM sync_table('shop', 'public.stocks', 'raw.stocks') \g /dev/null
SELECT * FROM sync_table('shop', 'public.unemployment', 'raw.unemployment') \g /dev/null
SELECT * FROM sync_table('shop', 'public.zipcodes', 'raw.zipcodes') \g /dev/null
\echo
\echo 'A table without a key, with columns such as "Cost Total $", and with a type that this server lacks:'
SELECT * FROM sync_table('shop', 'public.birdstrikes', 'raw.birdstrikes') \g /dev/null
\echo
\echo 'A partitioned table:'
SELECT * FROM sync_table('shop', 'public.seattle_weather', 'raw.seattle_weather') \g /dev/null
\echo
\echo 'A view:'
SELECT * FROM sync_table('shop', 'public.routes', 'raw.routes') \g /dev/null
