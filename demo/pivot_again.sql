\echo
\echo '== The boat again: the table gets the columns that it lacks =='
\echo
SELECT * FROM pivot_ship('shop', 'public.instruments', 'plaka', target_schema => 'boat', table_prefix => 'log_of_') \gx
SELECT created_time AT TIME ZONE 'UTC' AS utc, "environment.depth.belowTransducer" AS depth,
       "navigation.gnss.satellites" AS satellites, "electrical.switches.anchorLight.state" AS anchor_light
FROM boat.log_of_plaka
WHERE created_time IN (SELECT min(created_time) FROM boat.log_of_plaka)
   OR created_time >= '2014-06-01 14:03:22+00'
ORDER BY 1;
