# Every value of every type arrives as it is: on the first load, and again through staging; with a key and without; and
# whatever the roles on either side have set for their sessions.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);
use TablesyncTest::Values qw(%values $types);

my $pair = TablesyncTest->new;

# Settings that change how values are written or read.
my @settings = (
	"datestyle = 'German'",           "intervalstyle = 'sql_standard'", 'extra_float_digits = -15',
	'bytea_output = escape',          'array_nulls = off',              "timezone = 'Pacific/Chatham'",
	'standard_conforming_strings = off', 'quote_all_identifiers = on',   "client_encoding = 'LATIN1'",
	'search_path = pg_temp, public',  'xmloption = document',           "xmlbinary = 'hex'",
	"default_transaction_isolation = 'serializable'", 'transform_null_equals = on', 'row_security = off');
$pair->source_sql("ALTER ROLE reader SET $_") foreach @settings;
$pair->admin("ALTER ROLE loader SET $_")      foreach @settings;

# Values of these cannot be written, only computed by the server.
my %without_input = map { $_ => 1 } qw(gtsvector pg_brin_bloom_summary pg_brin_minmax_multi_summary pg_dependencies
  pg_mcv_list pg_ndistinct pg_node_tree);

$pair->source_sql($types);
$pair->admin($types);

my @builtin = split /\n/, $pair->source_sql(q(
	SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm')
		AND NOT (typcategory = 'A' AND typlen = -1 AND typelem <> 0 AND typsubscript = 'array_subscript_handler'::regproc
		AND typname LIKE '\_%') ORDER BY 1));
is(join(' ', grep { !$values{$_} && !$without_input{$_} } @builtin), '', 'there are values for every built-in type');

# One column per type and one for its array; one row per value. $with_key: whether the source has a primary key.
sub make_table
{
	my ($table, $with_key) = @_;
	my @names = sort keys %values;
	my $rows  = 0;
	my (@columns, %column_values);
	foreach my $name (@names)
	{
		my $type = $name eq 'char' ? '"char"' : $name;
		push @columns, qq("$name" $type), qq("array of $name" $type\[]);
		my @literals = map { TablesyncTest::quote($_) . "::$type" } @{ $values{$name} };
		$column_values{$name} = \@literals;
		$column_values{"array of $name"} = [ map { "${_}::$type\[]" } "'{}'", 'ARRAY[NULL]',
			'ARRAY[' . join(', ', @literals) . ', NULL]', "ARRAY[ARRAY[$literals[0]], ARRAY[$literals[-1]]]" ];
		$rows = @literals if @literals > $rows;
	}
	$pair->source_sql("CREATE TABLE $table (id int" . ($with_key ? ' PRIMARY KEY, ' : ', ') . join(', ', @columns) . ')');
	foreach my $row (0 .. $rows)
	{
		my @row = map { ($column_values{$_}[$row] // 'NULL', $column_values{"array of $_"}[$row] // 'NULL') } @names;
		$pair->source_sql("SET standard_conforming_strings = on; INSERT INTO $table VALUES ($row, " . join(', ', @row) . ')');
	}
	return;
}

sub assert_arrives
{
	my ($table, $target, $expected) = @_;
	my $said = $pair->try_sync($table, $target);
	is($said->{sqlstate}, '', "$table: the call succeeds") or diag($said->{text});
	is(TablesyncTest::counts(TablesyncTest::row_of($said->{out})), $expected, "$table: ... with the right counts");
	$pair->assert_identical($table, $target, "$table: ... the target is identical");
	return $said;
}

foreach my $with_key (1, 0)
{
	my $table  = $with_key ? 'public.keyed' : 'public.keyless';
	my $target = $table =~ s/public/raw/r;
	make_table($table, $with_key);
	my $rows = $pair->source_sql("SELECT count(*) FROM $table");
	my $said = assert_arrives($table, $target, "$rows 0 0 0");
	is(scalar(grep { /does not exist on the target/ } @{ $said->{notices} }), 0, "$table: ... every type was found here");
	assert_arrives($table, $target, "0 0 0 $rows");
	# Everything but the first row, through staging.
	$pair->source_sql("CREATE TABLE moved AS SELECT * FROM $table WHERE id > 0; UPDATE moved SET id = id + 100;
		DELETE FROM $table WHERE id > 0; INSERT INTO $table SELECT * FROM moved; DROP TABLE moved");
	$pair->try_sync($table, $target, q(options => '{"max_delete_fraction": 1}'));
	$pair->assert_identical($table, $target, "$table: staged rows arrive identical");
	# All values of a row move to another.
	$pair->source_sql("UPDATE $table SET id = -id WHERE id IN (101, 102); UPDATE $table SET id = 203 + id WHERE id < 0");
	assert_arrives($table, $target, ($with_key ? '0 2 0 ' : '2 0 2 ') . ($rows - 2));
}

# ---- Modifiers ----------------------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE modified (id int PRIMARY KEY, c char(5), v varchar(3), n numeric(10,3), big numeric(5,-2), b bit(3),
		vb varbit(5), t time(3), tz timetz(0), ts timestamp(0), tstz timestamptz(2), ym interval year to month,
		s interval second(2), ca char(5)[], na numeric(10,3)[], col text COLLATE "C");
	INSERT INTO modified VALUES (1, 'a', 'abc', 1, 12345, '101', '1', '12:00:00.1235', '12:00+01',
		'2000-01-01 00:00:01', now(), '1 year',
		'1.239', '{a,NULL}', '{1,NULL}', 'x');
	INSERT INTO modified VALUES (3, '', '', 'NaN', NULL, '000', '', '24:00', NULL, 'infinity', '-infinity', '0', '0',
		'{}', '{}', '');
	INSERT INTO modified (id) VALUES (2);));
