-- What is copied: a table with the types that business tables are made of.

CREATE TABLE orders (
    id          bigint PRIMARY KEY,
    customer_id integer NOT NULL,
    status      text NOT NULL,
    amount      numeric(12,2) NOT NULL,
    token       text NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    weight      double precision,
    paid        boolean NOT NULL,
    details     jsonb
);

-- The same rows in every run: all of it is derived from the number and a fixed seed.
SELECT setseed(0.42) \g /dev/null
INSERT INTO orders
SELECT n,
       (random() * 50000)::integer,
       (ARRAY['new', 'paid', 'packed', 'shipped', 'returned'])[1 + n % 5],
       (random() * 100000)::numeric(12,2),
       md5(n::text),
       timestamptz '2024-01-01 00:00:00+00' + n * interval '7 seconds',
       timestamptz '2024-01-01 00:00:00+00' + n * interval '7 seconds' + random() * interval '30 days',
       CASE WHEN n % 10 > 0 THEN random() * 40 END,
       random() < 0.8,
       jsonb_build_object('items', 1 + n % 9, 'gift', n % 7 = 0, 'channel', 'web')
FROM generate_series(1, :rows) AS n;

VACUUM (ANALYZE) orders;

CREATE ROLE reader LOGIN PASSWORD 'reads-only';
GRANT SELECT ON orders TO reader;
-- An incremental sync can then tell what is proven from how old transactions are, and need not assume it.
GRANT pg_read_all_stats TO reader;
