# Being kind to the source: no more rows or bytes a second than asked for.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new;
$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 3000) g;));
my $seconds = q(SELECT extract(epoch FROM duration) FROM tablesync.run ORDER BY run_id DESC LIMIT 1);

# The first load, a sync by the stage, and one by way of COPY FROM, which reads bytes.
$pair->sync('items', 'raw.first');
$pair->sql('CREATE TABLE raw.guarded (id int PRIMARY KEY, name text CHECK (length(name) > 0))');
foreach my $rate ('2000 rows', '2 MB/s')
{
	foreach my $target ('raw.items', 'raw.items', 'raw.guarded')
	{
		my $row = $pair->sync('items', $target, qq(options => '{"max_rate": "$rate"}'));
		is($row->{read}, 3000, "$target at $rate");
		cmp_ok($pair->sql($seconds), '>', 1.3, '... takes as long as it must');
	}
	$pair->assert_identical('items', $_) foreach 'raw.items', 'raw.guarded';
	$pair->sql('DROP TABLE raw.items');
	$pair->sql('TRUNCATE raw.guarded');
}

# It is stopped while it waits.
my $call = $pair->start_sync('items', 'raw.items', q(options => '{"max_rate": "1 rows"}'));
$pair->wait_until($pair->target, q(SELECT phase = 'copy' FROM tablesync.progress));
is($pair->sql('SELECT cancel_run(max(run_id)) FROM tablesync.run'), 't', 'a run that waits is canceled');
$pair->assert_failed($call->finish, '57014', qr/^the sync was canceled$/, '... it ends');

$pair->assert_clean;
done_testing();
