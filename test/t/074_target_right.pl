# The target takes what the source has, whatever stands behind its name; and what was there at the last run is still
# there, or is read again.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $support = PostgreSQL::Test::Utils::tempdir();
chomp(my $headers = `pg_config --includedir-server`);
system('cc', '-shared', '-fPIC', "-I$headers", '-o', "$support/shell_table.so", 'test/support/shell_table.c') == 0
  or die 'shell_table.c does not compile';
my $pair = TablesyncTest->new(target_conf => [ "shared_preload_libraries = '$support/shell_table'", 'max_worker_processes = 12' ]);
$pair->source_sql('GRANT pg_read_all_stats TO reader');

my $by_time = q('incremental', incremental_field => 'at');
my $chunked = q(chunk_mode => true, batch_size => 300);

# ---- Tables whose rows are elsewhere ------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, v text, at timestamptz NOT NULL);
	INSERT INTO items SELECT g, repeat('x', 300), '2024-01-01'::timestamptz + g * interval '1 minute' FROM generate_series(1, 3000) g;
	CREATE TABLE changing AS TABLE items; ALTER TABLE changing ADD PRIMARY KEY (id);
	ANALYZE;));
$pair->sql('CREATE SCHEMA raw');

sub shell
{
	my ($name) = @_;
	$pair->sql("CREATE TABLE raw.${name}_store (id int PRIMARY KEY, v text, at timestamptz NOT NULL); CREATE TABLE raw.$name (LIKE raw.${name}_store INCLUDING ALL)");
	$pair->admin("ALTER ROLE loader SET shell_table.name = 'raw.$name'");
	return;
}

foreach my $merge ('on', 'off')
{
	$pair->admin("ALTER ROLE loader SET shell_table.merge = $merge");
	my %calls = (full => '', parallel => 'parallel_workers => 2', chunks => $chunked, xmin => "'xmin'", timed => $by_time);
	foreach my $name (sort keys %calls)
	{
		my $table = "${name}_$merge";
		shell($table);
		is($pair->sync('changing', "raw.$table", $calls{$name})->{inserted}, 3000, "$name: a shell table, MERGE $merge: the first load");
		$pair->assert_identical('changing', "raw.${table}_store", '... is what readers see');
		$pair->source_sql(q(UPDATE changing SET v = 'new', at = now() WHERE id % 100 = 0));
		my $row = $pair->sync('changing', "raw.$table", $calls{$name});
		is("$row->{inserted} $row->{updated}", '0 30', '... changes arrive');
		$pair->assert_identical('changing', "raw.${table}_store");
		is($pair->admin("SELECT count(*) FROM raw.$table"), 0, '... nothing is written past the planner');
		$pair->source_sql(q(TRUNCATE changing; INSERT INTO changing TABLE items));
	}
}
# Made by the run, and made a shell as soon as it is there: as Citus does in a schema that is distributed.
$pair->sql('CREATE TABLE raw.made_store (id int PRIMARY KEY, v text, at timestamptz NOT NULL)');
$pair->admin(q(ALTER ROLE loader SET shell_table.name = 'raw.made'));
foreach my $more ('', $chunked, 'parallel_workers => 2')
{
	$pair->sql('DROP TABLE IF EXISTS raw.made; TRUNCATE raw.made_store');
	is($pair->sync('items', 'raw.made', $more)->{inserted}, 3000, "a new table that is a shell: $more");
	$pair->assert_identical('items', 'raw.made_store');
}

# Of a pivot: its wide table, filled from here and from there; and its readings.
my $readings = q(CREATE TABLE readings (ship_id text, data_channel_id text, created_time timestamptz, value_format text,
		bool_v bool, str_v text, long_v bigint, double_v float8));
my $values = q(SELECT 'S1', 'c' || g % 5, '2024-01-01'::timestamptz + g / 5 * interval '1 s', 'decimal', NULL::bool, NULL, NULL::bigint, g
	FROM generate_series(1, 1000) g);
