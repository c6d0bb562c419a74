# A run fails, or its process dies, at every point of its way (src/pg/server/fault.h): the caller hears of it, nothing
# is changed unless all was, nothing is left, and the next call does the work. Errors that may pass are outlived.
#
# Each point once; all ways of a run with all kinds of faults with script/test --long.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);
use TablesyncTest::Fault;

my $long = $ENV{TABLESYNC_TEST_LONG};
my $pair = TablesyncTest->new(proxy => 1);

# Keys that are changed, rows that have to be converted, and rows without a key.
my $many = 300;
$pair->source_sql(qq(
	CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, amount text,
		changed_at timestamptz NOT NULL DEFAULT clock_timestamp());
	INSERT INTO items SELECT g, repeat('x', 100), g, now() - interval '1 day' FROM generate_series(1, $many) g;
	CREATE VIEW keyless AS SELECT name, id FROM items;
	GRANT SELECT ON keyless TO reader;));
my $round = 0;

# Rows that are new, changed, gone, and under another key.
sub change_source
{
	my $last = $many + 10 * ++$round;
	$pair->source_sql(qq(
		INSERT INTO items SELECT g, 'new', g FROM generate_series($last + 1, $last + 10) g;
		UPDATE items SET name = name || '.', changed_at = clock_timestamp() WHERE id % 20 = 1;
		UPDATE items SET id = -id WHERE abs(id) % 20 = 2;
		DELETE FROM items WHERE id > $last - 10 AND id <= $last - 5;));
	return;
}

# The ways of a run: the target, the arguments of the call, or the call itself; whether the connection is lost.
my $field = q(sync_mode => 'incremental', incremental_field => 'changed_at', delete_missing => true);
my %way   = (
	load    => { target => 'raw.loaded' },
	full    => { target => 'raw.full', more => q(delete_missing => true, verify => 'full') },
	field   => { target => 'raw.by_field', more => $field },
	xmin    => { target => 'raw.by_xmin', more => q(sync_mode => 'xmin', delete_missing => true) },
	keyless => { target => 'raw.keyless', more => q(delete_missing => true), source => 'keyless' },
	convert => { target => 'raw.converted', more => q(delete_missing => true) },
	fails   => { target => 'raw.full', more => q(delete_missing => true), lost => 1 },
	retries => {
		target => 'raw.full', more => q(delete_missing => true), lost => 1,
		retries => q(max_retries => 1, options => '{"retry_delay": "1ms"}') },
	repair => {
		target => 'raw.full', more => q(delete_missing => true),
		call   => q(SELECT count(*) FROM verify_table('src', 'items', 'raw.full', repair => true,
			options => '{"retry_delay": "1ms"}')) });

# Where each point is met; by field, if it is not said.
my %met_by = (
	run_begun        => 'load',    target_made       => 'load',   key_built        => 'load',
	target_analyzed  => 'load',    snapshot_open     => 'xmin',   stage_made       => 'xmin',
	rows_converted   => 'convert', target_compared   => 'full',   rows_repaired    => 'repair',
	target_scanned   => 'full',    rows_compared     => 'full',   gone_listed      => 'full',
	deletes_done     => 'keyless', attempt_recorded  => 'retries', failure_recorded => 'fails',
	run_finished     => 'load',    committed         => 'load');
my @points    = TablesyncTest::Fault::points($pair);
my %number    = map { $points[$_] => $_ } 0 .. $#points;
my %committed = map { $_ => 1 } qw(committed commit_recorded replied);
my %unknown   = map { $_ => 1 } qw(worker_started run_begun);
my %in_work   = map { $_ => 1 } @points[ $number{work_begun} .. $number{run_finished} ];

