# A sync in chunks whose worker, or whose server, is killed at random times while others write to its source: each call
# goes on where the last one was, no chunk that was committed is done again, and in the end both tables are the same.
#
# TABLESYNC_TEST_LONG: 2 million rows and 20 kills, instead of 40,000 and 6.

use strict;
use warnings;

use Test::More;
use Time::HiRes;
use TablesyncTest;

my $long  = $ENV{TABLESYNC_TEST_LONG};
my $rows  = $long ? 2_000_000 : 40_000;
my $kills = $long ? 20 : 6;
my $rate  = $long ? '40 MB' : '4 MB';
my $batch = $long ? 20_000 : 500;

my $pair = TablesyncTest->new(
	source_conf => [ 'max_wal_size = 4GB', 'autovacuum_naptime = 1s' ],
	# Autovacuum drops the temporary tables of processes that were killed.
	target_conf => [ 'max_wal_size = 4GB', 'autovacuum_naptime = 1s', q(tablesync.max_source_transaction = '2s') ]);
$pair->source_sql(qq(
	CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL, at timestamptz, note text);
	INSERT INTO items SELECT g, g % 7, now(), repeat('x', 200) FROM generate_series(1, $rows) g;
	ANALYZE items;));

# Rows change, go, come, get other keys, and move about the pages: autovacuum gives their space to others.
my $script = $pair->source->basedir . '/writers.sql';
PostgreSQL::Test::Utils::append_to_file($script, qq(
	\\set id random(1, $rows)
	\\set other random(1, $rows)
	UPDATE items SET n = n + 1, at = clock_timestamp(), note = left(note, 150) || :other WHERE id = :id;
	DELETE FROM items WHERE id = :other AND n % 5 = 0;
	INSERT INTO items VALUES (:other, :id, clock_timestamp(), 'new') ON CONFLICT DO NOTHING;
	UPDATE items SET id = id + $rows + 7 * :client_id WHERE id = :id AND n % 11 = 0
		AND NOT EXISTS (SELECT FROM items o WHERE o.id = :id + $rows + 7 * :client_id);
	));

sub start_writers
{
	my $out = '';
	my $run = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '2', '-T', '600', '-f', $script, $pair->source->connstr('postgres') ],
		'>', \$out, '2>&1');
	return $run;
}

my $call = TablesyncTest::call_of('items', 'raw.items',
	qq(chunk_mode => true, batch_size => $batch, options => '{"max_rate": "$rate"}'));
my $done = q(SELECT coalesce((SELECT chunks FROM tablesync.checkpoint WHERE target = 'raw.items'), 0));

foreach my $form ('first load', 'sync again')
{
	my $writers = start_writers();
	my $last    = 0;
	my $resumed = 0;
	foreach my $kill (1 .. $kills)
	{
		my $sync = $pair->start($call);
		# Before anything was done, between two chunks, or in one.
		my $target = $last + int rand 3;
		TablesyncTest::poll(sub { $pair->admin($done) >= $target || !$pair->worker_pid }, 60);
		Time::HiRes::sleep(rand 0.3);
		my $worker = $pair->worker_pid;
		if ($kill % 3 == 0)
		{
			ok(TablesyncTest::kill_and_start($pair->target), "$form: kill $kill: the server is killed and starts again");
		}
		else
		{
			kill 'KILL', $worker if $worker;
		}
		my $said = $sync->finish;
		like($said->{sqlstate}, qr/^(?:lost|57P02|57P03|)$/, "$form: kill $kill: the caller hears of it") or diag($said->{text});
		$pair->wait_until($pair->target, 'SELECT true');
		$resumed++ if $said->{text} =~ /resumes run/;
		$last = $pair->admin($done);
	}
	$writers->signal('TERM');
	$writers->finish;

	my $said = $pair->try($call);
	is($said->{sqlstate}, '', "$form: the last call ends it") or diag($said->{text});
	if ($last > 0)
	{
		like($said->{text}, qr/resumes run \d+ after \Q@{[$last]}\E chunk@{[ $last == 1 ? q() : q(s) ]}\b/, '... and goes on after the last chunk');
		my $first = $pair->admin('SELECT min(chunk_no) FROM tablesync.chunk WHERE run_id = (SELECT max(run_id) FROM tablesync.run)');
		ok($first eq '' || $first == $last + 1, '... with the next one') or diag("after $last came $first");
	}
	cmp_ok($resumed, '>', 0, '... calls before went on, too');
	is(TablesyncTest::row_of($said->{out})->{consistent}, 't', '... it is consistent');
	$pair->assert_identical('items', 'raw.items');
	is($pair->admin(q(SELECT count(*) FROM tablesync.checkpoint)), 0, '... and leaves no checkpoint');
}

# No chunk is on record twice within one sync: numbers go on from run to run, and begin again with the next sync.
is($pair->admin(q(
	WITH numbered AS (SELECT chunk_no, lag(chunk_no, 1, 0::int8) OVER (ORDER BY run_id, chunk_no) AS before FROM tablesync.chunk)
	SELECT count(*) FROM numbered WHERE chunk_no <> before + 1 AND chunk_no <> 1)), 0, 'every chunk was done once');
is($pair->admin(q(SELECT count(*) FROM tablesync.run WHERE status = 'running')), 0, 'every run is closed');
$pair->assert_clean;
done_testing;
