INSERT INTO orders
SELECT *
FROM dblink('by_dblink', 'SELECT * FROM orders') AS remote (
    id bigint, customer_id integer, status text, amount numeric(12,2), token text, created_at timestamptz,
    updated_at timestamptz, weight double precision, paid boolean, details jsonb);
