# Pages that a first load writes behind the end of the target's file: they are what the server itself would have written,
# after a crash, on a standby, and beside checkpoints; and where changes are decoded from the WAL, rows go the usual way.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $rows = 30_000;
my $pair = TablesyncTest->new(
	target_conf  => ["wal_keep_size = 1GB"],
	start_target => sub {
		my ($self) = @_;
		my $data = $self->target->data_dir;
		# Since PostgreSQL 18 they have them from the beginning.
		my ($control) = PostgreSQL::Test::Utils::run_command([ 'pg_controldata', $data ]);
		PostgreSQL::Test::Utils::system_or_bail('pg_checksums', '--enable', '--no-sync', '-D', $data) if $control =~ /checksum version: +0/;
		$self->target->start;
	});
my $target = $pair->target;
$pair->admin('CREATE EXTENSION amcheck; CREATE EXTENSION pg_visibility; CREATE EXTENSION pageinspect');

# Nulls, values that stay in the row, and values that do not: compressed, or in the table of large values.
$pair->source_sql(qq(
	CREATE TABLE items (id int PRIMARY KEY, n bigint, short text, middle text, large text, flag bool);
	INSERT INTO items SELECT g, nullif(g % 3, 0), 'name ' || g, CASE WHEN g % 7 = 0 THEN repeat('middle', 250) END,
		CASE WHEN g % 500 = 0 THEN (SELECT string_agg(md5(g::text || n::text), '') FROM generate_series(1, 400) n)
			WHEN g % 500 = 1 THEN repeat('large', 5000) END, g % 2 = 0
	FROM generate_series(1, $rows) g;
	CREATE TABLE widest (id int PRIMARY KEY, filler text);
	ALTER TABLE widest ALTER filler SET STORAGE PLAIN;
	INSERT INTO widest SELECT g, repeat('x', 8000 + g) FROM generate_series(1, 120) g;
	CREATE TABLE empty (id int PRIMARY KEY);
	ANALYZE;));

sub check
{
	my ($source, $table, $name) = @_;
	$pair->assert_identical($source, $table);
	is($pair->admin("SELECT count(*) FROM verify_heapam('$table', check_toast => true)"), 0, "$name: no page is corrupt");
	is($pair->admin("SELECT count(*) FROM pg_check_visible('$table')") + $pair->admin("SELECT count(*) FROM pg_check_frozen('$table')"),
		0, '... nor is its map of what is visible');
	is($pair->admin("SELECT count(*) FROM generate_series(0, pg_relation_size('$table') / 8192 - 1) b, heap_page_items(get_raw_page('$table', b::int))
		WHERE lp_flags = 1 AND t_ctid <> format('(%s,%s)', b, lp)::tid AND t_infomask & 2048 > 0"), 0, '... every row says where it is');
	is($pair->admin("SELECT bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = '$table'::regclass"), '', '... and its index is complete');
	return;
}

foreach my $workers (1, 2, 5)
{
	foreach my $source ('items', 'widest', 'empty')
	{
		$pair->sync($source, "raw.${source}_$workers", "parallel_workers => $workers");
		check($source, "raw.${source}_$workers", "$source by $workers");
	}
}
is($pair->admin(q(SELECT bool_and(all_visible AND all_frozen AND pd_all_visible) FROM pg_visibility('raw.items_1'))), 't', 'all rows are frozen');
is($pair->admin(q(SELECT n_tup_ins FROM pg_stat_all_tables WHERE relid = 'raw.items_1'::regclass)), $rows, 'they are counted');

# Others go on with the table: rows behind these pages, and on them.
$pair->sql(q(INSERT INTO raw.items_2 SELECT id + 1000000, n, short FROM raw.items_2 WHERE id % 10 = 0; UPDATE raw.items_2 SET n = 7 WHERE id % 11 = 0; DELETE FROM raw.items_2 WHERE id % 13 = 0));
is($pair->admin(q(SELECT count(*) FROM verify_heapam('raw.items_2', check_toast => true))), 0, 'a table that is written to is as it should be');
$pair->sync('items', 'raw.items_2');
check('items', 'raw.items_2', 'synced again');

# ---- A crash, a standby ---------------------------------------------------------------------------------------

$target->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($target, 'standby', has_streaming => 1);
$standby->start;

# Checkpoints all the time, so that some begin between the record of a page and the page.
my $script = $target->basedir . '/checkpoints.sql';
PostgreSQL::Test::Utils::append_to_file($script, "CHECKPOINT;\n");
foreach my $round (1 .. ($ENV{TABLESYNC_TEST_LONG} ? 30 : 4))
{
	my $said = '';
	my $checkpoints = IPC::Run::start([ 'pgbench', '-n', '-T', '300', '-f', $script, $target->connstr('postgres') ], '>', \$said, '2>&1');
	$pair->sync('items', "raw.crash_$round", 'parallel_workers => ' . (1 + $round % 3));
	ok(TablesyncTest::kill_and_start($target), "round $round: the server is killed right after the load");
	$checkpoints->signal('TERM');
	$checkpoints->finish;
	check('items', "raw.crash_$round", "round $round");
	$target->wait_for_catchup($standby, 'replay', $target->lsn('insert'));
	is($pair->digest_of($standby, "raw.crash_$round"), $pair->digest_of($pair->source, 'items'), '... so it is on the standby');
}
$standby->stop;

# ---- Changes that somebody decodes ------------------------------------------------------------------------------

$pair->admin(q(ALTER SYSTEM SET wal_level = 'logical'));
$target->restart;
$pair->admin(q(SELECT pg_create_logical_replication_slot('decoded', 'test_decoding')));
foreach my $workers (1, 2)
{
	$pair->sync('items', "raw.decoded_$workers", "parallel_workers => $workers");
	is($pair->admin(q(SELECT count(*) FROM pg_logical_slot_get_changes('decoded', NULL, NULL) WHERE data ~ ': INSERT: id\[integer\]')), $rows,
		"every row of a load by $workers is decoded");
}
$pair->admin(q(SELECT pg_drop_replication_slot('decoded')));
$pair->assert_clean;

$target->stop;
is(system('pg_checksums', '--check', '-D', $target->data_dir), 0, 'every page has the checksum that it should have');
done_testing;
