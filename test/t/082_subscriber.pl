# A subscriber of the target follows every way in which a sync or a pivot writes, and stays equal; its own records stay
# its own. The publication is of all tables, the records of tablesync too.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new(target_conf => [ 'wal_level = logical', 'max_worker_processes = 24', 'max_wal_senders = 12', 'max_replication_slots = 20', 'max_logical_replication_workers = 8', 'max_sync_workers_per_subscription = 4', 'wal_retrieve_retry_interval = 100ms' ]);
my $target = $pair->target;
my $log = -s $target->logfile;

$pair->source_sql(q(
	GRANT pg_read_all_stats TO reader;
	CREATE TABLE orders (id int PRIMARY KEY, v text, changed timestamptz NOT NULL DEFAULT now(), deleted bool);
	INSERT INTO orders SELECT g, repeat('v' || g, 40), now() - interval '1 day' FROM generate_series(1, 8000) g;
	CREATE TABLE bag (v int, w text);
	INSERT INTO bag SELECT g % 50, 'w' FROM generate_series(1, 200) g;
	CREATE TABLE readings (ship_id text, data_channel_id text, created_time timestamptz, value_format text, bool_v bool, str_v text, long_v bigint, double_v float8);
	INSERT INTO readings SELECT 'S1', c, '2026-01-01Z'::timestamptz + g * interval '1 min', 'Integer', NULL, NULL, g, NULL FROM generate_series(1, 500) g, unnest('{speed,rpm}'::text[]) c;));
$pair->sql('CREATE SCHEMA raw; CREATE SCHEMA wide');

# ---- The subscriber: another database of the same cluster ----------------------------------------------------------

sub mirror { return $target->safe_psql('mirror', $_[0]) }

$pair->admin('CREATE DATABASE mirror TEMPLATE template0');
my $orders = 'id int NOT NULL PRIMARY KEY, v text, changed timestamptz NOT NULL, deleted bool';
my @orders = map { "raw.$_" } qw(one_worker two_workers in_chunks by_several merged by_xmin with_deletes soft repaired);
my $wide = 'created_time timestamptz NOT NULL PRIMARY KEY, rpm bigint, speed bigint';
mirror('CREATE EXTENSION pg_tablesync; CREATE SCHEMA raw; CREATE SCHEMA wide;'
	  . join('', map { "CREATE TABLE $_ ($orders);" } @orders) . "CREATE TABLE raw.bag (v int, w text); CREATE TABLE wide.tbl_data_timeseries_s1 ($wide);");
is(mirror(q(SELECT string_agg(relname, ' ') FROM pg_class c WHERE relnamespace = 'tablesync'::regnamespace AND relkind = 'r'
	AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))), '', 'every table of ours has a primary key');
$pair->admin(q(CREATE PUBLICATION everything FOR ALL TABLES; SELECT pg_create_logical_replication_slot('mirror', 'pgoutput')));
# What it has no name for would stop it for ever. A run is on record already, which its first copy must not bring.
$pair->sync('orders', 'raw.one_worker');
my $conninfo = $target->connstr('postgres') =~ s/'/''/gr;
mirror("CREATE SUBSCRIPTION mirror CONNECTION '$conninfo' PUBLICATION everything WITH (create_slot = false, slot_name = 'mirror')");

my $in_step = q(SELECT (SELECT bool_and(srsubstate IN ('r', 's')) FROM pg_subscription_rel) AND (SELECT pid IS NOT NULL FROM pg_stat_subscription WHERE relid IS NULL));
my $digest = q(SELECT count(*), md5(string_agg(to_jsonb(t)::text, '|' ORDER BY to_jsonb(t)::text)) FROM %s t);

