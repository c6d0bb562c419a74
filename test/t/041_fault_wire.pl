# A source that sends what no server sends: rows of other columns, lengths that are not true, values that are none,
# messages out of place. Each is an error, of the protocol or of the value; nothing of it stays.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);
use TablesyncTest::Fault;

my $pair  = TablesyncTest->new(proxy => 1);
my $proxy = $pair->proxy;

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text, amount numeric, note varchar(20));
	INSERT INTO items SELECT g, 'item ' || g, g / 10.0, 'note' FROM generate_series(1, 30) g;));

# By way of the stage; into the table itself; by way of the server's COPY FROM.
my @targets = qw(raw.items raw.absent raw.guarded);
$pair->sync('items', 'raw.items');
my @messages = $proxy->messages;
is(join('', map { $_->[1] } @messages), 'H' . 'd' x 31 . 'cCend', 'the COPY is one message a row, then the trailer');

$pair->sql(q(CREATE TABLE raw.guarded (id int PRIMARY KEY, name text CHECK (name <> ''), amount numeric, note text)));
TablesyncTest::Fault::remember($pair, $_) foreach @targets;

# Row 15: its type and length, the number of its columns; then of each column the length, and the value.
my $row     = $messages[15][0];
my $columns = $row + 5;
my $id      = $columns + 2;
my $name    = $id + 8;
my $amount  = $name + 4 + length('item 15');
my ($tag)   = map { $_->[0] + 5 } grep { $_->[1] eq 'C' } @messages;
my $bad     = '08P01|22P0[34]';    # protocol_violation, invalid_binary_representation, bad_copy_file_format

my @forgeries = (
	[ 'no columns',                      $columns,    '0000',             $bad ],
	[ 'a column less',                   $columns,    '0003',             $bad ],
	[ 'a column more',                   $columns,    '0005',             $bad ],
	[ 'as many columns as there can be', $columns,    '7fff',             $bad ],
	[ 'a trailer instead of a row',      $columns,    'ffff',             $bad ],
	[ 'a null in the key',               $id,         'ffffffff0000000b78787878', '23502' ],
	[ 'a length below that of a null',   $id,         'fffffffe',         $bad ],
	[ 'an int of three bytes',           $id,         '00000003',         $bad ],
	[ 'an int of eight bytes',           $id,         '00000008',         $bad ],
	[ 'a text to the end of the row',    $name,       '00000028',         "$bad|22021" ],
	[ 'a text beyond the row',           $name,       '00001000',         $bad ],
	[ 'a text of two gigabytes',         $name,       '7fffffff',         "$bad|54000" ],
	[ 'bytes that are no text',          $name + 4,   'ff',               '22021' ],
	[ 'a zero byte in a text',           $name + 4,   '00',               '22021' ],
	[ 'a number of a negative length',   $amount + 4, 'ffff',             $bad ],
	[ 'a number of no sign',             $amount + 8, '7777',             $bad ],
	[ 'a message of no type',            $row,        '00',               '08P01|08006' ],
	[ 'the end of a statement',          $row,        '43',               '08P01|08006' ],
	[ 'an error without fields',         $row,        '45',               '08P01|08006|XX000' ],
	[ 'a message shorter than a length', $row + 1,    '00000003',         '08P01|08006' ],
	[ 'a message of a negative length',  $row + 1,    'ffffffff',         '08P01|08006' ],
	[ 'a message that never ends',       $row + 1,    '3ffffff0',         '54000' ],
	[ 'a row more than there are',       $tag,        unpack('H*', 'COPY 31'), '08P01' ],
	[ 'a row less than there are',       $tag,        unpack('H*', 'COPY 29'), '08P01' ],
	[ 'a tag without a number',          $tag,        unpack('H*', 'COPY XX'), '08P01' ]);

foreach my $forgery (@forgeries)
{
	my ($what, $at, $bytes, $sqlstate) = @$forgery;
	foreach my $target (@targets)
	{
		$proxy->fault($bytes, 'copy', $at);
		my $said = $pair->try("SET tablesync.stall_timeout = '1s'; " . call_of('items', $target));
		$proxy->wait_done($bytes);
		$pair->assert_failed($said, $sqlstate, undef, "$target: $what");
		is($pair->last_run($target), "failed $said->{sqlstate}", '... so the run says');
	}
}
$proxy->none;
foreach my $target (@targets)
{
	TablesyncTest::Fault::assert_nothing_changed($pair, $target);
	TablesyncTest::Fault::assert_goes_on($pair, 'items', $target);
}

done_testing();
