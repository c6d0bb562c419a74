# The ways to call: in transactions, without waiting, as a procedure; what a caller needs; and what he and others see
# meanwhile.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);

# One slot for the server's own launcher, one for a run.
my $pair  = TablesyncTest->new(proxy => 1, target_conf => ['max_worker_processes = 2']);
my $proxy = $pair->proxy;
my $sync  = call_of('items', 'raw.items');
my $run   = q(CALL run_sync('src', 'items', 'raw.items'));
my $test  = q(SELECT * FROM test_connection('src'));

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 2000) g;
	ANALYZE items;));
$pair->sync('items', 'raw.items');

sub change_source { return $pair->source_sql("UPDATE items SET name = name || '.' WHERE id > 1000") }

# ---- What a caller needs ------------------------------------------------------------------------------------

$proxy->fault('stop', 'copy', 1000);
my $first = $pair->start($sync);
$proxy->wait_done('stop');
foreach my $call (call_of('items', 'raw.other'), call_of('items', 'raw.other', 'wait => false'), $run, $test)
{
	my $said = $pair->try($call);
	$pair->assert_failed($said, '53000', qr/could not start a background worker/, "no slot is free: $call");
	like($said->{hint}, qr/max_worker_processes/, '... the hint names the setting');
}
$proxy->none;
is($first->finish->{sqlstate}, '', '... the one that had it goes on');
is($pair->try(call_of('items', 'raw.other'))->{sqlstate}, '', '... and then there is one again');

$pair->admin(q(
	CREATE ROLE team;
	GRANT team TO loader;
	SELECT tablesync.grant_to('team');
	GRANT CREATE ON DATABASE postgres TO team;
	GRANT USAGE ON FOREIGN SERVER src TO team;));
my $said = $pair->try("SET ROLE team; " . call_of('items', 'team.items'));
$pair->assert_failed($said, '42501', qr/role "team" is not permitted to log in/, 'a role without LOGIN');
like($said->{hint}, qr/ALTER ROLE team LOGIN/, '... the hint says what to do');

sub as_outsider { return $pair->try($_[0], user => 'outsider') }

my $denied = qr/permission denied for function sync_table/;
$pair->admin('CREATE ROLE outsider LOGIN');
$pair->assert_failed(as_outsider($sync), '42501', $denied, 'a role without grant_to');
$pair->admin(q(SELECT tablesync.grant_to('outsider'); SELECT tablesync.revoke_from('outsider')));
$pair->assert_failed(as_outsider($sync), '42501', $denied, '... and after revoke_from');
$pair->assert_failed(as_outsider('SELECT * FROM tablesync.run'), '42501', qr/permission denied/, '... sees no runs');
$pair->admin(q(SELECT tablesync.grant_to('outsider')));
is(as_outsider('SELECT count(*) FROM tablesync.run')->{out}, "0\n", 'runs of others are not seen');
$pair->assert_clean;

# ---- In transactions ----------------------------------------------------------------------------------------

my $ten = join('; ', map { call_of('items', "raw.copy_$_") } 1 .. 5);
$said = $pair->try("BEGIN; $ten; $ten; COMMIT");
is($said->{sqlstate}, '', 'ten calls in one transaction work') or diag($said->{text});
$pair->assert_identical('items', "raw.copy_$_") foreach 1, 5;

$said = $pair->try("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM raw.items; SAVEPOINT s; $ten; ROLLBACK");
is($said->{sqlstate}, '', '... in a serializable one with a savepoint, too') or diag($said->{text});
change_source();
$said = $pair->try("BEGIN; $sync; ROLLBACK");
is($said->{sqlstate}, '', 'a call in a transaction that is rolled back') or diag($said->{text});
$pair->assert_identical('items', 'raw.items', '... has done its work: a worker does it, in a transaction of its own');

