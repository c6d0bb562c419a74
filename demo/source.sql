-- The demo's source database. Run it with psql in this directory: it reads data/*.csv.xz and instruments_source.sql.

CREATE TYPE wildlife_size AS ENUM ('Small', 'Medium', 'Large');

CREATE TABLE flights (
    flight_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    date        timestamp NOT NULL,
    delay       integer NOT NULL,
    distance    integer NOT NULL,
    origin      char(3) NOT NULL,
    destination char(3) NOT NULL
);
COMMENT ON TABLE flights IS 'Flights within the United States, 1 to 13 January 2001';
COMMENT ON COLUMN flights.delay IS 'Minutes late on arrival; negative when early';
COMMENT ON COLUMN flights.distance IS 'Miles';

CREATE TABLE airports (
    iata      text PRIMARY KEY,
    name      text NOT NULL,
    city      text NOT NULL,
    state     text NOT NULL,
    country   text NOT NULL,
    latitude  double precision NOT NULL,
    longitude double precision NOT NULL
);
COMMENT ON TABLE airports IS 'Airports of the United States and its territories';

-- No key, and some of its rows are equal in every column.
CREATE TABLE birdstrikes (
    "Airport Name"              text NOT NULL,
    "Aircraft Make Model"       text NOT NULL,
    "Effect Amount of damage"   text NOT NULL,
    "Flight Date"               date NOT NULL,
    "Aircraft Airline Operator" text NOT NULL,
    "Origin State"              text NOT NULL,
    "Phase of flight"           text NOT NULL,
    "Wildlife Size"             wildlife_size NOT NULL,
    "Wildlife Species"          text NOT NULL,
    "Time of day"               text NOT NULL,
    "Cost Other"                integer NOT NULL,
    "Cost Repair"               integer NOT NULL,
    "Cost Total $"              integer NOT NULL,
    "Speed IAS in knots"        integer
);
COMMENT ON TABLE birdstrikes IS 'Wildlife strikes reported to the Federal Aviation Administration';
COMMENT ON COLUMN birdstrikes."Speed IAS in knots" IS 'Indicated airspeed; NULL where not reported';

CREATE TABLE seattle_weather (
    date        timestamp PRIMARY KEY,
    pressure    double precision NOT NULL,
    temperature numeric(4,1) NOT NULL,
    wind        double precision NOT NULL
) PARTITION BY RANGE (date);
CREATE TABLE seattle_weather_q1 PARTITION OF seattle_weather FOR VALUES FROM ('2010-01-01') TO ('2010-04-01');
CREATE TABLE seattle_weather_q2 PARTITION OF seattle_weather FOR VALUES FROM ('2010-04-01') TO ('2010-07-01');
CREATE TABLE seattle_weather_q3 PARTITION OF seattle_weather FOR VALUES FROM ('2010-07-01') TO ('2010-10-01');
CREATE TABLE seattle_weather_q4 PARTITION OF seattle_weather FOR VALUES FROM ('2010-10-01') TO ('2011-01-01');
COMMENT ON TABLE seattle_weather IS 'Hourly normals of the weather in Seattle, 1981 to 2010';

CREATE TABLE sp500 (
    date     date PRIMARY KEY,
    open     numeric(12,6) NOT NULL,
    high     numeric(12,6) NOT NULL,
    low      numeric(12,6) NOT NULL,
    close    numeric(12,6) NOT NULL,
    adjclose numeric(12,6) NOT NULL,
    volume   bigint NOT NULL
);
COMMENT ON TABLE sp500 IS 'The S&P 500 index by day, 2000 to 2020';

CREATE TABLE stocks (
    symbol varchar(8),
    date   date,
    price  numeric(8,2) NOT NULL,
    PRIMARY KEY (symbol, date)
);
COMMENT ON TABLE stocks IS 'Prices of five stocks by month, 2000 to 2010';

CREATE TABLE unemployment (
    series text,
    year   smallint NOT NULL,
    month  smallint NOT NULL,
    count  integer NOT NULL,
    rate   numeric(4,1) NOT NULL,
    date   timestamptz,
    PRIMARY KEY (series, date)
);
COMMENT ON TABLE unemployment IS 'Unemployment in the United States by industry, 2000 to 2010';
COMMENT ON COLUMN unemployment.count IS 'Thousands of persons';
COMMENT ON COLUMN unemployment.rate IS 'Per cent';

CREATE TABLE zipcodes (
    zip_code  char(5) PRIMARY KEY,
    latitude  numeric(9,6) NOT NULL,
    longitude numeric(9,6) NOT NULL,
    city      text NOT NULL,
    state     text NOT NULL,
    county    text NOT NULL
);
COMMENT ON TABLE zipcodes IS 'Postal codes of the United States as of 2017';

CREATE VIEW routes AS
SELECT origin, destination, count(*) AS flights, round(avg(delay), 1) AS mean_delay
FROM flights
GROUP BY origin, destination;
COMMENT ON VIEW routes IS 'Flights and mean delay by route';

\copy flights (date, delay, distance, origin, destination) FROM PROGRAM 'xz -dc data/flights.csv.xz' WITH (FORMAT csv, HEADER MATCH)
\copy airports FROM PROGRAM 'xz -dc data/airports.csv.xz' WITH (FORMAT csv, HEADER MATCH)
\copy birdstrikes FROM PROGRAM 'xz -dc data/birdstrikes.csv.xz' WITH (FORMAT csv, HEADER MATCH)
\copy seattle_weather FROM PROGRAM 'xz -dc data/seattle-weather-hourly-normals.csv.xz' WITH (FORMAT csv, HEADER MATCH)
\copy sp500 FROM PROGRAM 'xz -dc data/sp500-2000.csv.xz' WITH (FORMAT csv, HEADER MATCH)
\copy stocks FROM PROGRAM 'xz -dc data/stocks.csv.xz' WITH (FORMAT csv, HEADER MATCH)
\copy unemployment FROM PROGRAM 'xz -dc data/unemployment-across-industries.csv.xz' WITH (FORMAT csv, HEADER MATCH)
\copy zipcodes FROM PROGRAM 'xz -dc data/zipcodes.csv.xz' WITH (FORMAT csv, HEADER MATCH)

\i instruments_source.sql

VACUUM ANALYZE;

CREATE ROLE reader LOGIN PASSWORD 'reads-only';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
