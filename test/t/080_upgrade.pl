# pg_upgrade of the target keeps its state: watermarks, checkpoints, wide tables, and history.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new(proxy => 1);
my $proxy = $pair->proxy;

$pair->source_sql(q(
	CREATE TABLE orders (id int PRIMARY KEY, v text);
	INSERT INTO orders SELECT g, repeat('x', 200) FROM generate_series(1, 5000) g;
	CREATE TABLE readings (ship_id text, data_channel_id text, created_time timestamptz, value_format text, bool_v bool, str_v text, long_v bigint, double_v float8);
	INSERT INTO readings SELECT 'S1', 'speed', '2026-01-01Z'::timestamptz + g * interval '1 min', 'Integer', NULL, NULL, g, NULL FROM generate_series(1, 100) g;));
my @by_xmin = ('orders', 'raw.by_xmin', q(sync_mode => 'xmin'));
my @chunks = ('orders', 'raw.chunks', q(chunk_mode => true, batch_size => 500));
my $pivot = q(SELECT rows_read, rows_written, columns_added FROM pivot_ship('src', 'readings', target_schema => 'raw'));
$pair->sync(@by_xmin);
$pair->sql($pivot);
$proxy->fault('stop', 'copy', 700_000);
my $call = $pair->start_sync(@chunks);
$proxy->wait_done('stop');
$pair->sql(q(SELECT cancel_run(max(run_id)) FROM tablesync.run));
$call->finish;
$proxy->none;
my $state = q(SELECT jsonb_agg(w.* ORDER BY 1) FROM tablesync.watermark w);
my ($before, $runs) = ($pair->admin($state), $pair->admin('SELECT count(*) FROM tablesync.run'));

my $old = $pair->target;
my $new = TablesyncTest::make_cluster('upgraded');
$old->stop;
my ($bin) = PostgreSQL::Test::Utils::run_command([ 'pg_config', '--bindir' ]);
chdir PostgreSQL::Test::Utils::tempdir();
is(PostgreSQL::Test::Utils::system_log('pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin,
		'-p', $old->port, '-P', $new->port, '-s', $new->host), 0, 'pg_upgrade');
$new->start;
$pair->{target} = $new;

is($pair->admin($state), $before, 'watermarks are what they were');
is($pair->admin('SELECT count(*) FROM tablesync.run'), $runs, '... and runs');
$pair->source_sql(q(UPDATE orders SET v = 'changed' WHERE id <= 3));
is($pair->sync(@by_xmin)->{read}, 3, 'a sync reads what is new');
$pair->assert_identical('orders', 'raw.by_xmin');
my $said = $pair->try_sync(@chunks);
like(join("\n", @{ $said->{notices} }), qr/resumes run \d/, 'a sync in chunks goes on') or diag($said->{text});
$pair->assert_identical('orders', 'raw.chunks');
is($pair->sql($pivot), '100|0|0', 'a pivot knows its table');

$pair->assert_clean;
done_testing();
