# What a run of the incremental and the xmin mode reads: what has changed, where an earlier run has proven the rest;
# everything, with a NOTICE, where that says nothing of what is asked for now. From mode to mode, little is read again.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new;
$pair->source_sql('GRANT pg_read_all_stats TO reader');

my $many    = 1000;
my $by_time = q(sync_mode => 'incremental', incremental_field => 'at');
my $by_xmin = q(sync_mode => 'xmin');
my $full    = q(sync_mode => 'full');

sub create_items
{
	my ($table) = @_;
	return $pair->source_sql(qq(
		CREATE TABLE $table (id int PRIMARY KEY, at timestamptz NOT NULL, rev bigserial, name text, place text);
		INSERT INTO $table SELECT g, '2020-01-01'::timestamptz + g * interval '1 hour', g, 'old', 'here'
			FROM generate_series(1, $many) g;
		SELECT setval('${table}_rev_seq', $many);));
}

# Two rows change as their writers should: with a new time and number.
sub touch
{
	my ($table) = @_;
	return $pair->source_sql(qq(
		UPDATE $table SET at = clock_timestamp(), rev = DEFAULT, name = name || '!' WHERE id IN (3, 5)));
}

# Returns the row of the call, with what was told. A call that fails is told as such, and returns no counts.
sub sync
{
	my ($table, $more) = @_;
	my $said = $pair->try_sync($table, "raw.$table", $more);
	if ($said->{sqlstate})
	{
		fail("sync of $table") or diag($said->{text});
		return { read => -1, inserted => -1, updated => -1, deleted => -1, told => '', text => $said->{text} };
	}
	return { %{ TablesyncTest::row_of($said->{out}) }, text => $said->{text},
		told => join("\n", grep { !/ read, / } @{ $said->{notices} }) };
}

sub identical { return $pair->assert_identical($_[0], "raw.$_[0]") }

