# What a pivot must not get wrong in silence: whose table it writes to, which of two readings wins, what a reader of the
# WAL sees, what a trigger, a type or a foreign table does with it, and what verify_pivot says of it. Small tables, each
# of which made a pivot end well with rows that were wrong, or missing.

use strict;
use warnings;

use Test::More;
use TablesyncTest;
use TablesyncTest::Pivot;

my $pair = TablesyncTest->new(target_conf => [ 'max_worker_processes = 12', 'wal_level = logical', 'max_replication_slots = 4', 'autovacuum = off' ]);
my $pivot  = TablesyncTest::Pivot->new($pair);
my $caller = $TablesyncTest::caller;
my $both   = sub { $pair->source_sql($_[0]); $pair->admin("SET ROLE $caller; $_[0]"); return };
$pair->admin("GRANT CREATE ON SCHEMA public TO $caller");

# A narrow table of integers on both sides. Rows: ship, channel, time, value.
sub readings
{
	my ($table, @rows) = @_;
	$both->("CREATE TABLE $table (ship_id text, data_channel_id text, created_time timestamptz, long_v bigint)");
	more($table, @rows) if @rows;
	return;
}

sub more
{
	my ($table, @rows) = @_;
	$both->("SET timezone = 'UTC'; INSERT INTO $table VALUES " . join ', ', map { sprintf q(('%s', '%s', '%s', %s)), @$_ } @rows);
	return;
}

# A call of pivot_ship or of verify_pivot, with what its user hears. Tables are called $schema.w_<ship>.
sub pivot
{
	my ($server, $source, $schema, %more) = @_;
	return $pair->try($pivot->call($server, $source, target_schema => "'$schema'", table_prefix => "'w_'", %more));
}

sub verify
{
	my ($server, $source, $schema, %more) = @_;
	my %all = (target_schema => "'$schema'", table_prefix => "'w_'", %more);
	return $pair->try(sprintf q(SET timezone = 'UTC'; SELECT ship, channel, reading_time, kind, expected, found FROM verify_pivot(%s, '%s', %s)),
		defined $server ? "'$server'" : 'NULL', $source, join ', ', map { "$_ => $all{$_}" } sort keys %all);
}

