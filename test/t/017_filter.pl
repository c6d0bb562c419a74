# The row filter: rows that the target has are dropped as they arrive, and nothing else differs from a sync that stages every
# row. TablesyncTest::Twins has the random histories; here are those that no chance finds, and the proof that the test would
# find a fault.

use strict;
use warnings;

use List::Util qw(min);
use PostgreSQL::Test::Utils;
use Test::More;
BEGIN { $ENV{PG_TEST_TIMEOUT_DEFAULT} = 3600 if $ENV{TABLESYNC_TEST_LONG} }
use TablesyncTest;
use TablesyncTest::Twins;
use TablesyncTest::Values qw($types);

my $pair = TablesyncTest->new(target_conf => ['fsync = off'], source_conf => ['fsync = off']);
$pair->source_sql($types);
$pair->admin($types);
$pair->sql('CREATE SCHEMA raw');

sub set_ablation
{
	my ($what) = @_;
	$pair->admin($what eq 'none' ? "ALTER ROLE $TablesyncTest::caller RESET tablesync.ablation" : "ALTER ROLE $TablesyncTest::caller SET tablesync.ablation = '$what'");
	return;
}

sub faults_of
{
	my ($seeds, $tables, $steps, $expected) = @_;
	my ($faults, $compared, $refused) = TablesyncTest::Twins::run_all($pair, $seeds, $tables, $steps);
	diag(join "\n", @$faults[ 0 .. min($#$faults, 9) ]) if @$faults && !$expected;
	note("$compared histories, of which $refused were refused");
	cmp_ok($compared, '>=', @$seeds * $tables * ($steps + 1), '... all histories were compared') unless $expected;
	cmp_ok($refused, '<', 1 + $compared / 10, '... few are refused');
	return scalar @$faults;
}

my $more = $ENV{TABLESYNC_TEST_LONG} ? 20 : 1;
is(faults_of([ 1, 2 ], 18 * $more, 19), 0, 'random histories, in memory');
set_ablation('memory');
is(faults_of([ 3, 4 ], 7 * $more, 19), 0, 'random histories, over temporary files');
set_ablation('hash');
cmp_ok(faults_of([ 1, 2 ], 20, 19, 'expected'), '>', 0, 'hashes of 8 bits are found to be wrong');
set_ablation('none');

# ---- what the records say ---------------------------------------------------------------------------------------

sub step_of
{
	my ($step) = @_;
	return $pair->sql("SELECT rows || ': ' || detail FROM tablesync.run_step WHERE run_id = (SELECT max(run_id) FROM tablesync.run) AND step = '$step'");
}

$pair->source_sql(q(CREATE TABLE plain (id int PRIMARY KEY, note text); INSERT INTO plain SELECT g, 'row ' || g FROM generate_series(1, 1000) g));
my $row = $pair->sync('plain', 'raw.plain');
$row = $pair->sync('plain', 'raw.plain');
is(TablesyncTest::counts($row), '0 0 0 1000', 'an unchanged table');
is(step_of('copy'), '1000: compares with 1,000 rows of the target, in memory', '... whose record says how it was compared');
is($pair->sql(q(SELECT value FROM sync_plan('src', 'plain', 'raw.plain') WHERE item = 'comparison')),
	'rows that the target has are dropped as they arrive: hashes of about 1,000 rows, 20.8 kB in memory', '... and the plan');
set_ablation('memory');
$pair->sync('plain', 'raw.plain');
like(step_of('copy'), qr/^1000: compares with 1,000 rows of the target, in \d+ passes over temporary files$/, '... where the hashes do not fit into memory');
set_ablation('none');

# A sync that finds nothing writes its record, and nothing into the catalogs. Statistics are there when the process has ended.
sub catalog_rows
{
	return $pair->admin(q(SELECT pg_stat_force_next_flush(); SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_sys_tables WHERE schemaname = 'pg_catalog')) =~ s/\s//gr;
}

$pair->source_sql(q(CREATE TABLE single (id int PRIMARY KEY, at timestamptz); INSERT INTO single VALUES (1, '2020-01-01')));
foreach my $mode (q(sync_mode => 'full'), q(sync_mode => 'xmin'))
{
	$pair->sync('single', 'raw.single', $mode) foreach 1 .. 2;
	my $before = catalog_rows();
	my $row = $pair->sync('single', 'raw.single', $mode);
	is($row->{inserted} + $row->{updated} + $row->{deleted}, 0, "$mode: a sync that finds nothing");
	is(catalog_rows(), $before, '... writes nothing into the catalogs');
}
{
	my $before = catalog_rows();
	$pair->sync('single', 'raw.single', q(options => '{"compare": "stage"}'));
	cmp_ok(catalog_rows(), '>', $before + 20, '... unlike one that stages, which shows that they are counted');
}

# Only what is needed is written.
$pair->source_sql('UPDATE plain SET note = $$new$$ WHERE id % 100 = 0; DELETE FROM plain WHERE id % 100 = 1; INSERT INTO plain VALUES (2000, $$more$$)');
is(TablesyncTest::counts($pair->sync('plain', 'raw.plain')), '1 10 10 980', 'changes of all kinds');
$pair->assert_identical('plain', 'raw.plain');

# ---- who else writes the target ---------------------------------------------------------------------------------

$pair->source_sql(q(CREATE TABLE parted (id int PRIMARY KEY, note text); INSERT INTO parted SELECT g, 'row ' || g FROM generate_series(1, 1000) g));
$pair->sql(q(CREATE TABLE raw.parted (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
	CREATE TABLE raw.low PARTITION OF raw.parted FOR VALUES FROM (MINVALUE) TO (500);
	CREATE TABLE raw.high PARTITION OF raw.parted FOR VALUES FROM (500) TO (MAXVALUE)));
$pair->sync('parted', 'raw.parted');

# Writes a partition in the midst of a sync. Returns whether it could, and what the sync counted.
sub write_in_the_middle
{
	$pair->admin(q(LOAD 'pg_tablesync'; ALTER SYSTEM SET tablesync.fault = 'target_scanned:1:pause'; SELECT pg_reload_conf()));
	my $call = $pair->start_sync('parted', 'raw.parted');
	$pair->wait_until($pair->target, q(SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'fault point target_scanned'));
	my $said = $pair->try(q(SET lock_timeout = '500ms'; UPDATE raw.high SET note = 'theirs' WHERE id = 700));
	$pair->admin(q(LOAD 'pg_tablesync'; ALTER SYSTEM RESET tablesync.fault; SELECT pg_reload_conf()));
	my $sync = $call->finish;
	return ($said->{sqlstate}, TablesyncTest::counts(TablesyncTest::row_of($sync->{out})));
}

is(join('|', write_in_the_middle()), '55P03|0 0 0 1000', 'nobody writes a partition while the target is compared');
$pair->assert_identical('parted', 'raw.parted');
set_ablation('leaf_locks');
my ($written) = write_in_the_middle();
is($written, '', '... which locks of the partitions prevent');
set_ablation('none');
$pair->sync('parted', 'raw.parted');
$pair->assert_identical('parted', 'raw.parted', '... and the next sync mends');

# A lock on one partition is enough to stage everything.
my $other = $pair->session('loader');
$other->query_safe('BEGIN; LOCK TABLE raw.low IN ROW EXCLUSIVE MODE');
is(TablesyncTest::counts($pair->sync('parted', 'raw.parted')), '0 0 0 1000', 'a partition that another session writes');
is(step_of('copy'), '1000: stages every row, because other sessions may write the target during the run', '... and why');
is($pair->admin(q(SELECT count(*) FROM pg_locks WHERE relation = 'raw.high'::regclass AND mode = 'ShareRowExclusiveLock')), 0, '... no lock is left');
$other->query_safe('ROLLBACK');
$other->quit;

# ---- partitions without changes are not read --------------------------------------------------------------------

sub scans_of { return $pair->admin("SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relid = '$_[0]'::regclass") }

$pair->sync('parted', 'raw.parted', q(sync_mode => 'xmin'));
$pair->source_sql(q(UPDATE parted SET note = 'changed' WHERE id IN (10, 20)));
my %scans = map { $_ => scans_of($_) } qw(raw.low raw.high);
is($pair->sync('parted', 'raw.parted', q(sync_mode => 'xmin'))->{updated}, 2, 'changes in one partition');
$pair->assert_identical('parted', 'raw.parted');
cmp_ok(scans_of('raw.low'), '>', $scans{'raw.low'}, '... which is read');
my $by_test = 1;    # the comparison reads it too
is(scans_of('raw.high'), $scans{'raw.high'} + $by_test, '... and the other is not');

# ---- what may not be deleted ------------------------------------------------------------------------------------

sub children_after
{
	$pair->source_sql(q(DROP TABLE IF EXISTS exact; CREATE TABLE exact (id numeric PRIMARY KEY); INSERT INTO exact VALUES (1.0), (2), (3)));
	$pair->sql('DROP TABLE IF EXISTS raw.exact CASCADE');
	$pair->sync('exact', 'raw.exact');
	$pair->sql(q(DROP TABLE IF EXISTS raw.child; CREATE TABLE raw.child AS SELECT id FROM raw.exact;
		ALTER TABLE raw.child ADD FOREIGN KEY (id) REFERENCES raw.exact ON DELETE CASCADE ON UPDATE CASCADE));
	$pair->source_sql('UPDATE exact SET id = 1.00 WHERE id = 1; DELETE FROM exact WHERE id = 3');
	$pair->sync('exact', 'raw.exact', q(options => '{"max_delete_fraction": 1}'));
	return $pair->sql(q(SELECT string_agg(id::text, ' ' ORDER BY id) FROM raw.child));
}

is(children_after(), '1.00 2', 'a key that only looks different is not deleted, nor are its children');
set_ablation('staged_keys');
isnt(children_after(), '1.00 2', '... because rows in the stage are not deleted');
set_ablation('none');

# ---- keys that come twice -----------------------------------------------------------------------------------------

$pair->source_sql(q(CREATE TABLE twice (id int NOT NULL, note text); INSERT INTO twice SELECT g, 'row' FROM generate_series(1, 100) g));
$pair->sql('CREATE TABLE raw.twice (id int PRIMARY KEY, note text)');
my $call = q(primary_key => ARRAY['id']);
$pair->sync('twice', 'raw.twice', $call);
$pair->source_sql(q(INSERT INTO twice VALUES (7, 'row')));
my $said = $pair->try_sync('twice', 'raw.twice', $call);
is($said->{sqlstate}, '21000', 'a row that comes twice although the target has it once');
like($said->{text}, qr/source returned key \(7\) more than once/, '... and which');

# A key whose values may look different is compared by the statements, unless it is the source's own.
$pair->source_sql(q(CREATE TABLE alike (id numeric NOT NULL, note text); INSERT INTO alike VALUES (1.0, 'a'), (2.0, 'b')));
$pair->sql('CREATE TABLE raw.alike (id numeric PRIMARY KEY, note text)');
$pair->sync('alike', 'raw.alike', $call);
$pair->source_sql(q(INSERT INTO alike VALUES (1.00, 'c')));
is($pair->try_sync('alike', 'raw.alike', $call)->{sqlstate}, '21000', 'two numbers that are equal and look different');

# ---- nothing is lost with the worker --------------------------------------------------------------------------------

foreach my $point (qw(target_scanned rows_compared gone_listed))
{
	foreach my $memory (qw(none memory))
	{
		set_ablation($memory);
		$pair->source_sql('UPDATE plain SET note = note || $$.$$ WHERE id % 10 = 0; DELETE FROM plain WHERE id = (SELECT max(id) FROM plain)');
		$pair->remember('raw.plain');
		$pair->admin("LOAD 'pg_tablesync'; ALTER ROLE $TablesyncTest::caller SET tablesync.fault = '$point'");
		is($pair->try_sync('plain', 'raw.plain')->{sqlstate}, '40001', "$point: an error");
		$pair->assert_unchanged('raw.plain');
		$pair->admin("LOAD 'pg_tablesync'; ALTER ROLE $TablesyncTest::caller RESET tablesync.fault");
		$pair->sync('plain', 'raw.plain');
		$pair->assert_identical('plain', 'raw.plain', '... and the next sync goes through');
	}
}
set_ablation('none');

$pair->assert_clean;
done_testing();
