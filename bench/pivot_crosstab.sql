-- One process, as pivot_ship() has by default.
SET max_parallel_workers_per_gather = 0;
SELECT string_agg(format('%I text', data_channel_id), ', ' ORDER BY data_channel_id) AS columns FROM channels \gset
CREATE TABLE wide.of_ship_001 AS
SELECT *
FROM crosstab(
    $$SELECT created_time, data_channel_id, coalesce(double_v::text, long_v::text, str_v, bool_v::text)
      FROM alone ORDER BY 1$$,
    'SELECT data_channel_id FROM channels ORDER BY data_channel_id') AS wide (created_time timestamptz, :columns);
ALTER TABLE wide.of_ship_001 ADD PRIMARY KEY (created_time);
