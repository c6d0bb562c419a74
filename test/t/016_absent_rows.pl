# A target that has lost rows, in the modes that read changes only: the rows come back in time that grows with their number and
# in bounded memory, and many are read as a whole.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest;

# The plans of the worker's statements are in the log.
my $pair = TablesyncTest->new(target_conf => [ q(shared_preload_libraries = 'auto_explain'), 'auto_explain.log_min_duration = 0' ]);
my $rows = 60_000;
my $many = qr/reads everything, because the target lacks [\d,]+ rows of the source/;

# The plan by which the absent keys were found since this place of the log.
sub plan_since
{
	my ($from) = @_;
	my $log = slurp_file($pair->target->logfile, $from);
	my ($plan) = $log =~ /Query Text: INSERT INTO "pg_temp"\."tablesync_absent"(.*?)\n\S/s;
	return $plan // '';
}

my %modes = (xmin => q(sync_mode => 'xmin'), incremental => q(sync_mode => 'incremental', incremental_field => 'at'));
foreach my $mode (sort keys %modes)
{
	my $call = "$modes{$mode}, delete_missing => true";
	my $target = "raw.$mode";
	$pair->source_sql(qq(
		CREATE TABLE $mode (a int, b text, at timestamptz NOT NULL, note text, PRIMARY KEY (a, b));
		INSERT INTO $mode SELECT g, 'key ' || g, '2020-01-01'::timestamptz + g * interval '1 min', 'old' FROM generate_series(1, $rows) g;
		ANALYZE $mode;));
	$pair->sync($mode, $target, $call);

	# Few of many, beside thousands of changes: the planner expects that hardly a key is absent.
	$pair->sql("DELETE FROM $target WHERE a % 20 = 0");
	$pair->source_sql("UPDATE $mode SET note = 'new', at = clock_timestamp() WHERE a % 20 = 1; DELETE FROM $mode WHERE a % 20 = 2");
	my $from = -s $pair->target->logfile;
	my $said = $pair->try_sync($mode, $target, $call);
	is($said->{sqlstate}, '', "$mode: rows that the target has lost") or diag($said->{text});
	my $row = TablesyncTest::row_of($said->{out});
	is(join(' ', @$row{qw(read inserted updated deleted)}), join(' ', 2 * $rows / 20, ($rows / 20) x 3), '... they alone are read, with the changes');
	$pair->assert_identical($mode, $target);
	like(plan_since($from), qr/Anti Join/, '... their keys are found by joins');
	unlike(plan_since($from), qr/Nested Loop/, '... none of which is a nested loop');

	# Most of them.
	$pair->sql("DELETE FROM $target WHERE a % 10 > 0");
	$pair->source_sql("UPDATE $mode SET note = 'newer', at = clock_timestamp() WHERE a % 1000 = 3; DELETE FROM $mode WHERE a % 1000 = 4");
	$said = $pair->try_sync($mode, $target, $call);
	is($said->{sqlstate}, '', "$mode: most rows are lost") or diag($said->{text});
	like($said->{text}, $many, '... everything is read, and why');
	$row = TablesyncTest::row_of($said->{out});
	my $all = $pair->source_sql("SELECT count(*) FROM $mode");
	is($row->{read}, $all, '... once');
	is($row->{unchanged}, $pair->source_sql("SELECT count(*) FROM $mode WHERE a % 10 = 0"), '... what was left is unchanged');
	$pair->assert_identical($mode, $target);

	# The watermark goes on from there.
	like(TablesyncTest::counts($pair->sync($mode, $target, $call)), qr/^0 0 0 /, '... and the next sync finds nothing to do');
	$pair->source_sql("UPDATE $mode SET note = 'last', at = clock_timestamp() WHERE a = 100");
	is($pair->sync($mode, $target, $call)->{updated}, 1, '... but what changes then');
	$pair->assert_identical($mode, $target);
}

# What goes along with the rows.
$pair->sql('DELETE FROM raw.xmin WHERE a > 100');
my $counted = q(sync_mode => 'xmin', delete_missing => true, custom_count => 'SELECT count(*) FROM xmin');
my $said    = $pair->try_sync('xmin', 'raw.xmin', $counted);
is($said->{sqlstate}, '', 'custom_count counts all rows') or diag($said->{text});
like($said->{text}, $many, '... which are read');
$pair->assert_identical('xmin', 'raw.xmin');

$pair->source_sql(q(ALTER TABLE incremental ADD gone bool; UPDATE incremental SET gone = true WHERE a % 100 = 5));
my $marked = q(sync_mode => 'incremental', incremental_field => 'at', delete_missing => true, options => '{"soft_delete_column": "gone", "on_schema_change": "add"}');
$pair->sync('incremental', 'raw.incremental', $marked);
$pair->sql('DELETE FROM raw.incremental WHERE a > 100');
$said = $pair->try_sync('incremental', 'raw.incremental', $marked);
like($said->{text}, $many, 'a column marks deleted rows') or diag($said->{text});
is($pair->digest_of($pair->target, 'raw.incremental'), $pair->digest_of($pair->source, '(SELECT * FROM incremental WHERE gone IS NOT TRUE)'),
	'... which stay away');

$pair->assert_clean;
done_testing;