sub went
{
	my ($said, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($said->{sqlstate}, '', $name) || diag($said->{text});
}

sub rows { return $pair->admin("SET timezone = 'UTC'; $_[0]") }

# ---- Whose table it is ----------------------------------------------------------------------------------------

# The name of ship pump_2's table is that of a second table of ship pump.
readings('pumps', [ 'pump', 'rpm', '2024-01-01', 100 ], [ 'pump_2', 'rpm', '2024-01-01', 200 ]);
readings('pump_only', [ 'pump', 'rpm', '2024-01-01', 111 ]);
went(pivot(undef, 'pumps', 'pumps'), 'two ships, whose names differ by a number');
went(pivot('src', 'pump_only', 'pumps'), 'another source that has one of them');
is(rows('SELECT (SELECT rpm FROM pumps.w_pump), (SELECT rpm FROM pumps.w_pump_2)'), '111|200', '... whose readings go to its table');
is(verify('src', 'pump_only', 'pumps')->{out}, '', '... as verify_pivot says');
# The same in another order, and from tables that nobody has on record.
readings('second_only', [ 'pump_2', 'rpm', '2024-01-01', 222 ]);
foreach my $order ([ 'pump_only', 'second_only' ], [ 'second_only', 'pump_only' ], ['pumps'])
{
	my $schema = join '_', 'found', map { substr $_, 0, 4 } @$order;
	$pair->sql("CREATE SCHEMA $schema");
	$pair->sql("CREATE TABLE $schema.$_ (created_time timestamptz PRIMARY KEY, rpm bigint)") foreach 'w_pump', 'w_pump_2';
	went(pivot(undef, $_, $schema), "tables that were there: $_") foreach @$order;
	is(rows("SELECT (SELECT rpm FROM $schema.w_pump), (SELECT rpm FROM $schema.w_pump_2)"), @$order == 1 ? '100|200' : '111|222', '... each ship has its own');
}
# By a group, and by a name that differs in case alone.
readings('grouped', [ 'pump', 'rpm', '2024-01-01', 333 ]);
my $said = pivot(undef, 'grouped', 'pumps', table_groups => q('{"2": "rpm"}'));
is("$said->{sqlstate} $said->{message}", '42710 ships "pump_2" and "pump" have the same wide table, "pumps.w_pump_2"', 'a group whose table would be another ship\'s') or diag($said->{text});
readings('spelled', [ 'PUMP', 'rpm', '2024-01-01', 444 ]);
$said = pivot(undef, 'spelled', 'pumps');
is("$said->{sqlstate} $said->{message}", '42710 ships "pump" and "PUMP" have the same wide table, "pumps.w_pump"', 'a ship that is spelled otherwise in another source') or diag($said->{text});
$said = pivot(undef, 'grouped', 'groups', table_groups => q('{"a": "^x", "a_2": "rpm"}'));
went($said, 'groups whose names differ by a number');
is(rows('SELECT (SELECT rpm FROM pumps.w_pump), (SELECT rpm FROM pumps.w_pump_2)'), '111|200', '... nothing was written over');
# A second table that is one.
$both->(q(CREATE TABLE many (LIKE pumps); INSERT INTO many SELECT 'pump', 'c' || g, '2024-01-01 UTC', g FROM generate_series(1, 1010) g; CREATE TABLE many_too AS TABLE many; GRANT SELECT ON many, many_too TO PUBLIC));
went(pivot(undef, 'many', 'many'), 'a ship with two tables');
$both->(q(UPDATE many_too SET long_v = -long_v));
went(pivot(undef, 'many_too', 'many'), '... which another source fills, too');
is(rows('SELECT (SELECT c1 FROM many.w_pump), (SELECT c1005 FROM many.w_pump_2), (SELECT count(*) FROM pg_class WHERE relnamespace = \'many\'::regnamespace AND relkind = \'r\')'), '-1|-1005|2', '... both of them');
# What another has put where the next table would be.
$pair->sql('CREATE SCHEMA taken; CREATE TABLE taken.w_pump_2 (created_time timestamptz PRIMARY KEY, c999 bigint)');
$said = pivot(undef, 'many', 'taken');
is($said->{sqlstate}, '42710', 'the name of the second table is taken') or diag($said->{text});
like($said->{hint}, qr/Rename it/, '... with a way out');

# A wide table that was moved is the one that readings go to, in every way, and the one in its place is the user's.
readings('moved', map { [ 'one', 'x', "2024-01-0$_", $_ ] } 1 .. 3);
went(pivot(undef, 'moved', 'moved'), 'a table that will be moved');
$pair->sql('CREATE SCHEMA archive; ALTER TABLE moved.w_one SET SCHEMA archive; CREATE TABLE moved.w_one (LIKE archive.w_one INCLUDING ALL); INSERT INTO moved.w_one VALUES (\'2020-01-01 UTC\', 7)');
more('moved', [ 'one', 'x', '2024-01-01', 11 ], [ 'one', 'x', '2024-02-01', 4 ]);
went(pivot(undef, 'moved', 'moved'), '... and written over, and added to');
is(rows(q(SELECT string_agg(x::text, ',' ORDER BY created_time) FROM archive.w_one)), '11,2,3,4', '... there');
is(rows(q(SELECT string_agg(x::text, ',' ORDER BY created_time) FROM moved.w_one)), '7', '... not in the table that has its name');
is(verify(undef, 'moved', 'moved')->{out}, '', '... which verify_pivot looks at');
went(pivot(undef, 'moved', 'moved', drop_tables => 'true'), '... and dropped, it was asked');
is(rows(q(SELECT (SELECT count(*) FROM archive.w_one), (SELECT x FROM moved.w_one WHERE created_time < '2021-01-01'))), '4|7', '... but neither table was made here under that name');

# ---- Which of two readings wins -------------------------------------------------------------------------------

# The second one lies before the first: where it was, vacuum had made room.
sub turned
{
	my ($table, $rows) = @_;
	readings($table);
	$both->(qq(INSERT INTO $table SELECT 'one', 'old', '2024-01-01 UTC', g FROM generate_series(1, 1000) g; INSERT INTO $table VALUES ('one', 'x', '2024-01-01 UTC', 1), ('one', 'y', '2024-01-01 UTC', 5);
		INSERT INTO $table SELECT 'one', 'x', timestamptz '2024-01-01 UTC' + g * interval '1 s', g FROM generate_series(1, $rows) g;
		DELETE FROM $table WHERE data_channel_id = 'old'));
	$both->("VACUUM $table");
	$both->(qq(INSERT INTO $table VALUES ('one', 'x', '2024-01-01 UTC', 2)));
	return;
}
turned('turned', 30);
is(rows(q(SELECT max(long_v) FILTER (WHERE ctid = (SELECT min(ctid) FROM turned)) FROM turned)), 2, 'the later reading is the first of the table');
my %ways = (scan => [undef], query => [ undef, channels => q(ARRAY['x', 'y']) ], chunks => [ undef, chunk_interval => "'7 s'" ], there => ['src'], parallel => [ 'src', parallel_workers => 2, chunk_interval => "'7 s'", options => q('{"order": "oldest_first"}') ],
	batches => [ undef, batch_size => 2, channels => q(ARRAY['x', 'y']) ], scanned_batches => [ undef, batch_size => 2 ],
	# One chunk of all that there is: the pages are read as they lie.
	pages => [ undef, chunk_interval => "'20000 days'" ], pages_batches => [ undef, chunk_interval => "'20000 days'", batch_size => 2 ]);
foreach my $way (sort keys %ways)
{
	my ($server, %more) = @{ $ways{$way} };
	went(pivot($server, 'turned', "turned_$way", %more), "$way: two readings of one cell");
	is(rows(qq(SELECT x, y, (SELECT count(*) FROM turned_$way.w_one) FROM turned_$way.w_one WHERE created_time = '2024-01-01 UTC')), '2|5|31', '... the later one wins');
	is(verify($server, 'turned', "turned_$way", map { $_ => $more{$_} } grep { $_ eq 'channels' } keys %more)->{out}, '', '... as verify_pivot says');
}
$pair->sql(q(UPDATE turned_scan.w_one SET x = 1 WHERE created_time = '2024-01-01 UTC'));
is(verify($_, 'turned', 'turned_' . ($_ ? 'there' : 'scan'))->{out}, $_ ? '' : "one|x|2024-01-01 00:00:00+00|different|2|1\n", 'verify_pivot looks for the later one') foreach undef, 'src';
# Far apart in the table, so that the first one is written before the other comes; and verified in as many parts.
turned('turned_far', 40);
$pair->admin(q(UPDATE turned_far SET long_v = long_v + 1000 WHERE created_time > '2024-01-01 UTC'));
went(pivot(undef, 'turned_far', 'turned_far', batch_size => 3), 'readings of one cell that are far apart');
is(rows(q(SELECT x FROM turned_far.w_one WHERE created_time = '2024-01-01 UTC')), '2', '... the later one wins');
is(rows(q(SELECT sum(x) FROM turned_far.w_one)), 2 + 40_820, '... and the rest is as it was');
# Rows of partitions lie in several tables.
$pair->sql(q(CREATE TABLE parts (LIKE turned) PARTITION BY LIST (long_v); CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2); CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
	INSERT INTO parts VALUES ('one', 'x', '2024-01-01 UTC', 2)));
