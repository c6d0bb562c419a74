# With shared_preload_libraries: what a crash left is put right without a call, in every database that is listed, while
# no database is kept from being dropped, no user's code is run, and nothing fails over and over.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new(
	proxy       => 1,
	target_conf => [
		q(shared_preload_libraries = 'pg_tablesync'),      q(tablesync.databases = 'postgres, other, "No such"'),
		q(tablesync.launcher_naptime = '200ms'), q(max_worker_processes = 16)
	]);
my ($target, $proxy) = ($pair->target, $pair->proxy);

sub in_database
{
	my ($database, $sql) = @_;
	return $target->safe_psql($database, $sql);
}

# A run whose worker is gone without a word.
sub leave_run
{
	my ($database) = @_;
	return in_database($database, q(
		INSERT INTO tablesync.run (owner, command, status, source, target, sync_mode, started_at, worker_pid, worker_start,
			shared_memory)
		VALUES ('postgres'::regrole, 'sync_table', 'running', 'x', 'raw.x', 'full', now(), pg_backend_pid(), now(), 0)));
}

my $open   = q(SELECT count(*) FROM tablesync.run WHERE status = 'running');
my $closed = q(SELECT NOT EXISTS (SELECT FROM tablesync.run WHERE status = 'running'));

sub wait_until_closed
{
	my ($database, $name) = @_;
	return ok(TablesyncTest::poll(sub { in_database($database, "SET search_path = pg_catalog; $closed") eq 't' }), $name);
}

sub set
{
	my ($setting, $value) = @_;
	$pair->admin("ALTER SYSTEM SET $setting = $value");
	$target->reload;
	return;
}

sub said
{
	my ($pattern) = @_;
	return scalar(() = slurp_log() =~ /$pattern/g);
}

sub slurp_log { return PostgreSQL::Test::Utils::slurp_file($target->logfile) }

my $launcher = q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_tablesync launcher');

# ---- After a crash ------------------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 2000) g;));
$pair->sync('items', 'raw.items');
$pair->source_sql(q(UPDATE items SET name = 'changed'));
$proxy->fault('stop', 'copy', 2000);
my $call = $pair->start_sync('items', 'raw.items');
$proxy->wait_done('stop');
kill 'KILL', $pair->worker_pid;
$pair->assert_failed($call->finish, 'lost|57P0[12]', undef, 'a worker is killed');
$pair->wait_until($target, 'SELECT true');
wait_until_closed('postgres', '... its run is closed without a call');
is($pair->last_run('raw.items'), 'interrupted 57P02', '... as interrupted');
$proxy->none;

# ---- Databases come and go ----------------------------------------------------------------------------------

$pair->admin('CREATE DATABASE other');
ok(TablesyncTest::poll(sub { said(qr/database "other" of tablesync.databases does not have the extension/) }),
	'a database without the extension');
in_database('other', 'CREATE EXTENSION pg_tablesync');
leave_run('other');
wait_until_closed('other', '... is looked after once it has it');
is(said(qr/database "No such" of tablesync.databases does not exist/), 2, 'one that does not exist is told once by each launcher');
$pair->admin('CREATE DATABASE "No such" TEMPLATE other');
leave_run('No such');
wait_until_closed('No such', '... and looked after once it exists');

# Two passes, so that the second one began after what is waited for.
sub wait_for_passes
{
	my ($name) = @_;
	foreach my $pass (1 .. 2)
	{
		leave_run('postgres');
		wait_until_closed('postgres', "$name: pass $pass in another database");
	}
	return;
}

set('tablesync.databases', 'postgres');
wait_for_passes('one is not listed any more');
leave_run('other');
wait_for_passes('it has something to be done');
is(in_database('other', $open), '1', '... and is left alone');
set('tablesync.databases', 'postgres, other');
wait_until_closed('other', 'until it is listed again');
my ($status, undef, $error) = $target->psql('postgres', q(ALTER SYSTEM SET tablesync.databases = '"postgres'));
like($error, qr/invalid value for parameter "tablesync.databases"/, 'what is no list is refused');

# Nobody keeps it from being dropped: by the launcher nothing is connected to it.
foreach my $round (1 .. 3)
{
	$pair->admin('CREATE DATABASE passing TEMPLATE "No such"');
	set('tablesync.databases', 'postgres, other, passing');
	leave_run('passing');
	wait_until_closed('passing', "round $round: a database is looked after");
	is($target->psql('postgres', 'DROP DATABASE passing'), 0, '... and dropped');
}
my $locker = $target->background_psql('other', on_error_stop => 0);
$locker->query_safe('BEGIN; LOCK TABLE tablesync.run');
$pair->wait_until($target, q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_tablesync upkeep'
	AND datname = 'other' AND wait_event_type = 'Lock')));
leave_run('postgres');
wait_until_closed('postgres', 'a database where the upkeep waits for a lock delays no other');
is($target->psql('postgres', 'DROP DATABASE other WITH (FORCE)'), 0, '... and is dropped WITH (FORCE)');
eval { $locker->quit };

