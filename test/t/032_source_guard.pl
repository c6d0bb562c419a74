# Being kind to the source: a sync waits while its standbys are behind, or many sessions are active, and holds nothing
# meanwhile, there or here.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);

my $pair    = TablesyncTest->new;
my $primary = $pair->source;
$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, 'x' FROM generate_series(1, 100) g;));

# ---- Who may not see it --------------------------------------------------------------------------------------

foreach my $option ('"max_source_lag": "5s"', '"max_source_sessions": 50')
{
	my $said = $pair->try_sync('items', 'raw.items', "options => '{$option}'");
	$pair->assert_failed($said, '42501', qr/^role reader is not permitted to read the load of the source$/, "$option is no guard for the blind");
	is($said->{hint}, 'On the source, GRANT pg_read_all_stats TO reader.', '... what helps is said');
}
$pair->source_sql('GRANT pg_read_all_stats TO reader');

# ---- Sessions ------------------------------------------------------------------------------------------------

my $waits   = q(SELECT EXISTS (SELECT FROM tablesync.progress WHERE phase = 'waiting for the source'));
my $guarded = q(options => '{"max_source_sessions": 1}');
my @sleepers;

sub start_sleeper
{
	my $session = $primary->background_psql('postgres', on_error_stop => 0);
	$session->query_until(qr/begins/, "\\echo begins\nSELECT pg_sleep(1000);\n");
	push @sleepers, $session;
	$pair->wait_until($primary, sprintf q(SELECT count(*) = %d FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%'
		AND state = 'active'), scalar @sleepers);
	return;
}