$pair->source_sql("$readings; INSERT INTO readings $values");
$pair->sql("CREATE SCHEMA here; SET search_path = here; $readings; INSERT INTO readings $values;
	CREATE TABLE shell_store AS TABLE readings; CREATE TABLE shell (LIKE readings)");

sub pivot
{
	my ($server, $source, $schema, $more) = @_;
	my $said = $pair->try(sprintf q(SELECT target_table FROM pivot_ship(%s, '%s', target_schema => '%s', max_retries => 0%s)), $server ? "'$server'" : 'NULL', $source, $schema, $more // '');
	is($said->{sqlstate}, '', "pivot of $source into $schema") or diag($said->{text});
	return $said->{out} =~ s/\n//r;
}
my $wide = pivot(undef, 'here.readings', 'plain');
my ($table) = $wide =~ /^plain\.(.*)/;
$pair->sql("CREATE SCHEMA wide; CREATE TABLE wide.${table}_store (LIKE $wide INCLUDING ALL); CREATE TABLE wide.$table (LIKE $wide INCLUDING ALL)");
$pair->admin("ALTER ROLE loader SET shell_table.name = 'wide.$table'");
foreach my $server (undef, 'src')
{
	$pair->sql("TRUNCATE wide.${table}_store");
	pivot($server, $server ? 'readings' : 'here.readings', 'wide');
	is($pair->digest_of($pair->target, "wide.${table}_store"), $pair->digest_of($pair->target, $wide), 'a wide table that is a shell');
}
$pair->admin(q(ALTER ROLE loader SET shell_table.name = 'here.shell'));
# Where all are in one chunk, the pages of a plain table are read without a statement.
my %chunk = (chunks => '', one_chunk => q(, chunk_interval => '20000 days'));
foreach my $name (sort keys %chunk)
{
	pivot(undef, 'here.shell', "from_shell_$name", $chunk{$name});
	is($pair->admin("SELECT to_regclass('from_shell_$name.$table')"), "from_shell_$name.$table", "readings in a shell table: $name");
	is($pair->digest_of($pair->target, "from_shell_$name.$table"), $pair->digest_of($pair->target, $wide), '... all are there');
}
$pair->admin('ALTER ROLE loader RESET shell_table.name; ALTER ROLE loader RESET shell_table.merge');

# Rows that leave as soon as they are there.
$pair->sql(q(
	CREATE TABLE raw.leaving (id int PRIMARY KEY, v text, at timestamptz NOT NULL);
	CREATE TABLE raw.gone (LIKE raw.leaving);
	CREATE FUNCTION raw.move() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO raw.gone SELECT NEW.*; DELETE FROM raw.leaving WHERE id = NEW.id; RETURN NULL;
	END $$;
	CREATE TRIGGER move AFTER INSERT ON raw.leaving FOR EACH ROW WHEN (NEW.id = 5) EXECUTE FUNCTION raw.move();));
foreach my $more ('', $by_time, "'xmin'", 'parallel_workers => 2')
{
	my $said = $pair->try_sync('items', 'raw.leaving', $more);
	$pair->assert_failed($said, '08P01', qr/did not take every row/, "rows that an AFTER trigger moves away: $more");
	like($said->{detail}, qr/\bmove\b/, '... it is named');
}

# Another access method has rows of a form of its own: they come by its own functions.
$pair->admin('CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler');
$pair->sql('CREATE TABLE raw.other (id int PRIMARY KEY, v text, at timestamptz NOT NULL) USING other');
foreach my $more ('', $chunked)
{
	is($pair->sync('items', 'raw.other', $more)->{inserted}, 3000, 'another access method');
	$pair->assert_identical('items', 'raw.other');
	$pair->sql('TRUNCATE raw.other');
}
$pair->admin('ALTER ROLE loader SET default_table_access_method = other');
is($pair->sync('items', 'raw.other_new', 'parallel_workers => 2')->{inserted}, 3000, '... where it is the default');
$pair->assert_identical('items', 'raw.other_new');
$pair->admin('ALTER ROLE loader RESET default_table_access_method');

# ---- Marks of deletion --------------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE marked (id int PRIMARY KEY, v text, day timestamptz, n int, b bool, t text, at timestamptz NOT NULL);
	INSERT INTO marked SELECT g, 'v', NULL, 0, false, 'n', '2024-01-01' FROM generate_series(1, 10) g;));
# In the target they are of other types: texts; or what a text may be converted to.
my %types = (day => 'text', n => 'text', b => 'text', t => 'bool');
my $columns = 'id int PRIMARY KEY, v text, ' . join(', ', map { "$_ $types{$_}" } sort keys %types) . ', at timestamptz';
my %modes = (timed => $by_time, xmin => "'xmin'", full => "'full'", keep => 'delete_missing => false', chunks => "'xmin', $chunked");
# [column, mode, whether the target has the column]
my @marks = ((map { [ $_, 'xmin', 1 ] } sort keys %types), (map { [ 'day', $_, 1 ], [ 'day', $_, 0 ] } grep { $_ ne 'xmin' } sort keys %modes), [ 't', 'xmin', 0 ]);

