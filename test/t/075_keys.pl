# Keys that are unique by assumption only: of a parent with its children, of a query, under a collation that takes for
# equal what the source tells apart, behind an index that is broken. Never is one row of two taken in silence.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new(target_conf => ['max_worker_processes = 12']);
$pair->source_sql('GRANT pg_read_all_stats TO reader');

my $by_time = q('incremental', incremental_field => 'at');
my $chunked = q(chunk_mode => true, batch_size => 300);

# A call that must say which key the source has twice, and leave the target as it is.
sub assert_repeated
{
	my ($source, $target, $more, $key, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$pair->remember($target);
	my $said = $pair->try_sync($source, $target, $more);
	$pair->assert_failed($said, '21000', qr/more than once/, $name);
	like($said->{text}, qr/\(\Q$key\E\)/, '... by name');
	unlike($said->{text}, qr/nother session/, '... and blames nobody else');
	$pair->assert_unchanged($target, '... and changes nothing') unless $more && $more =~ /chunk_mode => true/;
	return;
}

# ---- Parents and children -----------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE base (id int PRIMARY KEY, v text, at timestamptz NOT NULL);
	CREATE TABLE kid (PRIMARY KEY (id), extra int) INHERITS (base);
	INSERT INTO base SELECT g, 'base', '2024-01-01' FROM generate_series(1, 2000) g;
	INSERT INTO kid SELECT g, 'kid', '2024-01-01', 7 FROM generate_series(3001, 5000) g;
	ANALYZE;));
my %calls = (
	full     => '',
	keep     => 'delete_missing => false',
	xmin     => "'xmin'",
	timed    => $by_time,
	chunks   => $chunked,
	archive  => "$chunked, delete_missing => false",
	by_key   => "$chunked, delete_missing => false, options => '{\"chunk_by\": \"key\"}'",
	in_two   => "$chunked, delete_missing => false, parallel_workers => 2",
	parallel => 'parallel_workers => 2');
foreach my $name (sort keys %calls)
{
	is($pair->sync('base', "family.$name", $calls{$name})->{inserted}, 4000, "$name: keys of parent and child that differ");
	$pair->assert_identical('base', "family.$name");
}
$pair->source_sql("INSERT INTO kid VALUES (1, 'kid', '2024-02-01', 8)");
foreach my $name (sort keys %calls)
{
	assert_repeated('base', "family.$name", $calls{$name}, '1', "$name: the child has a key of the parent");
	assert_repeated('base', "family.first_$name", $calls{$name}, '1', "$name: ... at the first load");
}
is($pair->sql('SELECT count(*) FROM family.xmin WHERE v = $$base$$ AND id = 1'), 1, 'the row of the parent is still there');
my $verified = $pair->try(q(SELECT count(*) FROM verify_table('src', 'base', 'family.full', repair => true)));
$pair->assert_failed($verified, '21000', qr/source returned key \(1\) more than once/, 'repair takes neither of them');

# More keys than are asked for by name.
$pair->source_sql("UPDATE base SET v = 'changed', at = '2024-03-01'");
assert_repeated('base', 'family.xmin', $calls{xmin}, '1', 'xmin: among many rows');
$pair->source_sql('DELETE FROM ONLY base WHERE id = 1');
foreach my $name ('xmin', 'timed')
{
	$pair->sync('base', "family.$name", $calls{$name});
	$pair->assert_identical('base', "family.$name", "$name: when the key is there once, the sync goes on");
}

# ---- Queries ------------------------------------------------------------------------------------------------

# Each part of the query has the key once; the second one comes later.
$pair->source_sql(q(
	CREATE TABLE orders (id int PRIMARY KEY, at timestamptz NOT NULL);
	CREATE TABLE lines (id int, at timestamptz NOT NULL);
	INSERT INTO orders SELECT g, '2024-01-01' FROM generate_series(1, 20) g;
	CREATE VIEW both_parts AS SELECT id, at FROM orders UNION ALL SELECT id, at FROM lines;));
my %queries = (
	select => [ 'orders', q(custom_select => 'SELECT o.id, coalesce(l.at, o.at) AS at FROM orders o LEFT JOIN lines l USING (id)') ],
	view   => [ 'both_parts', q(primary_key => '{id}') ]);
$pair->sync($queries{$_}[0], "queries.$_", "$by_time, $queries{$_}[1]") foreach sort keys %queries;
$pair->source_sql(q(INSERT INTO lines VALUES (5, '2024-02-01')));
$pair->sync('orders', 'queries.select', "$by_time, $queries{select}[1]");
assert_repeated('both_parts', 'queries.view', "$by_time, $queries{view}[1]", '5', 'a view: a key comes a second time');
# The row that is there is older than what the next run reads.
$pair->source_sql(q(INSERT INTO lines VALUES (6, '2024-02-15')));
$pair->sync('orders', 'queries.select', "$by_time, $queries{select}[1]");
$pair->source_sql(q(INSERT INTO lines VALUES (5, '2024-03-01')));
assert_repeated('orders', 'queries.select', "$by_time, $queries{select}[1]", '5', 'custom_select: a row of the table comes twice');
assert_repeated('orders', 'queries.first', $queries{select}[1], '5', '... at the first load');
assert_repeated('orders', 'queries.select', $queries{select}[1], '5', '... in a full sync');

# ---- Collations ---------------------------------------------------------------------------------------------

