-- What crosstab() and max() FILTER need to be told: the channels.
CREATE EXTENSION tablefunc;
CREATE TABLE channels AS SELECT DISTINCT data_channel_id, value_format FROM readings;
GRANT SELECT ON channels TO loader;
