CREATE TABLE orders (
    id          bigint NOT NULL,
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
