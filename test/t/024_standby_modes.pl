# A standby as the source of the modes that read changes only. It shows which transactions the primary has open, so that
# the xmin mode loses nothing, also while replay lags; it does not show since when, so that the incremental mode has to
# look back. And it can change its history: by following another primary.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest qw(call_of);

my $pair = TablesyncTest->new(source_conf => [
		'autovacuum = off', 'max_prepared_transactions = 2', 'max_wal_senders = 8', 'hot_standby_feedback = on' ]);
my $primary = $pair->source;
my $by_xmin = q(sync_mode => 'xmin');
my $by_time = q(sync_mode => 'incremental', incremental_field => 'at');

$pair->source_sql(q(
	GRANT pg_read_all_stats TO reader;
	GRANT EXECUTE ON FUNCTION pg_read_file(text), pg_stat_file(text, boolean) TO reader;
	CREATE TABLE items (id int PRIMARY KEY, at timestamptz DEFAULT now(), name text);
	INSERT INTO items SELECT g, '2020-01-01'::timestamptz + g * interval '1 hour', 'old' FROM generate_series(1, 2000) g;));

sub make_standby
{
	my ($name) = @_;
	$primary->backup($name);
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($primary, $name, has_streaming => 1);
	$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = -1');
	$standby->start;
	$primary->wait_for_catchup($standby, 'replay');
	$pair->make_server($name, server_of($standby));
	return $standby;
}

sub server_of
{
	my ($node) = @_;
	return "host '127.0.0.1', port '" . $node->port . "', dbname 'postgres'";
}

sub repoint { return $pair->admin("ALTER SERVER $_[0] OPTIONS (SET port '" . $_[1]->port . "')") }

sub sync
{
	my ($server, $target, $mode) = @_;
	my $said = $pair->try(call_of('items', $target, $mode) =~ s/'src'/'$server'/r);
	return { %$said, %{ TablesyncTest::row_of($said->{out}) } };
}

my $standby = make_standby('standby');
sub catch_up { return $primary->wait_for_catchup($standby, 'replay') }

sub pause_replay
{
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	return $pair->wait_until($standby, q(SELECT pg_get_wal_replay_pause_state() = 'paused'));
}