sub sync_marked
{
	my ($column, $mode, $has) = @_;
	my $table = "raw.${column}_${mode}_$has";
	$pair->sync('marked', $table, "$modes{$mode}, options => '{\"soft_delete_column\": \"$column\", \"on_schema_change\": \"ignore\"}'");
	return $table;
}
foreach my $mark (@marks)
{
	my ($column, $mode, $has) = @$mark;
	$pair->sql("CREATE TABLE raw.${column}_${mode}_$has (" . ($has ? $columns : 'id int PRIMARY KEY, v text, at timestamptz') . ')');
	sync_marked(@$mark);
}
$pair->source_sql(q(UPDATE marked SET day = now(), n = -id, b = true, t = 'Y', at = now() WHERE id <= 3));
foreach my $mark (@marks)
{
	my ($column, $mode, $has) = @$mark;
	is($pair->sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM " . sync_marked(@$mark)), '4 5 6 7 8 9 10',
		"$mode: a mark in $column, " . ($has ? "$types{$column} here" : 'a column that is not here'));
}
# What the source does not take for a mark is none.
$pair->source_sql(q(UPDATE marked SET t = 'on', at = now() WHERE id = 4));
is($pair->sql('SELECT count(*) FROM ' . sync_marked('t', 'xmin', 1) . ' WHERE id = 4'), 1, 'a text that is no mark, and true here');

# ---- Fields of composite types ------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TYPE span AS (lo int, hi int); CREATE TYPE nested AS (s span[], n text);
	CREATE TYPE amount AS (amount int, junk text, currency int); ALTER TYPE amount DROP ATTRIBUTE junk;
	CREATE TABLE shrunk (id int, gone int, v text); ALTER TABLE shrunk DROP COLUMN gone;
	CREATE TABLE swapped (id int PRIMARY KEY, s span); INSERT INTO swapped VALUES (1, ROW(10, 20));
	CREATE TABLE swapped_deep (id int PRIMARY KEY, s nested); INSERT INTO swapped_deep VALUES (1, ROW(ARRAY[ROW(10, 20)::span], 'n'));
	CREATE TABLE dropped (id int PRIMARY KEY, m amount, r shrunk, a amount[]);
	INSERT INTO dropped VALUES (1, ROW(5, 978), ROW(7, 'was'), ARRAY[ROW(1, 2)::amount]);));
$pair->admin(q(
	CREATE TYPE span AS (hi int, lo int); CREATE TYPE nested AS (s span[], n text);
	CREATE TYPE amount AS (amount int, currency int); CREATE TABLE shrunk (id int, v text);
	GRANT USAGE ON TYPE span, nested, amount TO loader));
foreach my $table ('swapped', 'swapped_deep')
{
	my $said = $pair->try_sync($table, "raw.$table");
	$pair->assert_failed($said, '42804', undef, "$table: fields in another order are refused");
	like($said->{detail}, qr/\blo\b.*\bhi\b/, '... and the fields are named');
}
is($pair->sync('dropped', 'raw.dropped')->{inserted}, 1, 'fields that were dropped do not matter');
is($pair->sql('SELECT d FROM raw.dropped d'), q[(1,"(5,978)","(7,was)","{""(1,2)""}")], '... the others have their values');

# ---- What was here is gone ----------------------------------------------------------------------------------

my $slow = "$chunked, options => '{\"max_rate\": \"4000 rows\"}'";
foreach my $case ([ 'archive', 'delete_missing => false' ], [ 'mirror', "'xmin'" ], [ 'two', 'delete_missing => false, parallel_workers => 2' ])
{
	my ($name, $more) = @$case;
	my $call = $pair->start_sync('items', "raw.$name", "$more, $slow, max_retries => 2");
	$pair->wait_until($pair->target, "SELECT count(*) >= 2 FROM tablesync.chunk k JOIN tablesync.run r USING (run_id) WHERE r.target = 'raw.$name' AND k.status = 'succeeded'");
	$pair->sql("TRUNCATE raw.$name");
	my $said = $call->finish;
	is($said->{sqlstate}, '', "$name: the target is truncated between two chunks") or diag($said->{text});
	like($said->{text}, qr/starts again from the first chunk, because the target was emptied or rewritten/, '... which is noticed');
	$pair->assert_identical('items', "raw.$name");
}

