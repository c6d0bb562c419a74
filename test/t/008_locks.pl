# Locks: a caller that holds one on its own target, or on what the run needs, is told so and never hangs; those of other
# sessions are waited for, as long as the caller's lock_timeout says.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);
use TablesyncTest qw(call_of);

my $pair  = TablesyncTest->new;
my $super = $pair->admin('SELECT current_user');
my $sync  = call_of('items', 'raw.items');

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, 'item ' || g FROM generate_series(1, 100) g;));
$pair->sync('items', 'raw.items');
$pair->source_sql(q(UPDATE items SET name = 'changed' WHERE id > 50));
$pair->remember('raw.items');

sub assert_told
{
	my ($what, $said, $sqlstate, $start) = @_;
	$pair->assert_failed($said, $sqlstate, undef, "$what: $sqlstate");
	cmp_ok(time - $start, '<', 5, '... within five seconds');
	isnt($said->{hint}, '', '... with a hint');
	$pair->assert_unchanged('raw.items', '... nothing was changed');
	return;
}

# ---- The caller's own locks ---------------------------------------------------------------------------------

foreach my $mode ('ROW EXCLUSIVE', 'SHARE UPDATE EXCLUSIVE', 'SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE',
	'ACCESS EXCLUSIVE')
{
	my $start = time;
	my $said  = $pair->try("BEGIN; LOCK TABLE raw.items IN $mode MODE; $sync");
	assert_told("the caller holds $mode", $said, '25001', $start);
	like($said->{hint}, qr/COMMIT/, '... to COMMIT');
}
foreach my $before (q(UPDATE raw.items SET name = 'mine' WHERE id = 1), 'SELECT * FROM raw.items FOR UPDATE',
	'CREATE TABLE raw.mine ()')
{
	my $start = time;
	assert_told("the caller has done $before", $pair->try("BEGIN; $before; $sync"), '25001', $start);
}
$pair->assert_clean;

# What only shares does no harm.
foreach my $mode ('ACCESS SHARE', 'ROW SHARE')
{
	$pair->source_sql(q(UPDATE items SET name = name || '.' WHERE id = 1));
	my $said = $pair->try("BEGIN; LOCK TABLE raw.items IN $mode MODE; $sync; COMMIT");
	is($said->{sqlstate}, '', "the caller holds $mode: it works") or diag($said->{text});
	$pair->assert_identical('items', 'raw.items');
}

# ---- A circle through what the server cannot see ------------------------------------------------------------

# The caller reads the target; somebody wants it for himself and waits for the caller; the worker is in line behind him.
sub with_third_session
{
	my ($third_wants, $caller_holds, $what) = @_;
	$pair->source_sql(q(UPDATE items SET name = name || '.' WHERE id = 1));
	$pair->remember('raw.items');
	my $caller = $pair->session('loader');
	$caller->query("\\set VERBOSITY verbose\nBEGIN; $caller_holds");
	my $third = $pair->start("SET lock_timeout = '20s'; BEGIN; $third_wants; COMMIT", user => $super);
	$pair->wait_until($pair->target, 'SELECT wait_event_type = $$Lock$$ FROM pg_stat_activity WHERE pid = ' . $third->pid);
	my $from = time;
	$caller->{stderr} = '';
	$caller->query($sync);
	my ($sqlstate) = $caller->{stderr} =~ /ERROR:  (\w+):/;
	is($sqlstate, '40P01', "$what: 40P01") or diag($caller->{stderr});
	like($caller->{stderr}, qr/HINT:  COMMIT before the call/, '... with a hint');
	cmp_ok(time - $from, '<', 5, '... within five seconds');
	$caller->{stderr} = '';
	$caller->query_safe('ROLLBACK');
	$caller->quit;
	is($third->finish->{sqlstate}, '', '... the third session gets its lock');
	$pair->assert_clean;
	return;
}
with_third_session('LOCK TABLE raw.items IN ACCESS EXCLUSIVE MODE', 'SELECT count(*) FROM raw.items',
	'a third session in between');
$pair->assert_unchanged('raw.items');
is($pair->try($sync)->{sqlstate}, '', 'the next call works');

# Not the target itself, but what its trigger, or a partition, needs.
$pair->sql(q(
	CREATE TABLE raw.journal (at timestamptz);
	CREATE FUNCTION raw.note() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN INSERT INTO raw.journal VALUES (now()); RETURN NULL; END $$;
	CREATE TRIGGER note AFTER UPDATE ON raw.items EXECUTE FUNCTION raw.note();));
