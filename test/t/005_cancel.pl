# A run can be ended at any moment, by its caller or by others, and then it is over: for the caller, for the worker,
# for the source, and in the record.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);
use TablesyncTest qw(call_of);

my $pair  = TablesyncTest->new(proxy => 1);
my $proxy = $pair->proxy;
my $super = $pair->admin('SELECT current_user');

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 1000) g;));
$pair->sync('items', 'raw.items');
$pair->source_sql(q(UPDATE items SET name = 'changed' WHERE id > 500));

# Triggers that wait at a gate, which a session of the superuser keeps closed.
$pair->sql(q(
	CREATE FUNCTION raw.gate() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::int); RETURN NEW; END $$;
	CREATE TRIGGER merging BEFORE UPDATE ON raw.items FOR EACH ROW EXECUTE FUNCTION raw.gate(1);
	CREATE CONSTRAINT TRIGGER committing AFTER UPDATE ON raw.items DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION raw.gate(2);));
$pair->remember('raw.items');
my $gate = $pair->session($super);

# Where a run can stand: how to bring it there, how to see that it is there, and how to let it go on.
my %places = (
	connecting => held_back('start', 0),
	describing => held_back('start', 1500),
	copying    => held_back('copy',  50000),
	locking    => behind('BEGIN; LOCK TABLE raw.items IN SHARE MODE', 'ROLLBACK'),
	merging    => behind('SELECT pg_advisory_lock(1)', 'SELECT pg_advisory_unlock(1)'),
	committing => behind('SELECT pg_advisory_lock(2)', 'SELECT pg_advisory_unlock(2)'));

sub held_back
{
	my ($place, $bytes) = @_;
	return [ sub { $proxy->fault('stop', $place, $bytes) }, sub { $proxy->wait_done('stop') }, sub { $proxy->none } ];
}

sub behind
{
	my ($close, $open) = @_;
	return [ sub { $gate->query_safe($close) }, sub { $pair->wait_for_lock_wait }, sub { $gate->query_safe($open) } ];
}

# The ways to end it: the SQLSTATE that the caller hears, the action, what the session does first, and arguments of
# the call.
my $worker = q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_tablesync');
my $run    = q((SELECT max(run_id) FROM tablesync.run WHERE status = 'running'));
my %ends   = (
	'the caller is canceled'   => [ '57014', sub { $pair->sql('SELECT pg_cancel_backend(' . $_[0]->pid . ')') } ],
	'the caller is terminated' => [ '57P01', sub { $pair->sql('SELECT pg_terminate_backend(' . $_[0]->pid . ')') } ],
	'its client is gone'       => [ '', sub { $_[0]->kill_client }, "SET client_connection_check_interval = '50ms'" ],
	'its statement_timeout'    => [ '57014', sub { }, "SET statement_timeout = '1s'" ],
	'option timeout'           => [ '57014', sub { }, '', q(options => '{"timeout": "1s"}') ],
	'cancel_run'               => [ '57014', sub { is($pair->sql("SELECT cancel_run($run)"), 't', 'cancel_run: true') } ],
	'the worker is canceled'   => [ '57014', sub { $pair->sql("SELECT pg_cancel_backend(pid) FROM ($worker) w") } ],
	'the worker is terminated' => [ '57P01', sub { $pair->sql("SELECT pg_terminate_backend(pid) FROM ($worker) w") } ]);

sub end_there
{
	my ($place, $end, $call) = @_;
	my ($go_there, $is_there, $go_on) = @{ $places{$place} };
	my ($sqlstate, $action, $before, $more) = @{ $ends{$end} };
	$call //= call_of('items', 'raw.items', $more);
	my $what = "$place: $end";
	$go_there->();
	my $session = $pair->start(($before ? "$before; " : '') . $call);
	$is_there->();
	my $start = time;
	$action->($session);
	my $said = $session->finish;
	cmp_ok(time - $start, '<', 3, "$what: the caller returns at once");
	$pair->assert_failed($said, $sqlstate, undef, "... with $sqlstate") if $sqlstate;
	ok($pair->wait_until($pair->target, "SELECT NOT EXISTS ($worker)", 3), '... its worker is gone');
	like($pair->last_run('raw.items'), qr/^canceled 57(014|P01)$/, '... the run is recorded as canceled');
	$pair->assert_unchanged('raw.items', '... nothing was changed');
	$go_on->();
	$pair->assert_clean('... nothing is left behind');
	return $said;
}

end_there($_, 'the caller is canceled')   foreach sort keys %places;
end_there($_, 'the worker is terminated') foreach sort keys %places;
end_there('copying', $_) foreach grep { !/caller is canceled|worker is terminated/ } sort keys %ends;
end_there('merging', $_) foreach grep { !/caller is canceled|worker is terminated/ } sort keys %ends;

my $said = end_there('copying', 'the caller is canceled', q(CALL run_sync('src', 'items', 'raw.items')));
like($said->{message}, qr/canceling statement due to user request/, 'CALL run_sync can be canceled as well');
$said = end_there('merging', 'option timeout');
like($said->{message}, qr/timeout/, 'the option timeout is named in the error');
like($said->{context}, qr/run \d+ of sync_table src: items -> raw\.items\z/, '... and the run, in its context');

