# What a sync writes: nothing where nothing has changed; every change there is, in whatever order unique indexes ask
# for; from and to every kind of relation.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);

my $pair = TablesyncTest->new;

# Syncs and says whether the target is identical; returns "inserted updated deleted unchanged".
sub sync_and_compare
{
	my ($source, $target, $more) = @_;
	my $row = $pair->sync($source, $target, $more);
	$pair->assert_identical($source, $target);
	return TablesyncTest::counts($row);
}

# ---- Nothing to write ---------------------------------------------------------------------------------------

# A sync of what has not changed writes nothing: not to the rows, nor to the statistics of the server.
sub assert_writes_nothing
{
	my ($source, $target, $more) = @_;
	my $written = "SELECT n_tup_ins + n_tup_upd + n_tup_del + n_dead_tup, pg_relation_size(relid),
		pg_relation_filenode(relid) FROM pg_stat_user_tables WHERE relid = '$target'::regclass";
	my $before = $pair->admin("SELECT pg_stat_force_next_flush(); $written");
	$pair->remember($target);
	my $row = $pair->sync($source, $target, $more);
	is("$row->{inserted} $row->{updated} $row->{deleted}", '0 0 0', "$target: a sync without changes writes nothing");
	$pair->assert_unchanged($target, '... every row is where it was');
	is($pair->admin("SELECT pg_stat_force_next_flush(); $written"), $before, '... the server has counted nothing');
	return;
}

$pair->source_sql(q(
	CREATE TABLE keyed (id int PRIMARY KEY, f float8, n numeric, j json, b jsonb, c char(5), i interval, t text,
		at timestamptz);
	INSERT INTO keyed SELECT g, g / 7.0, g / 8.0, '{"a": 1}', '{"a": 1}', 'c', '1 day', repeat('x', g), '2000-01-01'
		FROM generate_series(1, 1000) g;
	INSERT INTO keyed VALUES (1001, 'NaN', 'NaN', 'null', 'null', '', '-1 day', '', 'infinity');
	INSERT INTO keyed (id) VALUES (1002);
	ALTER TABLE keyed ALTER t SET STORAGE EXTERNAL;
	UPDATE keyed SET t = repeat('long ', 100000) WHERE id IN (1, 2);
	CREATE TABLE keyless AS SELECT * FROM keyed;
	INSERT INTO keyless SELECT * FROM keyed WHERE id > 990;
	INSERT INTO keyless SELECT * FROM keyed WHERE id > 990;
	INSERT INTO keyless SELECT NULL FROM generate_series(1, 3);));
foreach my $table ('keyed', 'keyless')
{
	my $rows = $pair->source_sql("SELECT count(*) FROM $table");
	is(sync_and_compare($table, "raw.$table"), "$rows 0 0 0", "$table: the first load");
	assert_writes_nothing($table, "raw.$table") foreach 1 .. 2;
	$pair->sql("VACUUM FULL raw.$table; ANALYZE raw.$table");
	assert_writes_nothing($table, "raw.$table");
}
assert_writes_nothing('keyed', 'raw.keyed', q(primary_key => ARRAY['id']));

# ---- Every change -------------------------------------------------------------------------------------------

# Changes that an operator = does not see.
my @subtle = (
	[ 'f', "'0'",                  "'-0'" ],
	[ 'n', "'1.0'",                "'1.00'" ],
	[ 'j', q('{"a": 1}'),          q('{"a":  1}') ],
	[ 'b', q('{"a": 1.0}'),        q('{"a": 1.00}') ],
	[ 'i', "'1 day'",              "'24:00:00'" ],
	[ 'i', "'1 mon'",              "'30 days'" ],
	[ 't', "''",                   'NULL' ],
	[ 'f', "'NaN'",                'NULL' ],
	[ 't', "'é'",                  "'e' || U&'\\0301'" ],
	[ 't', "repeat('long', 50000)", "repeat('long', 49999) || 'lonG'" ]);
