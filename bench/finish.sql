-- What sync_table() does too before it commits a first load.
ALTER TABLE orders ADD PRIMARY KEY (id);
ANALYZE orders;
