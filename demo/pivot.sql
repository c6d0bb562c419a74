\echo
\echo '== Readings of a boat, one row each, become a table with a column for each channel =='
\echo
SELECT * FROM pivot_ship('shop', 'public.instruments', 'plaka', target_schema => 'boat', table_prefix => 'log_of_') \gx

\echo
\echo 'What she did, by the half hour; knots and degrees:'
SELECT date_bin('30 minutes', created_time AT TIME ZONE 'UTC', '2014-06-01')::time AS from_utc,
       round(avg("navigation.speedThroughWater" / 0.514444)::numeric, 1) AS through_water,
       round(avg("navigation.speedOverGround" / 0.514444)::numeric, 1) AS over_ground,
       round(avg("environment.wind.speedTrue" / 0.514444)::numeric, 1) AS wind,
       round(avg(degrees(abs("environment.wind.angleTrueWater")))::numeric) AS from_the_bow
FROM boat.log_of_plaka
GROUP BY 1
ORDER BY 1;

\echo
\echo 'How fast she is where the wind comes from so far off the bow. One row has all that was read at one time:'
SELECT width_bucket(degrees(abs("environment.wind.angleTrueWater")), 0, 180, 4) * 45 AS degrees_up_to,
       round(avg("navigation.speedThroughWater" / 0.514444)::numeric, 1) AS through_water,
       round(avg("environment.wind.speedTrue" / 0.514444)::numeric, 1) AS wind
FROM boat.log_of_plaka
WHERE "navigation.speedOverGround" > 0.5
GROUP BY 1
ORDER BY 1;

\echo
\echo 'Of the readings, one row each, the same question takes a join for each quantity:'
\echo '    SELECT width_bucket(degrees(abs(angle.double_v)), 0, 180, 4) * 45 AS degrees_up_to,'
\echo '           round(avg(water.double_v / 0.514444)::numeric, 1) AS through_water,'
\echo '           round(avg(wind.double_v / 0.514444)::numeric, 1) AS wind'
\echo '    FROM instruments AS ground'
\echo '    JOIN instruments AS angle USING (ship_id, created_time)'
\echo '    JOIN instruments AS water USING (ship_id, created_time)'
\echo '    JOIN instruments AS wind USING (ship_id, created_time)'
\echo '    WHERE ship_id = ''plaka'' AND ground.double_v > 0.5'
\echo '      AND ground.data_channel_id = ''navigation.speedOverGround'''
\echo '      AND angle.data_channel_id = ''environment.wind.angleTrueWater'''
\echo '      AND water.data_channel_id = ''navigation.speedThroughWater'''
\echo '      AND wind.data_channel_id = ''environment.wind.speedTrue'''
\echo '    GROUP BY 1'
\echo '    ORDER BY 1;'

\echo
\echo 'The same call again: every cell is there, so none is written:'
SELECT * FROM pivot_ship('shop', 'public.instruments', 'plaka', target_schema => 'boat', table_prefix => 'log_of_') \gx
