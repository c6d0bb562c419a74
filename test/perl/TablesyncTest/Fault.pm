# Fault points of the module (src/pg/server/fault.h), and what must hold after any fault, of these points or of
# others' making: the invariants I1 to I7 of doc/faults.md.
#
#   TablesyncTest::Fault::remember($pair, 'raw.items');
#   TablesyncTest::Fault::set($pair, 'merge_done:1:fatal');
#   my $said = $pair->try_sync('items', 'raw.items');
#   TablesyncTest::Fault::clear($pair);
#   TablesyncTest::Fault::assert_harmless($pair, name => ..., said => $said, sqlstate => ..., source => 'items',
#       target => 'raw.items');

package TablesyncTest::Fault;

use strict;
use warnings;

use Test::More;

# ---- Fault points -------------------------------------------------------------------------------------------

# Fails where the module has no fault points, or not this one.
sub set
{
	my ($pair, $fault) = @_;
	$pair->admin("LOAD 'pg_tablesync'; ALTER SYSTEM SET tablesync.fault = '$fault'; SELECT pg_reload_conf();");
	return;
}

# Also lets go on what waits at a point.
sub clear
{
	my ($pair) = @_;
	$pair->admin(q(LOAD 'pg_tablesync'; ALTER SYSTEM RESET tablesync.fault; SELECT pg_reload_conf();));
	return;
}

# Waits until a run waits there.
sub wait_paused
{
	my ($pair, $point) = @_;
	return $pair->wait_until($pair->target,
		"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'fault point $point')");
}

# All of them, in the order of a run. The module names them to whoever names one that does not exist.
sub points
{
	my ($pair) = @_;
	my ($status, $out, $err) = $pair->target->psql('postgres', q(LOAD 'pg_tablesync'; SET tablesync.fault = '?';));
	my ($points) = $err =~ /^HINT:  The points are: (.*)$/m or die "no fault points: $err";
	return split ' ', $points;
}

# Compiles test/support/$name.c into $dir, for the LD_PRELOAD of a server.
sub preloaded
{
	my ($dir, $name) = @_;
	system('cc', '-shared', '-fPIC', '-Wall', '-Wextra', '-o', "$dir/$name.so", "test/support/$name.c", '-ldl') == 0
	  or die "$name.c does not compile";
	return "$dir/$name.so";
}

# ---- What must hold -----------------------------------------------------------------------------------------

my $watermark = q(SELECT w.* FROM tablesync.watermark w WHERE target = '%s');

# What the target and its watermark are before the fault.
sub remember
{
	my ($pair, $target) = @_;
	$pair->remember($target);
	$pair->{remembered_watermark}{$target} = $pair->admin(sprintf $watermark, $target);
	$pair->{remembered_run} = $pair->admin('SELECT coalesce(max(run_id), 0) FROM tablesync.run');
	return;
}

# A call was made after remember(). The fault is over, or goes on without harm; a call without it is made here.
#
#   name              of the fault
#   said, sqlstate    what the call said, and what it should have (a regular expression; '' for success)
#   source, target    tables; more: further arguments of the call, in SQL
#   like              a regular expression for the error's message
#   record            the status of the run's record: "succeeded" where the rows were committed before the fault;
#                     '' where there was no time to begin one. By default, as the SQLSTATE says.
sub assert_harmless
{
	my ($pair, %case) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($name, $target) = @case{qw(name target)};
	$pair->assert_failed($case{said}, $case{sqlstate}, $case{like}, "$name: the call ends with $case{sqlstate}");    # I5
	my $record = $case{record} // ($case{said}{sqlstate} eq 'lost' ? 'running' : 'failed');
	assert_nothing_changed($pair, $target) unless $record eq 'succeeded';
	$pair->assert_clean('... nothing is left behind', open_record => 1);
	is(record_of($pair, $target), $record, '... so the record of the run says') or diag($case{said}{text});
	assert_goes_on($pair, @case{qw(source target more)});
	return;
}

# I1 (the target is what it was, since a run is one transaction) and I3.
sub assert_nothing_changed
{
	my ($pair, $target) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$pair->assert_unchanged($target, '... nothing was changed');
	is($pair->admin(sprintf $watermark, $target), $pair->{remembered_watermark}{$target}, '... nor was the watermark');
	return;
}

# The status of the runs of a target since remember().
sub record_of
{
	my ($pair, $target) = @_;
	return $pair->admin(qq(SELECT coalesce(string_agg(status, ' '), '') FROM tablesync.run
		WHERE target = '$target' AND run_id > $pair->{remembered_run}));
}

# I2, I7, and I6: the next call does it all, with nobody's help, and the server has kept its own.
sub assert_goes_on
{
	my ($pair, $source, $target, $more) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $said = $pair->try_sync($source, $target, $more);
	is($said->{sqlstate}, '', '... the next call works') or diag($said->{text});
	$pair->assert_identical($source, $target);
	is($pair->admin("SELECT count(*) FROM tablesync.run WHERE target = '$target' AND status = 'running'"),
		'0', '... no record is left open');
	is(corruption($pair, $target), '', '... heap and indexes are sound');
	$pair->assert_clean('... and nothing is left behind');
	return;
}

# What pg_amcheck --heapallindexed would find in a table.
sub corruption
{
	my ($pair, $target) = @_;
	return $pair->admin(qq(
		SET client_min_messages = error;
		CREATE EXTENSION IF NOT EXISTS amcheck;
		SELECT h.msg FROM pg_class c, verify_heapam(c.oid) h WHERE c.oid = '$target'::regclass AND c.relkind = 'r';
		SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam,
			bt_index_check(i.indexrelid, true) WHERE i.indrelid = '$target'::regclass AND m.amname = 'btree' AND c.relkind = 'i';)) =~
	  s/\A\n*\z//r;
}

1;