sub assert_reads_little
{
	my ($table, $more, $name, $updated) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $row = sync($table, $more);
	is($row->{updated}, $updated // 2, $name);
	cmp_ok($row->{read}, '<', 50, '... by reading little');
	is($row->{told}, '', '... there is nothing to tell');
	identical($table);
	return;
}

sub assert_reads_everything
{
	my ($table, $more, $why, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $row = sync($table, $more);
	cmp_ok($row->{read}, '>=', $many - 10, "$name: everything is read");
	like($row->{told}, qr/^\Q$table\E: reads everything, because $why$/m, '... the caller is told why');
	return;
}

# ---- From mode to mode --------------------------------------------------------------------------------------

my $by_number = q(sync_mode => 'incremental', incremental_field => 'rev');
my @switches  = (
	[ full => $full ], [ xmin => $by_xmin ], [ 'incremental by time' => $by_time ], [ 'xmin again' => $by_xmin ],
	[ 'incremental by number' => $by_number ], [ 'by time instead' => $by_time ], [ 'by number again' => $by_number ],
	[ 'xmin in the end' => $by_xmin ]);
create_items('items');
$pair->sync('items', 'raw.items', (shift @switches)->[1]);
foreach my $switch (@switches)
{
	my ($name, $mode) = @$switch;
	touch('items');
	assert_reads_little('items', $mode, "then $name: the changes arrive");
	touch('items');
	assert_reads_little('items', $mode, "... and those after");
}

# A number that is proven: until it is, the transactions' ids serve.
sub value { return $pair->sql("SELECT value FROM tablesync.watermark WHERE target = 'raw.$_[0]'") }

sub prove_number
{
	my ($table) = @_;
	TablesyncTest::poll(sub { $pair->sync($table, "raw.$table", $by_number); return value($table) ne '' }) or die;
	return;
}

# Fields of other meanings and types: what was proven of one says nothing of the other.
create_items('numbered');
$pair->sync('numbered', 'raw.numbered', $by_number);
$pair->source_sql(q(
	CREATE SEQUENCE small;
	ALTER TABLE numbered ADD small int;
	UPDATE numbered SET small = nextval('small') / 10;));
$pair->sql('ALTER TABLE raw.numbered ADD small int');
assert_reads_everything('numbered', $by_number, 'the columns of the source have changed', 'a column more');
prove_number('numbered');
is(value('numbered'), $many, 'the highest number is proven, in a while');

sub touch_numbered
{
	my (@ids) = @_;
	my $ids = join ', ', @ids;
	return $pair->source_sql(qq(
		UPDATE numbered SET at = clock_timestamp(), rev = DEFAULT, small = nextval('small') / 10, name = name || '.'
			WHERE id IN ($ids)));
}

touch_numbered(21, 22);
assert_reads_little('numbered', $by_number, '... and then the number serves');

my $by_small = q(sync_mode => 'incremental', incremental_field => 'small');
foreach my $switch ([ 'from number to number' => $by_small ], [ 'from number to time' => $by_time ],
	[ 'from time to number' => $by_small ])
{
	my ($name, $mode) = @$switch;
	touch_numbered(3, 5);
	assert_reads_little('numbered', $mode, $name);
	# Long enough for numbers that were not proven to become so.
	my $clock = $pair->source_sql('SELECT clock_timestamp()');
	$pair->wait_until($pair->source, "SELECT clock_timestamp() > '$clock'::timestamptz + interval '2.1 s'")
	  if $mode eq $by_small;
	foreach my $id (1, 2)
	{
		touch_numbered($id, $id + 10);
		assert_reads_little('numbered', $mode, '... what changes later arrives');
	}
}

# What a sync by field does not see, one by transaction id does.
touch('items');
assert_reads_little('items', $by_time, 'by time');
$pair->source_sql(q(UPDATE items SET name = 'silently' WHERE id = 10));
is(sync('items', $by_time)->{updated}, 0, 'a change that leaves the field alone is not seen by the field');
assert_reads_little('items', $by_xmin, '... but by the transactions', 1);

# ---- What makes a run read everything -----------------------------------------------------------------------

create_items($_) foreach 'timed', 'aged';
foreach my $table ('timed', 'aged')
{
	my $mode = $table eq 'timed' ? $by_time : $by_xmin;
	my $here = qq($mode, custom_where => 'place = \$\$here\$\$');
	$pair->sync($table, "raw.$table", $mode);

	# Each change, and what it makes of a row that has been there all the time.
	my $why = 'custom_select or custom_where has changed';
	assert_reads_everything($table, $here, $why, "$mode: a new custom_where");
	touch($table);
	assert_reads_little($table, $here, '... then it reads little');
	$pair->source_sql("INSERT INTO $table VALUES (5000, '2020-01-01', 0, 'there', 'there')");
	is(sync($table, $here)->{inserted}, 0, '... and only what it asks for');
	assert_reads_everything($table, $mode, $why, '... no custom_where any more');
	identical($table);

	$pair->source_sql("ALTER TABLE $table ADD colour text DEFAULT 'red'");
	my $refused = $pair->try_sync($table, "raw.$table", $mode);
	$pair->assert_failed($refused, '42703', qr/colour/, 'a new column on the source that the target lacks');
	$pair->sql("ALTER TABLE raw.$table ADD colour text");
	assert_reads_everything($table, $mode, 'the columns of the source have changed', '... and that it was given');
	identical($table);

	$pair->source_sql("ALTER TABLE $table ALTER rev TYPE numeric");
	$pair->sql("ALTER TABLE raw.$table ALTER rev TYPE numeric");
	assert_reads_everything($table, $mode, 'the columns of the source have changed', 'another type of a column');
	identical($table);
	touch($table);
	assert_reads_little($table, $mode, '... then it reads little');

	# Left out at first, then wanted.
	$pair->source_sql("ALTER TABLE $table ADD shape text DEFAULT 'round'");
	sync($table, qq($mode, options => '{"on_schema_change": "ignore"}'));
	sync($table, qq($mode, options => '{"on_schema_change": "add"}'));
	identical($table);
	$pair->source_sql("ALTER TABLE $table ADD size text DEFAULT 'large'");
	sync($table, qq($mode, options => '{"on_schema_change": "ignore"}'));
	$pair->sql("ALTER TABLE raw.$table ADD size text");
	sync($table, $mode);
	identical($table);

	$pair->sql("TRUNCATE raw.$table");
	assert_reads_everything($table, $mode, 'the target is empty', 'the target is empty');
	identical($table);
	$pair->sql("DROP TABLE raw.$table");
	cmp_ok(sync($table, $mode)->{read}, '>=', $many, 'the target is gone: everything is read');
	identical($table);

	$pair->source_sql(qq(
		CREATE TABLE other AS SELECT * FROM $table;
		DROP TABLE $table;
		ALTER TABLE other RENAME TO $table;
		ALTER TABLE $table ADD PRIMARY KEY (id), ALTER at SET NOT NULL, ALTER rev SET DEFAULT 0;
		UPDATE $table SET name = 'other' WHERE id = 20;));
	assert_reads_everything($table, $mode, 'the table on the source was recreated', 'the source was made anew');
	identical($table);
	touch($table);
	assert_reads_little($table, $mode, '... then it reads little');
}

# A rewrite changes no row, and neither do FREEZE and VACUUM FULL, which leave a row's transaction as it is.
$pair->source_sql($_) foreach 'VACUUM FREEZE aged', 'VACUUM FULL aged', 'CLUSTER aged USING aged_pkey';
assert_reads_little('aged', $by_xmin, 'the source is vacuumed', 0);

# ---- Tables that are attached -------------------------------------------------------------------------------

# Their rows are older than the last sync, and new to the source all the same.
sub assert_attached_rows_arrive
{
	my ($table, $make, $attach) = @_;
	my $columns = '(id int NOT NULL PRIMARY KEY, name text)';
	$pair->source_sql(qq(
		@{[ $make =~ s/COLUMNS/$columns/gr ]}
		INSERT INTO $table SELECT g, 'there' FROM generate_series(101, 1100) g;
		INSERT INTO ${table}_2_1 SELECT g, 'before' FROM generate_series(2001, 2010) g;));
	my $mode = qq($by_xmin, primary_key => ARRAY['id']);
	sync($table, $mode) foreach 1 .. 2;
	$pair->source_sql($attach);
	my $row = sync($table, $mode);
	is($row->{inserted}, 10, "$table: rows of a table that was attached arrive, of its own parts too");
	cmp_ok($row->{read}, '<', 50, '... by reading little');
	identical($table);
	is(sync($table, $mode)->{read}, 0, '... once');
	return;
}

assert_attached_rows_arrive('parted', q(
		CREATE TABLE parted COLUMNS PARTITION BY RANGE (id);
		CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (2000);
		CREATE TABLE parted_2 COLUMNS PARTITION BY RANGE (id);
		CREATE TABLE parted_2_1 PARTITION OF parted_2 FOR VALUES FROM (2000) TO (3000);),
	'ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (2000) TO (3000)');
assert_attached_rows_arrive('parent', q(
		CREATE TABLE parent COLUMNS;
		CREATE TABLE parent_2 COLUMNS;
		CREATE TABLE parent_2_1 () INHERITS (parent_2);),
	'ALTER TABLE parent_2 INHERIT parent');

# ---- Nothing to do ------------------------------------------------------------------------------------------

foreach my $call ([ timed => $by_time ], [ aged => $by_xmin ], [ numbered => $by_number ])
{
	my ($table, $mode) = @$call;
	$pair->sync($table, "raw.$table", $mode);
	my $written = "SELECT pg_stat_force_next_flush(); SELECT n_tup_ins + n_tup_upd + n_tup_del + n_dead_tup,
		pg_relation_size(relid), last_analyze FROM pg_stat_user_tables WHERE relid = 'raw.$table'::regclass";
	my $before = $pair->admin($written);
	$pair->remember("raw.$table");
	my $row = sync($table, $mode);
	is("$row->{inserted} $row->{updated} $row->{deleted}", '0 0 0', "$table: nothing has changed, nothing is written");
	$pair->assert_unchanged("raw.$table", '... every row is where it was');
	is($pair->admin($written), $before, '... the server has counted nothing');
}

# ---- custom_select, custom_where ----------------------------------------------------------------------------

create_items('orders');
$pair->source_sql('CREATE TABLE places (place text PRIMARY KEY, country text); INSERT INTO places VALUES ($$here$$, $$NL$$)');
my $select = q(
	SELECT o.id, o.at, upper(o.name) AS name, p.country -- of the place
	FROM orders o LEFT JOIN places p USING (place););
my $query = qq($by_time, primary_key => ARRAY['id'], custom_select => \$q\$$select\$q\$);
my $expected = '(' . ($select =~ s/;\s*$//r) . "\n)";
is(sync('orders', $query)->{inserted}, $many, 'custom_select: the first load');
$pair->assert_identical($expected, 'raw.orders');
touch('orders');
my $row = sync('orders', $query);
is($row->{updated}, 2, '... its changes');
cmp_ok($row->{read}, '<', 50, '... by reading little');
$pair->assert_identical($expected, 'raw.orders');

my $elsewhere = $query =~ s/upper/lower/r;
assert_reads_everything('orders', $elsewhere, 'custom_select or custom_where has changed', 'another custom_select');
my $where = qq($elsewhere, custom_where => 'id <= 10 -- the first');
touch('orders');
$row = sync('orders', $where);
is("$row->{read} $row->{updated}", '10 2', 'custom_where goes with custom_select');
touch('orders');
is(sync('orders', $where)->{updated}, 2, '... also for changes');
$pair->assert_failed($pair->try_sync('orders', 'raw.orders', qq($by_xmin, custom_select => 'SELECT 1 AS id')),
	'0A000', qr/xmin/, 'custom_select does not go with xmin');

$pair->assert_clean;
done_testing();
