# What the columns of random tables may be: types of the source, the values that they get, and other types that the target
# may have for them; fields of incremental mode, keys, and marks of deleted rows.
#
# A value is SQL over "i", the number of the row, and N, a random number of 31 bits that differs from row to row, column to
# column and write to write. %s in it is the schema of the table. Values that are equal but not the same are there on
# purpose (-0, 1.00, spaces in json), as are those that a text form could spoil.

package TablesyncTest::Fuzz::Types;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(@types %own_types %conversions @fields @keys @marks);

sub one_of { return '(ARRAY[' . join(', ', @_) . "])[1 + N % ${\scalar @_}]" }

my $text = one_of(q(''), q(' '), q('a'), q('A'), q('ä'), q('NULL'), q(E'tab\t and \\\\'), q('"quoted"'), q('it''s'), q('日本'), q(E'two\nlines'), q('\N'))
  . ' || CASE WHEN N % 5 > 0 THEN N % 90 ELSE NULL END';
$text = "coalesce($text, 'z ')";

our @types = (
	[ 'int2',    '(N % 65536 - 32768)::int2' ],
	[ 'int4',    'N - 1073741824' ],
	[ 'int8',    '(N::int8 - 1073741824) * 4294967299' ],
	[ 'numeric', one_of(qw(1.0 1.00 0 0.000 -0.5), q('NaN'::numeric), '12345678901234567890.123', 'N / 100.0', '-N::numeric') ],
	[ 'numeric(12,3)', 'N / 1000.0' ],
	[ 'float4', one_of(map({ "'$_'::float4" } qw(0 -0 NaN Infinity 1e-30)), 'N / 7.0::float4') ],
	[ 'float8', one_of(map({ "'$_'::float8" } qw(0 -0 NaN -Infinity 1e-300 0.1)), 'N / 7.0::float8') ],
	[ 'text',   $text ], [ 'text', $text ],
	[ 'text COLLATE "C"', $text ], [ 'text COLLATE "de-x-icu"', $text ],
	[ 'varchar(20)', "left($text, 20)" ],
	[ 'char(12)',    "left($text, 12)" ],
	[ 'name',        "left($text, 60)::name" ],
	[ 'bool',        'N % 2 = 0' ],
	[ 'date',        one_of(q('infinity'::date), q('0044-03-15 BC'::date), q('2024-02-29'::date + N % 5000), q('1900-01-01'::date + N % 999)) ],
	[ 'time',        q('00:00'::time + N % 86400000 * interval '1 ms') ],
	[ 'timetz',      q(timetz '10:00+05:30' + N % 9999 * interval '1 s') ],
	[ 'timestamp',   one_of(q('infinity'::timestamp), q('2024-03-10 02:30'::timestamp + N % 99999 * interval '1.000001 s')) ],
	[ 'timestamptz', q('2024-11-03 05:30Z'::timestamptz + N % 99999 * interval '1.5 min') ],
	[ 'interval',    one_of(map { "interval '$_'" } '1 day', '24 hours', '-1 mon 2 days -00:00:01', '30 days', '1 mon') ],
	[ 'uuid',        'md5(N::text)::uuid' ],
	[ 'bytea',       q(decode(left(md5(N::text), 2 * (N % 16)), 'hex')) ],
	[ 'json',        one_of(q('{"a":1}'), q('{"a": 1}'), q('{"a":1,"a":2}'), q('"x"'), q('null')) . '::json' ],
	[ 'jsonb',       one_of(q('{"a":1.0}'), q('{"a":1.00}'), q('[]'), q('null'), q('"\u00e4"')) . '::jsonb' ],
	[ 'int4[]',      q((ARRAY['{}', '{NULL,1}', '[0:1]={1,2}', '{{1,2},{3,4}}']::text[])[1 + N % 4]::int4[]) ],
	[ 'text[]',      "ARRAY[NULL, 'NULL', $text]" ],
	[ 'float8[]',    q(ARRAY[N / 3.0, '-0']::float8[]) ],
	[ 'int4range',   q(int4range(N % 50, N % 50 + N % 3)) ],
	[ 'tstzrange',   q(tstzrange('2024-01-01Z', NULL)) ],
	[ 'tsvector',    q(to_tsvector('simple', 'fat ' || N % 99)) ],
	[ 'regclass',    one_of(q('pg_class'::regclass), q('pg_type'::regclass), '0::regclass') ],
	[ 'inet',        q(('10.0.0.' || N % 256)::inet) ],
	[ 'bit varying(9)', q(N::bit(5)::bit varying) ],
	[ 'point',       q(point(N % 10, '-0')) ],
	[ '"char"',      q(chr(97 + N % 26)::"char") ],
	[ 'xml',         q(('<a>' || N % 9 || '</a>')::xml) ],
	[ '%s.mood',     one_of(map { "'$_'" } qw(sad ok happy)) . '::%s.mood' ],
	[ '%s.mood[]',   q(ARRAY['sad', 'ok']::%s.mood[]) ],
	[ '%s.pair',     q(ROW('a' || N % 9, 'x,"' || N % 9)::%s.pair) ],
	[ '%s.small',    '(N % 100)::%s.small' ]);

