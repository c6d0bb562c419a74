-- Readings as a data logger writes them: one row each, :ships ships that report :channels channels :ticks times, every
-- :seconds seconds. Of 20 channels 16 are Decimal, 2 Integer, 1 Boolean, 1 String. The same rows in every run.
-- With :indexed as in a table that is asked for times; without, all contestants scan it.
-- No Decimal is a whole number: then each value has the same text everywhere, and a checksum can be taken of that.
SET client_min_messages = warning;
DROP TABLE IF EXISTS :"table";
CREATE TABLE :"table" (
    ship_id         text NOT NULL,
    data_channel_id text NOT NULL,
    created_time    timestamptz NOT NULL,
    value_format    text NOT NULL,
    bool_v          boolean,
    str_v           text,
    long_v          bigint,
    double_v        double precision
);
INSERT INTO :"table"
SELECT 'ship_' || lpad(ship::text, 3, '0'),
       format('/engine_%s/%s_%s', 1 + channel % 4, (ARRAY['speed', 'pressure', 'temperature'])[1 + channel % 3],
              lpad(channel::text, 3, '0')),
       timestamptz '2024-01-01 00:00:00+00' + tick * :seconds * interval '1 second',
       value_format,
       CASE value_format WHEN 'Boolean' THEN n % 2 = 0 END,
       CASE value_format WHEN 'String' THEN (ARRAY['running', 'standby', 'stopped', 'alarm'])[1 + n % 4] END,
       CASE value_format WHEN 'Integer' THEN n END,
       CASE value_format WHEN 'Decimal' THEN (n * 10 + 1) / 1000::double precision END
FROM generate_series(0, :ticks - 1) AS tick,
     generate_series(1, :ships) AS ship,
     generate_series(1, :channels) AS channel,
     LATERAL (SELECT (ship * 15485863::bigint + channel * 7919 + tick::bigint * 104729) % 1000003 AS n,
                     CASE channel % 20
                         WHEN 0 THEN 'Boolean' WHEN 1 THEN 'String' WHEN 2 THEN 'Integer' WHEN 3 THEN 'Integer'
                         ELSE 'Decimal'
                     END AS value_format) AS value
ORDER BY tick, ship, channel;
\if :indexed
CREATE INDEX ON :"table" (ship_id, created_time);
CREATE INDEX ON :"table" (created_time);
\endif
VACUUM (ANALYZE) :"table";
GRANT SELECT ON :"table" TO :"role";
