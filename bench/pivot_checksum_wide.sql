-- Of the cells of all tables wide.of_<ship>.
SELECT format('SELECT count(*), sum(hashtextextended(cell, 0)) FROM (%s) AS cells',
              string_agg(format($$SELECT concat_ws(' ', %L, created_time, key, value) AS cell
                                  FROM wide.%I AS t, jsonb_each_text(to_jsonb(t) - 'created_time')
                                  WHERE value IS NOT NULL$$, substr(relname, length('of_') + 1), relname),
                         ' UNION ALL ' ORDER BY relname))
FROM pg_class
WHERE relnamespace = 'wide'::regnamespace AND relkind = 'r' \gexec