assert_arrives('public.modified', 'raw.modified', '3 0 0 0');
is($pair->admin(q(SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = 'raw.modified'::regclass AND attnum > 0)),
	$pair->source_sql(q(SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = 'modified'::regclass AND attnum > 0)),
	'modifiers of types arrive');
assert_arrives('public.modified', 'raw.modified', '0 0 0 3');

# ---- Types that are missing here ----------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TYPE size AS ENUM ('small', 'large');
	CREATE TYPE box3 AS (s size, n numeric);
	CREATE DOMAIN code AS text CHECK (VALUE <> '');
	CREATE TABLE foreigners (id int PRIMARY KEY, s size, ss size[], b box3, c code, cs code[]);
	INSERT INTO foreigners VALUES (1, 'small', '{small,large,NULL}', '(large,1.00)', 'x', '{x,"y z"}');
	INSERT INTO foreigners (id) VALUES (2);));
my $said = assert_arrives('public.foreigners', 'raw.foreigners', '2 0 0 0');
my @missing = map { /type ".*" does not exist on the target: column "(\w+)" is created as text/ } @{ $said->{notices} };
is("@missing", 's ss b c cs', 'a NOTICE for each column whose type is missing');
is( $pair->admin(q(SELECT string_agg(format_type(atttypid, NULL), ' ' ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = 'raw.foreigners'::regclass AND attnum > 0)),
	'integer text text text text text', '... they are text');
$pair->source_sql(q(UPDATE foreigners SET s = 'large', b = '(small,1.0)'));
assert_arrives('public.foreigners', 'raw.foreigners', '0 2 0 0');

# ---- Encodings ----------------------------------------------------------------------------------------------

$pair->source_sql("CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'");
$pair->source_sql("CREATE DATABASE bytes TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'");
foreach my $database ('latin', 'bytes')
{
	$pair->source->safe_psql($database, q(CREATE TABLE words (word text); GRANT SELECT ON words TO reader;
		INSERT INTO words VALUES (convert_from('\xe9', current_setting('server_encoding')))));
	my $port = $pair->source->port;
	$pair->make_server($database, "host '127.0.0.1', port '$port', dbname '$database'");
}
$said = $pair->try(q(SELECT * FROM sync_table('latin', 'public.words', 'raw.latin')));
is($said->{sqlstate}, '', 'a LATIN1 source works') or diag($said->{text});
is($pair->admin(q(SELECT encode(convert_to(word, 'UTF8'), 'hex') FROM raw.latin)), 'c3a9', '... its text is converted');
$said = $pair->try(q(SELECT * FROM sync_table('bytes', 'public.words', 'raw.bytes')));
$pair->assert_failed($said, '22021', qr/invalid byte sequence/, 'bytes that are no text are refused');

# ---- Size ---------------------------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE big (id int PRIMARY KEY, t text, b bytea);
	ALTER TABLE big ALTER t SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;
	INSERT INTO big VALUES (1, repeat(md5('a'), 3276800), decode(repeat(md5('b'), 6553600), 'hex')), (2, '', '');));
my $size = q(SELECT string_agg(concat_ws(' ', id, length(t), length(b), md5(t), md5(b)), ', ' ORDER BY id) FROM );
assert_big('a first load');
$pair->source_sql(q(UPDATE big SET b = b || '\x00' WHERE id = 1));
assert_big('staging');

sub assert_big
{
	my ($way) = @_;
	is($pair->try_sync('public.big', 'raw.big', 'memory_limit_mb => 2048')->{sqlstate}, '', "values of 100 MB pass through $way");
	is($pair->admin($size . 'raw.big'), $pair->source_sql($size . 'big'), '... and arrive whole');
	return;
}

$pair->assert_clean;
done_testing();