foreach my $change (@subtle)
{
	my ($column, $before, $after) = @$change;
	foreach my $table ('keyed', 'keyless')
	{
		$pair->source_sql("UPDATE $table SET $column = $before WHERE id = 500");
		$pair->sync($table, "raw.$table");
		$pair->source_sql("UPDATE $table SET $column = $after WHERE id = 500");
		my $same = $pair->source_sql("SELECT count(*) - 1 FROM $table");
		is(sync_and_compare($table, "raw.$table"), $table eq 'keyed' ? "0 1 0 $same" : "1 0 1 $same",
			"$table: a change from $before to $after arrives");
	}
}

# Rows that are there several times: one more, one less.
$pair->source_sql('INSERT INTO keyless SELECT * FROM keyless WHERE id = 1001 LIMIT 1');
like(sync_and_compare('keyless', 'raw.keyless'), qr/^1 0 0 /, 'one more of the same');
$pair->source_sql('DELETE FROM keyless WHERE ctid IN (SELECT ctid FROM keyless WHERE id = 1001 LIMIT 2)');
like(sync_and_compare('keyless', 'raw.keyless'), qr/^0 0 2 /, 'two less of the same');
$pair->source_sql('DELETE FROM keyless WHERE id IS NULL AND ctid <> (SELECT min(ctid) FROM keyless WHERE id IS NULL)');
like(sync_and_compare('keyless', 'raw.keyless'), qr/^0 0 2 /, 'rows of nothing but nulls');

# Somebody has changed the target.
$pair->sql(qq(
	DELETE FROM raw.$_ WHERE id <= 10;
	UPDATE raw.$_ SET t = 'theirs' WHERE id = 20;
	INSERT INTO raw.$_ (id) VALUES (-1);)) foreach 'keyed', 'keyless';
is(sync_and_compare('keyed', 'raw.keyed'), '10 1 1 991', 'changes of the target are undone');
like(sync_and_compare('keyless', 'raw.keyless'), qr/^11 0 2 /, '... without a key as well');

# ---- Unique indexes -----------------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE places (id int PRIMARY KEY, seat int UNIQUE, name text);
	INSERT INTO places SELECT g, g, 'guest ' || g FROM generate_series(1, 100) g;));
$pair->sql('CREATE SCHEMA seats; CREATE TABLE seats.places (id int PRIMARY KEY, seat int UNIQUE, name text)');
is(sync_and_compare('places', 'seats.places'), '100 0 0 0', 'a secondary unique index');
assert_writes_nothing('places', 'seats.places');
$pair->source_sql('UPDATE places SET seat = -seat; UPDATE places SET seat = seat + 101');
is(sync_and_compare('places', 'seats.places'), '0 100 0 0', 'all its values are exchanged');
$pair->source_sql('DELETE FROM places WHERE id = 50; UPDATE places SET seat = 51 WHERE id = 51');
is(sync_and_compare('places', 'seats.places'), '0 1 1 98', 'a value passes from a row that goes to one that stays');
$pair->source_sql('DELETE FROM places WHERE id = 60; INSERT INTO places VALUES (160, 41, $$new$$)');
is(sync_and_compare('places', 'seats.places'), '1 0 1 98', 'a value passes from a row that goes to one that comes');
$pair->source_sql('UPDATE places SET id = id + 1000');
my $any_deletes = q(options => '{"max_delete_fraction": 1}');
is(sync_and_compare('places', 'seats.places', $any_deletes), '99 0 99 0', 'all keys change');

# The same with a trigger in the way: its rows are counted, so they take another way.
$pair->sql(q(
	CREATE FUNCTION seats.let_pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(NEW, OLD); END';
	CREATE TRIGGER let_pass BEFORE INSERT OR UPDATE OR DELETE ON seats.places
		FOR EACH ROW EXECUTE FUNCTION seats.let_pass();));
$pair->source_sql('UPDATE places SET seat = -seat; UPDATE places SET seat = 101 + seat');
is(sync_and_compare('places', 'seats.places'), '0 99 0 0', 'values are exchanged beside a trigger');
$pair->source_sql(q(
	UPDATE places SET name = 'changed' WHERE id <= 1010;
	DELETE FROM places WHERE id = 1020;
	INSERT INTO places VALUES (2000, 2000, 'new');));
is(sync_and_compare('places', 'seats.places'), '1 10 1 88', '... and simple changes, too');
assert_writes_nothing('places', 'seats.places');

