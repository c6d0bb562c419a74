-- :ships tables with a column for each channel and a primary key, and nothing in them.
SELECT format('CREATE TABLE wide.of_ship_%s (created_time timestamptz NOT NULL, %s)', lpad(ship::text, 3, '0'), columns),
       format('ALTER TABLE wide.of_ship_%s ADD PRIMARY KEY (created_time)', lpad(ship::text, 3, '0'))
FROM generate_series(1, :ships) AS ship,
     (SELECT string_agg(format('%I %s', data_channel_id, CASE value_format
                 WHEN 'Boolean' THEN 'boolean' WHEN 'String' THEN 'text' WHEN 'Integer' THEN 'bigint' ELSE 'double precision' END), ', ')
      FROM channels) AS shape (columns)
\gexec