# A table is known to it from the next refresh on: its rows of before are copied, those of after are applied.
sub follows
{
	my ($table, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	mirror('ALTER SUBSCRIPTION mirror REFRESH PUBLICATION');
	my $there = sprintf $digest, $table;
	my $here = $pair->admin($there);
	my $same = TablesyncTest::poll(sub { mirror($there) eq $here }, 20);
	return ok($same, $name) || diag("here: $here, there: " . mirror($there) . "\n" . join "\n", grep { /ERROR/ } slurp_file($target->logfile, $log) =~ /(.*logical replication.*)/g);
}

sub change
{
	my ($more) = @_;
	$pair->source_sql(q(INSERT INTO orders SELECT max(id) + 1, 'new', now() FROM orders; UPDATE orders SET v = v || '!', changed = now() WHERE id % 100 = 7) . ($more // ''));
	return;
}

# ---- Syncs -----------------------------------------------------------------------------------------------------

my %call = (
	one_worker   => [''],
	two_workers  => ['parallel_workers => 2'],
	in_chunks    => ['chunk_mode => true, batch_size => 2000'],
	by_several   => ['chunk_mode => true, batch_size => 1000, parallel_workers => 2'],
	merged       => [q(sync_mode => 'incremental', incremental_field => 'changed')],
	by_xmin      => [q(sync_mode => 'xmin')],
	with_deletes => [q(sync_mode => 'xmin', delete_missing => true)],
	soft         => [q(sync_mode => 'xmin', options => '{"soft_delete_column": "deleted"}')],
	repaired     => ['']);

my %said = map { $_ => $pair->try_sync('orders', "raw.$_", $call{$_}[0]) } sort keys %call;
is(join(' ', map { $said{$_}{sqlstate} ? "$_: $said{$_}{text}" : () } sort keys %said), '', 'first loads');
like(join("\n", @{ $said{two_workers}{notices} }), qr/is read by one worker, because .*subscribers/, '... of several workers one, since its name would be published');
$pair->sync('bag', 'raw.bag');
follows($_, "... $_ arrives") foreach @orders, 'raw.bag';
is($pair->admin(q(SELECT count(*) FROM pg_publication_tables WHERE schemaname <> 'tablesync' AND tablename LIKE '%hidden%')), 0, '... no hidden table is published');

change('; DELETE FROM orders WHERE id % 50 = 3; UPDATE orders SET deleted = true, changed = now() WHERE id % 50 = 4; DELETE FROM bag WHERE v = 3; INSERT INTO bag VALUES (7, NULL)');
foreach my $name (grep { $_ ne 'repaired' } sort keys %call)
{
	$pair->sync('orders', "raw.$name", $call{$name}[0]);
	follows("raw.$name", "$name: changes follow");
}
$pair->sync('orders', 'raw.two_workers', 'parallel_workers => 2');
$pair->sql(q(SELECT * FROM verify_table('src', 'orders', 'raw.repaired', repair => true)));
follows('raw.repaired', 'a repair follows');
$pair->assert_failed($pair->try_sync('bag', 'raw.bag'), '55000', qr/does not have a replica identity and publishes deletes/, 'a full sync without a key: PostgreSQL refuses');
# Then rows are found by all that they are.
$pair->sql('ALTER TABLE raw.bag REPLICA IDENTITY FULL');
$pair->sync('bag', 'raw.bag');
follows('raw.bag', '... follows');

# ---- Pivots ----------------------------------------------------------------------------------------------------

sub pivot
{
	my ($more) = @_;
	my $said = $pair->try("SELECT * FROM pivot_ship('src', 'readings', target_schema => 'wide', max_retries => 0$more)");
	diag($said->{text}) if $said->{sqlstate};
	return;
}
my $ship = 'wide.tbl_data_timeseries_s1';
pivot('');
follows($ship, 'a pivot into a new table');
# One that is there, and empty, and that the subscriber knows already.
$pair->sql("CREATE TABLE wide.tbl_data_timeseries_s2 ($wide)");
mirror("CREATE TABLE wide.tbl_data_timeseries_s2 ($wide)");
follows('wide.tbl_data_timeseries_s2', 'a wide table that is there, and empty');
$pair->wait_until($target, q(SELECT true));
TablesyncTest::poll(sub { mirror(q(SELECT srsubstate FROM pg_subscription_rel WHERE srrelid = 'wide.tbl_data_timeseries_s2'::regclass)) eq 'r' });
$pair->source_sql(q(INSERT INTO readings SELECT 'S2', data_channel_id, created_time, value_format, bool_v, str_v, long_v, double_v FROM readings WHERE ship_id = 'S1'));
pivot('');
follows('wide.tbl_data_timeseries_s2', '... its first rows');
# One that the first call makes, and the next fills.
$pair->source_sql(q(INSERT INTO readings SELECT 'S3', data_channel_id, created_time, value_format, bool_v, str_v, long_v, double_v FROM readings WHERE ship_id = 'S1'));
pivot(', ship_id => \'S3\', mode => \'tables_only\'');
mirror("CREATE TABLE wide.tbl_data_timeseries_s3 ($wide)");
follows('wide.tbl_data_timeseries_s3', 'a wide table that was made, and is empty');
TablesyncTest::poll(sub { mirror(q(SELECT srsubstate FROM pg_subscription_rel WHERE srrelid = 'wide.tbl_data_timeseries_s3'::regclass)) eq 'r' });
pivot(', ship_id => \'S3\'');
follows('wide.tbl_data_timeseries_s3', '... its first rows');
$pair->source_sql(q(INSERT INTO readings SELECT 'S1', 'speed', '2026-01-01Z'::timestamptz + g * interval '1 min', 'Integer', NULL, NULL, -g, NULL FROM generate_series(400, 600) g));
pivot('');
follows($ship, '... an upsert');
mirror("ALTER TABLE $ship ADD COLUMN fuel text, ADD COLUMN draught bigint; ALTER TABLE $ship ALTER COLUMN speed TYPE float8");
$pair->source_sql(q(INSERT INTO readings VALUES ('S1', 'fuel', '2026-01-01 00:05Z', 'String', NULL, 'oil', NULL, NULL), ('S1', 'draught', '2026-01-01 00:06Z', 'Integer', NULL, NULL, 7, NULL),
	('S1', 'speed', '2026-01-01 00:07Z', 'Decimal', NULL, NULL, NULL, 1.5)));
pivot(', parallel_workers => 2, chunk_interval => \'1 hour\'');
follows($ship, '... added and widened columns, which the subscriber has, by several workers');

# ---- The records -------------------------------------------------------------------------------------------------

# They speak of oids of another database, and would be taken for its own.
foreach my $table (split /\n/, mirror(q(SELECT relname FROM pg_class WHERE relnamespace = 'tablesync'::regnamespace AND relkind = 'r')))
{
	is(mirror("SELECT count(*) FROM tablesync.$table"), 0, "the subscriber's tablesync.$table is its own");
}
is(join("\n", grep { /ERROR:.*logical replication/ } split /\n/, slurp_file($target->logfile, $log)), '', 'nothing was in its way');

mirror('ALTER SUBSCRIPTION mirror DISABLE; ALTER SUBSCRIPTION mirror SET (slot_name = NONE); DROP SUBSCRIPTION mirror');
$pair->wait_until($target, q(SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'mirror'));
$pair->admin(q(SELECT pg_drop_replication_slot('mirror')));

# ---- Where the name of a hidden table can be seen -----------------------------------------------------------------------

my $alone = qr/is read by one worker, because .*subscribers/;
sub first_load_of
{
	my ($name) = @_;
	my $said = $pair->try_sync('orders', "raw.$name", 'parallel_workers => 2');
	return join "\n", $said->{sqlstate} ? $said->{text} : '', @{ $said->{notices} };
}
$pair->admin('DROP PUBLICATION everything; CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA raw');
like(first_load_of('published'), $alone, 'a published schema: one worker');
$pair->admin(q(DROP PUBLICATION of_schema; CREATE PUBLICATION one FOR TABLE raw.one_worker));
unlike(first_load_of('unpublished'), $alone, 'another table is published: two');
$pair->admin(q(SELECT pg_create_logical_replication_slot('decoder', 'test_decoding')));
like(first_load_of('decoded'), $alone, 'a slot that is not told what to publish: one');
is($pair->admin(q(SELECT count(*) FROM pg_logical_slot_get_changes('decoder', NULL, NULL) WHERE data ~ 'table raw\.(?!decoded)')), 0, '... and shows the target alone');
$pair->admin(q(SELECT pg_drop_replication_slot('decoder')));

$pair->assert_clean;
done_testing();
