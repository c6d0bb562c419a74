# A pivot fails, or its process dies, at every point of its way (src/pg/server/fault.h): the caller hears of it, what
# is committed stays, nothing is done twice, and the next call does the rest. Errors that may pass are outlived.
#
# Each point once; all of them with all kinds of faults with script/test --long.

use strict;
use warnings;

use Test::More;
use TablesyncTest;
use TablesyncTest::Fault;
use TablesyncTest::Pivot;

my $pair  = TablesyncTest->new(target_conf => ['max_worker_processes = 12']);
my $pivot = TablesyncTest::Pivot->new($pair);
$pivot->make('readings', seed => 52, readings => 1200, ships => [qw(ONE TWO)], channels => 12, step => '1800 s');
my $all = $pair->admin('SELECT count(*) FROM readings');

# Those of a sync alone are not met.
my %other = map { $_ => 1 } qw(horizon_read target_made stage_made rows_converted keys_staged absent_rows_fetched source_done deletes_begun target_scanned rows_compared gone_listed
	deletes_done key_built target_analyzed watermark_computed target_compared rows_repaired attempt_recorded failure_recorded);
my @points = grep { !$other{$_} } TablesyncTest::Fault::points($pair);
my @kinds  = qw(error fatal sigkill);
# A point is met again with the second chunk, the third time at the latest: the first one, which has several values of one
# cell, is read twice. These are met once.
my %once   = map { $_ => 1 } qw(worker_started run_begun run_recorded target_locked source_connected run_finished committed commit_recorded replied);
# A chunk that met such an error is done again at once.
my %in_chunk = map { $_ => 1 } qw(row_received copy_finished merge_done);
my $number   = 0;

sub survives
{
	my ($point, $kind, $nth) = @_;
	my $schema = 'fault_' . ++$number;
	my $name   = "$point:$nth:$kind";
	my @call   = ('src', 'readings', target_schema => "'$schema'", chunk_interval => "'6 hours'");
	$pair->sql("CREATE SCHEMA $schema");
	my $first = $pivot->next_run;
	TablesyncTest::Fault::set($pair, $name);
	my $said = $pair->try($pivot->call(@call, max_retries => 0));
	$pair->wait_until($pair->target, 'SELECT true');
	TablesyncTest::Fault::clear($pair);
	my $outlived = $kind eq 'error' && ($point eq 'commit_recorded' || $in_chunk{$point});
	if ($outlived)
	{
		is($said->{sqlstate}, '', "$name: the run succeeds") or diag($said->{text});
	}
	else
	{
		like($said->{sqlstate}, $kind eq 'sigkill' ? qr/^(?:lost|57P02)$/ : qr/^40001$/, "$name: the caller hears of it") or diag($said->{text});
	}
	my $again = $pair->try($pivot->call(@call));
	is($again->{sqlstate}, '', '... the next call ends it') or diag($again->{text});
	$pivot->assert_oracle('readings', $schema, first_run => undef, name => '... the wide tables hold what the readings say');
	is($pair->admin("SELECT count(*) FROM tablesync.checkpoint"), 0, '... no checkpoint is left');
	is($pair->admin("SELECT count(*) FROM tablesync.run WHERE status = 'running'"), 0, '... every run is closed');
	# A run that was committed, and whose caller did not hear of it, is done again: it finds nothing to do.
	my $twice = $pair->admin("SELECT count(*) FROM (SELECT FROM tablesync.chunk WHERE run_id >= $first AND status = 'succeeded' GROUP BY lower, upper HAVING count(*) > 1) x");
	is($twice, 0, '... no chunk was committed twice') unless $outlived || $point =~ /^(?:committed|commit_recorded|replied)$/;
	return;
}

foreach my $n (0 .. $#points)
{
	my $point = $points[$n];
	my $nth   = $point eq 'row_received' ? 900 : $once{$point} ? 1 : 3;
	survives($point, $_, $nth) foreach $ENV{TABLESYNC_TEST_LONG} ? @kinds : $kinds[ $n % 3 ];
}

# An error that may pass.
$pair->sql('CREATE SCHEMA retried');
TablesyncTest::Fault::set($pair, 'watermark_written:2');
my $said = $pair->try($pivot->call('src', 'readings', target_schema => "'retried'", chunk_interval => "'6 hours'", max_retries => 1,
	options => q('{"retry_delay": "1ms"}')));
TablesyncTest::Fault::clear($pair);
is($said->{sqlstate}, '', 'what may pass is tried again') or diag($said->{text});
is(scalar(grep { /attempt 1 of 2 failed: fault point watermark_written/ } @{ $said->{notices} }), 1, '... which the caller is told');
$pivot->assert_oracle('readings', 'retried', name => '... with the same result');
is($pair->admin("SELECT sum(rows_read) FROM tablesync.chunk WHERE run_id = (SELECT max(run_id) FROM tablesync.run) AND status = 'succeeded'"), $all, '... and no chunk was read in vain');
$pair->assert_clean;
done_testing;
