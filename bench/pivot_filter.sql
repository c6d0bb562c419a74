-- One process, as pivot_ship() has by default.
SET max_parallel_workers_per_gather = 0;
SELECT string_agg(
           format('%s FILTER (WHERE data_channel_id = %L) AS %I',
                  CASE value_format
                      WHEN 'Boolean' THEN 'bool_or(bool_v)'
                      WHEN 'String' THEN 'max(str_v)'
                      WHEN 'Integer' THEN 'max(long_v)'
                      ELSE 'max(double_v)'
                  END, data_channel_id, data_channel_id),
           ', ' ORDER BY data_channel_id) AS columns
FROM channels \gset
CREATE TABLE wide.of_ship_001 AS
SELECT created_time, :columns FROM alone GROUP BY created_time;
ALTER TABLE wide.of_ship_001 ADD PRIMARY KEY (created_time);
