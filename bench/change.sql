-- Changes 1 % of the rows, spread over the table, other ones for each :seed: of 100 such rows, 90 are updated, 5 leave
-- and 5 come.
BEGIN;
CREATE TEMPORARY TABLE chosen ON COMMIT DROP AS
SELECT id, row_number() OVER (ORDER BY id) % 100 AS nth FROM orders WHERE id % 100 = :seed % 100;

UPDATE orders SET status = 'changed', amount = amount + 1, updated_at = updated_at + interval '1 hour'
FROM chosen WHERE chosen.id = orders.id AND nth < 90;
DELETE FROM orders USING chosen WHERE chosen.id = orders.id AND nth BETWEEN 90 AND 94;
INSERT INTO orders
SELECT (SELECT max(id) FROM orders) + row_number() OVER (ORDER BY id), customer_id, 'new', amount, token, created_at,
       updated_at, weight, paid, details
FROM orders JOIN chosen USING (id) WHERE nth < 5;
COMMIT;

-- The source's own scan must not grow from round to round.
VACUUM (ANALYZE) orders;
