# Values of every type: the built-in ones, by their names, and some that $types makes.

package TablesyncTest::Values;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(%values $types);

our %values = (
	aclitem     => [ '=r/pg_monitor', 'pg_read_all_data=arwdDxt/common' ],
	bit         => [ '', '1', '101' ],
	bool        => [ 't', 'f' ],
	box         => [ '(1,2),(-3,-4)', '(Infinity,-0),(-Infinity,NaN)' ],
	bpchar      => [ '', ' ', 'a  ', 'é' ],
	bytea       => [ '', '\x00', '\x00ff27225c0a', '\xc3' ],
	char        => [ '', 'a', "'" ],
	cid         => [ '0', '4294967295' ],
	cidr        => [ '0.0.0.0/0', '10.1.0.0/16', '::/0', '2001:db8::/32' ],
	circle      => [ '<(0,0),0>', '<(1.1,-2.2),3.3>', '<(NaN,Infinity),NaN>' ],
	date        => [ '2000-02-29', '4713-01-01 BC', '5874897-12-31', 'infinity', '-infinity' ],
	float4      => [ '0', '-0', '1.1', '1e-45', '3.4028235e38', 'NaN', 'Infinity', '-Infinity' ],
	float8      => [ '0', '-0', '1.1', '0.1', '5e-324', '1.7976931348623157e308', 'NaN', 'Infinity', '-Infinity' ],
	inet        => [ '10.0.0.1', '10.0.0.1/8', '::1', 'fe80::1/64' ],
	int2        => [ '0', '-32768', '32767' ],
	int2vector  => [ '', '1', '1 -2 3' ],
	int4        => [ '0', '-2147483648', '2147483647' ],
	int8        => [ '0', '-9223372036854775808', '9223372036854775807' ],
	interval    => [ '0', '24:00:00', '1 day', '1 mon -1 day +25:00:00.000001', '-178000000 years', '178000000 years' ],
	json        => [ '1', '{"b" :  1.00, "a": [ ], "b": null}', '"\u00e9"', '"é☃"' ],
	jsonb       => [ '1.00', '{"b": 1.00, "a": [{}, null, "é☃"]}', '{}', '-1e-20' ],
	jsonpath    => [ '$', 'strict $."a"[*] ? (@ > 1.50)' ],
	line        => [ '{1,2,3}', '{0,-1,-0}' ],
	lseg        => [ '[(1,2),(3,4)]', '[(-0,0),(0,-0)]' ],
	macaddr     => [ '08:00:2b:01:02:03' ],
	macaddr8    => [ '08:00:2b:01:02:03:04:05' ],
	money       => [ '0', '-92233720368547758.08', '92233720368547758.07' ],
	name        => [ '', 'a', 'é' x 31, q(q"'\\) ],
	numeric     => [ '0', '0.00', '1.0', '1.00', '-1e-100', '1e1000', '123456789.987654321', 'NaN', '-Infinity' ],
	oid         => [ '0', '4294967295' ],
	oidvector   => [ '', '1', '1 4294967295' ],
	path        => [ '[(1,2),(3,4)]', '((1,2),(3,-0))' ],
	pg_lsn      => [ '0/0', 'FFFFFFFF/FFFFFFFF' ],
	pg_snapshot => [ '10:10:', '10:20:10,14,15' ],
	point       => [ '(0,-0)', '(1.1,-2.2)', '(NaN,-Infinity)' ],
	polygon     => [ '((0,0))', '((1,2),(3,4),(-5,-0))' ],
	refcursor   => [ '', 'a cursor' ],
	regclass    => [ 'pg_class', '-', '99999', 'thing' ],
	regcollation  => [ '"C"', '-' ],
	regconfig     => [ 'english', '-' ],
	regdictionary => [ 'simple', '-' ],
	regnamespace  => [ 'pg_catalog', '-', 'ours' ],
	regoper       => [ '|/', '0' ],
	regoperator   => [ '+(integer,integer)', '0' ],
	regproc       => [ 'now', '-', 'helper' ],
	regprocedure  => [ 'lower(text)', '-', 'helper(integer)' ],
	regrole       => [ 'pg_monitor', '-', 'common' ],
	regtype       => [ 'integer[]', 'timestamp with time zone', '-', 'mood' ],
	text          => [ '', ' ', 'NULL', '\N', '\.', "tab\tline\nend\r", q(q"'\\{},()), 'é☃😀', "\x{1}\x{7f}" ],
	tid           => [ '(0,0)', '(4294967295,65535)' ],
	time          => [ '00:00:00', '23:59:59.999999', '24:00:00' ],
	timestamp     => [ '2000-01-01 00:00:00', '4713-01-01 00:00:00 BC', '294276-12-31 23:59:59.999999', 'infinity' ],
	timestamptz   => [ '2000-01-01 00:00:00+00', '4713-01-01 00:00:00+00 BC', '294276-12-31 23:59:59+00', '-infinity' ],
	timetz        => [ '00:00:00+15:59', '24:00:00-15:59', '12:00:00.000001+00' ],
	tsquery       => [ '', q('a' & !'b':*A), q('a' <2> 'b''c') ],
	tsvector      => [ '', q('a':1A,3 'b':2C 'longer' 'é'), q('b' 'aa' 'c') ],
	txid_snapshot => [ '10:10:', '10:20:10,14,15' ],
	uuid          => [ '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff' ],
	varbit        => [ '', '1', '101010101' ],
	varchar       => [ '', ' ', 'a  ', 'é☃😀' ],
	xid           => [ '0', '4294967295' ],
	xid8          => [ '0', '18446744073709551615' ],
	xml           => [ '<a>é</a>', 'text <b/>', '<?xml version="1.0" standalone="yes"?><a/>' ],
	daterange     => [ 'empty', '(,)', '[2000-01-01,2000-02-29)', '[-infinity,infinity]' ],
	int4range     => [ 'empty', '(,)', '[1,5)' ],
	int8range     => [ 'empty', '(,5)', '[1,)' ],
	numrange      => [ 'empty', '[1.0,2.00]', '(1.0,2.00)', '[1,NaN]' ],
	tsrange       => [ 'empty', '["4713-01-01 00:00:00 BC",infinity)' ],
	tstzrange     => [ 'empty', '(,"2000-01-01 00:00:00+00"]' ],
	datemultirange => [ '{}', '{[2000-01-01,2000-02-29),[2001-01-01,)}' ],
	int4multirange => [ '{}', '{[1,5),[7,9)}' ],
	int8multirange => [ '{}', '{(,)}' ],
	nummultirange  => [ '{}', '{[1.0,2.00],(3,4)}' ],
	tsmultirange   => [ '{}', '{["2000-01-01 00:00:00",infinity)}' ],
	tstzmultirange => [ '{}', '{(,"2000-01-01 00:00:00+00"]}' ],
	# Of our own, on both sides.
	mood       => [ 'sad', 'it\'s "ok", (é)' ],
	positive   => [ '1', '2147483647' ],
	few        => [ '{}', '{1,2}' ],
	pair       => [ '(,)', '(1,"")', '("-5","a ""quoted"", (text)")' ],
	nested     => [ '(,,)', q[("(1,x)",sad,"{""(2,y)"",NULL}")] ],
	textrange  => [ 'empty', '[a,b)', '(,é]' ],
	textmultirange => [ '{}', '{[a,b),[c,d)}' ]);

# Makes the types that are not built in, and what their values mention.
our $types = q(
	CREATE ROLE common;
	CREATE SCHEMA ours;
	CREATE TABLE thing ();
	CREATE FUNCTION helper(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE TYPE mood AS ENUM ('sad', 'it''s "ok", (é)');
	CREATE DOMAIN positive AS int CHECK (VALUE > 0);
	CREATE DOMAIN few AS int[] CHECK (cardinality(VALUE) < 3);
	CREATE TYPE pair AS (a int, b text);
	CREATE TYPE nested AS (p pair, m mood, ps pair[]);
	CREATE TYPE textrange AS RANGE (subtype = text, collation = "C", multirange_type_name = textmultirange););

1;
