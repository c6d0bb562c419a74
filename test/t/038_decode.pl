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
	CREATE TABLE decoded (id int PRIMARY KEY, document jsonb, number numeric, money numeric(12,2), rough numeric(8,-2), small numeric(3,3));
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