my $collation = q(CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false););
$pair->admin("$collation CREATE SCHEMA coarse AUTHORIZATION loader");
$pair->source_sql(qq($collation
	CREATE TABLE fine (k text PRIMARY KEY, v int, at timestamptz NOT NULL);
	INSERT INTO fine SELECT 'k' || g, g, '2024-01-01' FROM generate_series(1, 1000) g;
	INSERT INTO fine VALUES ('a', 0, '2024-01-01');
	CREATE TABLE equal (k text COLLATE any_case PRIMARY KEY, v int, at timestamptz NOT NULL);
	INSERT INTO equal VALUES ('a', 1, '2024-01-01');));
my %coarse = (%calls);
delete @coarse{ 'by_key', 'in_two', 'parallel' };
foreach my $name (sort keys %coarse)
{
	$pair->sql("CREATE TABLE coarse.$name (k text COLLATE public.any_case PRIMARY KEY, v int, at timestamptz);
		CREATE TABLE coarse.first_$name (LIKE coarse.$name INCLUDING ALL)");
	is($pair->sync('fine', "coarse.$name", $coarse{$name})->{inserted}, 1001, "$name: a collation that takes more for equal");
}
# It is another key, of the same row.
$pair->source_sql(q(UPDATE fine SET k = 'A', at = '2024-02-01' WHERE k = 'a'));
foreach my $name (sort keys %coarse)
{
	is($pair->sync('fine', "coarse.$name", $coarse{$name})->{updated}, 1, "$name: the key of a row is written otherwise");
	$pair->assert_identical('fine', "coarse.$name");
}
$pair->source_sql(q(INSERT INTO fine VALUES ('a', 2, '2024-03-01')));
foreach my $name (sort keys %coarse)
{
	my $said = $pair->try_sync('fine', "coarse.$name", $coarse{$name});
	$pair->assert_failed($said, '21000', qr/source returned key \([aA]\) more than once/, "$name: two keys are one here");
	like($said->{detail}, qr/any_case/, '... because of the collation');
	$pair->assert_failed($pair->try_sync('fine', "coarse.first_$name", $coarse{$name}), '21000', qr/\([aA]\) more than once/, '... at the first load');
}
# A key that is the same there is proven.
$pair->sync('equal', 'coarse.equal', "'xmin'");
$pair->source_sql(q(UPDATE equal SET k = 'A'));
is($pair->sync('equal', 'coarse.equal', "'xmin'")->{updated}, 1, 'the same collation on both sides');
$pair->assert_identical('equal', 'coarse.equal');

# Converted: two texts are one number.
$pair->source_sql(q(CREATE TABLE texts (k text PRIMARY KEY, v int); INSERT INTO texts VALUES ('1', 1), ('2', 2)));
$pair->sql('CREATE TABLE coarse.numbers (k int PRIMARY KEY, v int)');
$pair->sync('texts', 'coarse.numbers', "'xmin'");
$pair->source_sql(q(INSERT INTO texts VALUES ('1.0', 3)));
assert_repeated('texts', 'coarse.numbers', "'xmin'", '1', 'a converted key comes a second time');

# ---- A broken index -----------------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE broken (k text PRIMARY KEY, v int, at timestamptz NOT NULL) WITH (autovacuum_enabled = false);
	INSERT INTO broken SELECT 'k' || g, g, '2024-01-01' FROM generate_series(1, 20000) g;
	ANALYZE broken;));
my %whole = (%calls, none => q(verify => 'none'), all => q(verify => 'full'));
# What does not read all keys at once cannot know.
delete @whole{ 'xmin', 'timed', 'archive', 'by_key', 'in_two' };
foreach my $name (sort keys %whole)
{
	$pair->sync('broken', "broken.$name", $whole{$name});
	# Of a first load into a table that has its key.
	$pair->sql("CREATE TABLE broken.empty_$name (LIKE broken.$name INCLUDING ALL)");
}
# As after an upgrade that changed the order of texts: the index does not find what is there.
$pair->source_sql(q(
	UPDATE pg_index SET indisready = false WHERE indexrelid = 'broken_pkey'::regclass;
	INSERT INTO broken VALUES ('k5', 500, '2024-02-01'), ('new', 1, '2024-02-01'), ('new', 2, '2024-02-01');
	UPDATE pg_index SET indisready = true WHERE indexrelid = 'broken_pkey'::regclass;));
foreach my $name (sort keys %whole)
{
	my $said = $pair->try_sync('broken', "broken.$name", $whole{$name});
	$pair->assert_failed($said, '21000', qr/more than once/, "$name: a primary key that has a value twice");
	like($said->{text}, qr/\((?:k5|new)\)/, '... by name');
	like($said->{text}, qr/index/, '... and says what may be wrong');
	foreach my $first ('first', 'empty')
	{
		$said = $pair->try_sync('broken', "broken.${first}_$name", $whole{$name});
		$pair->assert_failed($said, '21000', qr/more than once/, "... $first load");
		like($said->{text}, qr/\((?:k5|new)\)/, '... by name');
	}
}
is($pair->sql(q(SELECT string_agg(row_key, ', ' ORDER BY row_key) FROM verify_table('src', 'broken', 'broken.full'))), 'k5, new, new',
	'verify_table finds them');

# Mended there, all goes on: what chunks had brought is read again, so that none of two rows stays by chance.
$pair->source_sql(q(
	SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;
	DELETE FROM broken WHERE k = 'new' OR k = 'k5' AND v = 500; REINDEX TABLE broken;));
foreach my $name ('full', 'chunks', 'first_chunks', 'empty_chunks')
{
	$pair->sync('broken', "broken.$name", $name =~ /chunks/ ? $whole{chunks} : '');
	$pair->assert_identical('broken', "broken.$name");
}
$pair->assert_clean;
done_testing();
