# What may pass by itself is tried again, and every attempt is on record; what needs somebody fails at once.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair  = TablesyncTest->new(proxy => 1, source_conf => ['max_connections = 20']);
my $proxy = $pair->proxy;
my $soon  = q(options => '{"retry_delay": "100ms"}', max_retries => 3);

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 5000) g;));

my $attempts = q(SELECT string_agg(attempt_no || ' ' || sqlstate, ', ' ORDER BY attempt_no) FROM tablesync.failed_attempt
	WHERE run_id = (SELECT max(run_id) FROM tablesync.run));
sub attempts { return $pair->sql($attempts) }

sub wait_for_attempt
{
	my ($call, $number) = @_;
	ok($call->wait_for(qr/: attempt $number of \d+ failed: /), "attempt $number fails");
	return;
}

# ---- It passes ----------------------------------------------------------------------------------------------

foreach my $target ('raw.items', 'raw.items', 'raw.other')
{
	$pair->source_sql(q(UPDATE items SET name = name || '!' WHERE id % 10 = 0));
	$proxy->fault('rst', 'copy', 100000);
	my $call = $pair->start_sync('items', $target, $soon);
	wait_for_attempt($call, 1);
	$proxy->none;
	my $said = $call->finish;
	is($said->{sqlstate}, '', "$target: the connection is lost for a while: the sync succeeds");
	like($said->{notices}[0], qr/^\w+: attempt 1 of 4 failed: lost the connection to server "src"$/, '... the caller was told');
	like($said->{text}, qr/^HINT:  Nothing was changed; the next attempt begins in 0\.\d s\.$/m, '... that nothing was changed');
	like(attempts(), qr/^1 08006(, \d 08006)*$/, '... the attempt is on record');
	is($pair->last_run($target), 'succeeded ', '... the run has succeeded');
	$pair->assert_identical('items', $target);
	$pair->assert_clean;
}

