# Chunks by several workers: each claims the next one, copies it in transactions of its own, and does again what failed;
# together they do what one would. What one of them leaves behind, a further run does again, and nothing else.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $rows = 40_000;
my $pair = TablesyncTest->new(target_conf => ['max_worker_processes = 6']);
$pair->source_sql(qq(
	CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL, note text);
	INSERT INTO items SELECT g, g % 7, repeat('x', 200) FROM generate_series(1, $rows) g;
	CREATE TABLE pairs (a int, b text COLLATE "C", n int, PRIMARY KEY (a, b));
	INSERT INTO pairs SELECT g / 10, 'b' || g % 10, g FROM generate_series(1, $rows) g;
	ANALYZE;));

sub call
{
	my ($more, %options) = @_;
	my $options = join ', ', '"retry_delay": "100ms"', map { qq("$_": "$options{$_}") } sort keys %options;
	return 'chunk_mode => true, batch_size => 1000, ' . ($more || 'parallel_workers => 2') . qq(, options => '{$options}');
}

# Of the last run: chunks, those that overlapped another one's time, those done more than once.
sub chunks
{
	return $pair->admin(q(
		WITH c AS (SELECT * FROM tablesync.chunk WHERE run_id = (SELECT max(run_id) FROM tablesync.run))
		SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM c o WHERE o.chunk_no <> c.chunk_no
			AND (o.started_at, o.finished_at) OVERLAPS (c.started_at, c.finished_at))), count(*) FILTER (WHERE attempts > 1) FROM c));
}

sub copiers { return $pair->admin(q(SELECT coalesce(string_agg(pid::text, ' '), '') FROM pg_stat_activity WHERE backend_type = 'pg_tablesync loader')) }

# ---- They do what one would -----------------------------------------------------------------------------------

my $row = $pair->sync('items', 'raw.items', call('', max_rate => '4 MB'));
is($row->{inserted}, $rows, 'two workers fill a new table');
is($row->{consistent}, 't', '... which is the state of one moment in the end');
$pair->assert_identical('items', 'raw.items');
my ($count, $overlap, $again) = split /\|/, chunks();
cmp_ok($count,   '>', 4, '... in chunks');
cmp_ok($overlap, '>', 1, '... at the same time');
is($again, 0, '... each once');

$pair->source_sql(q(UPDATE items SET n = n + 1 WHERE id % 10 = 0; DELETE FROM items WHERE id % 1000 = 1; INSERT INTO items SELECT g, 0, 'new' FROM generate_series(100001, 100100) g));
$row = $pair->sync('items', 'raw.items', call('parallel_workers => 3'));
is(TablesyncTest::counts($row), '100 4000 40 ' . ($rows - 4040), 'three workers bring what changed, and no more');
$pair->assert_identical('items', 'raw.items');

foreach my $by ('ctid', 'key')
{
	$pair->sql('DROP TABLE IF EXISTS raw.pairs');
	is($pair->sync('pairs', 'raw.pairs', call('', chunk_by => $by))->{read} >= $rows, 1, "a key of two columns, by $by");
	$pair->assert_identical('pairs', 'raw.pairs');
	next if $by eq 'ctid';
	is($pair->admin(q(SELECT array_to_string(upper, ' ') FROM tablesync.chunk WHERE chunk_no = 1 ORDER BY run_id DESC LIMIT 1)),
		$pair->source_sql('SELECT a, b FROM pairs ORDER BY a, b OFFSET 999 LIMIT 1') =~ tr/|/ /r, '... the first one ends with the thousandth key');
}

my $said = $pair->try_sync('items', 'raw.items', call('parallel_workers => 20'));
is($said->{sqlstate}, '', 'more workers than there are slots for');
like($said->{text}, qr/items: the source is read by \d instead of 20 workers because no more slots are free/, '... are told');
like($said->{text}, qr/HINT:  Raise max_worker_processes \(6; needs a restart\)/, '... with what to do');

# ---- What goes wrong with one -----------------------------------------------------------------------------------

