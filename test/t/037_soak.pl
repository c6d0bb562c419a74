# Syncs without end: one session calls chunked, incremental and xmin syncs in turn while others write to the source.
# Nothing grows that must not: the memory and files of the calling session, the catalogs, what holds back freezing; and
# the targets do not drift from the source.
#
# TABLESYNC_TEST_LONG: ten minutes instead of a quarter of one.

use strict;
use warnings;

use Test::More;
# A session that is open for so long would run into the time limit of the framework.
BEGIN { $ENV{PG_TEST_TIMEOUT_DEFAULT} = 1200 if $ENV{TABLESYNC_TEST_LONG} }
use TablesyncTest;

my $seconds = $ENV{TABLESYNC_TEST_LONG} ? 600 : 15;
my $pair    = TablesyncTest->new;
my $rows    = 20_000;
$pair->source_sql(qq(
	CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL, at timestamptz NOT NULL, note text);
	CREATE INDEX ON items (at);
	INSERT INTO items SELECT g, 0, now(), repeat('x', 100) FROM generate_series(1, $rows) g;));

my $script = $pair->source->basedir . '/writers.sql';
PostgreSQL::Test::Utils::append_to_file($script, qq(
	\\set id random(1, $rows)
	UPDATE items SET n = n + 1, at = clock_timestamp() WHERE id = :id;
	INSERT INTO items SELECT :id + $rows, 0, clock_timestamp(), 'new' ON CONFLICT (id) DO UPDATE SET n = items.n + 1, at = clock_timestamp();
	\\sleep 2 ms
	));
my $said    = '';
my $writers = IPC::Run::start([ 'pgbench', '-n', '-c', '2', '-T', $seconds + 60, '-f', $script, $pair->source->connstr('postgres') ],
	'>', \$said, '2>&1');

my @calls = (
	[ 'raw.chunks', q(chunk_mode => true, batch_size => 5000) ],
	[ 'raw.field',  q(sync_mode => 'incremental', incremental_field => 'at') ],
	[ 'raw.xmin',   q(sync_mode => 'xmin', delete_missing => true) ]);

# One session for all of it.
my $session = $pair->session('loader');
my $pid     = $session->query_safe('SELECT pg_backend_pid();');
$session->query_safe('SET client_min_messages = warning;');

sub run_all
{
	foreach my $call (@calls)
	{
		my $status = $session->query_safe(TablesyncTest::call_of('items', @$call) =~ s/\*/status/r . ';');
		die "$call->[0]: $status" if $status ne 'succeeded';
	}
	return;
}

# Memory of its own (kB; of shared pages it depends on others whether they count as private) and open files of the session; size of the catalogs that temporary tables go through.
sub measure
{
	my %now;
	open my $smaps, '<', "/proc/$pid/smaps_rollup" or die "smaps_rollup: $!";
	while (<$smaps>) { $now{memory} = $1 if /^Anonymous:\s+(\d+) kB/ }
	close $smaps;
	opendir my $dir, "/proc/$pid/fd" or die "fd: $!";
	$now{files} = grep { !/^\./ } readdir $dir;
	closedir $dir;
	$now{catalogs} = $pair->admin(q(SELECT sum(pg_relation_size(c::regclass)) / 1024
		FROM unnest('{pg_class,pg_attribute,pg_type,pg_depend,pg_statistic}'::text[]) c));
	$now{tables} = $pair->admin(q(SELECT count(*) FROM pg_class));
	$now{shared} = () = glob '/dev/shm/PostgreSQL.*';
	return \%now;
}

run_all() foreach 1 .. 5;
$pair->admin('VACUUM');
my $before = measure();
my $end    = time + $seconds;
my $rounds = 0;
while (time < $end)
{
	run_all();
	$rounds++;
}
$pair->admin('VACUUM');
my $after = measure();
note("$rounds rounds; before: ", explain $before, 'after: ', explain $after);

cmp_ok($rounds, '>', 3, 'there were rounds');
cmp_ok($after->{memory}, '<', $before->{memory} + 1024, 'the session takes no more memory');
cmp_ok($after->{files}, '<=', $before->{files} + 2, '... nor files');
is($after->{tables}, $before->{tables}, 'no table is left');
cmp_ok($after->{catalogs}, '<', 2 * $before->{catalogs} + 1024, 'the catalogs do not bloat');
is($pair->admin(q(SELECT count(*) FROM pg_class WHERE relpersistence = 't')), 0, 'no temporary table holds back freezing');

$writers->signal('TERM');
$writers->finish;
run_all();
$pair->assert_identical('items', $_->[0]) foreach @calls;
$session->quit;
$pair->assert_clean;
done_testing;
