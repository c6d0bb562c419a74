# The connection to the source breaks at every place that matters: a short read is never the end of the data, and
# nothing of it stays.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);

my $pair  = TablesyncTest->new(proxy => 1);
my $proxy = $pair->proxy;

# Short rows, and one that takes many reads.
$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', g) FROM generate_series(1, 30) g;
	ALTER TABLE items ALTER name SET STORAGE EXTERNAL;
	UPDATE items SET name = repeat('long ', 60000) WHERE id = 20;));

sub sync_cleanly
{
	my ($target) = @_;
	$proxy->none;
	$pair->sync('items', $target);
	$pair->assert_identical('items', $target, "the next call fills $target");
	return;
}

sub break_and_check
{
	my ($target, $action, $place, $bytes, $sqlstate) = @_;
	my $what = "$target: $action after $bytes bytes of the $place";
	$proxy->fault($action, $place, $bytes);
	my $said = $pair->try("SET tablesync.stall_timeout = '1s'; " . call_of('items', $target));
	$proxy->wait_done($action);
	$pair->assert_failed($said, $sqlstate, qr/connect/, $what);
	is($pair->last_run($target), "failed $said->{sqlstate}", '... so the run says');
	$pair->assert_unchanged($target, '... nothing was changed');
	return $said;
}

sync_cleanly('raw.items');
my @messages = $proxy->messages;
is(join('', map { $_->[1] } @messages), 'H' . 'd' x 31 . 'cCend', 'the COPY is one message a row, then the trailer');

# Now a sync would change and delete much.
$pair->source_sql(q(
	UPDATE items SET name = name || ' changed';
	DELETE FROM items WHERE id > 25;
	INSERT INTO items SELECT g, 'new' FROM generate_series(26, 30) g;));
$pair->remember($_) foreach 'raw.items', 'raw.absent';

# Begin and middle of the first row, between rows, the middle of the long row, the last row, the trailer, the end of the
# data, the final status, the end of all.
$proxy->none;
$pair->sync('items', 'raw.other');
@messages = $proxy->messages;
my %at = map { $messages[$_][1] . $_ => $messages[$_][0] } 0 .. $#messages;
my @offsets = (
	0, 1, 7,
	map({ ($at{"d$_"}, $at{"d$_"} + 3, $at{"d$_"} + 12) } 1, 2, 15),
	$at{d20} + 65536, $at{d20} + 200000, $at{d21},
	map({ ($at{$_}, $at{$_} + 1) } 'd30', 'd31'),
	$at{d31} + 6,
	map({ ($at{$_}, $at{$_} + 2) } 'c32', 'C33'),
	$at{end34}, $at{end34} + 3, $at{end34} + 6);

foreach my $end ([ 'fin', 'raw.items' ], [ 'fin', 'raw.absent' ], [ 'rst', 'raw.items' ])
{
	my ($action, $target) = @$end;
	break_and_check($target, $action, 'copy', $_, '08006') foreach @offsets;
	break_and_check($target, $action, 'start', $_, '08001|08006') foreach 0, 1, 500, 4000;
	$pair->assert_clean;
}
break_and_check('raw.absent', 'rst', 'copy', $_, '08006') foreach $at{d15}, $at{d20} + 65536, $at{c32};
$pair->assert_clean;

# Silence instead of an end: in the middle of a row, between rows, at the end of the data, in the final COMMIT, before
# the COPY.
foreach my $target ('raw.items', 'raw.absent')
{
	break_and_check($target, 'stop', 'copy', $_, '08006') foreach $at{d15} + 3, $at{c32};
}
break_and_check('raw.items', 'stop', 'copy', $at{end34} + 6, '08006');
break_and_check('raw.items', 'stop', 'start', 1500, '08006');
my $said = break_and_check('raw.items', 'stop', 'copy', $at{d16}, '08006');
like($said->{detail}, qr/sent no data for 1\.0 s \(tablesync\.stall_timeout\)/, 'the error names the setting');
$pair->assert_clean;

# An error of the source itself, in the middle of the COPY.
$proxy->none;
$pair->source_sql(q(CREATE VIEW failing AS SELECT id, name, 1 / (25 - id) AS part FROM items));
$pair->remember('raw.failing');
foreach my $state ('absent', 'filled')
{
	my $failed = $pair->try_sync('failing', 'raw.failing', q(options => '{"adopt": true}'));
	$pair->assert_failed($failed, '22012', qr/^division by zero$/, "$state: an error of the source arrives as it is");
	like($failed->{context}, qr/^remote server "src"\n/m, '... which the context places there');
	is($pair->last_run('raw.failing'), 'failed 22012', '... so the run says');
	$pair->assert_unchanged('raw.failing', '... nothing was changed');
	$pair->sql(q(CREATE TABLE raw.failing (id int, name text, part int); INSERT INTO raw.failing VALUES (1, 'kept', 1)))
	  if $state eq 'absent';
	$pair->remember('raw.failing');
}
$pair->assert_clean;

sync_cleanly($_) foreach 'raw.items', 'raw.absent';
$pair->assert_clean;

done_testing();