# Keys that are equal and not the same.
foreach my $key ([ 'numeric', '1.0', '1.00' ], [ 'float8', '0', '-0' ], [ 'interval', '1 day', '24:00:00' ])
{
	my ($type, $before, $after) = @$key;
	$pair->source_sql("CREATE TABLE key_$type (k $type PRIMARY KEY, name text); INSERT INTO key_$type VALUES ('$before')");
	$pair->sync("key_$type", "raw.key_$type");
	$pair->source_sql("UPDATE key_$type SET k = '$after'");
	is(sync_and_compare("key_$type", "raw.key_$type"), '0 1 0 0', "a key changes from $before to $after");
}

# A key of several columns, one that is not the first, of text, and under another collation.
$pair->source_sql(q(
	CREATE TABLE sales (amount numeric, shop text COLLATE "C", day date, no int, PRIMARY KEY (day, no, shop));
	INSERT INTO sales SELECT g, 'shop ' || g % 3, '2000-01-01'::date + g, g FROM generate_series(1, 300) g;));
is(sync_and_compare('sales', 'raw.sales'), '300 0 0 0', 'a key of three columns');
$pair->source_sql(q(
	UPDATE sales SET amount = -amount WHERE no <= 10;
	DELETE FROM sales WHERE no > 290;
	INSERT INTO sales SELECT 1, shop, day, no + 1000 FROM sales WHERE no <= 5;));
is(sync_and_compare('sales', 'raw.sales'), '5 10 10 280', '... its changes');

# ---- Identity and generated columns -------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE numbered (code text PRIMARY KEY, no bigint GENERATED ALWAYS AS IDENTITY, name text,
		upper text GENERATED ALWAYS AS (upper(name)) STORED);
	INSERT INTO numbered (code, name) SELECT 'c' || g, 'name ' || g FROM generate_series(1, 100) g;
	CREATE TABLE counted (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
	INSERT INTO counted (name) SELECT 'name ' || g FROM generate_series(1, 100) g;));
is(sync_and_compare('numbered', 'raw.numbered'), '100 0 0 0', 'an identity that is not in the key');
is($pair->sql(q(SELECT attidentity FROM pg_attribute WHERE attrelid = 'raw.numbered'::regclass AND attname = 'no')),
	'a', '... is one here, too');
assert_writes_nothing('numbered', 'raw.numbered');
$pair->source_sql(q(
	UPDATE numbered SET name = 'changed' WHERE no <= 10;
	UPDATE numbered SET no = DEFAULT WHERE no = 20;
	DELETE FROM numbered WHERE no = 30;
	INSERT INTO numbered (code, name) VALUES ('new', 'new');));
is(sync_and_compare('numbered', 'raw.numbered'), '1 11 1 88', '... its changes arrive');
is(sync_and_compare('counted', 'raw.counted'), '100 0 0 0', 'an identity that is the key');
$pair->source_sql(q(UPDATE counted SET name = 'changed' WHERE id <= 10; INSERT INTO counted (name) VALUES ('new')));
is(sync_and_compare('counted', 'raw.counted'), '1 10 0 90', '... its changes arrive');
is($pair->sql(q(INSERT INTO raw.counted (name) VALUES ('mine') RETURNING id)), '102',
	'... and its sequence goes on behind the rows');
is($pair->sync('counted', 'raw.counted')->{deleted}, '1', '... until the next sync');

$pair->sql(q(CREATE TABLE raw.doubled (id int PRIMARY KEY, f float8,
	twice float8 GENERATED ALWAYS AS (f * 2) STORED, note text DEFAULT 'mine')));
$pair->source_sql(q(
	CREATE TABLE doubled (id int PRIMARY KEY, f float8);
	INSERT INTO doubled SELECT g, g FROM generate_series(1, 10) g;));
$pair->sync('doubled', 'raw.doubled');
is($pair->sql(q(SELECT count(*) FROM raw.doubled WHERE twice = f * 2 AND note = 'mine')), 10,
	'columns of the target alone have their values');
$pair->sql(q(UPDATE raw.doubled SET note = 'my own'));
assert_writes_nothing('doubled', 'raw.doubled');
$pair->source_sql('UPDATE doubled SET f = -f');
$pair->sync('doubled', 'raw.doubled');
is($pair->sql(q(SELECT count(*) FROM raw.doubled WHERE f < 0 AND twice = f * 2 AND note = 'my own')), 10,
	'... and keep them');

