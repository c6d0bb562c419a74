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
	my ($seed, $tables, $steps, $expected) = @_;
	my $twins  = TablesyncTest::Twins->new($pair, $seed);
	my @faults = $twins->run($tables, $steps);
	diag(join "\n", @faults[ 0 .. min($#faults, 9) ]) if @faults && !$expected;
	note($twins->compared . ' histories, of which ' . $twins->failed . ' were refused');
	cmp_ok($twins->failed, '<', 1 + $twins->compared / 10, '... few are refused');
	$twins->quit;
	return scalar @faults;
}

my $more = $ENV{TABLESYNC_TEST_LONG} ? 20 : 1;
is(faults_of(1, 35 * $more, 19), 0, 'random histories, in memory');
set_ablation('memory');
is(faults_of(2, 15 * $more, 19), 0, 'random histories, over temporary files');

done_testing();
