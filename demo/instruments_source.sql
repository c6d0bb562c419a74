-- The readings of a boat's instruments, one row each, as a data logger writes them. Part of source.sql.

CREATE TABLE instruments (
    ship_id         text NOT NULL,
    data_channel_id text NOT NULL,
    created_time    timestamptz NOT NULL,
    value_format    text NOT NULL,
    bool_v          boolean,
    str_v           text,
    long_v          bigint,
    double_v        double precision
);
COMMENT ON TABLE instruments IS 'Four hours of a sailing boat, every two seconds';
COMMENT ON COLUMN instruments.data_channel_id IS 'The name that Signal K has for what is measured';
COMMENT ON COLUMN instruments.value_format IS 'Decimal, Integer, String or Boolean: the column that has the value';
COMMENT ON COLUMN instruments.double_v IS 'SI units: m, m/s, radians; positions in degrees';

\copy instruments FROM PROGRAM 'xz -dc data/plaka.csv.xz' WITH (FORMAT csv, HEADER MATCH)

-- As who asks for a ship and a time would have it.
CREATE INDEX ON instruments (ship_id, created_time);
