# Digests of both sides: where little has changed, little is sent, whatever the size of the table.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair   = TablesyncTest->new;
my $rows   = 50_000;
my $digest = q(options => '{"compare": "digest"}');
$pair->source_sql(qq(
	CREATE TABLE items (id int PRIMARY KEY, name text, price numeric, at timestamptz, f float8, j jsonb);
	INSERT INTO items SELECT g, 'item ' || g, g / 7.0, '2024-01-01Z'::timestamptz + g * interval '1 s', g / 3.0, jsonb_build_object('n', g) FROM generate_series(1, $rows) g;
	ANALYZE items));

sub bytes_of_run { return $pair->sql('SELECT bytes_read FROM tablesync.run ORDER BY run_id DESC LIMIT 1') }
sub detail { return $pair->sql(q(SELECT string_agg(detail, '; ') FROM tablesync.run_step WHERE run_id = (SELECT max(run_id) FROM tablesync.run) AND detail IS NOT NULL)) }

$pair->sync('items', 'raw.items', $digest);
my $all = bytes_of_run();
is(TablesyncTest::counts($pair->sync('items', 'raw.items', $digest)), "0 0 0 $rows", 'nothing has changed');
cmp_ok(bytes_of_run(), '<', $all / 1000, '... and next to nothing is sent');
like(detail(), qr/^fetches 0 rows of 50,000, whose digests differ$/, '... as the record says');
is($pair->sql(qq(SELECT value FROM sync_plan('src', 'items', 'raw.items', $digest) WHERE item = 'comparison')),
	'digests of both sides; only rows that differ are fetched', '... and the plan');

$pair->source_sql(q(UPDATE items SET name = 'new' WHERE id % 10000 = 1; DELETE FROM items WHERE id % 10000 = 2; INSERT INTO items (id) SELECT 100000 + g FROM generate_series(1, 7) g;
	UPDATE items SET f = '-0' WHERE id = 77; UPDATE items SET price = 11.00 WHERE id = 78));
$pair->sync('items', 'raw.items', $digest);
$pair->source_sql(q(UPDATE items SET f = 0 WHERE id = 77; UPDATE items SET price = 11.0 WHERE id = 78; DELETE FROM items WHERE id = 79));
is(TablesyncTest::counts($pair->sync('items', 'raw.items', $digest)), '0 2 1 49999', 'what looks equal is fetched');
$pair->assert_identical('items', 'raw.items');
cmp_ok(bytes_of_run(), '<', $all / 10, '... and little more');
$pair->sync('items', 'raw.items', "verify => 'full', $digest");

# Rows that exchange their values: the sum of the values stays as it was, that of the hashes must not.
$pair->source_sql(q(UPDATE items SET name = CASE id % 2 WHEN 0 THEN 'even' ELSE 'odd' END WHERE id <= 4000));
$pair->sync('items', 'raw.items');
$pair->source_sql(q(UPDATE items SET name = CASE id % 2 WHEN 0 THEN 'odd' ELSE 'even' END WHERE id <= 4000));
my $exchanged = $pair->source_sql('SELECT count(*) FROM items WHERE id <= 4000');
is($pair->sql(q(SELECT count(*) FROM verify_table('src', 'items', 'raw.items', options => '{"max_differences": 10000}') WHERE kind = 'different')), $exchanged, 'values that are exchanged are found');
is($pair->sync('items', 'raw.items', $digest)->{updated}, $exchanged, '... and fetched');
$pair->assert_identical('items', 'raw.items');

# A cast to text would lose blanks.
$pair->source_sql(q(CREATE TABLE blanks (id int PRIMARY KEY, c bpchar, n "char", t name); INSERT INTO blanks VALUES (1, '', 'a', 'x'), (2, ' ', 'b', 'y')));
$pair->sync('blanks', 'raw.blanks', $digest);
$pair->source_sql(q(UPDATE blanks SET c = '  '));
is($pair->sync('blanks', 'raw.blanks', $digest)->{updated}, 2, 'blanks at the end of a bpchar');
$pair->assert_identical('blanks', 'raw.blanks');

# Where much has changed.
$pair->source_sql(q(UPDATE items SET name = 'other' WHERE id % 2 = 0));
is($pair->sync('items', 'raw.items', $digest)->{updated}, $pair->source_sql(q(SELECT count(*) FROM items WHERE name = 'other')), 'half of the rows have changed');
like(detail(), qr/compares with 50,00\d rows of the target, in memory/, '... so all are read');
$pair->assert_identical('items', 'raw.items');

# What digests cannot do, the filter does.
$pair->source_sql(q(CREATE TABLE keyless AS SELECT * FROM items WHERE id < 100));
$pair->sync('keyless', 'raw.keyless', $digest);
$pair->source_sql('DELETE FROM keyless WHERE id = 5');
is(TablesyncTest::counts($pair->sync('keyless', 'raw.keyless', $digest)), '0 0 1 96', 'a table without a key');
is($pair->sql(qq(SELECT value FROM sync_plan('src', 'keyless', 'raw.keyless', $digest) WHERE item = 'digests')),
	'not compared, because rows without a key cannot be fetched one by one', '... and why');
my $said = $pair->try_sync('keyless', 'raw.keyless', q(options => '{"compare": "guess"}'));
is($said->{sqlstate}, '22023', 'another word');

# A source without rows.
$pair->source_sql('CREATE TABLE few AS SELECT * FROM items WHERE id < 10; ALTER TABLE few ADD PRIMARY KEY (id)');
$pair->sync('few', 'raw.few');
$pair->source_sql('TRUNCATE few');
is($pair->try_sync('few', 'raw.few', $digest)->{sqlstate}, '55000', 'an empty source empties no target');

$pair->assert_clean;
done_testing();