sub stop_sleepers
{
	$pair->source_sql(q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'));
	$_->quit foreach splice @sleepers;
	return;
}

sub assert_holds_nothing
{
	my ($name) = @_;
	is( $pair->source_sql(
			q(SELECT state, xact_start, backend_xmin FROM pg_stat_activity WHERE application_name = 'pg_tablesync')),
		'idle||', "$name holds nothing on the source");
	is( $pair->admin(q(SELECT xact_start, backend_xmin FROM pg_stat_activity WHERE backend_type = 'pg_tablesync')),
		'|', '... and nothing here');
	return;
}

start_sleeper();
my $said = $pair->try_sync('items', 'raw.items', $guarded);
is($said->{sqlstate}, '', 'a sync at the limit begins at once');
unlike($said->{text}, qr/waiting for the source/, '... and says nothing');

start_sleeper();
my $call = $pair->start_sync('items', 'raw.items', $guarded);
ok( $call->wait_for(qr/items: waiting for the source because 2 sessions are active \(max_source_sessions 1\)/),
	'above it, it waits and says why');
$pair->wait_until($pair->target, $waits);
pass('... the view says so too');
assert_holds_nothing('a sync that waits');
stop_sleepers();
$said = $call->finish;
is($said->{sqlstate}, '', '... and goes on when there are fewer');
is(() = $said->{text} =~ /waiting for the source/g, 1, '... told once');
is( $pair->sql(q(SELECT string_agg(step, ', ' ORDER BY step_no) FROM tablesync.run_step
		WHERE run_id = (SELECT max(run_id) FROM tablesync.run))),
	'describe, waiting for the source, describe, scan, copy, commit', '... the record has the wait');
$pair->assert_identical('items', 'raw.items');

# It ends at once, whoever ends it.
start_sleeper() foreach 1 .. 2;
foreach my $mode ('full', 'incremental')
{
	my $more = $mode eq 'full' ? $guarded : "$guarded, sync_mode => 'incremental', incremental_field => 'id'";
	$call = $pair->start_sync('items', 'raw.items', $more);
	$pair->wait_until($pair->target, $waits);
	assert_holds_nothing("a sync in $mode mode");
	is($pair->sql('SELECT cancel_run(max(run_id)) FROM tablesync.run'), 't', '... is canceled');
	$pair->assert_failed($call->finish, '57014', qr/^the sync was canceled$/, '... and ends');
}
$said = $pair->try_sync('items', 'raw.items', q(options => '{"max_source_sessions": 1, "timeout": "2s"}'));
$pair->assert_failed($said, '57014', qr/^the sync took longer than its timeout of 2/, 'the timeout is for the wait too');

$call = $pair->start(q(SELECT * FROM verify_table('src', 'items', 'raw.items', options => '{"max_source_sessions": 1}')));
ok($call->wait_for(qr/waiting for the source because 2 sessions/), 'a verification waits too');
assert_holds_nothing('it');
is( $pair->sql(q(SELECT value, state FROM sync_plan('src', 'items', 'raw.items', options => '{"max_source_sessions": 1}')
		WHERE item = 'load of the source')),
	'2 sessions are active (max_source_sessions 1): the sync would wait|warning', 'a plan tells, and does not wait');
stop_sleepers();
is($call->finish->{sqlstate}, '', '... the verification goes on');
is( $pair->sql(q(SELECT value, state FROM sync_plan('src', 'items', 'raw.items', options => '{"max_source_sessions": 1}')
		WHERE item = 'load of the source')),
	'within the limits|ok', '... and the plan says so');
# In chunks, it waits between two of them.
$pair->source_sql(q(INSERT INTO items SELECT g, 'x' FROM generate_series(1001, 1400) g));
$call = $pair->start_sync('items', 'raw.chunks',
	q(chunk_mode => true, batch_size => 20, options => '{"max_source_sessions": 1, "chunk_by": "key", "max_rate": "100 rows"}'));
$pair->wait_until($pair->target, q(SELECT EXISTS (SELECT FROM tablesync.checkpoint WHERE target = 'raw.chunks' AND chunks > 0)));
start_sleeper() foreach 1 .. 2;
$pair->wait_until($pair->target, $waits);
assert_holds_nothing('a sync in chunks');
is($pair->admin(q(SELECT complete FROM tablesync.checkpoint WHERE target = 'raw.chunks')), 'f', '... which is not complete');
stop_sleepers();
is($call->finish->{sqlstate}, '', '... goes on');
$pair->assert_identical('items', 'raw.chunks');
$pair->source_sql('DELETE FROM items WHERE id > 1000');

$pair->assert_failed($pair->try(q(SELECT * FROM verify_table(NULL, 'raw.items', 'raw.items', options => '{"max_source_lag": "1s"}'))),
	'22023', qr/^max_source_lag and max_source_sessions need a server$/, 'this database is not asked');
$pair->assert_clean;

# ---- Standbys ------------------------------------------------------------------------------------------------

$primary->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'standby', has_streaming => 1);
$standby->append_conf('postgresql.conf', "wal_receiver_status_interval = '1s'");
$standby->start;
$pair->make_server('standby', sprintf q(host '127.0.0.1', port '%d', dbname 'postgres'), $standby->port);
$primary->wait_for_catchup($standby, 'replay');

my $lag = q(options => '{"max_source_lag": "1s"}');
my $from_standby = call_of('items', 'raw.items', $lag) =~ s/'src'/'standby'/r;
is($pair->try_sync('items', 'raw.items', $lag)->{sqlstate}, '', 'standbys that keep up keep nobody');
$pair->sql('DROP TABLE raw.items');
is($pair->try($from_standby)->{sqlstate}, '', '... nor does one that is the source');

$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$pair->wait_until($standby, q(SELECT pg_get_wal_replay_pause_state() = 'paused'));
$pair->source_sql(q(INSERT INTO items VALUES (101)));
$pair->wait_until($primary, q(SELECT replay_lag > '2 s' FROM pg_stat_replication));
$call = $pair->start_sync('items', 'raw.other', $lag);
ok($call->wait_for(qr/waiting for the source because standby "standby" lags by \d.* \(max_source_lag 1\.0 s\)/), 'a standby is behind');
$pair->wait_until($pair->target, $waits);
assert_holds_nothing('the sync');
my $call2 = $pair->start($from_standby);
ok($call2->wait_for(qr/waiting for the source because the source, a standby, lags by \d/), '... so is it as the source');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
is($_->finish->{sqlstate}, '', '... until it has caught up') foreach $call2, $call;
is($pair->sql('SELECT max(id) FROM raw.items'), '101', '... and has what it lacked');

$standby->stop;
$pair->assert_clean;
done_testing();
