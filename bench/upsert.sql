-- An incremental sync by hand of :target: what :source has at or above :since, an expression.
INSERT INTO :target
SELECT * FROM :source WHERE updated_at >= :since
ON CONFLICT (id) DO UPDATE
SET customer_id = excluded.customer_id, status = excluded.status, amount = excluded.amount, token = excluded.token,
    created_at = excluded.created_at, updated_at = excluded.updated_at, weight = excluded.weight, paid = excluded.paid,
    details = excluded.details;
