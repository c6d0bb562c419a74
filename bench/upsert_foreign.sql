-- An incremental sync by hand: what is at or above the highest updated_at of the last time.
INSERT INTO orders_by_hand
SELECT * FROM remote.orders WHERE updated_at >= timestamptz :'since'
ON CONFLICT (id) DO UPDATE
SET customer_id = excluded.customer_id, status = excluded.status, amount = excluded.amount, token = excluded.token,
    created_at = excluded.created_at, updated_at = excluded.updated_at, weight = excluded.weight, paid = excluded.paid,
    details = excluded.details;
