# With the launcher, a sync in chunks that a crash or a shutdown interrupted goes on by itself, as the role that called
# it; one that failed or was canceled does not, nor one that brings the server down again and again.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new(
	proxy       => 1,
	target_conf => [
		q(shared_preload_libraries = 'pg_tablesync'), q(tablesync.databases = 'postgres'),
		q(tablesync.launcher_naptime = '200ms')
	]);
my ($target, $proxy) = ($pair->target, $pair->proxy);

$pair->source_sql(q(
	-- What is known of its size sizes the chunks: it must not change during the test.
	CREATE TABLE items (id int PRIMARY KEY, name text) WITH (autovacuum_enabled = false);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 5000) g;));
my $chunked = q(chunk_mode => true, batch_size => 500);

# Starts a sync that stands still after some chunks.
sub start_chunks
{
	my ($name) = @_;
	$pair->sql("DROP TABLE IF EXISTS raw.$name");
	$proxy->fault('stop', 'copy', 2_000_000);
	my $call = $pair->start_sync('items', "raw.$name", $chunked);
	$proxy->wait_done('stop');
	cmp_ok($pair->admin("SELECT chunks FROM tablesync.checkpoint WHERE target = 'raw.$name'"), '>', 1, "$name: some chunks are done");
	return $call;
}

# "status sqlstate" of each run of the target, the latest last.
sub runs
{
	my ($name) = @_;
	return $pair->admin(qq(SELECT string_agg(status || coalesce(' ' || sqlstate, ''), ', ' ORDER BY run_id) FROM tablesync.run
		WHERE target = 'raw.$name'));
}

sub wait_for_runs
{
	my ($name, $runs, $test) = @_;
	return ok(TablesyncTest::poll(sub { runs($name) eq $runs }), $test) || diag(runs($name));
}

# So many passes over the database, each of which would have resumed.
sub wait_for_passes
{
	foreach my $pass (1 .. 3)
	{
		$pair->admin(q(
			INSERT INTO tablesync.run (owner, command, status, source, target, sync_mode, started_at, worker_pid,
				worker_start, shared_memory)
			VALUES ('postgres'::regrole, 'sync_table', 'running', 'x', 'raw.x', 'full', now(), pg_backend_pid(), now(), 0)));
		$pair->wait_until($target, q(SELECT NOT EXISTS (SELECT FROM tablesync.run WHERE target = 'raw.x' AND status = 'running')));
	}
	return;
}

sub restart
{
	$target->stop('fast');
	$target->start;
	return;
}

# ---- A crash ------------------------------------------------------------------------------------------------

my $call = start_chunks('crashed');
kill 'KILL', $pair->worker_pid;
$pair->assert_failed($call->finish, 'lost|57P0[12]', undef, '... the worker is killed');
$proxy->none;
$pair->wait_until($target, 'SELECT true');
wait_for_runs('crashed', 'interrupted 57P02', '... its run is closed, and is not resumed at once');
$pair->sql(q(
	CREATE TABLE raw.written (who text);
	CREATE FUNCTION raw.note() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO raw.written VALUES (current_user || ' ' || session_user); RETURN NULL; END $$;
	CREATE TRIGGER note AFTER INSERT ON raw.crashed FOR EACH STATEMENT EXECUTE FUNCTION raw.note();));
wait_for_runs('crashed', 'interrupted 57P02, succeeded', '... but after a while');
$pair->assert_identical('items', 'raw.crashed');
is($pair->admin(q(SELECT string_agg(DISTINCT owner::text, ' ') FROM tablesync.run WHERE target = 'raw.crashed')), 'loader',
	'... as whoever called it');
is($pair->sql('SELECT DISTINCT who FROM raw.written'), 'loader loader', '... in a session of that role');
is($pair->admin(q(SELECT finished_at + '9 s' < (SELECT max(started_at) FROM tablesync.run WHERE target = 'raw.crashed') FROM tablesync.run
		WHERE target = 'raw.crashed' AND status = 'interrupted')), 't', '... some seconds after the crash');
cmp_ok($pair->admin(q(SELECT rows_read FROM tablesync.run WHERE target = 'raw.crashed' AND status = 'succeeded')), '<', 5000,
	'... from where it was');

# ---- A shutdown ---------------------------------------------------------------------------------------------

$call = start_chunks('stopped');
restart();
$call->finish;
$proxy->none;
wait_for_runs('stopped', 'interrupted 57P01, succeeded', '... after a shutdown it goes on at once');
$pair->assert_identical('items', 'raw.stopped');

# ---- What is not resumed ------------------------------------------------------------------------------------

$call = start_chunks('canceled');
$pair->admin('SELECT pg_terminate_backend(' . $pair->worker_pid . ')');
$pair->assert_failed($call->finish, '57P01', undef, '... its worker is terminated');
$proxy->none;
wait_for_passes();
is(runs('canceled'), 'canceled 57P01', '... which is meant');
restart();
wait_for_passes();
is(runs('canceled'), 'canceled 57P01', '... also after a restart');