# Rows that the target does not take.
$pair->sql(q(CREATE TABLE raw.strict (id int PRIMARY KEY, n int NOT NULL, note text CHECK (note <> 'bad'))));
$pair->source_sql(q(UPDATE items SET note = 'bad' WHERE id IN (500, 30000)));
$said = $pair->try_sync('items', 'raw.strict', call(''));
$pair->assert_failed($said, '23514', qr/^\d of \d+ chunks of "raw.strict" failed/, 'chunks with bad rows are left out');
my ($run) = $said->{hint} =~ /retry_chunks\((\d+)\)/;
$pair->source_sql(q(UPDATE items SET note = 'good' WHERE note = 'bad'));
is($pair->try("SELECT * FROM retry_chunks($run)")->{sqlstate}, '', '... and done again');
is($pair->sync('items', 'raw.strict', call(''))->{status}, 'succeeded', '... and the sync goes on');
$pair->assert_identical('items', 'raw.strict');

# Its connection.
$pair->sql('DROP TABLE raw.items');
my $sync = $pair->start_sync('items', 'raw.items', call('parallel_workers => 2, max_retries => 20', max_rate => '3 MB'));
# The end of a connection that has brought all its rows loses nothing, so that no attempt fails: then another one is ended.
ok(TablesyncTest::poll(sub {
	return 1 if $sync->has_heard(qr/attempt 1 of 21 failed: .*Committed work is kept/s);
	$pair->source_sql(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader' AND query LIKE 'COPY%' LIMIT 1));
	return 0;
}, 20), 'a connection breaks, which is reported');
$said = $sync->finish;
is(TablesyncTest::row_of($said->{out})->{status}, 'succeeded', '... is opened again') or diag($said->{text});
unlike($said->{text}, qr/resumes run/, '... by its worker alone');
$pair->assert_identical('items', 'raw.items');

# Itself.
$pair->sql('DROP TABLE raw.items');
$sync = $pair->start_sync('items', 'raw.items', call('parallel_workers => 2, max_retries => 3', max_rate => '3 MB'));
TablesyncTest::poll(sub { $pair->admin(q(SELECT count(*) FROM tablesync.chunk c JOIN tablesync.checkpoint p USING (subject) WHERE c.status = 'running')) > 1 });
my ($victim) = split / /, copiers();
$pair->admin("SELECT pg_terminate_backend($victim)");
$said = $sync->finish;
$pair->assert_failed($said, '57P01', qr/terminat/, 'a worker that is told to end ends the run');
is(copiers(), '', '... and the other one');
cmp_ok($pair->admin(q(SELECT count(*) FROM tablesync.chunk WHERE status = 'running')), '<=', 2, '... which leaves at most one chunk each');
$said = $pair->try_sync('items', 'raw.items', call(''));
like($said->{text}, qr/resumes run \d+ after \d+ chunks?, \d of them not done/, '... the next run goes on');
$pair->assert_identical('items', 'raw.items');

# The caller.
$sync = $pair->start_sync('items', 'raw.items', call('', max_rate => '1 MB'));
TablesyncTest::poll(sub { copiers() =~ / / });
$pair->admin(q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT * FROM sync_table%' AND backend_type = 'client backend' AND pid <> pg_backend_pid()));
$said = $sync->finish;
is($said->{sqlstate}, '57014', 'a cancel reaches all of them') or diag($said->{text});
TablesyncTest::poll(sub { copiers() eq '' });
pass('... who end');

# The server, with all of them.
foreach my $kill (1 .. ($ENV{TABLESYNC_TEST_LONG} ? 20 : 3))
{
	$sync = $pair->start_sync('items', 'raw.items', call('', max_rate => '4 MB'));
	my $before = $pair->admin(q(SELECT coalesce(max(chunks), 0) FROM tablesync.checkpoint));
	TablesyncTest::poll(sub { $pair->admin(q(SELECT coalesce(max(chunks), 0) FROM tablesync.checkpoint)) > $before + 1 || !$pair->worker_pid });
	ok(TablesyncTest::kill_and_start($pair->target), "kill $kill: the server is killed and starts again");
	$sync->finish;
	cmp_ok($pair->admin(q(SELECT count(*) FROM tablesync.chunk WHERE status = 'running')), '<=', 2, '... at most one chunk of each worker is to be done again');
}
$pair->sync('items', 'raw.items', call(''));
$pair->assert_identical('items', 'raw.items');
is($pair->admin(q(SELECT count(*) FROM tablesync.chunk WHERE status <> 'succeeded')), 0, '... and all of it is done in the end');
$pair->assert_clean;
done_testing;
