# The short ways from the wire to a value: jsonb and numeric of every shape arrive as the same bytes that the receive
# functions make. The build with fault points holds each value against them; another build is held by the source's rows.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new;

# Documents at random, from a fixed seed: empty and large containers (an offset stands at each 32nd member), deep ones,
# keys of every length, strings that need escapes, numbers of every form, scalars alone.
$pair->source_sql(q(
	SELECT setseed(0.5);
	CREATE FUNCTION text_at_random() RETURNS text LANGUAGE sql VOLATILE AS $$
		SELECT CASE (random() * 12)::int WHEN 0 THEN '' WHEN 1 THEN E'line\nbreak' WHEN 2 THEN 'say "so"' WHEN 3 THEN 'back\slash'
			WHEN 4 THEN 'größe 漢字 🚢' WHEN 5 THEN repeat('long ', (random() * 60)::int) WHEN 6 THEN '{"a": [1, 2]}'
			ELSE left(md5(random()::text), (random() * 32)::int) END $$;
	CREATE FUNCTION number_at_random() RETURNS numeric LANGUAGE sql VOLATILE AS $$
		SELECT CASE (random() * 9)::int WHEN 0 THEN 0 WHEN 1 THEN -1.50 WHEN 2 THEN 1e40 WHEN 3 THEN 0.00000000000000001
			WHEN 4 THEN 10000 WHEN 5 THEN -99999999999999999999 WHEN 6 THEN (random() * 1e18)::bigint WHEN 7 THEN 100.00
			WHEN 8 THEN (random() * 100000)::numeric(12,2) ELSE random()::numeric END $$;
	CREATE FUNCTION document_at_random(level int) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
	DECLARE
		kind int := (random() * 6)::int;
		members int := CASE WHEN random() < 0.03 THEN 200 WHEN random() < 0.1 THEN 0 ELSE (random() * 6)::int END;
		made jsonb;
	BEGIN
		IF level > 4 OR kind = 0 THEN RETURN to_jsonb(text_at_random()); END IF;
		IF kind = 1 THEN RETURN to_jsonb(number_at_random()); END IF;
		IF kind = 2 THEN RETURN (ARRAY['true', 'false', 'null'])[1 + (random() * 2)::int]; END IF;
		IF members = 200 AND level > 1 THEN members := 3; END IF;
		IF kind <= 4 THEN
			made := '{}';
			FOR i IN 1 .. members LOOP made := made || jsonb_build_object(text_at_random(), document_at_random(level + 1)); END LOOP;
		ELSE
			made := '[]';
			FOR i IN 1 .. members LOOP made := made || jsonb_build_array(document_at_random(level + 1)); END LOOP;
		END IF;
		RETURN made;
	END $$;
	CREATE TABLE decoded (id int PRIMARY KEY, document jsonb, number numeric, money numeric(12,2), rough numeric(8,-2), small numeric(3,3),
		word text, moment timestamptz, clock timestamp);
	INSERT INTO decoded SELECT g, CASE WHEN g % 50 > 0 THEN document_at_random(0) END, number_at_random(),
		((random() - 0.5) * 1e10 / 10 ^ (g % 12))::numeric(12,2), (random() * 1e9)::numeric(8,-2), (random() * 0.99)::numeric(3,3)
	FROM generate_series(1, 800) g;
	INSERT INTO decoded VALUES (0, '{}', 'NaN', '9999999999.99', 0, 0), (-1, '[]', 'Infinity', -0.01, -99999900, 0.999),
		(-2, jsonb_build_object('a', 1e300, 'b', 18446744073709551616, 'c', 1.0, 'd', -0.0), '-Infinity', 0.00, 100, -0.001),
		(-3, to_jsonb(repeat('x', 20000)), 1e-60, 100.10, 0, 0), (-4, to_jsonb(1e100), 1e1000, 1, 0, 0);
	INSERT INTO decoded VALUES (-5, (repeat('[', 40) || repeat(']', 40))::jsonb, 1e-300, 1, 0, 0);
	-- More members than have one offset, and few enough for the short way.
	INSERT INTO decoded SELECT -10 * g, jsonb_agg(n), g, g, 0, 0 FROM generate_series(1, 8) g, generate_series(1, 30 * g) n GROUP BY g;
	INSERT INTO decoded SELECT -10 * g - 1, jsonb_object_agg('key ' || n, n / 8.0), g, g, 0, 0
	FROM generate_series(1, 4) g, generate_series(1, 30 * g) n GROUP BY g;
	-- Both sides of each limit of the short ways (test/fuzz/values.cpp goes there too): members and levels, bytes of a document,
	-- digits of a number, before and behind its point; bytes of a text, the first and the last time.
	INSERT INTO decoded (id, document) SELECT 10000 + n, (SELECT jsonb_agg(i) FROM generate_series(1, n) i) FROM generate_series(253, 258) n;
	INSERT INTO decoded (id, document) SELECT 11000 + n, (repeat('[', n) || '1' || repeat(']', n))::jsonb FROM generate_series(14, 19) n;
	INSERT INTO decoded (id, document) SELECT 30000 + n, to_jsonb(repeat('x', n)) FROM generate_series(16378, 16386) n;
	INSERT INTO decoded (id, document, number) SELECT 12000 + n, to_jsonb(d), d FROM generate_series(1, 40) n, LATERAL (SELECT repeat('9', n)::numeric d) x;
	INSERT INTO decoded (id, document, number) SELECT 13000 + n, to_jsonb(d), d
	FROM generate_series(1, 80) n, LATERAL (SELECT ('-0.' || repeat('0', n % 7) || repeat('7', n))::numeric d) x;
	INSERT INTO decoded (id, document, number) SELECT 14000 + 100 * n + m, to_jsonb(d), d
	FROM generate_series(0, 9) n, generate_series(0, 9) m, LATERAL (SELECT (repeat('10', n) || '5.' || repeat('0', m) || '5')::numeric d) x;
	INSERT INTO decoded (id, number) SELECT 16000 + n, ('1e' || 4 * n)::numeric FROM generate_series(-70, 70) n;
	INSERT INTO decoded (id, document) VALUES (17000, '-0'), (17001, '[-0.00, 0.0, -0]'), (17002, '{"": {"": []}, "a": {}}');
	INSERT INTO decoded (id, word) SELECT 18000 + n, repeat('x', n) FROM generate_series(124, 129) n;
	INSERT INTO decoded (id, word) SELECT 18200 + n, repeat('漢', n) FROM generate_series(41, 43) n;
	INSERT INTO decoded (id, moment, clock) VALUES (19000, 'infinity', '-infinity'), (19001, '-infinity', 'infinity'),
		(19002, '4714-11-24 00:00:00+00 BC', '4714-11-24 00:00:00 BC'), (19003, '294276-12-31 23:59:59.999999+00', '294276-12-31 23:59:59.999999');
	));

foreach my $form ('parallel_workers => 1', 'parallel_workers => 2', 'chunk_mode => true')
{
	$pair->sql('DROP TABLE IF EXISTS raw.decoded');
	is($pair->sync('decoded', 'raw.decoded', $form)->{status}, 'succeeded', "loaded, $form");
	$pair->assert_identical('decoded', 'raw.decoded');
	is($pair->sql(q(SELECT count(*) FROM raw.decoded WHERE document::text::jsonb <> document
		OR jsonb_hash_extended(document, 0) <> jsonb_hash_extended(document::text::jsonb, 0)
		OR number::text::numeric <> number OR hash_numeric(number) <> hash_numeric(number::text::numeric))),
		0, '... and every value is what its text is');
}

$pair->assert_clean;
done_testing;
