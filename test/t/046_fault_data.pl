# Rows that the target cannot take: what its constraints, types and encoding refuse, and what is too wide for any table.
# The run fails with the SQLSTATE of the value, says of which row, and goes on when it is mended.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);
use TablesyncTest::Fault;

my $pair  = TablesyncTest->new;
my $field = q(sync_mode => 'incremental', incremental_field => 'changed_at');

# A run that fails, and what then lets it go on, here or there.
sub assert_refused
{
	my ($name, $source, $target, $more, $sqlstate, $like, $mend, $record) = @_;
	TablesyncTest::Fault::remember($pair, $target);
	my $said = $pair->try_sync($source, $target, $more);
	$mend->();
	TablesyncTest::Fault::assert_harmless($pair,
		name => $name, said => $said, sqlstate => $sqlstate, source => $source, target => $target, more => $more, like => $like,
		record => $record // 'failed');
	return $said;
}

# ---- Constraints --------------------------------------------------------------------------------------------

# By way of the stage, in a mode that has a watermark; one row is bad.
$pair->source_sql(q(
	CREATE TABLE orders (id int PRIMARY KEY, customer int, amount int, changed_at timestamptz DEFAULT clock_timestamp());
	INSERT INTO orders SELECT g, g % 5, g FROM generate_series(1, 100) g;));
$pair->sql(q(
	CREATE SCHEMA raw;
	CREATE TABLE raw.customers (id int PRIMARY KEY);
	INSERT INTO raw.customers SELECT generate_series(0, 4);
	CREATE TABLE raw.orders (id int NOT NULL, customer int, amount int, changed_at timestamptz, PRIMARY KEY (id))
		PARTITION BY RANGE (id);
	CREATE TABLE raw.orders_1 PARTITION OF raw.orders FOR VALUES FROM (0) TO (1000);
	CREATE TABLE raw.plain (LIKE raw.orders INCLUDING ALL);
	ALTER TABLE raw.plain ADD FOREIGN KEY (customer) REFERENCES raw.customers DEFERRABLE INITIALLY DEFERRED,
		ADD CHECK (amount <> 666), ALTER amount SET NOT NULL, ADD UNIQUE (amount);));
$pair->sync('orders', $_, $field) foreach 'raw.orders', 'raw.plain';

$pair->source_sql('INSERT INTO orders VALUES (101, 99, 101)');
assert_refused('a foreign key that is checked at COMMIT', 'orders', 'raw.plain', $field, '23503', qr/violates foreign key/,
	sub { $pair->sql('INSERT INTO raw.customers VALUES (99)') });
$pair->source_sql('INSERT INTO orders VALUES (102, 1, 666)');
assert_refused('a CHECK', 'orders', 'raw.plain', $field, '23514', qr/violates check constraint/,
	sub { $pair->source_sql('UPDATE orders SET amount = 667 WHERE id = 102') });
$pair->source_sql('INSERT INTO orders VALUES (103, 1, NULL)');
assert_refused('a NOT NULL', 'orders', 'raw.plain', $field, '23502', qr/null value in column "amount"/,
	sub { $pair->source_sql('UPDATE orders SET amount = 668 WHERE id = 103') });
$pair->source_sql('INSERT INTO orders VALUES (104, 1, 5)');
assert_refused('another unique index', 'orders', 'raw.plain', $field, '23505', qr/unique (?:constraint|index) "plain_amount_key"/,
	sub { $pair->source_sql('UPDATE orders SET amount = 669 WHERE id = 104') });
$pair->source_sql('INSERT INTO orders VALUES (1001, 1, 1001)');
assert_refused('no partition', 'orders', 'raw.orders', $field, '23514', qr/no partition of relation "orders" found for row/,
	sub { $pair->sql('CREATE TABLE raw.orders_2 PARTITION OF raw.orders FOR VALUES FROM (1000) TO (2000)') });
$pair->sync('orders', 'raw.plain', $field);
$pair->admin("ALTER TABLE raw.plain OWNER TO CURRENT_USER; GRANT ALL ON raw.plain TO $TablesyncTest::caller;
	ALTER TABLE raw.plain ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON raw.plain USING (true)");
$pair->source_sql('INSERT INTO orders VALUES (105, 1, 1055)');
assert_refused('row-level security', 'orders', 'raw.plain', $field, '0A000', qr/row-level security enabled/,
	sub { $pair->admin('ALTER TABLE raw.plain DISABLE ROW LEVEL SECURITY') }, '');

# ---- Values -------------------------------------------------------------------------------------------------

# The type there, the type here, a bad value, a good one.
my @values = (
	[ 'numeric',     'int',         'NaN',                  '1',      '22P02' ],
	[ 'numeric',     'int',         '3000000000',           '1',      '22003' ],
	[ 'float8',      'int',         'Infinity',             '1',      '22P02' ],
	[ 'numeric',     'numeric(5,2)', '12345',               '1.00',   '22003' ],
	[ 'text',        'timestamp',   '294277-01-01',         '2026-01-01 00:00:00', '22008|22007' ],
	[ 'text',        'date',        '0000-00-00',           '2026-01-01', '22008|22007' ],
	[ 'text',        'jsonb',       '{"a": "\u0000"}',      '1',      '22P05' ],
	[ 'text',        'varchar(3)',  'four',                 'abc',    '22001' ],
	[ 'text',        'uuid',        'none',                 '00000000-0000-0000-0000-000000000000', '22P02' ]);
foreach my $n (0 .. $#values)
{
	my ($there, $here, $bad, $good, $sqlstate) = @{ $values[$n] };
	$pair->source_sql("CREATE TABLE value_$n (id int PRIMARY KEY, v $there);
		INSERT INTO value_$n SELECT g, '$good' FROM generate_series(1, 20) g; UPDATE value_$n SET v = '$bad' WHERE id = 13");
	$pair->sql("CREATE TABLE raw.value_$n (id int PRIMARY KEY, v $here); INSERT INTO raw.value_$n VALUES (1, '$good')");
	my $said = assert_refused("$there '$bad' as $here", "value_$n", "raw.value_$n", q(options => '{"adopt": true}'), $sqlstate, undef,
		sub { $pair->source_sql("UPDATE value_$n SET v = '$good' WHERE id = 13") });
	like("$said->{message} $said->{detail} $said->{context}", qr/\bv\b.*\b13\b|\b13\b.*\bv\b/s, '... the row and the column are named')
	  or diag($said->{text});
}

# ---- Encodings ----------------------------------------------------------------------------------------------

# The target in LATIN1, which has no snowman: the source is asked for LATIN1, and cannot.
$pair->admin("CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'");
my $port = $pair->source->port;
$pair->target->safe_psql('latin', "SET log_statement = none; CREATE EXTENSION pg_tablesync;
	GRANT CREATE ON DATABASE latin TO $TablesyncTest::caller; SELECT tablesync.grant_to('$TablesyncTest::caller');
	CREATE SERVER src FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1', port '$port', dbname 'postgres');
	GRANT USAGE ON FOREIGN SERVER src TO $TablesyncTest::caller;
	CREATE USER MAPPING FOR $TablesyncTest::caller SERVER src OPTIONS ($TablesyncTest::login)");
$pair->source_sql(q(CREATE TABLE words (id int PRIMARY KEY, word text); INSERT INTO words VALUES (1, 'é'), (2, '☃')));
my $in_latin = "\\connect latin\n" . call_of('words', 'raw.words');
my $said = $pair->try($in_latin);
$pair->assert_failed($said, '22P05', qr/has no equivalent in encoding "LATIN1"/, 'a character that the target has not');
like($said->{context}, qr/remote server "src"/, '... the source says so');
$pair->source_sql('DELETE FROM words WHERE id = 2');
is($pair->try($in_latin)->{sqlstate}, '', '... without it the next call works');
is($pair->target->safe_psql('latin', q(SELECT encode(word::bytea, 'hex') FROM raw.words)), 'e9', '... and is right');
$pair->assert_clean;

# ---- Width --------------------------------------------------------------------------------------------------

# As many columns as a table can have, of a key and without.
my $columns = join ', ', map { "c$_ int" } 2 .. 1600;
$pair->source_sql("CREATE TABLE wide (c1 int PRIMARY KEY, $columns); INSERT INTO wide (c1, c1600) SELECT g, g FROM generate_series(1, 50) g;
	CREATE VIEW wide_view AS SELECT * FROM wide; GRANT SELECT ON wide_view TO reader");
foreach my $table ('wide', 'wide_view')
{
	is($pair->sync($table, "raw.$table")->{inserted}, 50, "$table: 1600 columns");
	$pair->source_sql('UPDATE wide SET c800 = c1 WHERE c1 < 10; DELETE FROM wide WHERE c1 = 50; INSERT INTO wide (c1) VALUES (50)');
	TablesyncTest::Fault::assert_goes_on($pair, $table, "raw.$table", q(delete_missing => true));
}

# A row that fits into no page.
my $floats = join ', ', map { "1.5::float8 * n AS c$_" } 1 .. 1100;
$pair->source_sql("CREATE VIEW fat AS SELECT n AS id, $floats FROM generate_series(1, 3) n; GRANT SELECT ON fat TO reader");
TablesyncTest::Fault::remember($pair, 'raw.fat');
$pair->assert_failed($pair->try_sync('fat', 'raw.fat'), '54000', qr/row is too big/, '1100 numbers in a row');
TablesyncTest::Fault::assert_nothing_changed($pair, 'raw.fat');

# Values as long as they can be; the source has to hold the row twice, so does this server.
if ($ENV{TABLESYNC_TEST_LONG})
{
	$pair->source_sql(q(CREATE VIEW huge AS SELECT 1 AS id, repeat('x', 600000000) AS a, repeat('y', 600000000) AS b;
		CREATE VIEW long AS SELECT 1 AS id, repeat('x', 600000000)::bytea AS a; GRANT SELECT ON huge, long TO reader));
	$pair->assert_failed($pair->try_sync('huge', 'raw.huge'), '54000|XX000|53200', undef, 'a row of 1.2 GB');
	is($pair->state_of('raw.huge'), 'absent', '... nothing was made');
	is($pair->try_sync('long', 'raw.long', 'memory_limit_mb => 6000')->{sqlstate}, '', 'a value of 600 MB');
	is($pair->sql('SELECT length(a) FROM raw.long'), 600000000, '... arrives');
}

$pair->assert_clean;
done_testing();