# The backend, or the whole server, goes away and comes back.
my $backend = q(SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_tablesync');
my $source  = $pair->source;
my %faults  = (
	'the backend is terminated' => sub { $pair->source_sql("SELECT pg_terminate_backend(pid) FROM ($backend) b"); return '08006|57P01' },
	'the server is restarted'   => sub { $source->stop('immediate'); $source->start; return '08006|57P0\d' },
	'the server is away'        => sub { $source->stop('fast'); return '08006|57P0\d' });
foreach my $fault (sort keys %faults)
{
	$pair->source_sql(q(UPDATE items SET name = name || '!' WHERE id % 10 = 1));
	$proxy->fault('stop', 'copy', 100000);
	my $call = $pair->start_sync('items', 'raw.items', q(options => '{"retry_delay": "300ms"}', max_retries => 9));
	$proxy->wait_done('stop');
	my $sqlstate = $faults{$fault}->();
	$proxy->none;
	wait_for_attempt($call, 1);
	if ($fault =~ /away/)
	{
		wait_for_attempt($call, 2);
		$source->start;
	}
	is($call->finish->{sqlstate}, '', "$fault: the sync succeeds");
	like(attempts(), qr/^1 (?:$sqlstate)(?:, \d 08001)*$/, '... what failed is on record');
	$pair->assert_identical('items', 'raw.items');
}

# No room for another session there.
$pair->source_sql('ALTER ROLE reader CONNECTION LIMIT 0');
my $call = $pair->start_sync('items', 'raw.items', $soon);
wait_for_attempt($call, 1);
$pair->source_sql('ALTER ROLE reader CONNECTION LIMIT -1');
is($call->finish->{sqlstate}, '', 'too many connections there: the sync succeeds');

# A deadlock here. The run is the last to wait, so it is the one to notice.
$pair->admin('ALTER DATABASE postgres SET deadlock_timeout = 100');
$pair->source_sql(q(UPDATE items SET name = 'changed' WHERE id IN (1, 5000)));
my $other = $pair->target->background_psql('postgres', on_error_stop => 0);
$other->query_safe(q(SET deadlock_timeout = '1h'; BEGIN; UPDATE raw.items SET name = 'mine' WHERE id = 5000;));
$proxy->fault('stop', 'copy', 0);
$call = $pair->start_sync('items', 'raw.items', "sync_mode => 'xmin', $soon");
$proxy->wait_done('stop');
$other->query_until(qr/^begun/m, "\\echo begun\nLOCK TABLE raw.items;\n");
$pair->wait_until($pair->target, 'SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)');
$proxy->none;
wait_for_attempt($call, 1);
$other->query_safe('ROLLBACK;');
$other->quit;
is($call->finish->{sqlstate}, '', 'a deadlock: the sync succeeds');
is(attempts(), '1 40P01', '... it is on record');
$pair->assert_identical('items', 'raw.items');

# ---- It does not --------------------------------------------------------------------------------------------

$pair->remember('raw.items');
$pair->source_sql('DELETE FROM items WHERE id = 7');
$proxy->fault('rst', 'copy', 1000);
my $said = $pair->try_sync('items', 'raw.items', q(options => '{"retry_delay": "10ms"}', max_retries => 2));
$pair->assert_failed($said, '08006', qr/^lost the connection to server "src"$/, 'the connection stays broken');
is(scalar @{ $said->{notices} }, 2, '... two further attempts were made');
is(attempts(), '1 08006, 2 08006', '... two are on record beside the last');
is($pair->last_run('raw.items'), 'failed 08006', '... which is that of the run');
$said = $pair->try_sync('items', 'raw.items', 'max_retries => 0');
is(join("\n", @{ $said->{notices} }), '', 'max_retries => 0: one attempt');

# In chunks, too: that a fresh attempt finds its checkpoint is no progress.
my $chunked = q(chunk_mode => true, batch_size => 2000, max_retries => 2);
$proxy->fault('rst', 'copy', 100000);
$said = $pair->try_sync('items', 'raw.chunked', qq($chunked, options => '{"retry_delay": "10 ms", "timeout": "30 s"}'));
$pair->assert_failed($said, '08006', qr/^lost the connection to server "src"$/, 'a chunk that fails as often');
is(attempts(), '1 08006, 2 08006', '... two attempts are on record beside the last');
# After the first chunk it is lost once more.
$proxy->fault('rst', 'copy', 3_000_000);
my $resumed = $pair->start_sync('items', 'raw.chunked', qq($chunked, options => '{"retry_delay": "10 ms"}'));
ok($resumed->wait_for(qr/HINT:  Committed work is kept; the next attempt begins in /),
	'the caller is not told that nothing was changed where chunks are committed');
$proxy->none;
is($resumed->finish->{sqlstate}, '', '... and the attempt goes on with the next chunk');
$pair->assert_identical('items', 'raw.chunked');

# Each connection brings a chunk before it is lost (they have 0.7, 2.9 and 1.5 MB): retries are counted from the last
# chunk on, and the steps of all chunks are one.
$pair->source_sql(q(
	CREATE TABLE often (id int PRIMARY KEY, name text);
	INSERT INTO often SELECT g, repeat('x', 1000) FROM generate_series(1, 5000) g;
	GRANT SELECT ON often TO reader;));
$pair->source_sql('ANALYZE often');
$proxy->fault('rst', 'copy', 3_300_000);
$said = $pair->try_sync('often', 'raw.often', q(chunk_mode => true, batch_size => 714, max_retries => 1, options => '{"retry_delay": "10 ms"}'));
is($said->{sqlstate}, '', 'a sync goes on as long as its attempts bring something');
cmp_ok(scalar(grep { /: attempt 1 of 2 failed: / } @{ $said->{notices} }), '>=', 2, '... though more fail than there are retries');
unlike("@{ $said->{notices} }", qr/: attempt 2 of/, '... each of which is the first one since a chunk');
is($pair->sql("SELECT count(*) FROM tablesync.run_step WHERE step = 'chunks' AND run_id = (SELECT max(run_id) FROM tablesync.run)"), 1,
	'... and its chunks are one step');
$proxy->none;
$pair->assert_identical('often', 'raw.often');


$pair->source_sql(q(CREATE VIEW broken AS SELECT 1 / 0 AS id));
$pair->source_sql('GRANT SELECT ON broken TO reader');
$pair->make_server('wrong', "host '127.0.0.1', port '@{[ $source->port ]}', dbname 'postgres'");
$pair->admin("ALTER USER MAPPING FOR $TablesyncTest::caller SERVER wrong OPTIONS (SET password 'not this one')");
foreach my $case (
	[ q(sync_table('src', 'missing', 'raw.items')), '42P01' ],
	[ q(sync_table('src', 'broken', 'raw.broken')), '22012' ],
	[ q(sync_table('wrong', 'items', 'raw.items')), '08001' ])
{
	my ($sync, $sqlstate) = @$case;
	$said = $pair->try("SELECT * FROM $sync");
	is($said->{sqlstate}, $sqlstate, "$sync fails");
	is(join("\n", @{ $said->{notices} }), '', '... at once');
	like($said->{detail}, qr/FATAL:  password authentication failed for user "reader"/, '... in the words of the server')
	  if $sqlstate eq '08001';
	unlike($said->{text}, qr/28P01|LOCATION:.*auth/, '... and no more') if $sqlstate eq '08001';
}

# ---- Stopped while it waits ---------------------------------------------------------------------------------

my $run   = q((SELECT max(run_id) FROM tablesync.run));
my $later = q(options => '{"retry_delay": "1h"}');
$proxy->fault('rst', 'copy', 1000);
$call = $pair->start_sync('items', 'raw.items', "$later, max_retries => 1");
wait_for_attempt($call, 1);
is($pair->sql("SELECT phase FROM tablesync.progress"), 'waiting to retry', 'the view says that it waits');
is($pair->sql("SELECT cancel_run($run)"), 't', 'a run that waits is canceled');
$pair->assert_failed($call->finish, '57014', qr/^the sync was canceled$/, '... it ends');
$call = $pair->start_sync('items', 'raw.items', q(options => '{"retry_delay": "1h", "timeout": "3s"}', max_retries => 1));
wait_for_attempt($call, 1);
$pair->assert_failed($call->finish, '57014', qr/^the sync took longer than its timeout of 3/, 'the timeout is for all attempts');
$proxy->none;
$pair->assert_unchanged('raw.items', 'nothing was changed');
$pair->sync('items', 'raw.items');
$pair->assert_identical('items', 'raw.items');

$pair->assert_clean;
done_testing();
