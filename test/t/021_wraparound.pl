# The xmin mode across the turn of the source's transaction ids, whose 32 bits are all that a row shows: rows of every
# age arrive, no change is lost, and nothing else is read.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest;

my $pair   = TablesyncTest->new(source_conf => [ 'autovacuum = off', 'max_prepared_transactions = 2' ]);
my $source = $pair->source;
my $turn   = 2**32;
my $xmin   = q(sync_mode => 'xmin');

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, 'of the first age' FROM generate_series(1, 100) g;
	UPDATE pg_database SET datallowconn = true WHERE datname = 'template0';));

# ---- Time travel --------------------------------------------------------------------------------------------

# The next transaction's id, with its epoch.
sub next_xid { return $pair->source_sql('SELECT txid_snapshot_xmax(txid_current_snapshot())') }

# The server is stopped at one transaction id and started at another, up to 2^31 further. The status of transactions
# of there needs a file to be in.
sub jump_to
{
	my ($xid) = @_;
	my ($epoch, $low) = (int($xid / $turn), $xid % $turn);
	$source->stop;
	my $segment = sprintf '%s/pg_xact/%04X', $source->data_dir, $low / 0x100000;
	append_to_file($segment, "\0" x 0x40000) unless -e $segment;
	PostgreSQL::Test::Utils::system_or_bail('pg_resetwal', '-x', $low, '-e', $epoch, '-D', $source->data_dir);
	$source->start;
	return;
}

# No server lets ids run further than 2^31 from the oldest one that is not frozen.
sub freeze
{
	$source->safe_psql($_, 'VACUUM FREEZE') foreach 'postgres', 'template0', 'template1';
	return;
}

# Spends transaction ids until the next one is this.
sub spend_until
{
	my ($xid) = @_;
	my $count = $xid - next_xid();
	# 0 to 2 are no transactions' ids.
	$count -= 3 if next_xid() < $turn && $xid > $turn;
	return unless $count > 0;
	$pair->source_sql(qq(
		DO \$\$ BEGIN FOR i IN 1 .. $count LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END \$\$));
	return;
}

sub raw_xmins { return $pair->source_sql("SELECT count(DISTINCT xmin::text), min(xmin::text::bigint), max(xmin::text::bigint) FROM items") }

# ---- What must hold -----------------------------------------------------------------------------------------

sub sync
{
	my $said = $pair->try_sync('items', 'raw.items', $xmin);
	return { said => $said, %{ TablesyncTest::row_of($said->{out}) } } unless $said->{sqlstate};
	diag($said->{text});
	return { said => $said, map { $_ => -1 } qw(read inserted updated deleted watermark) };
}

sub watermark { return $pair->sql(q(SELECT snapshot_xmin FROM tablesync.watermark WHERE target = 'raw.items')) }

