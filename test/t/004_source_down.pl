# The source goes away while it sends its rows: its backend, its server in three ways.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair  = TablesyncTest->new(proxy => 1);
my $proxy = $pair->proxy;

# More than fits into the buffers between the two: its backend is still sending when the proxy holds its bytes back.
$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 20000) g;));
$pair->sync('items', 'raw.items');
$pair->source_sql(q(
	UPDATE items SET name = repeat('y', 1000) WHERE id <= 1000;
	DELETE FROM items WHERE id > 19000;
	CHECKPOINT;));
$pair->remember('raw.items');
$pair->remember('raw.absent');

my $backend = q(SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_tablesync');
my $sending = q(SELECT wait_event = 'ClientWrite' FROM pg_stat_activity WHERE application_name = 'pg_tablesync');

sub assert_survives
{
	my ($name, $target, $fault) = @_;
	$proxy->fault('stop', 'copy', 300000);
	my $call = $pair->start_sync('items', $target);
	$proxy->wait_done('stop');
	$pair->wait_until($pair->source, $sending);
	$fault->();
	$proxy->none;
	my $said = $call->finish;
	$pair->assert_failed($said, '08006|57P01', undef, "$target, $name: the call fails");
	is($pair->last_run($target), "failed $said->{sqlstate}", '... so the run says');
	$pair->assert_unchanged($target, '... nothing was changed');
	$pair->assert_clean;
	return;
}

my $source = $pair->source;
foreach my $target ('raw.items', 'raw.absent')
{
	assert_survives('backend terminated', $target,
		sub { $pair->source_sql("SELECT pg_terminate_backend(pid) FROM ($backend) b") });
	assert_survives("$_ restart", $target, sub { $source->stop($_); $source->start }) foreach 'fast', 'immediate';
}
assert_survives('backend killed', 'raw.items', sub {
	kill 'KILL', $pair->source_sql($backend);
	$pair->wait_until($source, "SELECT NOT EXISTS ($backend)");
});
assert_survives('server killed', 'raw.items', sub { TablesyncTest::kill_and_start($source) });

# While it is down.
$source->stop;
my $said = $pair->try_sync('items', 'raw.items');
$pair->assert_failed($said, '08001', qr/could not connect to server "src"/, 'the source is down');
$pair->assert_unchanged('raw.items');
is($pair->sql(q(SELECT ok, sqlstate FROM test_connection('src'))), 'f|08001', 'test_connection says so');
$source->start;

is(TablesyncTest::counts($pair->sync('items', 'raw.items')), '0 1000 1000 18000', 'the next call does it all');
is(TablesyncTest::counts($pair->sync('items', 'raw.absent')), '19000 0 0 0', '... the first load too');
$pair->assert_identical('items', 'raw.items');
$pair->assert_identical('items', 'raw.absent');
$pair->assert_clean;

done_testing();
