-- One table of each shape. :rows is the number of rows of the narrowest; the others have about as many bytes.
SET client_min_messages = warning;
CREATE SCHEMA shape;
GRANT USAGE ON SCHEMA shape TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA shape GRANT SELECT ON TABLES TO reader;

CREATE TABLE shape.two_integers AS SELECT g AS id, g % 1000 AS n FROM generate_series(1, :rows) g;
SELECT format('CREATE TABLE shape.wide AS SELECT %s FROM generate_series(1, %s) g',
              string_agg(format('g + %s AS %s', c, CASE c WHEN 0 THEN 'id' ELSE 'c' || c END), ', ' ORDER BY c), :rows / 33)
FROM generate_series(0, 149) c \gexec
CREATE TABLE shape.texts AS SELECT g AS id, repeat(md5(g::text), 50) AS t FROM generate_series(1, :rows / 25) g;
CREATE TABLE shape.toasted AS
  SELECT g AS id, (SELECT string_agg(md5((g * 1000 + i)::text), '') FROM generate_series(1, 600) i) AS t
  FROM generate_series(1, :rows / 333) g;
CREATE TABLE shape.arrays AS
  SELECT g AS id, ARRAY[g, g + 1, g + 2] AS a, int4range(g, g + 10) AS r, ARRAY['a' || g, 'b'] AS t
  FROM generate_series(1, :rows / 7) g;
CREATE TABLE shape.small_jsonb AS
  SELECT g AS id, jsonb_build_object('n', g, 'name', 'row ' || g, 'tags', jsonb_build_array(g % 7, 'x')) AS j
  FROM generate_series(1, :rows / 7) g;
CREATE TABLE shape.numbers AS
  SELECT g AS id, (g * 1.37)::numeric(14,3) AS n, g / 7.0::float8 AS f, timestamptz '2024-01-01Z' + g * interval '1 s' AS at,
         md5(g::text)::uuid AS u
  FROM generate_series(1, :rows * 3 / 10) g;
CREATE TABLE shape.text_key AS
  SELECT 'customer/' || md5(g::text) AS id, g AS n FROM generate_series(1, :rows * 3 / 10) g;
CREATE TABLE shape.random_order AS SELECT g AS id, g % 1000 AS n FROM generate_series(1, :rows) g ORDER BY md5(g::text);
CREATE TABLE shape.no_key AS SELECT g % 100000 AS a, 'row ' || g % 5000 AS b FROM generate_series(1, :rows * 3 / 10) g;
CREATE TABLE shape.parts (id int NOT NULL, n int, t text) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE shape.part_%s PARTITION OF shape.parts FOR VALUES FROM (%s) TO (%s)',
              p, p * (:rows / 40) + 1, (p + 1) * (:rows / 40) + 1)
FROM generate_series(0, 11) p \gexec
INSERT INTO shape.parts SELECT g, g % 1000, md5(g::text) FROM generate_series(1, :rows * 3 / 10) g;

SELECT format('ALTER TABLE %s ADD PRIMARY KEY (id)', oid::regclass)
FROM pg_class WHERE relnamespace = 'shape'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'no_key' \gexec
VACUUM (ANALYZE);
