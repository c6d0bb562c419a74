# A first load into a table that exists and is empty: as fast as into one that does not, and what others see is right.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new;
my $rows = 5000;
$pair->admin('CREATE EXTENSION amcheck');
$pair->source_sql(qq(
	CREATE TABLE orders (id int PRIMARY KEY, code text NOT NULL, note text);
	INSERT INTO orders SELECT g, 'code ' || g, repeat(md5(g::text), 1 + g % 3 * 100) FROM generate_series(1, $rows) g));
$pair->sql('CREATE SCHEMA raw');

my $made = 0;
sub make_target
{
	my ($more) = @_;
	my $table = 'raw.orders_' . ++$made;
	$pair->sql("CREATE TABLE $table (id int PRIMARY KEY, code text NOT NULL UNIQUE, note text);
		CREATE INDEX ON $table (lower(code)); CREATE INDEX ON $table (id) WHERE id % 2 = 0; " . ($more // '') =~ s/%t/$table/gr);
	return $table;
}

sub file_of { return $pair->sql("SELECT pg_relation_filenode('$_[0]')") }

sub assert_sound
{
	my ($table) = @_;
	$pair->assert_identical('orders', $table);
	my $indexes = "SELECT indexrelid FROM pg_index WHERE indrelid = '$table'::regclass AND indisvalid";
	is($pair->admin("SELECT count(*) FROM ($indexes) i, bt_index_check(indexrelid, true)"), 4, '... all indexes have all rows');
	is($pair->admin("SELECT count(*) FROM verify_heapam('$table')"), 0, '... its pages are sound');
	is($pair->sql("SET enable_seqscan = off; SELECT id FROM $table WHERE lower(code) = 'code 77'"), 77, '... and they are used');
	return;
}

# ---- the fast way ------------------------------------------------------------------------------------------------

my $table  = make_target();
my $before = file_of($table);

# A snapshot from before the load, of a session that holds no lock on the table, must go on seeing no row.
my $older = $pair->session('loader');
$older->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
is($pair->sync('orders', $table)->{inserted}, $rows, 'an existing empty table');
isnt(file_of($table), $before, '... gets a new file');
is($older->query_safe("SELECT count(*) FROM $table"), 0, '... whose rows an older snapshot does not see');
$older->query_safe('COMMIT');
$older->quit;
assert_sound($table);
is(TablesyncTest::counts($pair->sync('orders', $table)), "0 0 0 $rows", '... and the next sync finds nothing to do');

# ---- where it cannot be ------------------------------------------------------------------------------------------

$table  = make_target();
$before = file_of($table);
my $reader = $pair->session('loader');
$reader->query_safe("BEGIN; SELECT count(*) FROM $table");
is($pair->sync('orders', $table)->{inserted}, $rows, 'a table that somebody reads');
is(file_of($table), $before, '... keeps its file');
is($reader->query_safe("SELECT count(*) FROM $table"), $rows, '... and its reader reads on');
$reader->query_safe('COMMIT');
$reader->quit;
assert_sound($table);

# Rows that are gone for us may be there for others.
$table = make_target("INSERT INTO %t SELECT 1, 'old', 'old';");
$older = $pair->session('loader');
$older->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$pair->sql("DELETE FROM $table");
$before = file_of($table);
is($pair->sync('orders', $table)->{inserted}, $rows, 'a table whose rows were deleted');
is(file_of($table), $before, '... keeps its file');
is($older->query_safe("SELECT note FROM $table"), 'old', '... because an older snapshot sees them');
$older->query_safe('COMMIT');
$older->quit;

foreach my $more ('ALTER TABLE %t ADD CHECK (id > 0)', 'CREATE FUNCTION raw.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER t BEFORE INSERT ON %t FOR EACH ROW EXECUTE FUNCTION raw.nothing()')
{
	$table  = make_target($more);
	$before = file_of($table);
	is($pair->sync('orders', $table)->{inserted}, $rows, 'a table that checks its rows');
	is(file_of($table), $before, '... keeps its file');
	$pair->assert_identical('orders', $table);
}

# ---- failures ----------------------------------------------------------------------------------------------------

$table  = make_target();
$before = file_of($table);
$pair->source_sql('CREATE TABLE twice AS SELECT * FROM orders; UPDATE twice SET code = $$code 7$$ WHERE id = 8; ALTER TABLE twice ADD PRIMARY KEY (id)');
my $said = $pair->try_sync('twice', $table);
is($said->{sqlstate}, '23505', 'rows that a unique index refuses');
like($said->{text}, qr/\(code\)=\(code 7\) is duplicated/, '... and which');
is(file_of($table) . ' ' . $pair->sql("SELECT count(*) FROM $table"), "$before 0", '... leave the table as it was');
$pair->source_sql('CREATE TABLE keyless AS SELECT * FROM orders; INSERT INTO keyless SELECT * FROM orders WHERE id = 7');
$said = $pair->try_sync('keyless', $table, q(primary_key => ARRAY['id']));
is($said->{sqlstate}, '21000', 'a key that the source has twice');
is(file_of($table), $before, '... leaves the table as it was');
is($pair->sync('orders', $table)->{inserted}, $rows, '... and a good source fills it');
assert_sound($table);

# A crash between the load and the commit.
$table  = make_target();
$before = file_of($table);
$pair->admin(q(LOAD 'pg_tablesync'; ALTER ROLE loader SET tablesync.fault = 'watermark_computed:1:sigkill'));
isnt($pair->try_sync('orders', $table)->{sqlstate}, '', 'the worker is killed before the commit');
$pair->wait_until($pair->target, 'SELECT true');
$pair->admin(q(LOAD 'pg_tablesync'; ALTER ROLE loader RESET tablesync.fault));
is(file_of($table) . ' ' . $pair->sql("SELECT count(*) FROM $table"), "$before 0", '... the table is as it was');
is($pair->sync('orders', $table)->{inserted}, $rows, '... and the next sync fills it');
$pair->target->stop('immediate');
$pair->target->start;
assert_sound($table);

$pair->assert_clean;
done_testing();
