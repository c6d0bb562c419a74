\echo
\echo '== The source changes =='
\echo
UPDATE flights SET delay = delay + 15 WHERE origin = 'SFO' AND date < '2001-01-02';
DELETE FROM flights WHERE flight_id % 1000 = 0;
INSERT INTO flights (date, delay, distance, origin, destination)
VALUES ('2001-01-13 08:12', -3, 2586, 'SFO', 'JFK'), ('2001-01-13 08:12', 41, 337, 'SFO', 'LAX');
\echo
\echo 'A key changes:'
UPDATE airports SET iata = 'XXX' WHERE iata = '00M';
\echo
\echo 'Where no key tells the rows apart, a NULL becomes a value, and one of two equal rows goes:'
UPDATE birdstrikes SET "Speed IAS in knots" = 0
WHERE "Speed IAS in knots" IS NULL AND "Phase of flight" = 'Parked';
DELETE FROM birdstrikes
WHERE ctid = (SELECT max(ctid) FROM birdstrikes b GROUP BY b.* HAVING count(*) > 1 ORDER BY max(ctid) LIMIT 1);
\echo
\echo 'A row moves to another partition:'
DELETE FROM seattle_weather WHERE date = '2010-12-31 23:00';
UPDATE seattle_weather SET date = '2010-12-31 23:00' WHERE date = '2010-01-01 01:00';
\echo
\echo 'On the boat a reading is corrected, one comes late, and two are of channels that were not there before:'
UPDATE instruments SET double_v = 10.5
WHERE created_time = '2014-06-01 09:55:59+00' AND data_channel_id = 'environment.depth.belowTransducer';
INSERT INTO instruments
VALUES ('plaka', 'environment.depth.belowTransducer', '2014-06-01 14:03:26+00', 'Decimal', NULL, NULL, NULL, 12.3),
       ('plaka', 'navigation.gnss.satellites', '2014-06-01 14:03:24+00', 'Integer', NULL, NULL, 9, NULL),
       ('plaka', 'electrical.switches.anchorLight.state', '2014-06-01 14:03:24+00', 'Boolean', true, NULL, NULL, NULL);
