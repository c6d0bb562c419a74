-- A mirror kept by hand, straight from the foreign table: unchanged rows stay as they are, vanished ones go.
-- postgres_fdw reads both times in one snapshot of the source.
BEGIN;
MERGE INTO orders_foreign AS t
USING remote.orders AS s ON t.id = s.id
WHEN MATCHED AND ROW(t.*) IS DISTINCT FROM ROW(s.*) THEN
    UPDATE SET customer_id = s.customer_id, status = s.status, amount = s.amount, token = s.token,
               created_at = s.created_at, updated_at = s.updated_at, weight = s.weight, paid = s.paid,
               details = s.details
WHEN NOT MATCHED THEN
    INSERT VALUES (s.id, s.customer_id, s.status, s.amount, s.token, s.created_at, s.updated_at, s.weight, s.paid,
                   s.details);
DELETE FROM orders_foreign AS t WHERE NOT EXISTS (SELECT FROM remote.orders AS s WHERE s.id = t.id);
COMMIT;