# Types of the user, by name: how each is made.
our %own_types = (
	mood  => q(CREATE TYPE %s.mood AS ENUM ('sad', 'ok', 'happy')),
	pair  => q(CREATE TYPE %s.pair AS (a text, b text)),
	small => q(CREATE DOMAIN %s.small AS int CHECK (VALUE < 1000)));

# By type of the source: [type of the target, how the source's value becomes it]. Some begin with another type of the source,
# which has values of that form only: [..., ..., type, value].
our %conversions = (
	int2 => [ [ 'int4', '%s' ], [ 'text', '%s::text' ] ],
	int4 => [
		[ 'int8', '%s' ], [ 'numeric', '%s' ], [ 'text', '%s::text' ], [ 'float8', '%s' ],
		[ 'date', q(to_date(%s::text, 'YYYYMMDD')), 'int4', q(to_char('2020-01-01'::date + N % 3000, 'YYYYMMDD')::int) ] ],
	text => [
		[ 'date',        '%s::date',                          'text', q(to_char('2020-01-01'::date + N % 3000, (ARRAY['YYYY-MM-DD', 'YYYYMMDD'])[1 + N % 2])) ],
		[ 'int8',        q(nullif(btrim(%s), '')::numeric::int8), 'text', one_of(q(' 12'), q('-7.00'), q(''), 'N::text') ],
		[ 'timestamp',   '%s::timestamp',                     'text', q('2024-05-06 07:08:' || N % 50 + 10) ],
		[ 'bool',        '%s::bool',                          'text', one_of(map { "'$_'" } qw(t no on 0 true)) ],
		[ 'uuid',        '%s::uuid',                          'text', 'upper(md5(N::text))' ],
		[ 'jsonb',       '%s::jsonb',                         'text', q('{"b": ' || N % 9 || '}') ],
		[ 'numeric',     '%s::numeric',                       'text', q((N / 100.0)::text) ],
		[ 'varchar(99)', '%s' ] ],
	bool        => [ [ 'text', '%s::text' ] ],
	date        => [ [ 'text', '%s::text' ] ],
	float8      => [ [ 'text', '%s::text' ] ],
	timestamptz => [ [ 'text', '%s::text' ] ],
	interval    => [ [ 'text', '%s::text' ] ],
	bytea       => [ [ 'text', '%s::text' ] ],
	'%s.mood'   => [ [ 'text', '%s::text' ] ]);

# Fields of incremental mode: type, what a writer stamps, the type to declare.
our @fields = (
	([ 'timestamptz', 'now()' ]) x 4,
	([ 'timestamp',   q(now() AT TIME ZONE 'UTC') ]) x 2,
	[ 'date',        q((now() AT TIME ZONE 'UTC')::date) ],
	[ 'int8',        q(nextval('%s.stamp')) ], [ 'int4', q(nextval('%s.stamp')) ],
	[ 'text',        q(to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')), 'yyyymmdd' ],
	[ 'int4',        q(to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')::int), 'yyyymmdd' ]);

# Keys: [name, type, value over i] of each column.
my $word = q((ARRAY['k', 'K', 'ä', '-', 'é '])[1 + abs(i) % 5] || i);
our @keys = (
	([ [ 'i', 'int4', 'i' ] ]) x 4,
	[ [ 'k', 'int8',                     'i * 1000000007::int8' ] ],
	[ [ 'k', 'text',                     $word ] ],
	[ [ 'k', 'text COLLATE "C"',         $word ] ],
	[ [ 'k', 'text COLLATE "de-x-icu"',  $word ] ],
	[ [ 'k', 'char(12)',                 q('c' || i) ] ],
	[ [ 'k', 'uuid',                     'md5(i::text)::uuid' ] ],
	[ [ 'k', 'numeric',                  'i + 0.50' ] ],
	[ [ 'k', 'bytea',                    q(decode(md5(i::text), 'hex')) ] ],
	[ [ 'k', 'date',                     q('2000-01-01'::date + i) ] ],
	[ [ 'k', 'timestamptz',              q('2020-01-01Z'::timestamptz + i * interval '1 min') ] ],
	[ [ 'k', 'int2',                     '(abs(i) % 4)::int2' ], [ 'K 2', 'text', $word ] ]);

# Columns that mark deleted rows: type, a mark, none, and what a mark is.
our @marks = (
	[ 'bool',        'true',  'false', 'coalesce(gone, false)' ],
	[ 'int4',        '7',     '0',     'coalesce(gone, 0) <> 0' ],
	[ 'timestamptz', 'now()', 'NULL',  'gone IS NOT NULL' ],
	[ 'text',        q('Y'),  q('N'),  q(coalesce(gone, '') IN ('Y', 'T', '1')) ]);

1;
