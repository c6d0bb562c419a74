# What is on record of runs that never began, and of those that were stopped.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);

my $pair = TablesyncTest->new(proxy => 1);
my $proxy = $pair->proxy;

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, v text);
	INSERT INTO items SELECT g, repeat('x', 200) FROM generate_series(1, 5000) g;
	CREATE TABLE readings (ship_id text, data_channel_id text, created_time timestamptz, long_v bigint);));
$pair->sync('items', 'raw.items');

# ---- No process for them ----------------------------------------------------------------------------------------

# A session writes them when it ends.
sub latest_record
{
	$pair->wait_until($pair->target, q(SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend')));
	return $pair->sql($_[0]);
}
my $records = q(SELECT r.command, r.status, r.sqlstate, r.target, r.sync_mode, r.owner, r.message, r.finished_at IS NOT NULL FROM tablesync.run r WHERE r.target LIKE 'raw.%' ORDER BY run_id DESC LIMIT 1);
sub limit_workers
{
	my ($limit) = @_;
	$pair->admin(defined $limit ? "ALTER SYSTEM SET tablesync.max_workers_per_role = $limit" : 'ALTER SYSTEM RESET tablesync.max_workers_per_role');
	$pair->admin('SELECT pg_reload_conf()');
	my $wanted = $limit // 64;
	$pair->wait_until($pair->target, "SELECT current_setting('tablesync.max_workers_per_role') = '$wanted'");
	return;
}

limit_workers(0);
foreach my $case (
	[ 'sync_table', 'raw.items|full', call_of('items', 'raw.items') ],
	[ 'sync_table', 'raw.items|xmin', call_of('items', 'raw.items', q(sync_mode => 'xmin', wait => false)) ],
	[ 'verify_table', 'raw.items|full', q(SELECT * FROM verify_table('src', 'items', 'raw.items')) ],
	[ 'pivot_ship', 'raw.tbl_|full', q(SELECT * FROM pivot_ship('src', 'readings', target_schema => 'raw', table_prefix => 'tbl_')) ])
{
	my ($command, $target, $call) = @$case;
	$pair->assert_failed($pair->try($call), '53000', qr/background workers/, "no worker: $target of $command fails");
	is(latest_record($records), "$command|failed|53000|$target|loader|role \"loader\" already has 0 background workers|t", '... which is on record');
}
# In a session that goes on, the failure is on record when it ends; one of a read-only session too, and each.
my $session = $pair->session('loader');
my $before = $pair->admin('SELECT max(run_id) FROM tablesync.run');
$session->query('SET default_transaction_read_only = on');
$session->query(call_of('items', 'raw.items')) foreach 1, 2;
is($pair->admin('SELECT max(run_id) FROM tablesync.run'), $before, 'a session that goes on');
$session->quit;
$pair->wait_until($pair->target, "SELECT count(*) = 2 FROM tablesync.run WHERE run_id > $before AND sqlstate = '53000'");
pass('... writes two records when it ends');
# The right role's, whoever logged in.
my $said = $pair->try("SET ROLE loader; " . call_of('items', 'raw.items'), user => $pair->admin('SELECT current_user'));
$pair->assert_failed($said, '53000');
is(latest_record($records), 'sync_table|failed|53000|raw.items|full|loader|role "loader" already has 0 background workers|t', '... of the role that called');
# Without the extension there is nothing to be written to.
$session = $pair->session('loader');
$session->query(call_of('items', 'raw.items'));
my $log = -s $pair->target->logfile;
$pair->admin('BEGIN; ALTER SCHEMA tablesync RENAME TO hidden; COMMIT');
$session->quit;
$pair->wait_until($pair->target, q(SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'loader')));
unlike(PostgreSQL::Test::Utils::slurp_file($pair->target->logfile, $log), qr/FATAL|ERROR/, '... without the extension the session ends as ever');
$pair->admin('ALTER SCHEMA hidden RENAME TO tablesync');
limit_workers();

# ---- A role whose sessions act as a replica --------------------------------------------------------------------------

# What replication brings is left out of our tables; what a run writes is not.
$pair->admin('ALTER ROLE loader SET session_replication_role = replica');
$pair->sync('items', 'raw.replica', q(sync_mode => 'xmin'));
is($pair->last_run('raw.replica'), 'succeeded ', 'as a replica: the run is on record');
is($pair->sync('items', 'raw.replica', q(sync_mode => 'xmin'))->{read}, 0, '... and the watermark');
$pair->admin('ALTER ROLE loader RESET session_replication_role');

# ---- Stopped -----------------------------------------------------------------------------------------------------

my $chunks = 'chunk_mode => true, batch_size => 500';
sub stop_in_chunks
{
	my ($target, $stop, $more) = @_;
	$proxy->fault('stop', 'copy', 700_000);
	my $call = $pair->start_sync('items', $target, $chunks . ($more // ''));
	$proxy->wait_done('stop');
	$stop->($call);
	my $said = $call->finish;
	$proxy->none;
	return $said;
}
my %stops = (
	'Ctrl-C' => sub { $_[0]{run}->signal('INT') },
	'cancel_run()' => sub { $pair->sql('SELECT cancel_run(max(run_id)) FROM tablesync.run') });
foreach my $how (sort keys %stops)
{
	my $target = $how =~ /Ctrl/ ? 'raw.by_key' : 'raw.by_call';
	my $said = stop_in_chunks($target, $stops{$how});
	$pair->assert_failed($said, '57014', undef, "$how: the call fails");
	my $run = "FROM tablesync.run WHERE target = '$target' ORDER BY run_id DESC LIMIT 1";
	is($pair->sql("SELECT status, sqlstate, message $run"), 'canceled|57014|the sync was canceled', '... on record as canceled');
	my $done = $pair->sql("SELECT chunks FROM tablesync.checkpoint WHERE target = '$target'");
	my $rows = $pair->sql("SELECT count(*) FROM $target") =~ s/(\d)(\d{3})$/$1,$2/r;
	is($pair->sql("SELECT detail, hint $run"), "$done chunks with $rows rows are committed.|The same call resumes from there.", '... with what it has committed');
	is($said->{detail}, "$done chunks with $rows rows are committed.", '... which the caller is told') unless $how =~ /Ctrl/;
	like(join("\n", @{ $pair->try_sync('items', $target, $chunks)->{notices} }), qr/resumes run \d+ after $done chunks/, '... and so it does');
	$pair->assert_identical('items', $target);
}
$said = stop_in_chunks('raw.by_two', $stops{'Ctrl-C'}, ', parallel_workers => 2');
like($pair->sql(q(SELECT concat_ws('|', status, detail) FROM tablesync.run WHERE target = 'raw.by_two')), qr/^canceled\|\d+ chunks? with [\d,]+ rows? (?:is|are) committed\.$/, 'several workers');
$said = stop_in_chunks('raw.without', $stops{'cancel_run()'}, ', enable_checkpoint => false');
is($said->{hint}, '', 'without a checkpoint the same call begins again');
# In one transaction nothing stays.
$proxy->fault('stop', 'copy', 300_000);
my $call = $pair->start_sync('items', 'raw.whole');
$proxy->wait_done('stop');
$stops{'Ctrl-C'}->($call);
$call->finish;
$proxy->none;
is($pair->last_run('raw.whole'), 'canceled 57014', 'Ctrl-C of a sync in one transaction');
is($pair->sql(q(SELECT coalesce(detail, 'none') FROM tablesync.run WHERE target = 'raw.whole')), 'none', '... which leaves nothing');

$pair->assert_clean;
done_testing();
