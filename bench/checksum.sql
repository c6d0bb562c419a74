-- The same for two tables that hold the same rows in any order. By text: values that are merely equal would differ.
SELECT count(*), sum(hashtextextended(t::text, 0)) FROM :table AS t;
