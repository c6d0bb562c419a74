# This server runs out of something: room on its disk for the stage, the target, the log; memory; what temp_file_limit
# allows.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest qw(call_of);
use TablesyncTest::Fault;

# A disk that is full for some files: see disk_full.c.
my $dir  = PostgreSQL::Test::Utils::tempdir('disk');
my $full = "$dir/full";
my $library = TablesyncTest::Fault::preloaded($dir, 'disk_full');
my $start_target = sub {
	my ($starting) = @_;
	local @ENV{qw(LD_PRELOAD DISK_FULL)} = ($library, $full);
	$starting->target->start;
};
my $pair = TablesyncTest->new(proxy => 1, start_target => $start_target);
my %items = (source => 'items', target => 'raw.items');

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 300) FROM generate_series(1, 40000) g;));
$pair->sync('items', 'raw.items');
my $last = 40000;

# All rows, and new ones: the target has to grow.
sub change_source
{
	$pair->source_sql("UPDATE items SET name = name || '.';
		INSERT INTO items SELECT g, repeat('y', 300) FROM generate_series($last + 1, $last + 2000) g");
	$last += 2000;
	TablesyncTest::Fault::remember($pair, 'raw.items');
	return;
}

sub fill_disk
{
	my ($pattern) = @_;
	append_to_file("$full.new", $pattern);
	rename "$full.new", $full or die "could not rename: $!";
	return;
}

# The record of a run is in one of these files too: it needs no further page where its table has empty ones.
sub make_room
{
	$pair->admin(q(
		INSERT INTO tablesync.run (owner, command, status, source, target, sync_mode, started_at, worker_pid, worker_start, shared_memory)
			SELECT CURRENT_USER::regrole, 'sync_table', 'failed', 'none', 'none', 'full', now(), 0, now(), 0 FROM generate_series(1, 300);
		INSERT INTO tablesync.run_step SELECT run_id, 1, 'copy', now(), now() FROM tablesync.run WHERE target = 'none';
		DELETE FROM tablesync.run WHERE target = 'none'));
	# What another session might still see stays where it is.
	$pair->wait_until($pair->target, 'SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid())');
	$pair->admin("VACUUM (TRUNCATE false) tablesync.$_") foreach 'run', 'run_step';
	return;
}

sub empty_disk { return unlink $full }

# ---- The disk -----------------------------------------------------------------------------------------------

# Until the stage outgrows its buffers it needs no disk.
my $small = q(memory_limit_mb => 16);
make_room();
my $path  = $pair->admin(q(SELECT pg_relation_filepath('raw.items')));
my %files = (
	'the stage'            => '*/base/*/t[0-9]*',
	'the target'           => "*/$path",
	'the target, or a fork or an index of it' => "*/base/*/[0-9]*");
foreach my $what (sort keys %files)
{
	change_source();
	# What others have changed must not have to be written before there is a buffer for the run's record.
	$pair->admin('CHECKPOINT');
	fill_disk($files{$what});
	my $said = $pair->try_sync('items', 'raw.items', $small);
	empty_disk();
	TablesyncTest::Fault::assert_harmless($pair, %items,
		name => "no room for $what", said => $said, sqlstate => '53100', like => qr/No space left on device/);
}
$pair->sql('DROP TABLE raw.items');
change_source();
$pair->admin('CHECKPOINT');
fill_disk('*/base/*/[0-9]*');
my $said = $pair->try_sync('items', 'raw.items');
empty_disk();
TablesyncTest::Fault::assert_harmless($pair, %items, name => 'no room for a new target', said => $said, sqlstate => '53100');

# The log: no server goes on without it. It comes back when there is room.
change_source();
TablesyncTest::Fault::set($pair, 'merge_done:1:pause');
my $call = $pair->start_sync('items', 'raw.items');
TablesyncTest::Fault::wait_paused($pair, 'merge_done');
$pair->admin(q(LOAD 'pg_tablesync'; ALTER SYSTEM RESET tablesync.fault));
fill_disk('*/pg_wal/*');
$pair->target->psql('postgres', 'SELECT pg_reload_conf()');
$said = $call->finish;
my ($postmaster) = slurp_file($pair->target->data_dir . '/postmaster.pid') =~ /^(\d+)/;
# Its startup process ends it, or its checkpointer makes it begin recovery again and again.
TablesyncTest::poll(sub { slurp_file($pair->target->logfile) =~ /PANIC: / }) or die 'there is room for the log';
kill 'QUIT', $postmaster unless TablesyncTest::poll(sub { !kill 0, $postmaster }, 10);
TablesyncTest::poll(sub { !kill 0, $postmaster }) or die 'the server is still there';
empty_disk();
like(slurp_file($pair->target->logfile), qr/PANIC:  could not write .*No space left on device/, 'no room for the log: the server stops');
$pair->{log_read}{ $pair->target->logfile } = -s $pair->target->logfile;    # which is not to be held against it
$pair->target->_update_pid(0);
$start_target->($pair);
TablesyncTest::Fault::assert_harmless($pair, %items,
	name => '... and starts again', said => $said, sqlstate => 'lost|57P0[12]|53100', record => 'running');

# ---- Memory -------------------------------------------------------------------------------------------------

# Values so long that the C library never takes them from memory that it keeps (32 MB is its limit), and 6 MB
# more than the process has already.
$pair->source_sql(q(CREATE TABLE big (id int PRIMARY KEY, name text); ALTER TABLE big ALTER name SET STORAGE EXTERNAL;
	INSERT INTO big SELECT g, repeat('x', 40000000) FROM generate_series(1, 2) g;));
$pair->admin("ALTER ROLE $TablesyncTest::caller SET tablesync.memory_limit_mb = 256");
$pair->sync('big', 'raw.big');
$pair->source_sql(q(UPDATE big SET name = name || '.' WHERE id > 1));
foreach my $point ('source_connected', 'stage_made', 'source_done')
{
	TablesyncTest::Fault::remember($pair, 'raw.big');
	TablesyncTest::Fault::set($pair, "$point:1:pause");
	$call = $pair->start_sync('big', 'raw.big');
	TablesyncTest::Fault::wait_paused($pair, $point);
	my $worker = $pair->worker_pid;
	my ($kilobytes) = slurp_file("/proc/$worker/status") =~ /^VmSize:\s+(\d+) kB/m;
	system('prlimit', "--pid=$worker", '--as=' . ($kilobytes + 6 * 1024) * 1024) == 0 or die 'prlimit failed';
	TablesyncTest::Fault::clear($pair);
	$said = $call->finish;
	TablesyncTest::Fault::assert_harmless($pair,
		name => "no memory from $point on", said => $said, sqlstate => '53200', source => 'big', target => 'raw.big');
	$pair->source_sql(q(UPDATE big SET name = name || '.' WHERE id > 1));
}
$pair->admin("ALTER ROLE $TablesyncTest::caller RESET tablesync.memory_limit_mb");

# ---- temp_file_limit ----------------------------------------------------------------------------------------

change_source();
$pair->admin("ALTER ROLE $TablesyncTest::caller SET temp_file_limit = '100kB'");
$said = $pair->try_sync('items', 'raw.items', $small);
$pair->admin("ALTER ROLE $TablesyncTest::caller RESET temp_file_limit");
TablesyncTest::Fault::assert_harmless($pair, %items, name => 'temp_file_limit', said => $said, sqlstate => '53400');

done_testing();