foreach my $before ('CREATE SCHEMA mine', 'CREATE TABLE raw.mine ()', 'INSERT INTO raw.items VALUES (0)',
	'SELECT pg_current_xact_id()')
{
	foreach my $call ($sync, $run, $test)
	{
		$said = $pair->try("BEGIN; $before; $call");
		$pair->assert_failed($said, '25001', qr/cannot run in a transaction that has already changed data/,
			"after $before: $call");
		like($said->{hint}, qr/COMMIT/, '... the hint says COMMIT');
	}
}
$pair->sql(q(CREATE FUNCTION raw.sync_it() RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE r record; BEGIN SELECT * INTO r FROM sync_table('src', 'items', 'raw.items'); RETURN r.rows_read; END $$));
is($pair->sql('SELECT raw.sync_it()'), '2000', 'a function may call it');
$said = $pair->try(q(
	DO $$ BEGIN
		PERFORM sync_table('src', 'missing', 'raw.missing');
	EXCEPTION WHEN undefined_table THEN
		RAISE 'caught %', SQLERRM USING ERRCODE = 'ZZ003';
	END $$));
$pair->assert_failed($said, 'ZZ003', qr/^caught relation missing does not exist/, '... and catch its error');

# ---- Without waiting ----------------------------------------------------------------------------------------

change_source();
$proxy->fault('stop', 'copy', 1000);
my $started = $pair->sync('items', 'raw.items', 'wait => false');
is("$started->{status} $started->{read}", 'running ', 'wait => false returns at once');
$proxy->wait_done('stop');
is($pair->sql("SELECT status FROM wait_run($started->{run_id}, '10 milliseconds')"), 'running',
	'wait_run returns after its timeout');
my $waiting = $pair->start("SELECT * FROM wait_run($started->{run_id})");
$pair->wait_until($pair->target, 'SELECT query LIKE $$%wait_run%$$ FROM pg_stat_activity WHERE pid = ' . $waiting->pid);
$proxy->none;
is(TablesyncTest::counts(TablesyncTest::row_of($waiting->finish->{out})), '0 1000 0 1000',
	'... and at the end with the row of the run');
$pair->assert_identical('items', 'raw.items');

$proxy->fault('stop', 'start', 0);
my $missing = $pair->sync('missing', 'raw.missing', 'wait => false');
$proxy->none;
$said = $pair->try("SELECT * FROM wait_run($missing->{run_id})");
$pair->assert_failed($said, '42P01', qr/relation missing does not exist/, 'wait_run raises the error of the run');
isnt($said->{hint}, '', '... with its hint');
like($said->{context}, qr/run $missing->{run_id} of sync_table src: missing -> raw\.missing/, '... and context');
$said = $pair->try('SELECT * FROM wait_run(-1)');
$pair->assert_failed($said, '42704', qr/run -1 does not exist/, 'wait_run of no run');
$pair->assert_clean;

# ---- The snapshot of the caller -----------------------------------------------------------------------------

foreach my $form ([ $run, 't', 'CALL run_sync holds no snapshot while it waits' ],
	[ $sync, 'f', 'SELECT sync_table holds one' ],
	[ "BEGIN; $run; COMMIT", 'f', '... and so does run_sync in a transaction block' ])
{
	my ($call, $expected, $name) = @$form;
	change_source();
	$proxy->fault('stop', 'copy', 1000);
	my $session = $pair->start($call);
	$proxy->wait_done('stop');
	is($pair->admin('SELECT backend_xmin IS NULL FROM pg_stat_activity WHERE pid = ' . $session->pid), $expected, $name);
	$proxy->none;
	my $end = $session->finish;
	is($end->{sqlstate}, '', '... it works') or diag($end->{text});
	is(TablesyncTest::counts(TablesyncTest::row_of($end->{out})), '0 1000 0 1000', '... and returns the row');
	$pair->assert_identical('items', 'raw.items');
}
$pair->assert_clean;

# ---- Progress -----------------------------------------------------------------------------------------------

