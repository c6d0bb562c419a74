# A table that is synced again and again is still vacuumed: no sync makes an autovacuum of its target give way, and none
# waits for one.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest qw(call_of);

my $pair = TablesyncTest->new(
	target_conf => [
		'autovacuum_naptime = 1s', 'autovacuum_vacuum_threshold = 10', 'autovacuum_vacuum_scale_factor = 0',
		'autovacuum_vacuum_insert_threshold = -1', 'log_autovacuum_min_duration = 0', 'deadlock_timeout = 100ms' ]);

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 500) FROM generate_series(1, 4000) g;));
$pair->sync('items', 'raw.items');

# Slow enough to meet several syncs.
$pair->sql(q(ALTER TABLE raw.items SET (autovacuum_vacuum_cost_delay = 20, autovacuum_vacuum_cost_limit = 4)));
my $log = -s $pair->target->logfile;
my $vacuums = q(SELECT autovacuum_count FROM pg_stat_user_tables WHERE relid = 'raw.items'::regclass);
my $running = q(SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'raw.items'::regclass);

# Every row is dead once.
$pair->sql(q(UPDATE raw.items SET name = 'lost'));
$pair->wait_until($pair->target, "SELECT ($running) = 1", 60) or die 'no autovacuum came';

my ($calls, $beside, $failed) = (0, 0, 0);
until ($pair->admin($vacuums) > 0 || $calls == 60)
{
	my $busy = $pair->admin($running);
	$pair->source_sql(q(UPDATE items SET name = name || '.' WHERE id <= 10));
	my $said = $pair->try("SET lock_timeout = '5s'; " . call_of('items', 'raw.items'));
	diag($said->{text}) if $said->{sqlstate};
	$failed++ if $said->{sqlstate};
	$beside++ if $busy && $pair->admin($running);
	$calls++;
	# A moment between two calls, unless the vacuum ends before.
	TablesyncTest::poll(sub { $pair->admin($vacuums) > 0 }, 0.5);
}
is($failed, 0, "all of $calls calls succeed");
cmp_ok($beside, '>', 1, "$beside of them began and ended while the autovacuum went on");
cmp_ok($pair->admin($vacuums), '>', 0, 'the autovacuum has finished');
unlike(slurp_file($pair->target->logfile, $log), qr/canceling autovacuum task/, '... and none was canceled');
$pair->assert_identical('items', 'raw.items');
$pair->assert_clean;
done_testing();
