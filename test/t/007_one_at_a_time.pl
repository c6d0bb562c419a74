# One sync per target at a time, also of a target that does not exist yet: another is refused, skipped, or waits.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair  = TablesyncTest->new(proxy => 1);
my $proxy = $pair->proxy;

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 500) g;
	CREATE SCHEMA quoted;
	CREATE TABLE "quoted"."Odd ""name." AS SELECT * FROM items;
	GRANT USAGE ON SCHEMA quoted TO reader;));
$pair->sync('items', 'raw.items');
$pair->source_sql(q(UPDATE items SET name = 'changed' WHERE id > 400));

my $latest_run = q(
	SELECT status, sqlstate FROM tablesync.run WHERE finished_at IS NOT NULL ORDER BY run_id DESC LIMIT 1);

# The first call stands in its COPY while the others come. $expected: counts of the first, and of the one that waits.
sub assert_one_at_a_time
{
	my ($source, $target, @expected) = @_;
	$pair->remember($target);
	$proxy->fault('stop', 'copy', 50000);
	my $first = $pair->start_sync($source, $target);
	$proxy->wait_done('stop');
	my $worker = $pair->worker_pid;

	my $said = $pair->try_sync($source, $target);
	$pair->assert_failed($said, '55P03', qr/is being synced by process $worker$/,
		"$target: a second call is refused and told by whom");
	like($said->{hint}, qr/if_running/, '... and what to do');
	is($pair->sql($latest_run), 'failed|55P03', '... so its run says');

	my $skipped = $pair->try_sync($source, $target, q(options => '{"if_running": "skip"}'));
	is($skipped->{sqlstate}, '', '... or skipped') or diag($skipped->{text});
	is(TablesyncTest::row_of($skipped->{out})->{status}, 'skipped', '... which its row says');
	is($pair->sql($latest_run), 'skipped|', '... and its run');
	like(join("\n", @{ $skipped->{notices} }), qr/: skipped, because another run is in progress/, '... and its closing NOTICE');

	my @waiting = map { $pair->start_sync($source, $target, q(options => '{"if_running": "wait"}')) } 1 .. 2;
	$pair->wait_until($pair->target, q(SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'userlock' AND NOT granted));
	like($pair->sql(q(SELECT string_agg(DISTINCT phase, ',') FROM tablesync.progress)), qr/^copy,waiting/, '... or waits');
	my @wide = grep { length > 120 } $pair->progress_table;
	is(scalar(@wide), 0, '... which is seen, in lines of at most 120 characters') or diag(@wide);
	$pair->assert_unchanged($target, '... nothing has happened so far');
	$proxy->none;
	is(TablesyncTest::counts(TablesyncTest::row_of($first->finish->{out})), $expected[0], '... the first goes on');
	foreach my $call (@waiting)
	{
		my $end = $call->finish;
		is($end->{sqlstate}, '', '... and then the others') or diag($end->{text});
		is(TablesyncTest::counts(TablesyncTest::row_of($end->{out})), $expected[1], '... with nothing to do');
	}
	$pair->assert_clean;
	return;
}

my $long = 'raw.' . 'a_long_name_' x 5;
$pair->admin('ALTER TABLE tablesync.run ALTER run_id RESTART 123456');
assert_one_at_a_time('items', 'raw.items', '0 100 0 400', '0 0 0 500');
$pair->assert_identical('items', 'raw.items');
assert_one_at_a_time('items', 'raw.absent', '500 0 0 0', '0 0 0 500');
$pair->assert_identical('items', 'raw.absent');
assert_one_at_a_time('items', 'absent.absent', '500 0 0 0', '0 0 0 500');
$pair->assert_identical('items', 'absent.absent');
assert_one_at_a_time('quoted."Odd ""name."', 'raw."Odd ""name."', '500 0 0 0', '0 0 0 500');
$pair->assert_identical('quoted."Odd ""name."', 'raw."Odd ""name."');

assert_one_at_a_time('items', $long, '500 0 0 0', '0 0 0 500');

# The same target by another name, from another session with another search_path, is the same target.
$pair->source_sql(q(UPDATE items SET name = 'changed again'));
$proxy->fault('stop', 'copy', 1000);
my $first = $pair->start_sync('items', 'raw.items');
$proxy->wait_done('stop');
my $said = $pair->try(q(SET search_path = raw, public; SELECT * FROM sync_table('src', 'items', 'items')));
$pair->assert_failed($said, '55P03', qr/table "raw\.items" is being synced/, 'an unqualified name of the same target');
# Another target is another target.
$proxy->fault('stop', 'copy', 1000);
my $other = $pair->start_sync('items', 'raw.other');
$proxy->wait_done('stop');
is($pair->worker_pid =~ tr/\n//, 1, 'two targets at a time are no matter');
$proxy->none;
is($_->finish->{sqlstate}, '', '... both succeed') foreach $first, $other;
$pair->assert_identical('items', $_) foreach 'raw.items', 'raw.other';

# The first fails: the one that waits for it goes on.
$pair->source_sql(q(UPDATE items SET name = 'changed once more'));
$proxy->fault('stop', 'copy', 1000);
$first = $pair->start_sync('items', 'raw.items');
$proxy->wait_done('stop');
my $second = $pair->start_sync('items', 'raw.items', q(options => '{"if_running": "wait"}'));
$pair->wait_for_lock_wait;
$pair->sql(q(
	SELECT pg_terminate_backend(worker_pid) FROM tablesync.run WHERE status = 'running' ORDER BY run_id LIMIT 1));
$pair->assert_failed($first->finish, '57P01', undef, 'the first is terminated');
$proxy->none;
is($second->finish->{sqlstate}, '', '... the second does its work');
$pair->assert_identical('items', 'raw.items');

# A crowd: whoever gets through, the target is right.
my $wait  = q(options => '{"if_running": "wait"}');
my @crowd = map { $pair->start_sync('items', 'raw.crowd', $_ % 2 ? $wait : undef) } 1 .. 6;
my @ends  = map { $_->finish } @crowd;
is(join(' ', grep { !/^(|55P03)$/ } map { $_->{sqlstate} } @ends), '', 'of many at once, each succeeds or is refused');
is(scalar(grep { $ends[$_]{sqlstate} ne '' } 0, 2, 4), 0, '... those that wait succeed');
$pair->assert_identical('items', 'raw.crowd');
$pair->assert_clean;

done_testing();