# A second signal comes while the run writes its record, which waits here for a session that holds the table. (A fast
# shutdown sends two.)
$proxy->fault('stop', 'copy', 50000);
my $twice = $pair->start_sync('items', 'raw.items');
$proxy->wait_done('stop');
$gate->query_safe('BEGIN; LOCK TABLE tablesync.run IN SHARE MODE');
$pair->sql("SELECT cancel_run($run)");
$pair->wait_for_lock_wait;
$pair->sql("SELECT pg_terminate_backend(pid) FROM ($worker) w");
$gate->query_safe('ROLLBACK');
$pair->assert_failed($twice->finish, '57014', qr/canceled/, 'a second signal: the caller hears of the first');
$proxy->none;
$pair->assert_clean;
is($pair->last_run('raw.items'), 'canceled 57014', '... and so does the record');

# ---- Waiting for another run, and for a run -----------------------------------------------------------------

$proxy->fault('stop', 'copy', 50000);
my $first = $pair->start_sync('items', 'raw.items');
$proxy->wait_done('stop');
my $running = $pair->sql("SELECT $run");
my $second = $pair->start_sync('items', 'raw.items', q(options => '{"if_running": "wait"}'));
$pair->wait_for_lock_wait;
my $third = $pair->start("SELECT * FROM wait_run($running)");
$pair->wait_until($pair->target, 'SELECT query LIKE $$%wait_run%$$ FROM pg_stat_activity WHERE pid = ' . $third->pid);
$pair->sql('SELECT pg_cancel_backend(' . $_->pid . ')') foreach $second, $third;
$pair->assert_failed($second->finish, '57014', undef, 'waiting for another run can be canceled');
$pair->assert_failed($third->finish,  '57014', undef, 'wait_run can be canceled');
is($pair->sql("SELECT status FROM tablesync.run WHERE run_id = $running"), 'running', '... the run goes on');
$proxy->none;
is($first->finish->{sqlstate}, '', '... and succeeds');
is($pair->sql("SELECT cancel_run($running)"), 'f', 'cancel_run says that there is nothing to cancel any more');
$pair->assert_failed($pair->try('SELECT cancel_run(-1)'), '42704', qr/run -1 does not exist/,
	'... or that there is no such run');
is($pair->admin("SELECT cancel_run($running)"), 'f', 'a superuser sees any run');
$pair->admin(q(CREATE ROLE stranger LOGIN; SELECT tablesync.grant_to('stranger')));
$pair->assert_failed($pair->try("SELECT cancel_run($running)", user => 'stranger'), '42704', qr/does not exist/,
	'a stranger does not even see it');

# ---- Too late -----------------------------------------------------------------------------------------------

# What comes after the commit of the data is book-keeping, and no reason to fail. It goes around records that another
# session holds.
sub change_source { return $pair->source_sql("UPDATE items SET name = name || '.' WHERE id > 500") }

$pair->admin(q(UPDATE tablesync.run SET finished_at = now() - interval '1 year'
	WHERE run_id = (SELECT min(run_id) FROM tablesync.run)));
$gate->query_safe(q(
	BEGIN; SELECT * FROM tablesync.run WHERE run_id = (SELECT min(run_id) FROM tablesync.run) FOR UPDATE));
change_source();
$said = $pair->try("SET statement_timeout = '5s'; " . call_of('items', 'raw.items'));
is($said->{sqlstate}, '', 'the purge of old records does not wait for others') or diag($said->{text});
$gate->query_safe('ROLLBACK');

# A cancel that arrives there must not unsay that the run succeeded. The lock on run_step is in line behind the run,
# which stands before its commit, and in front of its last step.
foreach my $end ('the caller is canceled', 'the worker is canceled', 'the worker is terminated')
{
	change_source();
	$gate->query_safe('SELECT pg_advisory_lock(2)');
	my $session = $pair->start_sync('items', 'raw.items');
	$pair->wait_for_lock_wait;
	my $holder = $pair->session($super);
	$holder->query_until(qr/begun/,
		"BEGIN;\n\\echo begun\nLOCK TABLE tablesync.run_step IN SHARE MODE;\n\\echo locked\n");
	$pair->wait_until($pair->target, q(SELECT EXISTS (SELECT FROM pg_locks
		WHERE relation = 'tablesync.run_step'::regclass AND mode = 'ShareLock' AND NOT granted)));
	$gate->query_safe('SELECT pg_advisory_unlock(2)');
	$holder->query_until(qr/locked/, '');
	is($pair->last_run('raw.items'), 'succeeded ', 'the run has committed');
	$ends{$end}[1]->($session);
	if ($end =~ /worker/)
	{
		ok($pair->wait_until($pair->target, "SELECT NOT EXISTS ($worker)", 3), "... $end: it ends");
	}
	my $late = $session->finish;
	is($late->{sqlstate}, $end =~ /caller/ ? '57014' : '', "... $end: what the caller hears") or diag($late->{text});
	$holder->query_safe('ROLLBACK');
	$holder->quit;
	is($pair->last_run('raw.items'), 'succeeded ', '... the run remains a success');
	$pair->assert_identical('items', 'raw.items');
	$pair->assert_clean;
}
$pair->assert_identical('items', 'raw.items');

$gate->quit;
done_testing();
