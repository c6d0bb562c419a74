-- Of readings that pass :where; the next file gives the same for wide tables that hold them.
SELECT count(*),
       sum(hashtextextended(concat_ws(' ', ship_id, created_time, data_channel_id,
                                      coalesce(double_v::text, long_v::text, str_v, bool_v::text)), 0))
FROM :"table"
WHERE :where;
