# A worker is killed, or the whole target: the cluster comes back, nothing of the run is left but its record, and the
# next call closes that and does the work.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair  = TablesyncTest->new(proxy => 1);
my $proxy = $pair->proxy;

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 2000) g;));
$pair->sync('items', 'raw.items');
$pair->source_sql(q(
	UPDATE items SET name = 'changed' WHERE id > 1500;
	DELETE FROM items WHERE id <= 500;));
$pair->sql(q(
	CREATE FUNCTION raw.gate() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::int); RETURN NEW; END $$;
	CREATE TRIGGER merging BEFORE UPDATE ON raw.items FOR EACH ROW WHEN (OLD.id = 1800) EXECUTE FUNCTION raw.gate(1);
	CREATE CONSTRAINT TRIGGER committing AFTER UPDATE ON raw.items DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION raw.gate(2);));
$pair->remember('raw.items');

# Where a run can stand: how to bring it there, and how to see that it is there. The session that keeps a gate closed
# is gone after the crash.
my $in_copy = [ sub { $proxy->fault('stop', 'copy', 200000) }, sub { $proxy->wait_done('stop') } ];

sub behind
{
	my ($gate) = @_;
	my $close = sub {
		my $session = $pair->session($pair->admin('SELECT current_user'));
		$session->query_safe("SELECT pg_advisory_lock($gate)");
		return $session;
	};
	return [ $close, sub { $pair->wait_for_lock_wait } ];
}

sub kill_worker
{
	kill 'KILL', $pair->worker_pid;
	return;
}

sub assert_survives
{
	my ($name, $place, $fault) = @_;
	my ($go_there, $is_there) = @$place;
	my $gate = $go_there->();
	my $call = $pair->start_sync('items', 'raw.items');
	$is_there->();
	$fault->();
	my $said = $call->finish;
	$pair->assert_failed($said, 'lost|57P0[12]', undef, "$name: the caller's connection is lost");
	$pair->wait_until($pair->target, 'SELECT true');
	eval { $gate->quit } if ref $gate;
	$pair->assert_unchanged('raw.items', '... nothing was changed');
	is($pair->admin(q(SELECT count(*) FROM pg_class WHERE relname LIKE 'tablesync\_%')), '0', '... no stage is left');
	return;
}

# The next call finds a record whose worker is gone. Also where it fails itself.
sub assert_record_closed
{
	is($pair->last_run('raw.items'), 'running ', '... the record cannot know');
	my $run = $pair->sql('SELECT max(run_id) FROM tablesync.run');
	$proxy->none;
	$pair->assert_failed($pair->try_sync('items', 'raw.items', q(options => '{"max_delete_fraction": 0.1}')), '55000',
		qr/refusing to delete 500 of 2,000 rows/);
	is($pair->sql("SELECT status, sqlstate, finished_at IS NOT NULL FROM tablesync.run WHERE run_id = $run"),
		'interrupted|57P02|t', '... the next call closes it, even if it fails');
	return;
}

my $target = $pair->target;
assert_survives('worker killed in copy', $in_copy, \&kill_worker);
assert_record_closed();
assert_survives('worker killed in merge', behind(1), \&kill_worker);
assert_record_closed();
assert_survives('worker killed in commit', behind(2), \&kill_worker);
assert_record_closed();
assert_survives('immediate restart', $in_copy, sub { $target->stop('immediate'); $target->start });
assert_record_closed();
assert_survives('server killed', behind(1), sub { TablesyncTest::kill_and_start($target) });
assert_record_closed();
assert_survives('fast restart', behind(1), sub { $target->stop('fast'); $target->start });
is($pair->last_run('raw.items'), 'interrupted 57P01', '... there was time to record it');

$pair->sync('items', 'raw.items');
$pair->assert_identical('items', 'raw.items');
$pair->assert_clean;
done_testing();