sub resume_replay { return $standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()') }

sub identical
{
	my ($target) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $pair->assert_identical('items', $target, "$target is identical");
}

# ---- Transactions that are open on the primary --------------------------------------------------------------

my %mode    = ('raw.items' => $by_xmin, 'raw.by_time' => $by_time);
is(sync('standby', $_, $mode{$_})->{inserted}, 2000, "$_: the first load") foreach sort keys %mode;

# A writer with more subtransactions than a snapshot holds, one that is prepared, one that has not written yet.
my $many_savepoints = join '', map { "SAVEPOINT s$_; UPDATE items SET at = now(), name = 'savepoint' WHERE id = $_;" } 1 .. 70;
my @sessions = map { $primary->background_psql('postgres') } 1 .. 2;
$sessions[0]->query_safe("BEGIN; $many_savepoints");
$sessions[1]->query_safe('BEGIN; SELECT count(*) FROM items');
$pair->source_sql(q(BEGIN; UPDATE items SET at = now(), name = 'prepared' WHERE id = 101; PREPARE TRANSACTION 'p'));
$pair->source_sql(q(UPDATE items SET at = now(), name = 'committed' WHERE id = 102));
catch_up();
foreach my $target (sort keys %mode)
{
	my $said = sync('standby', $target, $mode{$target});
	is($said->{updated}, 1, "$target: what was committed arrives");
	my $told = join "\n", grep { !/ read, / } @{ $said->{notices} };
	if ($mode{$target} eq $by_time)
	{
		like($told, qr/the source is a standby, which does not show the transactions of its primary/, '... the caller is told of the standby');
		like($said->{text}, qr/lookback of 10 min.*sync from the primary, or use sync_mode => 'xmin'/si, '... and what to do');
	}
	else { is($told, '', '... there is nothing to tell'); }
	is(sync('standby', $target, $mode{$target})->{updated}, 0, '... no more the next time');
}
$sessions[1]->query_safe(q(UPDATE items SET at = now(), name = 'wrote late' WHERE id = 103; COMMIT));
$sessions[0]->query_safe('COMMIT');
$pair->source_sql(q(COMMIT PREPARED 'p'));
$_->quit foreach @sessions;
catch_up();
foreach my $target (sort keys %mode)
{
	my $said = sync('standby', $target, $mode{$target});
	is($said->{updated}, 72, "$target: the late commits arrive");
	cmp_ok($said->{read}, '<', 200, '... by reading little');
	identical($target);
}

# ---- Writers, and replay that lags --------------------------------------------------------------------------

# Each transaction takes a while, and locks rows in one order. Its sleep is the load: nothing here waits by it.
my $script = $primary->basedir . '/writers.sql';
append_to_file($script, q(\set low random(1, 1000)
\set high random(1001, 2000)
BEGIN;
UPDATE items SET at = now(), name = left(name, 50) || '.' WHERE id = :low;
\sleep 10 ms
SAVEPOINT s;
UPDATE items SET at = now(), name = left(name, 50) || '!' WHERE id = :high;
COMMIT;
));
my $said = '';
my $writers = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-t', 150, '-f', $script, '-d', $primary->connstr('postgres') ],
	'>', \$said, '2>', \$said, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
my ($rounds, $read, $failed, $mark) = (0, 0, 0, 0);
while ($writers->pumpable || $rounds < 4)
{
	$writers->pump_nb;
	$rounds++ % 2 ? resume_replay() : pause_replay();
	foreach my $target (sort keys %mode)
	{
		my $row = sync('standby', $target, $mode{$target});
		diag($row->{text}) if $row->{sqlstate};
		$failed++ if $row->{sqlstate} || ($target eq 'raw.items' && $row->{watermark} < $mark);
		$mark = $row->{watermark} if $target eq 'raw.items';
		$read += $row->{read} || 0 if $target eq 'raw.items';
	}
}
$writers->finish;
is($writers->result(0), 0, 'the writers have done their work') or diag($said);
is($failed, 0, "$rounds rounds of syncs beside them, replay paused in every other one: none fails, none goes back");
cmp_ok($read, '>', 0, "... $read rows have been read");
resume_replay();
catch_up();
foreach my $target (sort keys %mode)
{
	is(sync('standby', $target, $mode{$target})->{sqlstate}, '', "$target: the last sync");
	identical($target);
}

# ---- From the primary to a standby that is behind -----------------------------------------------------------

pause_replay();
$pair->source_sql(q(UPDATE items SET name = 'not replayed yet', at = now() WHERE id = 1));
repoint('standby', $primary);
is(sync('standby', 'raw.items', $by_xmin)->{updated}, 1, 'a sync from the primary');
my $watermark = $pair->sql(q(SELECT * FROM tablesync.watermark WHERE target = 'raw.items'));
repoint('standby', $standby);
$pair->remember('raw.items');
my $behind = sync('standby', 'raw.items', $by_xmin);
$pair->assert_failed($behind, '55000', undef, '... and then from a standby that is behind: refused') or diag($behind->{text});
$pair->assert_unchanged('raw.items', '... nothing is changed');
is($pair->sql(q(SELECT * FROM tablesync.watermark WHERE target = 'raw.items')), $watermark, '... the watermark stays');
resume_replay();
catch_up();
$pair->source_sql(q(UPDATE items SET name = 'replayed', at = now() WHERE id = 2));
catch_up();
my $caught_up = sync('standby', 'raw.items', $by_xmin);
is($caught_up->{updated}, 1, '... until it has caught up') or diag($caught_up->{text});
identical('raw.items');

# ---- A standby that follows another primary -----------------------------------------------------------------

# Two standbys are cut off. A sync reads from the primary what they will never have; one of them is promoted, the other
# follows it. Its control file does not know of that for a while.
my ($new, $follower) = map { make_standby($_) } 'new', 'follower';
is(sync('follower', $_, $by_xmin)->{inserted}, 2000, "$_: a sync from a standby") foreach 'raw.followed', 'raw.kept';
$_->stop foreach $new, $follower;
repoint('follower', $primary);
$pair->source_sql(q(UPDATE items SET name = 'lost in the failover' WHERE id = 1; SELECT pg_switch_wal()));
is(sync('follower', 'raw.followed', $by_xmin)->{updated}, 1, '... and from the primary, beyond what the standbys have');
$primary->stop;
$new->start;
$new->promote;
$new->safe_psql('postgres', q(UPDATE items SET name = 'after the failover' WHERE id = 2));
$follower->append_conf('postgresql.conf', "primary_conninfo = '" . $new->connstr . " application_name=follower'");
$follower->start;
$new->wait_for_catchup($follower, 'replay');
repoint('follower', $follower);
is($follower->safe_psql('postgres', q(SELECT name FROM items WHERE id = 2)), 'after the failover',
	'the standby follows the new primary');

my $kept = sync('follower', 'raw.kept', $by_xmin);
is($kept->{updated}, 1, '... which has all that was read from the standby: a sync goes on') or diag($kept->{text});
cmp_ok($kept->{read} || 0, '<', 100, '... by reading little');
is($pair->digest_of($pair->target, 'raw.kept'), $pair->digest_of($follower, 'items'), '... the target is identical');
is($pair->sql(q(SELECT timeline FROM tablesync.watermark WHERE target = 'raw.kept')), 2,
	'... the watermark is of the timeline that is followed');
$pair->remember('raw.followed');
foreach my $time ('', ', also later')
{
	my $refused = sync('follower', 'raw.followed', $by_xmin);
	$pair->assert_failed($refused, '55000', undef, "... which lacks what was read: refused$time") or diag($refused->{text});
	$pair->assert_unchanged('raw.followed', '... nothing is changed');

	# Also when it has come further than what was read.
	$new->safe_psql('postgres', q(SELECT pg_switch_wal(); UPDATE items SET name = 'further on' WHERE id = 3; SELECT pg_switch_wal()));
	$new->wait_for_catchup($follower, 'replay');
}

is(join("\n", $pair->leaks), '', 'the logs hold no password');
$_->stop foreach $standby, $follower, $new;
done_testing();