# Filled again from an old dump.
my %kinds = (
	plain  => 'CREATE TABLE raw.%s (id int PRIMARY KEY, v text, at timestamptz NOT NULL)',
	leaves => 'CREATE TABLE raw.%1$s (id int PRIMARY KEY, v text, at timestamptz NOT NULL) PARTITION BY HASH (id);
		CREATE TABLE raw.%1$s_0 PARTITION OF raw.%1$s FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE TABLE raw.%1$s_1 PARTITION OF raw.%1$s FOR VALUES WITH (MODULUS 2, REMAINDER 1)');
foreach my $kind (sort keys %kinds)
{
	foreach my $mode ('timed', 'xmin')
	{
		my $name = "dump_${kind}_$mode";
		my $again = sub {
			my ($read, $what) = @_;
			local $Test::Builder::Level = $Test::Builder::Level + 1;
			my $said = $pair->try_sync('changing', "raw.$name", $mode eq 'timed' ? $by_time : "'xmin'");
			is(TablesyncTest::row_of($said->{out})->{read} >= 3000 ? 'all' : 'new', $read, "$name: $what") or diag($said->{text});
			$read eq 'all' ? like($said->{text}, qr/reads everything, because .*TRUNCATE/, '... and the reason is given')
			  : unlike($said->{text}, qr/reads everything/, '... without a word');
			$pair->assert_identical('changing', "raw.$name");
		};
		$pair->sql(sprintf($kinds{$kind}, $name));
		$pair->sync('changing', "raw.$name", $mode eq 'timed' ? $by_time : "'xmin'");
		$again->('new', 'nothing happened');
		$pair->sql("CREATE TABLE raw.old_$name AS TABLE raw.$name");
		$pair->source_sql(q(UPDATE changing SET v = v || 'later', at = now() WHERE id % 500 = 1));
		$again->('new', 'a change of the source');
		$pair->sql("TRUNCATE raw.$name; INSERT INTO raw.$name TABLE raw.old_$name");
		$again->('all', 'emptied and filled from an old dump');
		$again->('new', 'and that once');
		$pair->sql("ANALYZE raw.$name; CREATE INDEX ON raw.$name (v)");
		$again->('new', 'statistics and indexes are no rows');
		$pair->sql("VACUUM FULL raw.$name");
		$again->('all', 'rewritten');
		next if $kind eq 'plain';
		$pair->sql("BEGIN; DELETE FROM raw.old_$name WHERE id % 3 = 0; TRUNCATE raw.${name}_0; INSERT INTO raw.$name SELECT o.* FROM raw.old_$name o LEFT JOIN raw.$name n USING (id) WHERE n.id IS NULL; COMMIT");
		$again->('all', 'one of its partitions');
	}
}
$pair->source_sql(q(TRUNCATE changing; INSERT INTO changing TABLE items));

# ---- What the rows here carry with them ---------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE staff (id int PRIMARY KEY, boss int, name text, gone bool NOT NULL DEFAULT false, at timestamptz NOT NULL DEFAULT now());
	INSERT INTO staff VALUES (1, NULL, 'ceo'), (2, 1, 'lead'), (3, 2, 'dev');
	INSERT INTO staff SELECT g, 1, 'x' FROM generate_series(10, 20) g;));
my %ways = (
	full    => '',
	missing => q('xmin', delete_missing => true),
	soft    => q('xmin', options => '{"soft_delete_column": "gone"}'));
foreach my $way (sort keys %ways)
{
	$pair->sql("CREATE SCHEMA staff_$way;
		CREATE TABLE staff_$way.staff (id int PRIMARY KEY, boss int REFERENCES staff_$way.staff ON DELETE CASCADE, name text, gone bool, at timestamptz);
		CREATE TABLE staff_$way.hours (id int REFERENCES staff_$way.staff ON DELETE CASCADE, hours int)");
	$pair->sync('staff', "staff_$way.staff", $ways{$way});
	$pair->sql("INSERT INTO staff_$way.hours VALUES (3, 40), (3, 38), (2, 1)");
}
# The boss leaves; who worked for him works for a new one.
$pair->source_sql(q(INSERT INTO staff VALUES (30, 1, 'new'); UPDATE staff SET boss = 30, at = now() WHERE id = 3; UPDATE staff SET gone = true, at = now() WHERE id = 2));
$pair->sync('staff', 'staff_soft.staff', $ways{soft});
$pair->source_sql('DELETE FROM staff WHERE id = 2');
foreach my $way (sort keys %ways)
{
	my $row = $way eq 'soft' ? undef : $pair->sync('staff', "staff_$way.staff", $ways{$way});
	is(TablesyncTest::counts($row) =~ s/ \d+$//r, '1 1 1', "$way: a row leaves that another one points to") if $row;
	$pair->assert_identical('staff', "staff_$way.staff");
	is($pair->sql("SELECT string_agg(id || ' ' || hours, ', ' ORDER BY hours) FROM staff_$way.hours"), '3 38, 3 40', '... what belongs to rows that stay is kept');
}

$pair->assert_clean;
done_testing();
