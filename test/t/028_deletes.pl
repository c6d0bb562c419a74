# What leaves the target in the modes that read changes only: nothing by themselves; with delete_missing, whatever the
# source has no longer; with soft_delete_column, what is marked there.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new;
$pair->source_sql('GRANT pg_read_all_stats TO reader');

my $by_time = q(sync_mode => 'incremental', incremental_field => 'at');
my $by_xmin = q(sync_mode => 'xmin');
my $full    = q(sync_mode => 'full');

sub counts { return TablesyncTest::counts($_[0]) =~ s/ \d+$//r }

# Syncs; says whether it did what was expected, "inserted updated deleted", and read little.
sub assert_sync
{
	my ($table, $more, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $said = $pair->try_sync($table, "raw.$table", $more);
	return fail($name) || diag($said->{text}) if $said->{sqlstate};
	my $row = TablesyncTest::row_of($said->{out});
	is(counts($row), $expected, $name);
	cmp_ok($row->{read}, '<', 50, '... by reading little');
	return;
}

# ---- delete_missing -----------------------------------------------------------------------------------------

my $missing = 'delete_missing => true';
foreach my $table ('timed', 'aged')
{
	my $mode = $table eq 'timed' ? $by_time : $by_xmin;
	my $name = $table eq 'timed' ? 'incremental' : 'xmin';
	$pair->source_sql(qq(
		CREATE TABLE $table (id int PRIMARY KEY, at timestamptz NOT NULL, seat int UNIQUE, name text);
		INSERT INTO $table SELECT g, '2020-01-01'::timestamptz + g * interval '1 hour', g, 'old'
			FROM generate_series(1, 1000) g;));
	$pair->sync($table, "raw.$table", $mode);
	$pair->sql("CREATE UNIQUE INDEX ON raw.$table (seat)");

	$pair->source_sql("DELETE FROM $table WHERE id BETWEEN 11 AND 20");
	assert_sync($table, $mode, '0 0 0', "$name: a row that is deleted on the source stays");
	assert_sync($table, "$mode, $missing", '0 0 10', '... until delete_missing');
	$pair->assert_identical($table, "raw.$table");
	assert_sync($table, "$mode, $missing", '0 0 0', '... and then there is nothing to do');

	# All at once; the seat of a row that is gone is another's.
	$pair->source_sql(qq(
		DELETE FROM $table WHERE id BETWEEN 21 AND 25;
		UPDATE $table SET name = 'new', at = clock_timestamp(), seat = 21 WHERE id = 30;
		INSERT INTO $table VALUES (2000, clock_timestamp(), 22, 'new');));
	assert_sync($table, "$mode, $missing", '1 1 5', '... deletes, updates and inserts');
	$pair->assert_identical($table, "raw.$table");

	# Rows that have moved to another key, their field untouched; one that was never read.
	$pair->source_sql(qq(
		UPDATE $table SET id = id + 10000 WHERE id BETWEEN 41 AND 45;
		INSERT INTO $table VALUES (3000, '1990-01-01', 3000, 'old, and late');));
	assert_sync($table, "$mode, $missing", '6 0 5', '... rows that have got another key');
	$pair->assert_identical($table, "raw.$table");

	# More than a batch of them.
	$pair->source_sql("INSERT INTO $table SELECT g, '1990-01-01', g, 'moved' FROM generate_series(20001, 22500) g");
	is(counts($pair->sync($table, "raw.$table", "$mode, $missing")), '2500 0 0', '... and thousands of others');
	$pair->assert_identical($table, "raw.$table");
	$pair->source_sql("DELETE FROM $table WHERE id > 20000");
	my $refused = $pair->try_sync($table, "raw.$table", "$mode, $missing");
	$pair->assert_failed($refused, '55000', qr/refusing to delete 2,500 of 3,\d+ rows/, "$name: most rows are gone: refused");
	like($refused->{hint}, qr/max_delete_fraction/, '... the hint says how to do it');
	my $any = qq(options => '{"max_delete_fraction": 1}');
	assert_sync($table, "$mode, $missing, $any", '0 0 2500', '... unless it is meant');

	$pair->remember("raw.$table");
	$pair->source_sql("CREATE TABLE away AS SELECT * FROM $table; DELETE FROM $table");
	$refused = $pair->try_sync($table, "raw.$table", "$mode, $missing, $any");
	$pair->assert_failed($refused, '55000', qr/refusing to delete all \d+ rows/, '... all rows are gone: refused');
	$pair->assert_unchanged("raw.$table", '... nothing was deleted');
	assert_sync($table, $mode, '0 0 0', '... no matter without delete_missing');
	$pair->source_sql("INSERT INTO $table SELECT * FROM away; DROP TABLE away");
	is(counts($pair->sync($table, "raw.$table", "$mode, $missing")), '0 0 0', '... and then they are back');
	my $left = $pair->source_sql("SELECT count(*) FROM $table");
	$pair->source_sql("TRUNCATE $table");
	my $empty = qq(options => '{"allow_empty": true, "max_delete_fraction": 1}');
	assert_sync($table, "$mode, $missing, $empty", "0 0 $left", '... an empty source, meant');
	is($pair->sql("SELECT count(*) FROM raw.$table"), 0, '... makes an empty target');
}

# A part of the table: what leaves the part, leaves the target.
$pair->source_sql(q(
	CREATE TABLE part (id int PRIMARY KEY, at timestamptz, place text);
	INSERT INTO part SELECT g, '2020-01-01'::date + g, CASE WHEN g % 2 = 0 THEN 'here' ELSE 'there' END FROM generate_series(1, 200) g;));
foreach my $mode ($by_time, $by_xmin)
{
	my $here = qq($mode, custom_where => \$\$place = 'here'\$\$, $missing);
	$pair->sql('DROP TABLE IF EXISTS raw.part');
	$pair->sync('part', 'raw.part', $here);
	$pair->source_sql(q(
		UPDATE part SET place = 'gone', at = clock_timestamp() WHERE id IN (2, 4);
		UPDATE part SET place = 'here', at = clock_timestamp() WHERE id IN (1);));
	assert_sync('part', $here, '1 0 2', 'rows that leave the part that custom_where takes');
	$pair->assert_identical(q((SELECT * FROM part WHERE place = 'here')), 'raw.part');
	$pair->source_sql(q(UPDATE part SET place = 'here' WHERE id IN (2, 4); UPDATE part SET place = 'there' WHERE id = 1));
}

# ---- soft_delete_column -------------------------------------------------------------------------------------

# Of each type: what does not mark a row, what does.
my %marks = (
	boolean     => [ [ 'false', 'NULL' ], ['true'] ],
	int         => [ [ '0',     'NULL' ], [ '1', '-5' ] ],
	numeric     => [ [ '0.00',  'NULL' ], [ '1', '0.5' ] ],
	text        => [ [ q('N'), q('0'), q(''), 'NULL' ], [ q('Y'), q('T'), q('1'), q('y'), q('true') ] ],
	'char(1)'   => [ [ q('N'), 'NULL' ], [ q('Y'), q('T'), q('1') ] ],
	timestamp   => [ ['NULL'], ['localtimestamp'] ],
	timestamptz => [ ['NULL'], ['now()'] ],
	date        => [ ['NULL'], ['current_date'] ]);

# $ways: mode and action, each with a target of its own.
sub assert_marks
{
	my ($type, $live, $marked, @ways) = @_;
	my $table = 'soft_' . $type =~ s/\W//gr;
	my $marks = @$marked;
	my $is_live = join ' OR ', map { $_ eq 'NULL' ? 'gone IS NULL' : "gone = $_" } @$live;
	my $living = "(SELECT * FROM $table WHERE $is_live)";
	my $one_of = sub {
		my ($values, $number) = @_;
		return '(ARRAY[' . join(', ', @$values) . "]::$type\[])[1 + ($number) % " . scalar(@$values) . ']';
	};
	$pair->source_sql("
		CREATE TABLE $table (id int PRIMARY KEY, at timestamptz DEFAULT now(), gone $type, name text);
		INSERT INTO $table SELECT g, '2020-01-01', " . $one_of->($live, 'g') . ", 'live' FROM generate_series(1, 100) g;
		INSERT INTO $table SELECT g, '2020-01-01', " . $one_of->($marked, 'g') . ", 'gone' FROM generate_series(101, 110) g");
	my @made;
	foreach my $way (@ways)
	{
		my ($mode, $action) = @$way;
		my $target = "raw.$table" . @made;
		my $more = qq($mode, options => '{"soft_delete_column": "gone", "soft_delete_action": "$action"}');
		push @made, [ $target, $more, $action ];
		my $rows = $action eq 'mark' ? 110 : 100;
		is($pair->sync($table, $target, $more)->{inserted}, $rows, "$type, $mode: the first load, to $action");
	}
	my $now = 'at = clock_timestamp()';
	$pair->source_sql("
		UPDATE $table SET gone = " . $one_of->($marked, 'id') . ", $now WHERE id <= $marks;
		UPDATE $table SET gone = " . $one_of->($live, 'id') . ", $now WHERE id = 101;
		UPDATE $table SET name = 'changed', $now WHERE id IN (50, 105);
		INSERT INTO $table (id, gone, name) VALUES (201, " . $one_of->($live, '0') . ", 'new');
		INSERT INTO $table (id, gone, name) VALUES (202, " . $one_of->($marked, '0') . ", 'new and gone')");
	foreach my $made (@made)
	{
		my ($target, $more, $action) = @$made;
		my $updated = $marks + 3;
		my $expected = $action eq 'mark' ? "2 $updated 0" : "2 1 $marks";
		my $rows = $action eq 'mark' ? $table : $living;
		is(counts($pair->sync($table, $target, $more)), $expected, '... rows that are marked, and one that no longer is');
		$pair->assert_identical($rows, $target);
		is(counts($pair->sync($table, $target, $more)), '0 0 0', '... and then there is nothing to do');
	}
	return;
}

foreach my $type (sort keys %marks)
{
	my @ways = ([ $by_time, 'delete' ]);
	push @ways, [ $by_xmin, 'delete' ], [ $full, 'delete' ], [ "$full, delete_missing => false", 'delete' ],
	  [ "$by_time, $missing", 'delete' ], [ $by_time, 'mark' ], [ $by_xmin, 'mark' ]
	  if $type =~ /^(?:boolean|timestamptz)$/;
	assert_marks($type, @{ $marks{$type} }, @ways);
}

# Rows that are marked, and then deleted; the other way to do it; a wrong name, a wrong type.
my $soft = sub { return qq($by_time, options => '{"soft_delete_column": "$_[0]"}') };
$pair->source_sql('CREATE TABLE odd (id int PRIMARY KEY, at timestamptz DEFAULT now(), gone bool, doc json, bits bytea)');
$pair->source_sql('INSERT INTO odd SELECT g FROM generate_series(1, 10) g');
$pair->sync('odd', 'raw.odd', $by_time);
$pair->source_sql('UPDATE odd SET gone = true WHERE id = 1');
my $said = $pair->try_sync('odd', 'raw.odd', $soft->('gone'));
is($said->{sqlstate}, '', 'soft_delete_column comes later') or diag($said->{text});
like(join(' ', @{ $said->{notices} }), qr/reads everything, because soft_delete_column has changed/,
	'... everything is read');
is($pair->sql('SELECT count(*) FROM raw.odd WHERE id = 1'), 0, '... and what was marked already is deleted');
$pair->assert_failed($pair->try_sync('odd', 'raw.odd', $soft->('went')), '42703', qr/soft_delete_column "went"/,
	'a soft_delete_column that is not there');
foreach my $column ('doc', 'bits')
{
	$pair->assert_failed($pair->try_sync('odd', 'raw.odd', $soft->($column)), '42804', qr/cannot be used as soft_delete_column/,
		"... of a type that cannot mark: $column");
}

$pair->assert_clean;
done_testing();