# Its owner may not.
foreach my $case (
	[ 'ALTER ROLE loader NOLOGIN', 'ALTER ROLE loader LOGIN' ],
	[ q(SELECT tablesync.revoke_from('loader')), q(SELECT tablesync.grant_to('loader')) ],
	[ 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC' ])
{
	my ($take, $give) = @$case;
	$pair->admin("DELETE FROM tablesync.run WHERE target = 'raw.forbidden'");
	$call = start_chunks('forbidden');
	$pair->admin($take);
	restart();
	$call->finish;
	$proxy->none;
	wait_for_passes();
	is(runs('forbidden'), 'interrupted 57P01', "$take: not resumed");
	$pair->admin($give);
	wait_for_runs('forbidden', 'interrupted 57P01, succeeded', "... before: $give");
}

# A newer version has kept its call, with what this one does not know.
$pair->admin("DELETE FROM tablesync.run WHERE target = 'raw.newer'");
$call = start_chunks('newer');
$pair->admin('ALTER ROLE loader NOLOGIN');
restart();
$call->finish;
$proxy->none;
wait_for_passes();
$pair->admin(q(
	UPDATE tablesync.checkpoint SET request = request || '{"row_filter": "id > 7"}' WHERE target = 'raw.newer';
	ALTER ROLE loader LOGIN));
wait_for_passes();
is(runs('newer'), 'interrupted 57P01', "a newer version's call: not resumed");
$target->wait_for_log(qr/LOG:  pg_tablesync does not resume the interrupted run of raw\.newer/);
$pair->admin(q(UPDATE tablesync.checkpoint SET request = request - 'row_filter' WHERE target = 'raw.newer'));
wait_for_runs('newer', 'interrupted 57P01, succeeded', '... before it is one of this version');
$pair->assert_identical('items', 'raw.newer');

# The fifth crash is one too many.
$call = start_chunks('deadly');
$pair->admin('ALTER ROLE loader NOLOGIN');
restart();
$call->finish;
$proxy->none;
$pair->admin(q(INSERT INTO tablesync.run (owner, command, status, sqlstate, source, target, sync_mode, started_at, finished_at,
		worker_pid, worker_start, shared_memory)
	SELECT 'loader'::regrole, 'sync_table', 'interrupted', '57P02', 'items', 'raw.deadly', 'full', now() - interval '1 day',
		now() - interval '1 day', 0, now(), 0 FROM generate_series(1, 5)));
$pair->admin('ALTER ROLE loader LOGIN');
wait_for_passes();
unlike(runs('deadly'), qr/running|succeeded/, '... five crashes are enough');
$pair->admin(q(DELETE FROM tablesync.run WHERE run_id = (SELECT max(run_id) FROM tablesync.run WHERE target = 'raw.deadly')));
ok(TablesyncTest::poll(sub { runs('deadly') =~ /, succeeded$/ }), '... four are not');
$pair->assert_identical('items', 'raw.deadly');

# There is no slot for its worker: the launcher has one, and so have its pass and logical replication.
$call = start_chunks('waiting');
$pair->admin('ALTER SYSTEM SET max_worker_processes = 3');
restart();
$call->finish;
$proxy->none;
$target->wait_for_log(qr/ERROR:  could not start a background worker.*upkeep of database "postgres" failed/s);
is(runs('waiting'), 'interrupted 57P01', '... there is no slot for a worker');
$pair->admin('ALTER SYSTEM RESET max_worker_processes');
restart();
wait_for_runs('waiting', 'interrupted 57P01, succeeded', '... until there is one');

# What its target was is gone: so is the checkpoint.
$call = start_chunks('dropped');
$pair->sql('SELECT cancel_run(max(run_id)) FROM tablesync.run');
$call->finish;
$proxy->none;
$pair->sql('DROP TABLE raw.dropped');
$pair->wait_until($target, q(SELECT NOT EXISTS (SELECT FROM tablesync.checkpoint WHERE target = 'raw.dropped')));
pass('... the checkpoint of a dropped target is gone');

# ---- Hidden tables -------------------------------------------------------------------------------------------

# What several loaders have filled when one of them was killed: its owner's worker drops it, no call is needed.
$proxy->fault('stop', 'copy', 500_000);
$call = $pair->start_sync('items', 'raw.by_two', 'parallel_workers => 2');
$proxy->wait_done('stop');
kill 'KILL', split /\n/, $pair->admin(q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_tablesync loader' LIMIT 1));
$pair->assert_failed($call->finish, 'lost|57P0[12]', undef, 'a loader is killed');
$proxy->none;
$pair->wait_until($target, 'SELECT true');
ok(TablesyncTest::poll(sub { $pair->admin(q(SELECT count(*) FROM tablesync.hidden_table)) eq '0' }), '... the hidden table is dropped without a call');

$pair->assert_clean;
done_testing();
