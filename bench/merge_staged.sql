-- The same by a temporary table: the source is read once, and MERGE knows how many rows come.
BEGIN;
CREATE TEMPORARY TABLE staged ON COMMIT DROP AS SELECT * FROM remote.orders;
ANALYZE staged;
MERGE INTO orders_staged AS t
USING staged AS s ON t.id = s.id
WHEN MATCHED AND ROW(t.*) IS DISTINCT FROM ROW(s.*) THEN
    UPDATE SET customer_id = s.customer_id, status = s.status, amount = s.amount, token = s.token,
               created_at = s.created_at, updated_at = s.updated_at, weight = s.weight, paid = s.paid,
               details = s.details
WHEN NOT MATCHED THEN
    INSERT VALUES (s.id, s.customer_id, s.status, s.amount, s.token, s.created_at, s.updated_at, s.weight, s.paid,
                   s.details);
DELETE FROM orders_staged AS t WHERE NOT EXISTS (SELECT FROM staged AS s WHERE s.id = t.id);
COMMIT;
