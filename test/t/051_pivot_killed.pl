# A pivot whose worker, or whose server, is killed at random times: each call goes on where the last one was, no chunk that
# was committed is done again, and in the end the wide tables hold what the readings say.
#
# TABLESYNC_TEST_LONG: 200,000 readings and 20 kills of each form, instead of 12,000 and 3.

use strict;
use warnings;

use Test::More;
use Time::HiRes;
use TablesyncTest;
use TablesyncTest::Pivot;

my $long     = $ENV{TABLESYNC_TEST_LONG};
my $readings = $long ? 200_000 : 12_000;
my $kills    = $long ? 20 : 3;
my $rate     = $long ? '20000 rows' : '4000 rows';
my $interval = $long ? '10 minutes' : '30 minutes';

# Autovacuum drops the temporary tables of processes that were killed.
my $pair  = TablesyncTest->new(target_conf => [ 'max_worker_processes = 12', 'autovacuum_naptime = 1s', 'max_wal_size = 4GB' ]);
my $pivot = TablesyncTest::Pivot->new($pair);

# Two days: 96 chunks, or 288.
my $moments = $readings / 20;
$pivot->make('readings', seed => 51, readings => $readings, ships => [ map { "SHIP$_" } 1 .. 4 ], channels => 40,
	step => int(172_800 / $moments) . ' s');
my $all = $pair->admin('SELECT count(*) FROM readings');

# Of all runs since the first of a form: chunks that were committed, and how often chunks were begun beyond once. A chunk that
# the server was killed in may have left no record; what it read is in none then.
my $first;
sub done  { return $pair->admin("SELECT count(*) FROM tablesync.chunk WHERE run_id >= $first AND status = 'succeeded'") }
sub again { return $pair->admin("SELECT coalesce(sum(attempts), 0) - count(DISTINCT (subject, lower, upper)) FROM tablesync.chunk WHERE run_id >= $first") }

sub workers { return split ' ', $pair->admin(q(SELECT coalesce(string_agg(pid::text, ' '), '') FROM pg_stat_activity WHERE backend_type LIKE 'pg\_tablesync%' AND backend_type <> 'pg_tablesync launcher')) }

my %forms = (
	'from there' => [ 'src', cutoff_time => "'2024-03-03 00:00Z'" ],
	# The cutoff of the first call is that of those which go on with it.
	'from here, until now' => [undef],
	'by two workers' => [ 'src', cutoff_time => "'2024-03-03 00:00Z'", parallel_workers => 2 ]);
my $number = 0;
foreach my $form (sort keys %forms)
{
	my ($server, @arguments) = @{ $forms{$form} };
	my $schema = 'killed_' . ++$number;
	my $at_once = $form =~ /two/ ? 2 : 1;
	$pair->sql("CREATE SCHEMA $schema");
	my $call = $pivot->call($server, 'readings', @arguments, target_schema => "'$schema'", chunk_interval => "'$interval'",
		batch_size => 100, options => qq('{"max_rate": "$rate"}'));
	$first = $pivot->next_run;
	my ($last, $killed) = (0, 0);
	foreach my $kill (1 .. $kills)
	{
		my $run = $pair->start($call);
		# When it has done nothing yet, between two chunks, or in one.
		my $target = $last + ($last == 0) + int rand 4;
		TablesyncTest::poll(sub { done() >= $target && workers() > 0 }, 60);
		Time::HiRes::sleep(rand 0.2);
		my @workers = workers();
		if ($kill % 3 == 0)
		{
			ok(TablesyncTest::kill_and_start($pair->target), "$form: kill $kill: the server is killed and starts again");
			$killed++;
		}
		elsif (@workers)
		{
			$killed += kill 'KILL', $workers[ rand @workers ];
		}
		my $said = $run->finish;
		like($said->{sqlstate}, qr/^(?:lost|57P02|57P03)$/, "$form: kill $kill: the caller hears of it") or diag($said->{text});
		$pair->wait_until($pair->target, 'SELECT true');
		$last = done();
	}
	my $said = $pair->try($call);
	is($said->{sqlstate}, '', "$form: the last call ends it") or diag($said->{text});
	cmp_ok($last, '>', 0, '... of which others had done a part');
	cmp_ok(done(), '>', $last, '... but not all') or diag("$last chunks were done before");
	is($killed, $kills, '... each of them was killed');

	$pivot->assert_oracle('readings', $schema, first_run => $first, name => "$form: the wide tables hold what the readings say");
	cmp_ok(again(), '<=', $killed * $at_once, '... a kill made at most one chunk of each worker be done again') or diag("$killed kills");
	is($pair->admin("SELECT count(*) FROM (SELECT FROM tablesync.chunk WHERE run_id >= $first AND status = 'succeeded' GROUP BY subject, lower, upper HAVING count(*) > 1) x"), 0,
		'... no chunk was committed twice');
	is($pair->admin("SELECT sum(rows_read) FROM tablesync.chunk WHERE run_id >= $first AND status = 'succeeded'"), $all, '... each reading was read in one committed chunk');
	is($pair->admin("SELECT count(*) FROM tablesync.chunk WHERE run_id = (SELECT max(run_id) FROM tablesync.run) AND status <> 'succeeded'"), 0, '... no chunk is left');
	is($pair->admin("SELECT count(*) FROM tablesync.checkpoint"), 0, '... nor a checkpoint');
	is($pair->admin("SELECT count(*) FROM tablesync.failed_chunk"), 0, '... nor is a chunk kept for failed');
	is($pair->admin("SELECT count(*) FROM tablesync.run WHERE run_id >= $first AND status = 'succeeded'"), 1, '... one run has succeeded');

	# A further call begins anew, and finds it done.
	my $state = $pivot->state_of($schema);
	my @rows = $pivot->run($server, 'readings', @arguments, target_schema => "'$schema'", chunk_interval => "'$interval'");
	is(TablesyncTest::Pivot::total('rows_read', @rows), $all, '... a further call reads all');
	is($pivot->state_of($schema), $state, '... and touches nothing');
}

is($pair->admin(q(SELECT count(*) FROM tablesync.run WHERE status = 'running')), 0, 'every run is closed');
$pair->assert_clean;
done_testing;