# What is inserted and updated is all that is read; and the call says how far it came.
sub assert_exact
{
	my ($inserted, $updated, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $row = sync();
	is("$row->{inserted} $row->{updated}", "$inserted $updated", $name);
	is($row->{read}, $inserted + $updated, '... nothing else is read');
	is($row->{watermark}, watermark(), '... the call says how far');
	is(watermark(), next_xid(), '... as a number that never turns');
	$pair->assert_identical('items', 'raw.items');
	return;
}

# What a comparison with the watermark's 32 bits as a number would have read.
sub naively_read
{
	my ($since) = @_;
	return $pair->source_sql('SELECT count(*) FROM items WHERE xmin::text::bigint >= ' . $since % $turn);
}

# ---- Before the turn ----------------------------------------------------------------------------------------

# Rows of three ages, frozen: they still show the ids of the transactions that wrote them.
foreach my $age (1.4e9, 2.8e9)
{
	jump_to($age);
	$pair->source_sql("INSERT INTO items SELECT max(id) + g, 'of xid $age' FROM items, generate_series(1, 100) g GROUP BY g");
	freeze();
}
jump_to($turn - 1000);
freeze();
like(raw_xmins(), qr/^3\|\d{3}\|28\d{8}$/, 'the source has rows of three ages');
my $first = sync();
is($first->{inserted}, 300, 'the first load takes them all');
is($first->{watermark}, next_xid(), '... and says how far');
assert_exact(0, 0, 'nothing has changed: nothing is read');

$pair->source_sql(q(
	UPDATE items SET name = 'changed before the turn' WHERE id % 100 = 1;
	INSERT INTO items VALUES (1001, 'new before the turn');));
assert_exact(1, 3, 'changes before the turn');

# ---- Across it ----------------------------------------------------------------------------------------------

# A transaction that begins before the turn and commits behind it; one that is prepared before it.
spend_until($turn - 20);
my $before = watermark();
my $late = $source->background_psql('postgres');
$late->query_safe(q(BEGIN; UPDATE items SET name = 'begun before the turn' WHERE id = 5));
$pair->source_sql(q(BEGIN; UPDATE items SET name = 'prepared before the turn' WHERE id = 6; PREPARE TRANSACTION 'p'));
$pair->source_sql(q(UPDATE items SET name = 'last before the turn' WHERE id = 7));
spend_until($turn + 10);
cmp_ok(next_xid(), '>', $turn, 'the turn');
$pair->source_sql(q(
	UPDATE items SET name = 'changed after the turn' WHERE id % 100 = 2;
	INSERT INTO items VALUES (1002, 'new after the turn');));
cmp_ok(naively_read($before), '<', 5, 'numbers alone would have lost rows');
my $across = sync();
is("$across->{inserted} $across->{updated}", '1 4', 'changes on both sides of the turn');
is($across->{read}, 5, '... nothing else is read');
cmp_ok($across->{watermark}, '<', $turn, '... the watermark waits for open transactions');
$late->query_safe('COMMIT');
$late->quit;
$pair->source_sql(q(COMMIT PREPARED 'p'));
my $then = sync();
is($then->{updated}, 2, '... which are read when they have ended');
cmp_ok($then->{read}, '<=', 8, '... with what has come since the first of them began');
cmp_ok($then->{watermark}, '>', $turn, '... and then it is behind the turn');
$pair->assert_identical('items', 'raw.items');
assert_exact(0, 0, 'behind the turn: nothing has changed');

# Where 64 bits are compared with 32, nothing would have been read any more.
is($pair->source_sql('SELECT count(*) FROM items WHERE xmin::text::bigint >= ' . watermark()), 0,
	'no row shows a number that high');

# Old rows, new changes; freezing and rewriting change no row.
$pair->source_sql(q(UPDATE items SET name = 'changed behind the turn' WHERE id % 100 BETWEEN 10 AND 14));
assert_exact(0, 15, 'rows of every age change');
freeze();
$pair->source_sql('VACUUM FULL items');
my $frozen = sync();
is("$frozen->{read} $frozen->{inserted} $frozen->{updated}", '0 0 0', 'rows are frozen and moved: nothing is read');

# Ids that the rows of the first age have, come again: such rows may be read in vain, and none is lost.
my ($again) = $pair->source_sql(q(SELECT max(xmin::text::bigint) FROM items WHERE xmin::text::bigint < 100000)) =~ /(\d+)/;
$pair->source_sql(q(UPDATE items SET name = 'before ids come again' WHERE id = 20));
spend_until($turn + $again + 100);
$pair->source_sql(q(UPDATE items SET name = 'when ids come again' WHERE id = 21));
my $twice = sync();
is($twice->{updated}, 2, 'ids of a whole turn ago come again: the changes arrive');
cmp_ok($twice->{read}, '<=', 102, '... rows of those ids may be read in vain');
$pair->assert_identical('items', 'raw.items');
assert_exact(0, 0, '... once');

# ---- Watermarks that are no transaction's id ----------------------------------------------------------------

# 0 to 2, with any epoch, are never given out; should one be stored nevertheless, age() would know nothing of it.
foreach my $special (0, 1, 2)
{
	$pair->source_sql("UPDATE items SET name = 'beside $special' WHERE id % 100 = 3");
	$pair->admin("UPDATE tablesync.watermark SET snapshot_xmin = $turn + $special WHERE target = 'raw.items'");
	my $row = sync();
	is($row->{updated}, 3, "a watermark of $special in its 32 bits loses nothing");
	cmp_ok($row->{read}, '<', 200, '... and does not mean everything');
	$pair->assert_identical('items', 'raw.items');
}

# ---- Long pauses --------------------------------------------------------------------------------------------

# Less than 2^31 transactions: still the changes alone, though they are frozen by now.
my $here = next_xid();
$pair->source_sql(q(UPDATE items SET name = 'before a pause' WHERE id = 30));
jump_to($here + 2.1e9);
$pair->source_sql(q(UPDATE items SET name = 'after a pause' WHERE id = 31));
freeze();
my $pause = sync();
is($pause->{updated}, 2, 'a pause of 2.1e9 transactions: the changes arrive');
cmp_ok($pause->{read}, '<=', 102, '... with rows of those ids of a turn ago, not with all');
$pair->assert_identical('items', 'raw.items');
is($pause->{said}{text} =~ /reads everything/ ? 1 : 0, 0, '... there is nothing to tell');

# More: what is older than half a turn seems to be of the future.
$here = next_xid();
$pair->source_sql(q(UPDATE items SET name = 'before a long pause' WHERE id = 40));
jump_to($here + 1.2e9);
freeze();
jump_to($here + 2.4e9);
$pair->source_sql(q(UPDATE items SET name = 'after a long pause' WHERE id = 41));
is($pair->source_sql('SELECT age(xmin) < 0 FROM items WHERE id = 40'), 't',
	'a pause of 2.4e9 transactions: the age of a row is below 0');
my $long = sync();
is($long->{updated}, 2, '... the changes arrive');
is($long->{read}, 302, '... everything is read');
like(join("\n", @{ $long->{said}{notices} }),
	qr/reads everything, because more than 2\^31 transactions have begun on the source since the last run/, '... the caller is told why');
$pair->source_sql(q(INSERT INTO items VALUES (3000, 'new')));
assert_exact(1, 0, '... and then only what changes');

$pair->assert_clean;
done_testing();