my $long = 'raw.' . 'a_long_name_' x 5;
$pair->admin('ALTER TABLE tablesync.run ALTER run_id RESTART 123456');
$pair->sync('items', $long);
change_source();
$pair->sql(qq(
	CREATE FUNCTION raw.gate() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END';
	CREATE TRIGGER gate AFTER UPDATE ON $long FOR EACH ROW WHEN (NEW.id = 1500) EXECUTE FUNCTION raw.gate();
	CREATE TRIGGER gate_too BEFORE UPDATE ON $long FOR EACH ROW WHEN (NEW.id = 1500) EXECUTE FUNCTION raw.gate();));
my $gate = $pair->session($pair->admin('SELECT current_user'));
$gate->query_safe('SELECT pg_advisory_lock(1)');

sub see_progress
{
	my ($phase) = @_;
	my $view = $pair->sql('SELECT phase, rows > 0, size, pct, "rows/s" IS NOT NULL, memory FROM tablesync.progress');
	like($view, qr/^$phase\|t\|\d+(\.\d+)? (bytes|kB|MB)\|\d+\|t\|\d+ (kB|MB)$/,
		"another session sees the progress of the $phase");
	my @wide = grep { length > 120 } $pair->progress_table;
	is(scalar(@wide), 0, '... in lines of at most 120 characters') or diag(@wide);
	is(as_outsider('SELECT count(*) FROM tablesync.progress')->{out}, "0\n", '... but others do not');
	return;
}

$proxy->fault('stop', 'copy', 1200000);
my $call = $pair->start("SET tablesync.progress_interval = '50ms'; " . call_of('items', $long));
$proxy->wait_done('stop');
ok( $call->wait_for(qr(NOTICE:  00000: a_long_name_\w*: copy: 1,1\d\d of about 2,000 rows \(5\d %\), 1\.1 MB, )
			. qr([\d,]+ rows/s, about [\d.]+ s left\n)),
	'NOTICEs tell the caller how far the copy is');
see_progress('copy');
$proxy->none;
$pair->wait_for_lock_wait;
ok($call->wait_for(qr/NOTICE:  00000: a_long_name_\w*: merge: [\d,]+/), '... and the merge');
see_progress('merge');
$gate->query_safe('SELECT pg_advisory_unlock(1)');
my $end = $call->finish;
is($end->{sqlstate}, '', '... and it ends well') or diag($end->{text});
like($end->{notices}[-1], qr/^a_long_name_\w*: 2,000 read, 0 inserted, 1,000 updated, 0 deleted, 1,000 unchanged in /,
	'the last NOTICE says what was done');
my ($seconds) = $end->{notices}[-1] =~ /unchanged in (\d+(?:\.\d+)?) s \(run/;
ok(defined $seconds && abs($seconds - $pair->sql('SELECT extract(epoch FROM duration) FROM tablesync.run ORDER BY run_id DESC LIMIT 1')) < 2,
	'... and how long it took') or diag($end->{text});
is($pair->sql('SELECT count(*) FROM tablesync.progress'), '0', 'progress ends with the run');

change_source();
$end = $pair->try("SET client_min_messages = warning; SET tablesync.progress_interval = '10ms'; $sync");
is($end->{text}, '', 'who wants no NOTICEs gets none');
$gate->quit;

# Two tables of this database: the rows of buckets that differ are compared one by one.
$pair->sql(q(
	CREATE TABLE raw.twin (id int PRIMARY KEY, name text); INSERT INTO raw.twin SELECT g, 'name ' || g FROM generate_series(1, 2000) g;
	CREATE TABLE raw.its_twin (LIKE raw.twin INCLUDING ALL); INSERT INTO raw.its_twin SELECT * FROM raw.twin;
	UPDATE raw.its_twin SET name = 'changed' WHERE id = 7; DELETE FROM raw.its_twin WHERE id = 8; INSERT INTO raw.its_twin VALUES (0, 'extra');));
is($pair->sql(q(SELECT string_agg(kind || ' ' || row_key, ', ' ORDER BY kind) FROM verify_table(NULL, 'raw.twin', 'raw.its_twin'))),
	'different 7, extra 0, missing 8', 'two tables of one database are compared');

$pair->assert_clean;
done_testing();