# ---- Names --------------------------------------------------------------------------------------------------

# Columns called like what our own statements use, columns that need quotes, and dropped ones on both sides.
my $odd = join ', ', map { qq("$_" text) } qw(s t d u x g n r image surplus nth), 'Ord""er', 'a b', 'select', '%s', '$1', 'é';
foreach my $key ('', ' PRIMARY KEY')
{
	my $table = $key ? 'odd_keyed' : 'odd_keyless';
	$pair->source_sql(qq(
		CREATE TABLE $table (gone int, id int$key, also_gone text, $odd);
		ALTER TABLE $table DROP gone, DROP also_gone;
		INSERT INTO $table SELECT g, 's ' || g, NULL, 'd' FROM generate_series(1, 20) g;));
	is(sync_and_compare($table, "raw.$table"), '20 0 0 0', "$table: the first load");
	assert_writes_nothing($table, "raw.$table");
	$pair->sql(qq(ALTER TABLE raw.$table ADD gone int; ALTER TABLE raw.$table DROP gone));
	$pair->source_sql(qq(UPDATE $table SET "Ord""er" = 'x', image = 'y' WHERE id <= 5; DELETE FROM $table WHERE id = 20));
	is(sync_and_compare($table, "raw.$table"), $key ? '0 5 1 14' : '5 0 6 14', "$table: its changes");
}

# ---- What the reader may see --------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE guarded AS SELECT g AS id FROM generate_series(1, 10) g;
	ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
	CREATE POLICY upper_half ON guarded USING (id > 5);
	CREATE TABLE hidden (id int);
	REVOKE ALL ON hidden FROM reader;
	CREATE TABLE half_hidden (id int, secret text);
	REVOKE ALL ON half_hidden FROM reader;
	GRANT SELECT (id) ON half_hidden TO reader;));
foreach my $table ([ 'guarded', qr/row-level security/ ], [ 'hidden', qr/permission denied/ ],
	[ 'half_hidden', qr/permission denied/ ])
{
	my ($source, $message) = @$table;
	my $said = $pair->try_sync($source, "raw.$source");
	$pair->assert_failed($said, '42501', $message, "$source: refused, not read in part");
	like($said->{context}, qr/remote server "src"/, '... by the source');
	is($pair->state_of("raw.$source"), 'absent', '... no target was made');
}

# ---- Kinds of relations -------------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE parted (id int, region text, name text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
	CREATE TABLE parted_n (name text, region text NOT NULL, id int NOT NULL);
	ALTER TABLE parted ATTACH PARTITION parted_n FOR VALUES IN ('north');
	CREATE TABLE parted_s PARTITION OF parted FOR VALUES IN ('south') PARTITION BY RANGE (id);
	CREATE TABLE parted_s1 PARTITION OF parted_s FOR VALUES FROM (0) TO (50);
	CREATE TABLE parted_s2 PARTITION OF parted_s DEFAULT;
	INSERT INTO parted SELECT g, CASE g % 2 WHEN 0 THEN 'north' ELSE 'south' END, 'name ' || g
		FROM generate_series(1, 100) g;
	CREATE TABLE parent (id int, name text);
	CREATE TABLE child (extra int) INHERITS (parent);
	INSERT INTO parent VALUES (1, 'parent');
	INSERT INTO child VALUES (2, 'child', 0);
	GRANT SELECT ON child TO reader;
	CREATE VIEW seen AS SELECT id, region, name || '!' AS name FROM parted;
	CREATE MATERIALIZED VIEW kept AS SELECT * FROM seen;
	CREATE UNIQUE INDEX ON kept (id);
	CREATE EXTENSION file_fdw;
	CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
	CREATE FOREIGN TABLE lines (id int, name text) SERVER files
		OPTIONS (program 'seq -f "%g,line" 1 100', format 'csv');));