# DROP EXTENSION at any moment is no error.
my $errors = said(qr/ERROR:/);
foreach my $round (1 .. 5)
{
	in_database('No such', 'DROP EXTENSION pg_tablesync');
	set('tablesync.databases', q('postgres, "No such"'));
	in_database('No such', 'CREATE EXTENSION pg_tablesync');
}
leave_run('No such');
wait_until_closed('No such', 'the extension is dropped and made again');
is(said(qr/ERROR:/), $errors, '... without an error');

# What is known of a dropped table is forgotten.
$pair->sync('items', 'raw.dropped');
$pair->sql('DROP TABLE raw.dropped');
$pair->wait_until($target, q(SELECT NOT EXISTS (SELECT FROM tablesync.watermark WHERE target = 'raw.dropped')));
is($pair->sql(q(SELECT count(*) FROM tablesync.watermark WHERE target = 'raw.items')), '1', 'what is known of others stays');

# ---- Failures, and who it is ---------------------------------------------------------------------------------

# A database whose owner lays traps for whoever comes with more rights.
$pair->admin(q(CREATE ROLE mallory; CREATE DATABASE hostile OWNER mallory));
in_database('hostile', q(
	CREATE EXTENSION pg_tablesync;
	SET ROLE mallory;
	CREATE SCHEMA evil;
	CREATE TABLE evil.caught (who text);
	GRANT INSERT ON evil.caught TO PUBLIC;
	CREATE FUNCTION evil.spy(text, text) RETURNS bool LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO evil.caught VALUES (current_user); RETURN true; END $$;
	CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.spy);
	CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO evil.caught VALUES (current_user); RETURN '2000-01-01'; END $$;
	CREATE FUNCTION evil.pg_stat_get_activity(int, OUT backend_start timestamptz) LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO evil.caught VALUES (current_user); END $$;
	ALTER DATABASE hostile SET search_path = evil, pg_catalog;
	ALTER DATABASE hostile SET default_transaction_read_only = on;
	ALTER DATABASE hostile SET default_transaction_isolation = 'serializable';));
in_database('hostile', 'SET default_transaction_read_only = off; SET search_path = pg_catalog; ' . q(
	INSERT INTO tablesync.run (owner, command, status, source, target, sync_mode, started_at, worker_pid, worker_start,
		shared_memory)
	VALUES ('mallory'::regrole, 'sync_table', 'running', 'x', 'raw.x', 'full', now(), pg_backend_pid(), now(), 0)));
set('tablesync.databases', 'postgres, hostile');
wait_until_closed('hostile', 'a hostile database is looked after');
is(in_database('hostile', 'SELECT count(*) FROM evil.caught'), '0', '... and nothing of its owner is run');

$pair->admin('CREATE DATABASE broken TEMPLATE "No such"');
in_database('broken', 'ALTER TABLE tablesync.run RENAME TO lost');
my $length = length slurp_log();
set('tablesync.databases', 'postgres, broken');
my $told = qr/upkeep of database "broken" failed.*?retried in ([\d.]+ \w+)/s;
my @waits;
ok(TablesyncTest::poll(sub { @waits = substr(slurp_log(), $length) =~ /$told/g; @waits >= 4 }), 'an upkeep fails again and again');
is("@waits[0 .. 3]", '0.4 s 0.8 s 1.6 s 3.2 s', '... less and less often');
leave_run('postgres');
wait_until_closed('postgres', '... and no other with it');
in_database('broken', 'ALTER TABLE tablesync.lost RENAME TO run');
leave_run('broken');
set('tablesync.databases', 'postgres');

# ---- Its own end --------------------------------------------------------------------------------------------

my $pid = $pair->admin($launcher);
is($pair->admin("SELECT datname IS NULL FROM pg_stat_activity WHERE pid = $pid"), 't', 'the launcher is connected to no database');
is($pair->admin("SELECT xact_start IS NULL FROM pg_stat_activity WHERE pid = $pid"), 't', '... and in no transaction');
$pair->admin("SELECT pg_terminate_backend($pid)");
$pair->wait_until($target, "SELECT EXISTS (SELECT FROM ($launcher) l WHERE pid <> $pid)");
leave_run('postgres');
wait_until_closed('postgres', 'terminated, it comes back');

set('tablesync.databases', q('postgres, "No such"'));
$locker = $target->background_psql('No such', on_error_stop => 0);
$locker->query_safe('BEGIN; LOCK TABLE tablesync.run');
$pair->wait_until($target, q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_tablesync upkeep'
	AND wait_event_type = 'Lock')));
my $began = time;
$target->stop('fast');
cmp_ok(time - $began, '<', 5, 'a fast shutdown is fast');
eval { $locker->quit };
$target->start;
leave_run('postgres');
wait_until_closed('postgres', 'after a restart, it is there again');

$pair->sync('items', 'raw.items');
$pair->assert_identical('items', 'raw.items');
$pair->assert_clean;
done_testing();