$pair->source_sql(q(UPDATE items SET name = name || '.'));
$pair->remember('raw.items');
# The second gives the caller no transaction id.
foreach my $lock ([ 'ACCESS EXCLUSIVE', '25001' ], [ 'SHARE', '40P01' ])
{
	my ($mode, $sqlstate) = @$lock;
	my $start = time;
	assert_told("the caller holds $mode on what a trigger needs",
		$pair->try("BEGIN; LOCK TABLE raw.journal IN $mode MODE; $sync"), $sqlstate, $start);
}
$pair->sql('DROP TRIGGER note ON raw.items');

$pair->sql(q(
	CREATE TABLE raw.parted (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
	CREATE TABLE raw.parted_1 PARTITION OF raw.parted FOR VALUES FROM (0) TO (50);
	CREATE TABLE raw.parted_2 PARTITION OF raw.parted FOR VALUES FROM (50) TO (1000);));
my $start = time;
my $said = $pair->try('BEGIN; LOCK TABLE raw.parted_2 IN SHARE MODE; ' . call_of('items', 'raw.parted'));
$pair->assert_failed($said, '25001|40P01', undef, 'the caller holds a partition of the target');
cmp_ok(time - $start, '<', 5, '... and is told within five seconds');
is($pair->sql('SELECT count(*) FROM raw.parted'), 0, '... nothing was changed');
$pair->assert_clean;

# An advisory lock is one as well.
$pair->sql(q(
	CREATE FUNCTION raw.gate() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
	CREATE TRIGGER gate BEFORE UPDATE ON raw.items FOR EACH ROW EXECUTE FUNCTION raw.gate();));
$start = time;
assert_told('the caller holds an advisory lock', $pair->try("SELECT pg_advisory_lock(1); $sync"), '40P01', $start);
$pair->sql('DROP TRIGGER gate ON raw.items');

# ---- Locks of others ----------------------------------------------------------------------------------------

my $other = $pair->session($super);
foreach my $mode ('SHARE', 'ACCESS EXCLUSIVE')
{
	$other->query_safe("BEGIN; LOCK TABLE raw.items IN $mode MODE");
	my $refused = $pair->try("SET lock_timeout = '300ms'; $sync");
	$pair->assert_failed($refused, '55P03', qr/lock timeout/, "another session holds $mode: 55P03 at lock_timeout");
	is($pair->last_run('raw.items'), 'failed 55P03', '... so the run says');
	my $call = $pair->start($sync);
	$pair->wait_for_lock_wait;
	$other->query_safe('COMMIT');
	my $end = $call->finish;
	is($end->{sqlstate}, '', '... without lock_timeout the call waits, and works') or diag($end->{text});
	$pair->assert_identical('items', 'raw.items');
	$pair->source_sql(q(UPDATE items SET name = name || '!'));
}

# A row that another session is about to change.
$other->query_safe('BEGIN; UPDATE raw.items SET name = $$theirs$$ WHERE id = 7');
$said = $pair->try("SET lock_timeout = '300ms'; $sync");
$pair->assert_failed($said, '55P03', qr/lock timeout/, 'another session has changed a row: 55P03 at lock_timeout');
my $call = $pair->start($sync);
$pair->wait_for_lock_wait;
$other->query_safe('COMMIT');
my $end = $call->finish;
is($end->{sqlstate}, '', '... without lock_timeout the call waits, and works') or diag($end->{text});
$pair->sync('items', 'raw.items');
$pair->assert_identical('items', 'raw.items');

# On the source: its settings for the reader end the wait, and the error is the source's.
my $there = $pair->source->background_psql('postgres');
$there->query_safe('BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE');
foreach my $setting ([ 'lock_timeout', '55P03' ], [ 'statement_timeout', '57014' ])
{
	my ($name, $sqlstate) = @$setting;
	$pair->source_sql("ALTER ROLE reader SET $name = '300ms'");
	my $said = $pair->try($sync);
	$pair->assert_failed($said, $sqlstate, qr/canceling statement due to \w+ timeout/, "$name of the source: $sqlstate");
	like($said->{context}, qr/remote server "src"/, '... which the context places there');
	is($pair->last_run('raw.items'), "failed $sqlstate", '... so the run says');
	$pair->source_sql("ALTER ROLE reader RESET $name");
}
my $waiting = $pair->start($sync);
my $reading = q(SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_tablesync' AND wait_event_type = 'Lock');
$pair->wait_until($pair->source, "SELECT EXISTS ($reading)");
$pair->source_sql("SELECT pg_cancel_backend(pid) FROM ($reading) r");
my $canceled = $waiting->finish;
$pair->assert_failed($canceled, '57014', qr/canceling statement due to user request/,
	'somebody cancels the session on the source');
like($canceled->{context}, qr/remote server "src"/, '... which the context places there');
$there->query_safe('COMMIT');
$there->quit;
is($pair->try($sync)->{sqlstate}, '', 'the next call works');

$other->quit;
$pair->assert_clean;
done_testing();
