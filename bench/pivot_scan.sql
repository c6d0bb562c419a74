-- Every column of the rows that are to be pivoted, in one process.
SET max_parallel_workers_per_gather = 0;
SELECT count(data_channel_id), max(created_time), count(value_format), count(bool_v), max(length(str_v)), sum(long_v),
       sum(double_v)
FROM alone;
