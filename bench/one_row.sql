-- What a sync costs that finds nothing to do.
CREATE TABLE one_row (id integer PRIMARY KEY, note text NOT NULL, updated_at timestamptz NOT NULL);
INSERT INTO one_row VALUES (1, 'unchanged', '2024-01-01');
GRANT SELECT ON one_row TO reader;
