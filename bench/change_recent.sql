-- Changes 1 % of the rows, spread over the table, other ones for each :seed, as an application does that keeps
-- updated_at: of 100 such rows, 95 are updated and 5 come. Each has a moment of its own: who reads from the highest one
-- on then reads one row again, and not all of them.
BEGIN;
CREATE TEMPORARY TABLE chosen ON COMMIT DROP AS
SELECT id, row_number() OVER (ORDER BY id) % 100 AS nth FROM orders WHERE id % 100 = :seed % 100;

UPDATE orders SET status = 'changed', amount = amount + 1, updated_at = clock_timestamp()
FROM chosen WHERE chosen.id = orders.id AND nth < 95;
INSERT INTO orders
SELECT (SELECT max(id) FROM orders) + row_number() OVER (ORDER BY id), customer_id, 'new', amount, token, created_at,
       clock_timestamp(), weight, paid, details
FROM orders JOIN chosen USING (id) WHERE nth >= 95;
COMMIT;

-- The source's own scans must not grow from round to round.
VACUUM (ANALYZE) orders;
