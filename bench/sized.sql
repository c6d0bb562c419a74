-- Narrow rows, as many as are asked for.
SET client_min_messages = warning;
DROP TABLE IF EXISTS sized;
CREATE TABLE sized (id bigint NOT NULL, n integer NOT NULL, t text NOT NULL);
INSERT INTO sized SELECT g, g % 1000, md5(g::text) FROM generate_series(1, :rows) g;
ALTER TABLE sized ADD PRIMARY KEY (id);
VACUUM (ANALYZE) sized;
GRANT SELECT ON sized TO reader;