$pair->sql(q(INSERT INTO parts VALUES ('one', 'x', '2024-01-01 UTC', 1)));
went(pivot(undef, 'parts', 'parts'), 'two readings in two partitions');
is(rows('SELECT x FROM parts.w_one'), 1, '... the later one wins');
$pair->sql(q(DELETE FROM parts WHERE long_v = 2));
$pair->sql(q(INSERT INTO parts VALUES ('one', 'x', '2024-01-01 UTC', 2)));
went(pivot(undef, 'parts', 'parts'), '... whichever it is');
is(rows('SELECT x FROM parts.w_one'), 2, '... and wins');
# By a column.
$both->(q(ALTER TABLE turned ADD COLUMN revision int; UPDATE turned SET revision = CASE WHEN long_v = 2 AND data_channel_id = 'x' THEN 8 END));
foreach my $server (undef, 'src')
{
	my $schema = 'by_column_' . ($server // 'here');
	my @by = (options => q('{"order_by": "revision"}'));
	went(pivot($server, 'turned', $schema, @by), 'the column that orders readings');
	is(rows("SELECT x FROM $schema.w_one WHERE created_time = '2024-01-01 UTC'"), 2, '... says which one wins');
	is(verify($server, 'turned', $schema, @by)->{out}, '', '... as verify_pivot says');
	is(verify($server, 'turned', $schema)->{out}, "one|x|2024-01-01 00:00:00+00|different|1|2\n", '... with that column alone');
}
$said = pivot(undef, 'turned', 'by_column_here', options => q('{"order_by": "revison"}'));
is("$said->{sqlstate} $said->{message} $said->{detail}", '42703 column "revison" of "public.turned" does not exist Perhaps you meant the column "revision".', 'a column that is not there') or diag($said->{text});
$both->('ALTER TABLE turned ADD COLUMN note json');
is(pivot($_, 'turned', 'by_column_here', options => q('{"order_by": "note"}'))->{sqlstate}, '42883', '... or has no order') foreach undef, 'src';
# A view has no rows of its own.
$pair->sql('CREATE VIEW seen AS SELECT * FROM turned');
$said = pivot(undef, 'seen', 'seen');
went($said, 'a view with two readings of one cell');
like($said->{text}, qr/the last one that is read wins.*order_by/s, '... says what holds');
is(verify(undef, 'seen', 'seen')->{out}, '', '... for verify_pivot too');
went(pivot(undef, 'seen', 'seen_by', options => q('{"order_by": "revision"}')), '... by a column');
is(rows("SELECT x FROM seen_by.w_one WHERE created_time = '2024-01-01 UTC'"), 2, '... which says which one wins');
# The same value twice is no question.
readings('same', map { [ 'one', 'x', '2024-01-01', 1 ] } 1 .. 3);
$pair->sql('CREATE VIEW same_seen AS SELECT * FROM same');
unlike(pivot(undef, 'same_seen', 'same')->{text}, qr/several values/, 'one value, three times, is no question');

# ---- What a reader of the WAL sees ----------------------------------------------------------------------------

$pair->sql('CREATE SCHEMA decoded; CREATE TABLE decoded.w_two (created_time timestamptz PRIMARY KEY, x bigint)');
$pair->admin(q(CREATE PUBLICATION wide FOR TABLES IN SCHEMA decoded; SELECT pg_create_logical_replication_slot('reader', 'test_decoding')));
readings('decoded', map { my $ship = $_; map { [ $ship, 'x', "2024-01-0$_", $_ ] } 1 .. 5 } 'one', 'two');
went(pivot(undef, 'decoded', 'decoded', chunk_interval => "'2 days'"), 'a first pivot into a published schema');
more('decoded', map { my $ship = $_; ([ $ship, 'x', '2024-01-01', 11 ], [ $ship, 'x', '2024-01-07', 7 ]) } 'one', 'two');
went(pivot(undef, 'decoded', 'decoded'), '... and a second');
$pair->admin(q(CREATE TABLE changes AS SELECT substring(data, 'w_(\w+): ') AS ship, substring(data, ': (INSERT|UPDATE)') AS change, substring(data, 'x\[bigint\]:(\d+)') AS x FROM pg_logical_slot_get_changes('reader', NULL, NULL) WHERE data LIKE 'table decoded.w\_%'));
is($pair->admin(qq(SELECT string_agg(x, ',' ORDER BY x) FROM changes WHERE ship = '$_')), '1,11,2,3,4,5,7', "... all rows of $_ can be decoded") foreach 'one', 'two';
$pair->admin(q(SELECT pg_drop_replication_slot('reader')));

# ---- Numbers --------------------------------------------------------------------------------------------------

my @held   = qw(0 0.5 -21.50 100000 0.000001 123456789012345.6 12345.67890100 NaN Infinity -0.1);
my @beyond = qw(9007199254740993 0.1234567890123456789 12345678901234567.25 1e-400 1e400 -1180591620717411303424);
$both->('CREATE TABLE numbers (ship_id text, data_channel_id text, created_time timestamptz, double_v numeric, str_v text)');
my $second = 0;
$both->('INSERT INTO numbers VALUES ' . join ', ', map { sprintf q(('one', 'x', timestamptz '2024-01-01 UTC' + interval '%d s', %s, NULL)), $second++, TablesyncTest::quote($_) . '::numeric' } @held, @beyond);
foreach my $server (undef, 'src')
{
	my $schema = 'numbers_' . ($server // 'here');
	my $first = $pivot->next_run;
	$said = pivot($server, 'numbers', $schema);
	went($said, 'numbers with more digits than double precision holds');
	is(rows(qq(SELECT count(*), count(*) FILTER (WHERE w.x::text::numeric = n.double_v) FROM $schema.w_one w JOIN numbers n USING (created_time))), scalar(@held) . '|' . scalar(@held), '... those that it holds are stored');
	is(rows(qq(SELECT count(*), count(*) FILTER (WHERE ("row"->>'double_v')::numeric = n.double_v AND message LIKE '%more digits than double precision holds') FROM tablesync.reject r
		JOIN numbers n ON n.created_time = ("row"->>'created_time')::timestamptz WHERE run_id >= $first)), scalar(@beyond) . '|' . scalar(@beyond), '... the others are rejected, with all of their digits');
	$said = verify($server, 'numbers', $schema);
	is($said->{out}, '', '... as verify_pivot says');
	like($said->{text}, qr/@{[ scalar @beyond ]} readings that no column can store/, '... which counts them');
}

# ---- Triggers, and types that fill themselves -----------------------------------------------------------------

readings('given', map { [ 'one', 'x', "2024-01-01 00:0$_", $_ ] } 1 .. 4);
$pair->sql(q(CREATE SCHEMA t; CREATE FUNCTION t.swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.x % 2 = 0 THEN NULL ELSE NEW END; END $$;
	CREATE FUNCTION t.move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.created_time := NEW.created_time - interval '1 hour'; RETURN NEW; END $$;
	CREATE FUNCTION t.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.x := NEW.x + 10; RETURN NEW; END $$));
my $wide = 'w_one (created_time timestamptz PRIMARY KEY, x bigint)';
my %tables = (
	insert    => ["CREATE TABLE insert.$wide; CREATE TRIGGER s BEFORE INSERT ON insert.w_one FOR EACH ROW EXECUTE FUNCTION t.swallow()"],
	update    => ["CREATE TABLE update.$wide; INSERT INTO update.w_one SELECT created_time, 0 FROM given; CREATE TRIGGER s BEFORE UPDATE ON update.w_one FOR EACH ROW EXECUTE FUNCTION t.swallow()"],
	partition => ["CREATE TABLE partition.$wide PARTITION BY RANGE (created_time); CREATE TABLE partition.part PARTITION OF partition.w_one DEFAULT; CREATE TRIGGER s BEFORE INSERT ON partition.part FOR EACH ROW EXECUTE FUNCTION t.swallow()"]);
foreach my $kind (sort keys %tables)
{
	$pair->sql("CREATE SCHEMA $kind; $tables{$kind}[0]");
	my $before = rows("SELECT count(*), sum(x) FROM $kind.w_one");
	foreach my $server (undef, 'src')
	{
		$said = pivot($server, 'given', $kind);
		is("$said->{sqlstate} $said->{message}", qq(08P01 "$kind.w_one" did not take every row: of 4 rows to be written, 2 were not), "$kind: a trigger that swallows rows") or diag($said->{text});
		like($said->{detail}, qr/^The row of 2024-01-01 00:0[24]:00\+00 is one of them\. The table has BEFORE ROW triggers: s\.$/, '... which is named');
	}
	is(rows("SELECT count(*), sum(x) FROM $kind.w_one"), $before, '... nothing was written');
	$pair->sql("ALTER TABLE @{[ $kind eq 'partition' ? 'partition.part' : qq($kind.w_one) ]} DISABLE TRIGGER s");
	went(pivot(undef, 'given', $kind), '... until it is disabled');
	is(rows("SELECT count(*), sum(x) FROM $kind.w_one"), '4|10', '... then all rows are there');
}
$pair->sql("CREATE SCHEMA moving; CREATE TABLE moving.$wide; CREATE TRIGGER m BEFORE INSERT ON moving.w_one FOR EACH ROW EXECUTE FUNCTION t.move()");
$said = pivot(undef, 'given', 'moving');
is($said->{sqlstate}, '08P01', 'a trigger that gives rows another time') or diag($said->{text});
like($said->{detail}, qr/A row was written at 2023-12-31 23:0\d:00\+00 instead\./, '... which is named');
$pair->sql("CREATE SCHEMA keeping; CREATE TABLE keeping.$wide; CREATE TRIGGER k BEFORE INSERT ON keeping.w_one FOR EACH ROW EXECUTE FUNCTION t.keep()");
went(pivot(undef, 'given', 'keeping'), 'a trigger that changes values');
is(rows('SELECT sum(x) FROM keeping.w_one'), 50, '... may do that');
# A trigger that comes with the table.
$pair->admin(q(CREATE FUNCTION watch_tables() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF to_regclass('born.w_one') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'born.w_one'::regclass) THEN
	CREATE TRIGGER s BEFORE INSERT ON born.w_one FOR EACH ROW EXECUTE FUNCTION t.swallow(); END IF; END $$; CREATE EVENT TRIGGER watch_tables ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION watch_tables();
	GRANT EXECUTE ON FUNCTION t.swallow() TO PUBLIC; GRANT USAGE ON SCHEMA t TO PUBLIC));
is(pivot(undef, 'given', 'born')->{sqlstate}, '08P01', 'a trigger that comes with a table that is made');
$pair->admin('DROP EVENT TRIGGER watch_tables');

# Columns of the user's, which the readings say nothing of.
my %domains = (with_default => 'int DEFAULT 7 NOT NULL', checked => 'int CHECK (VALUE IS NOT NULL)', filled => 'int DEFAULT 7');
foreach my $domain (sort keys %domains)
{
	my $schema = "domain_$domain";
	$pair->sql("CREATE DOMAIN $domain AS $domains{$domain}; CREATE SCHEMA $schema; CREATE TABLE $schema.$wide");
	$pair->sql("ALTER TABLE $schema.w_one ADD COLUMN q $domain");
	$said = pivot(undef, 'given', $schema);
	is($said->{sqlstate}, $domain eq 'checked' ? '23514' : '', "$domain: a column of a domain") or diag($said->{text});
	is(rows("SELECT count(*), count(q) FROM $schema.w_one"), $domain eq 'checked' ? '0|0' : '4|4', '... is what INSERT makes it');
}

# ---- verify_pivot ---------------------------------------------------------------------------------------------

# Tables that are there, and on nobody's record.
$pair->sql("CREATE SCHEMA unknown; CREATE TABLE unknown.$wide; CREATE TABLE unknown.w_two (LIKE unknown.w_one INCLUDING ALL)");
$said = verify(undef, 'given', 'unknown');
is($said->{sqlstate}, '42704', 'tables that are not on record') or diag($said->{text});
like($said->{hint}, qr/tables_only/, '... with a way out');
$said = verify(undef, 'given', 'unknown', ship_id => "'one'");
is("$said->{sqlstate} $said->{message}", '55000 table "unknown.w_one" of ship "one" is not on record', '... by name');
readings('given_too', [ 'one', 'x', '2024-01-01', 1 ]);
went(pivot(undef, 'given_too', 'unknown', mode => "'tables_only'"), '... one is adopted');
more('given_too', [ 'two', 'x', '2024-01-01', 2 ]);
$said = verify(undef, 'given_too', 'unknown');
is("$said->{sqlstate} $said->{message}", '55000 table "unknown.w_two" of ship "two" is not on record', '... and the other is not') or diag($said->{text});
went(pivot(undef, 'given_too', 'unknown', mode => "'tables_only'"), '... until it is, too');
is(verify(undef, 'given_too', 'unknown')->{out}, "one|x|2024-01-01 00:00:00+00|missing|1|\ntwo|x|2024-01-01 00:00:00+00|missing|2|\n", '... then their cells are compared');

# Years without readings are skipped, and times that are not finite are compared.
readings('gaps', [ 'one', 'x', '2024-01-01', 1 ], [ 'one', 'x', '1970-01-01', 2 ], [ 'one', 'x', '0001-01-01', 3 ], [ 'one', 'x', '-infinity', 4 ]);
$both->('CREATE INDEX ON gaps (created_time); INSERT INTO gaps SELECT \'one\', \'y\', timestamptz \'2024-01-01 UTC\' + g * interval \'1 s\', g FROM generate_series(1, 200000) g; ANALYZE gaps');
went(pivot('src', 'gaps', 'gaps', chunk_interval => "'1000 days'"), 'a clock that was not set');
my $scans = sub { $pair->source_sql(q(SELECT pg_stat_force_next_flush(); SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'gaps')) =~ s/\s//gr };
my $scanned = $scans->();
$said = verify('src', 'gaps', 'gaps', options => q('{"timeout": "60 s"}'));
is("$said->{sqlstate}$said->{out}", '', 'verify_pivot goes through it') or diag($said->{text});
cmp_ok($scans->() - $scanned, '<', 100, '... not day by day');
$pair->sql('DELETE FROM gaps.w_one WHERE created_time < \'2000-01-01\'');
is(verify('src', 'gaps', 'gaps')->{out}, "one|x|-infinity|missing|4|\none|x|0001-01-01 00:00:00+00|missing|3|\none|x|1970-01-01 00:00:00+00|missing|2|\n", '... and finds each of them');

# A foreign table that hands its conditions to a server that knows no infinity: as MariaDB, which takes it for the year 0.
$pair->source_sql(q(
	CREATE TYPE clock AS ENUM ('2024-01-01 00:00:00', '2024-01-02 00:00:00', '2024-01-03 00:00:00');
	CREATE FUNCTION pg_catalog.misread(timestamp) RETURNS timestamp IMMUTABLE LANGUAGE sql AS $$ SELECT CASE WHEN isfinite($1) THEN $1 ELSE '0001-01-01' END $$;
	CREATE FUNCTION pg_catalog.clock_gt(public.clock, timestamp) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1::text::timestamp > misread($2) $$;
	CREATE FUNCTION pg_catalog.clock_ge(public.clock, timestamp) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1::text::timestamp >= misread($2) $$;
	CREATE FUNCTION pg_catalog.clock_lt(public.clock, timestamp) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1::text::timestamp < misread($2) $$;
	CREATE OPERATOR pg_catalog.> (leftarg = public.clock, rightarg = timestamp, function = pg_catalog.clock_gt);
	CREATE OPERATOR pg_catalog.>= (leftarg = public.clock, rightarg = timestamp, function = pg_catalog.clock_ge);
	CREATE OPERATOR pg_catalog.< (leftarg = public.clock, rightarg = timestamp, function = pg_catalog.clock_lt);
	CREATE TABLE clocks (ship_id text, data_channel_id text, created_time clock, long_v bigint);
	INSERT INTO clocks VALUES ('one', 'x', '2024-01-01 00:00:00', 1), ('one', 'x', '2024-01-02 00:00:00', 2), ('one', 'x', '2024-01-03 00:00:00', 3);
	GRANT SELECT ON clocks TO reader));
my $port = $pair->source->port;
$pair->admin(qq(SET log_statement = none; CREATE EXTENSION postgres_fdw; CREATE SERVER maria FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '$port', dbname 'postgres');
	CREATE USER MAPPING FOR $caller SERVER maria OPTIONS ($TablesyncTest::login); GRANT USAGE ON FOREIGN SERVER maria TO $caller;));
$pair->sql(q(CREATE FOREIGN TABLE clocks (ship_id text, data_channel_id text, created_time timestamp, long_v bigint) SERVER maria));
went(pivot(undef, 'clocks', 'clocks'), 'a foreign table');
is(verify(undef, 'clocks', 'clocks')->{out}, '', '... as verify_pivot says');
$pair->sql('DELETE FROM clocks.w_one');
is(verify(undef, 'clocks', 'clocks')->{out}, join('', map { "one|x|2024-01-0$_ 00:00:00+00|missing|$_|\n" } 1 .. 3), '... and with all rows deleted, that all are missing');
# And one that compares no time as this server does.
$pair->source_sql(q(CREATE OR REPLACE FUNCTION pg_catalog.clock_ge(public.clock, timestamp) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT false $$));
foreach my $call (pivot(undef, 'clocks', 'clocks'), verify(undef, 'clocks', 'clocks'))
{
	is("$call->{sqlstate} $call->{message}", '0A000 "public.clocks" does not find readings by their time', 'a foreign table that compares times otherwise') or diag($call->{text});
	like($call->{hint}, qr/OFFSET 0/, '... with a way out');
}
$pair->sql('CREATE VIEW clocks_here AS SELECT * FROM clocks OFFSET 0');
went(pivot(undef, 'clocks_here', 'clocks_here'), '... which is one');
is(rows('SELECT sum(x) FROM clocks_here.w_one'), 6, '... all rows are there');

# ---- Clocks without a zone ------------------------------------------------------------------------------------

# Nine hours ahead of UTC: the readings of the last nine hours are not before now.
$both->(q(CREATE TABLE seoul (ship_id text, data_channel_id text, created_time timestamp, long_v bigint); INSERT INTO seoul SELECT 'one', 'x', date_trunc('hour', timezone('Asia/Seoul', now())) - g * interval '1 hour' + interval '1 min', g FROM generate_series(1, 24) g));
foreach my $server (undef, 'src')
{
	my $schema = 'seoul_' . ($server // 'here');
	foreach my $call (pivot($server, 'seoul', $schema), verify($server, 'seoul', $schema), pivot($server, 'seoul', $schema, chunk_interval => "'5 hours'", cutoff_time => q(date_trunc('hour', now()))))
	{
		went($call, 'clocks of Seoul, without a zone');
		like($call->{text}, qr/\b[89] readings are left out.*if the times of the source, which have no time zone, are in UTC.*time_zone/s, '... the readings beyond the cutoff are counted, with the way to them');
	}
	my @zone = (options => q('{"time_zone": "Asia/Seoul", "restart": true}'));
	$said = pivot($server, 'seoul', $schema, @zone);
	unlike($said->{text}, qr/left out/, '... none with the zone');
	is(rows("SELECT count(*) FROM $schema.w_one"), 24, '... all are there');
}
$both->(q(CREATE TABLE ahead (LIKE turned); INSERT INTO ahead (ship_id, data_channel_id, created_time, long_v) VALUES ('one', 'x', now() - interval '1 day', 1), ('one', 'x', now() + interval '1 day', 2)));
foreach my $server (undef, 'src')
{
	$said = pivot($server, 'ahead', 'ahead');
	like($said->{text}, qr/1 readings are left out.*cutoff_time => /s, 'a clock that is ahead') or diag($said->{text});
	unlike(pivot($server, 'ahead', 'ahead', cutoff_time => q('2024-01-01')) ->{text}, qr/left out/, '... not where the cutoff was given');
}

$pair->assert_clean;
done_testing;