$pair->sql(q(
	CREATE SCHEMA kinds;
	CREATE TABLE kinds.parted (name text, id int, region text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
	CREATE TABLE kinds.parted_n PARTITION OF kinds.parted FOR VALUES IN ('north');
	CREATE TABLE kinds.parted_s (region text NOT NULL, name text, id int NOT NULL);
	ALTER TABLE kinds.parted ATTACH PARTITION kinds.parted_s FOR VALUES IN ('south');
	CREATE TABLE kinds.moved (id int PRIMARY KEY, region text, name text) PARTITION BY RANGE (id);
	CREATE TABLE kinds.moved_1 PARTITION OF kinds.moved FOR VALUES FROM (0) TO (50);
	CREATE TABLE kinds.moved_2 PARTITION OF kinds.moved FOR VALUES FROM (50) TO (1000);
	CREATE TABLE kinds.by_region (id int, region text, name text) PARTITION BY LIST (region);
	CREATE TABLE kinds.by_region_n PARTITION OF kinds.by_region FOR VALUES IN ('north');
	CREATE TABLE kinds.by_region_s PARTITION OF kinds.by_region FOR VALUES IN ('south');));

my %sources = (parted => 'kinds.plain', seen => 'kinds.seen', kept => 'kinds.kept', lines => 'kinds.lines');
foreach my $source (sort keys %sources)
{
	my $target = $sources{$source};
	is(sync_and_compare($source, $target), '100 0 0 0', "$source: the first load");
	assert_writes_nothing($source, $target);
}
is(sync_and_compare('parent', 'kinds.parent'), '2 0 0 0', 'a parent brings its children');

# Columns of the target are in another order.
my $parted = '(SELECT id, region, name FROM kinds.parted)';
$pair->sync('parted', 'kinds.parted');
$pair->assert_identical('parted', $parted, 'a partitioned target');
assert_writes_nothing('parted', 'kinds.parted');
is(sync_and_compare('kept', 'kinds.moved'), '100 0 0 0', 'a partitioned target, its key from the target');
is(sync_and_compare('kept', 'kinds.by_region'), '100 0 0 0', 'a partitioned target without a key');

$pair->source_sql(q(
	UPDATE parted SET region = CASE region WHEN 'north' THEN 'south' ELSE 'north' END WHERE id <= 20;
	UPDATE parted SET name = 'changed' WHERE id BETWEEN 31 AND 40;
	DELETE FROM parted WHERE id > 90;
	INSERT INTO parted SELECT g, 'north', 'new' FROM generate_series(201, 205) g;
	REFRESH MATERIALIZED VIEW kept;));
is(sync_and_compare('parted', 'kinds.plain'), '25 10 30 60', 'a partitioned source: its changes');
is($pair->sync('parted', 'kinds.parted')->{updated}, '10', 'a partitioned target: its changes');
$pair->assert_identical('parted', $parted);
is(sync_and_compare('seen', 'kinds.seen'), '35 0 40 60', 'a view: its changes');
is(sync_and_compare('kept', 'kinds.kept'), '35 0 40 60', 'a materialized view: its changes');
is(sync_and_compare('kept', 'kinds.moved'), '5 30 10 60', 'a partitioned target with a key of its own: its changes');
is(sync_and_compare('kept', 'kinds.by_region'), '35 0 40 60', 'a partitioned target without a key: its changes');

# ---- An empty source, and too many deletes ------------------------------------------------------------------

$pair->source_sql('CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 10)');
$pair->sync('small', 'raw.small');
$pair->remember('raw.small');
$pair->source_sql('DELETE FROM small WHERE id > 2');
$pair->assert_failed($pair->try_sync('small', 'raw.small'), '55000', qr/refusing to delete 8 of 10 rows/,
	'most rows are gone: refused');
$pair->assert_unchanged('raw.small', '... nothing was deleted');
$pair->source_sql('DELETE FROM small');
$pair->assert_failed($pair->try_sync('small', 'raw.small'), '55000', qr/refusing to delete all 10 rows/,
	'all rows are gone: refused');
$pair->assert_unchanged('raw.small', '... nothing was deleted');
is(sync_and_compare('small', 'raw.small', q(options => '{"allow_empty": true}')), '0 0 10 0', '... unless it is meant');
is(sync_and_compare('small', 'raw.small'), '0 0 0 0', 'nothing to nothing');

$pair->assert_clean;
done_testing();
