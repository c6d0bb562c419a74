# Readings at random, for tests of pivot_ship: see TablesyncTest::Pivot, whose part this is. They follow from a seed alone, so
# that the same table can be made on two servers.

package TablesyncTest::Readings;

use strict;
use warnings;

use Exporter qw(import);
use TablesyncTest;

our @EXPORT_OK = qw(readings sql_array generator);

# Kinds of channels: see oracle.value(). Whatever the order in which they are read, the cells are the same.
my @regular = ('boolean', 'integer', 'decimal', 'string', 'integers, then decimals', 'whole decimals, then integers',
	'integers as text', 'decimals as text', 'booleans as integers', 'no format', 'large integers');

# A call of the function that makes them. Options, with what they are by default:
#
#   seed 1, readings 4000
#   ships      ['SHIP1', 'ship-2', 'Ünïcø "3"']
#   channels   60: of each ship. The first 30 have names that are hard to take
#   mixed      false: true adds channels of several types, whose cells depend on the order of the readings
#   kinds      channels' kinds, instead of all
#   nulls      0: the share of readings without a ship, a channel, or a time, or with an empty channel
#   far        false: some readings are decades away from the others
#   first '2024-03-01', step '40 s', at_once 20: the times, and how many readings have each
sub readings
{
	my (%options) = @_;
	my @kinds = @{ $options{kinds} // [ @regular, $options{mixed} ? ('several types') x 4 : () ] };
	my @ships = @{ $options{ships} // [ 'SHIP1', 'ship-2', 'Ünïcø "3"' ] };
	return sprintf 'oracle.readings(%d, %d, %s, %d, %s, %s, %s, %s, %s, %d)',
	  $options{seed} // 1, $options{readings} // 4000, sql_array(@ships), $options{channels} // 60, sql_array(@kinds),
	  $options{nulls} // 0, $options{far} ? 'true' : 'false', TablesyncTest::quote($options{first} // '2024-03-01 00:00Z'),
	  TablesyncTest::quote($options{step} // '40 s'), $options{at_once} // 20;
}

sub sql_array
{
	my (@texts) = @_;
	return 'ARRAY[' . join(', ', map { TablesyncTest::quote($_) } @texts) . ']::text[]';
}

sub generator
{
	return <<'SQL';
CREATE SCHEMA oracle;

-- A number from 0 to 1, the same on every server.
CREATE FUNCTION oracle.die(seed int, n bigint, what text) RETURNS float8 IMMUTABLE LANGUAGE sql AS $$
	SELECT (hashtextextended(what || ' ' || n, seed) & 4294967295) / 4294967296::float8 $$;

CREATE FUNCTION oracle.pick(items anyarray, die float8) RETURNS anyelement IMMUTABLE LANGUAGE sql AS $$
	SELECT items[1 + floor(die * cardinality(items))::int] $$;

CREATE FUNCTION oracle.channel(n int) RETURNS text IMMUTABLE LANGUAGE sql AS $$
	SELECT coalesce((ARRAY[
		'rpm', 'xmin', 'created_time', 'RPM', 'a "quoted" name', 'it''s', E'two\nlines', 'größe_速度_😀',
		-- The first of these has room; the others have the same first 63 bytes.
		repeat('x', 63), repeat('x', 63) || '1', repeat('x', 63) || '2',
		-- 300 bytes; a character is cut by the 63rd.
		repeat('long name/', 30), repeat('ö', 150), repeat('n', 62) || 'é',
		'ctid', 'tableoid', 'select', ' ', ' padded ', E'tab\t', E'\\', E'\\N', '{a,b}', 'NULL', '$1', '%s%%I', '--', E'\r\n',
		E'\u0001', 'created_time_'])[n],
		(ARRAY['/hs4sd_v1/me/', '/hs4sd_v1/ae/', '/other/'])[1 + n % 3] || 'channel_' || n) $$;

-- Formats in every spelling; the rest are none.
CREATE FUNCTION oracle.spelt(format text, die float8) RETURNS text IMMUTABLE LANGUAGE sql AS $$
	SELECT oracle.pick(ARRAY[format, lower(format), upper(format), initcap(format), lower(left(format, 3)) || upper(substr(format, 4))], die) $$;

CREATE TYPE oracle.value AS (value_format text, bool_v boolean, str_v text, long_v bigint, double_v float8);

-- A value of a type. fractions: whether texts may be such. (An integer column rejects those; if it becomes one of decimals
-- afterwards, it could hold them.)
CREATE FUNCTION oracle.of_type(type text, seed int, n bigint, fractions boolean) RETURNS oracle.value IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	v oracle.value;
	die float8 := oracle.die(seed, n, 'of type');
	whole int := floor(2000 * oracle.die(seed, n, 'whole')) - 1000;
BEGIN
	v.value_format := type;
	CASE type
	WHEN 'Boolean' THEN v.bool_v := die < 0.5;
	WHEN 'Integer' THEN v.long_v := oracle.pick(ARRAY[whole, whole, whole, 0, 1, 9007199254740992, -9007199254740993, 9223372036854775807, (-9223372036854775807 - 1)], die);
	WHEN 'Decimal' THEN v.double_v := oracle.pick(ARRAY[whole, whole + 0.1, whole / 7.0, whole, 1e15, 1e-5, 1e300, '-0', 'NaN', '-Infinity']::float8[], die);
	ELSE v.str_v := oracle.pick(ARRAY[whole::text, 'true', 'false', '0', '1', 'on', 'größe', '', E'a\\b\n"''', '007', '1e3', ' 5',
		CASE WHEN fractions THEN (whole / 8.0::float8)::text ELSE 'x' END], die);
	END CASE;
	RETURN v;
END $$;

-- The nth value of a channel of a kind. late: in the second half of the times.
CREATE FUNCTION oracle.value(kind text, seed int, n bigint, channel int, late boolean) RETURNS oracle.value IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	v oracle.value;
	die float8 := oracle.die(seed, n, 'value');
	odd float8 := oracle.die(seed, n, 'odd');    -- what goes wrong, or nearly
	whole int := floor(2000 * die) - 1000;
	fraction float8 := whole + 0.1 + die;
	types text[];
BEGIN
	CASE kind
	WHEN 'boolean' THEN
		v.value_format := 'Boolean';
		CASE WHEN odd < 0.9 THEN v.bool_v := die < 0.5;
		WHEN odd < 0.94 THEN v.str_v := oracle.pick('{true,false}'::text[], die);
		ELSE v.str_v := oracle.pick('{yes,t,True,1,""}'::text[], die); END CASE;
	WHEN 'integer' THEN
		v.value_format := 'Integer';
		v.long_v := whole;
		IF odd < 0.1 THEN v.double_v := fraction; v.str_v := 'not this'; END IF;
		IF odd > 0.9 THEN v.long_v := NULL; v.double_v := oracle.pick(ARRAY[whole, whole + 0.5, 'NaN', 1e19, -9223372036854775808, 9223372036854775808, '-0'], die); END IF;
	WHEN 'decimal' THEN
		v.value_format := 'Decimal';
		v.double_v := oracle.pick(ARRAY[fraction, whole, fraction * 1e20, fraction / 3, whole / 1e7, '-0', 0, 1e15, 123456789012345678, 5e-324,
			1.7976931348623157e308, 'NaN', 'Infinity', '-Infinity'], odd);
		IF odd > 0.95 THEN v.double_v := NULL; v.long_v := oracle.pick(ARRAY[whole, 9007199254740992, 9007199254740993, -9007199254740992], die); END IF;
	WHEN 'string' THEN
		v.value_format := 'String';
		v.str_v := oracle.pick(ARRAY['', ' ', 'NULL', E'\\N', E'\\.', 'true', '1', '0.1', E'"a''b"\n,;\t', 'größe 😀', repeat('long ', 700), md5(n::text)], die);
		IF odd > 0.9 THEN v.str_v := NULL; v.double_v := fraction; END IF;
		IF odd > 0.94 THEN v.double_v := NULL; v.bool_v := die < 0.5; END IF;
	WHEN 'integers, then decimals' THEN
		IF late THEN v.value_format := 'Decimal'; v.double_v := oracle.pick(ARRAY[fraction, whole, '-0'], odd);
		ELSE v.value_format := 'Integer'; v.long_v := whole; END IF;
	WHEN 'whole decimals, then integers' THEN
		IF late THEN v.value_format := 'Integer'; v.long_v := whole;
		ELSE v.value_format := 'Decimal'; v.double_v := whole; END IF;
	WHEN 'integers as text' THEN
		v.value_format := 'Integer';
		v.str_v := oracle.pick(ARRAY[whole, whole, whole, 9223372036854775807]::text[] || '{-0,+5,05,5.0,"5 ",abc,"",9223372036854775808,-9223372036854775808,1e2}'::text[], odd);
	WHEN 'decimals as text' THEN
		v.value_format := 'Decimal';
		v.str_v := oracle.pick(ARRAY[fraction, fraction, fraction / 1e9, whole]::text[] ||
			'{-0,NaN,Infinity,-Infinity,0.50,.5,5.,1E5,1e5,nan,inf,1e400,1e-400,5e-324,0x10,"",abc," 1",1e+15,1000000000000000}'::text[], odd);
	WHEN 'booleans as integers' THEN
		v.value_format := 'Boolean';
		v.long_v := oracle.pick('{0,1,1,0,2,-1}'::bigint[], odd);
	WHEN 'no format' THEN
		v.double_v := fraction;
		IF odd < 0.1 THEN v.double_v := NULL; ELSIF odd < 0.2 THEN v.long_v := whole; ELSIF odd < 0.3 THEN v.str_v := ''; END IF;
		v.value_format := oracle.pick(ARRAY[NULL, '', 'Float', 'Int32', ' Decimal', 'Decimal ', 'Dezimal', 'Ｄecimal', 'double_v'], oracle.die(seed, n, 'format'));
		RETURN v;
	WHEN 'large integers' THEN
		v.value_format := 'Integer';
		v.long_v := oracle.pick(ARRAY[whole, 9007199254740993, -9007199254740993, 9223372036854775807, -9223372036854775807 - 1], odd);
	WHEN 'several types' THEN
		types := string_to_array(oracle.pick('{"Integer,Decimal","Boolean,Integer","Integer,String","Decimal,String","Boolean,String","Boolean,Decimal",
			"Boolean,Integer,Decimal","Boolean,Integer,Decimal,String"}'::text[], oracle.die(seed, channel, 'types')), ',');
		v := oracle.of_type(oracle.pick(types, die), seed, n, NOT types @> '{Integer,Decimal}');
		-- Nobody says what it is; or two values, of which the format names one.
		IF odd < 0.05 THEN v.value_format := NULL; END IF;
		IF odd > 0.95 AND v.bool_v IS NULL THEN v.bool_v := true; END IF;
	END CASE;
	-- Nothing at all.
	IF odd BETWEEN 0.5 AND 0.51 THEN v.bool_v := NULL; v.str_v := NULL; v.long_v := NULL; v.double_v := NULL; END IF;
	v.value_format := oracle.spelt(v.value_format, oracle.die(seed, n, 'format'));
	RETURN v;
END $$;

-- In the order in which they are written: some come late, some are repeated with another value.
CREATE FUNCTION oracle.readings(seed int, readings int, ships text[], channels int, kinds text[], nulls float8, far boolean, first timestamptz, step interval, at_once int)
RETURNS TABLE (ship_id text, data_channel_id text, created_time timestamptz, value_format text, bool_v boolean, str_v text, long_v bigint, double_v float8)
LANGUAGE plpgsql AS $$
DECLARE
	m bigint;    -- the one whose ship, channel, and time it has
	moment int;
	channel int;
	kind text;
	alone boolean;
	v oracle.value;
BEGIN
	FOR n IN 1 .. readings LOOP
		m := CASE WHEN oracle.die(seed, n, 'repeated') < 0.05 THEN 1 + floor(oracle.die(seed, n, 'again') * n) ELSE n END;
		-- A large integer keeps an integer column from becoming one of decimals, unless it is replaced.
		alone := kinds[1 + ((m - 1) % channels + seed) % cardinality(kinds)] IN ('large integers', 'several types');
		m := CASE WHEN alone THEN n ELSE m END;
		channel := 1 + (m - 1) % channels;
		kind := kinds[1 + (channel - 1 + seed) % cardinality(kinds)];
		ship_id := oracle.pick(ships, oracle.die(seed, m, 'ship'));
		data_channel_id := oracle.channel(channel);
		moment := (m - 1) / at_once;
		v := oracle.value(kind, seed, n, channel, 2 * moment * at_once > readings);
		IF oracle.die(seed, m, 'late') < 0.05 THEN moment := floor(moment * oracle.die(seed, m, 'how late')); END IF;
		created_time := first + moment * step;
		IF oracle.die(seed, moment, 'uneven') < 0.2 THEN created_time := created_time + interval '1 us' * floor(1e6 * oracle.die(seed, moment, 'second')); END IF;
		IF far AND oracle.die(seed, m, 'far') < 0.002 THEN created_time := oracle.pick('{1970-01-01 00:00Z,2001-09-09 01:46:40.123456Z,1999-12-31 23:59:59.999999Z}'::timestamptz[], oracle.die(seed, m, 'where')); END IF;
		IF alone OR kind IN ('large integers', 'several types') THEN created_time := date_trunc('second', created_time) + n * interval '1 us'; END IF;
		IF oracle.die(seed, n, 'null') < nulls THEN
			CASE floor(4 * oracle.die(seed, n, 'which'))
			WHEN 0 THEN ship_id := NULL;
			WHEN 1 THEN data_channel_id := NULL;
			WHEN 2 THEN created_time := NULL;
			ELSE data_channel_id := '';
			END CASE;
		END IF;
		value_format := v.value_format; bool_v := v.bool_v; str_v := v.str_v; long_v := v.long_v; double_v := v.double_v;
		RETURN NEXT;
	END LOOP;
END $$;
SQL
}

1;
