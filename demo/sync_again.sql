\echo
\echo '== The same calls again: only what changed is written =='
\echo
SELECT * FROM sync_table('shop', 'public.flights', 'raw.flights') \gx
SELECT * FROM sync_table('shop', 'public.airports', 'raw.airports') \g /dev/null
SELECT * FROM sync_table('shop', 'public.birdstrikes', 'raw.birdstrikes') \g /dev/null
SELECT * FROM sync_table('shop', 'public.seattle_weather', 'raw.seattle_weather') \g /dev/null
SELECT * FROM sync_table('shop', 'public.routes', 'raw.routes') \g /dev/null
\echo
\echo 'Nothing changed here:'
SELECT * FROM sync_table('shop', 'public.zipcodes', 'raw.zipcodes') \g /dev/null