# A call with a fault. Returns what it said; in long form it may be that the way does not come there.
sub call_with
{
	my ($way, $fault, $more) = @_;
	$pair->sql("DROP TABLE IF EXISTS $way->{target}") if $way->{target} eq 'raw.loaded';
	change_source();
	TablesyncTest::Fault::remember($pair, $way->{target});
	$pair->proxy->fault('rst', 'copy', 5000) if $way->{lost};
	TablesyncTest::Fault::set($pair, $fault);
	my $arguments = join ', ', grep { $_ } $way->{more}, $more // $way->{retries};
	my $said = $pair->try($way->{call} // call_of($way->{source} // 'items', $way->{target}, $arguments));
	# The caller's session writes the record of a run that did not come to it.
	$pair->wait_until($pair->target, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = '$TablesyncTest::caller')");
	TablesyncTest::Fault::clear($pair);
	$pair->proxy->none;
	return $said;
}

# What the caller is to hear, and what the record is to say.
sub expected_of
{
	my ($way, $point, $kind) = @_;
	# What comes after the commit is book-keeping; a record that could not be written is written again; what
	# is tried again succeeds, or meets the lost connection.
	return ('', 'succeeded') if "$point $kind" eq 'commit_recorded error' || $way->{call} && $in_work{$point} && $kind eq 'error';
	return ('08006', 'failed') if "$point $kind" eq 'failure_recorded error' || $way->{retries} && $in_work{$point} && $kind eq 'error';
	return ($kind eq 'sigkill' ? 'lost|57P02' : '40001',
		$committed{$point} ? 'succeeded' : $kind eq 'error' || $unknown{$point} && $kind ne 'sigkill' ? 'failed' : $unknown{$point} ? '' : 'running');
}

# Whether the run came to the point at all.
sub was_met
{
	my ($way, $point, $said) = @_;
	return !$way->{lost} if $point eq 'commit_recorded';
	return $way->{lost} if $point eq 'failure_recorded';
	return $said->{text} =~ /fault point $point$/m;
}

sub assert_survives
{
	my ($way, $point, $kind) = @_;
	my ($sqlstate, $record) = expected_of($way, $point, $kind);
	my $nth  = $point eq 'row_received' ? 20 : 1;
	my $said = call_with($way, "$point:$nth:$kind");
	return 0 if $long && $kind eq 'error' && !was_met($way, $point, $said);
	TablesyncTest::Fault::assert_harmless($pair,
		name     => "$way->{name}: $point: $kind",
		said     => $said,
		sqlstate => $sqlstate,
		record   => $record,
		source   => $way->{source} // 'items',
		%$way{qw(target more)});
	return 1;
}

# An error that may pass, at a point between the beginning of the work and its commit.
sub assert_retried
{
	my ($way, $point) = @_;
	my $said = call_with($way, $point, q(max_retries => 1, options => '{"retry_delay": "1ms"}'));
	is($said->{sqlstate}, '', "$point: tried again") or diag($said->{text});
	is(scalar(grep { /attempt 1 of 2 failed: fault point $point$/ } @{ $said->{notices} }), 1, '... which the caller is told');
	$pair->assert_identical($way->{source} // 'items', $way->{target});
	return;
}

$way{$_}{name} = $_ foreach keys %way;
cmp_ok(scalar @points, '>', 25, 'the module has fault points');
$pair->sql('CREATE SCHEMA raw; CREATE TABLE raw.converted (id int PRIMARY KEY, name text, amount int, changed_at timestamptz)');
$pair->sync($way{$_}{source} // 'items', @{ $way{$_} }{qw(target more)}) foreach grep { !$way{$_}{lost} } sort keys %way;

my @kinds = qw(error fatal sigkill);
if ($long)
{
	my %met;
	foreach my $name (sort keys %way)
	{
		foreach my $point (@points)
		{
			next unless assert_survives($way{$name}, $point, 'error');
			$met{$point}++;
			assert_survives($way{$name}, $point, $_) foreach 'fatal', 'sigkill';
		}
	}
	is(join(' ', grep { !$met{$_} } @points), '', 'every point was met');

	# Wherever the rows stand. (Another custom_where makes it read all of them.)
	foreach my $n (map { 1 + int rand $many } 1 .. 50)
	{
		my $said = call_with($way{field}, "row_received:$n:sigkill", q(custom_where => 'true'));
		TablesyncTest::Fault::assert_harmless($pair, name => "killed at row $n", said => $said, sqlstate => 'lost|57P02',
			source => 'items', %{ $way{field} }{qw(target more)}, record => 'running');
	}
}
else
{
	assert_survives($way{ $met_by{ $points[$_] } // 'field' }, $points[$_], $kinds[ $_ % 3 ]) foreach 0 .. $#points;
}

foreach my $point (grep { $in_work{$_} } @points)
{
	my $way = $way{ $met_by{$point} // 'field' };
	assert_retried($way, $point) unless $way->{call};
}
$pair->assert_clean;

done_testing();
