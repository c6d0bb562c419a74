# Nothing that a call runs is looked up in the caller's search_path, nor in that of the role that reads the source: a
# superuser may have a schema there that a stranger writes to (TablesyncTest::Trap).

use strict;
use warnings;

use Test::More;
use TablesyncTest;
use TablesyncTest::Pivot;
use TablesyncTest::Trap;

my $pair  = TablesyncTest->new(target_conf => ['max_worker_processes = 12']);
my $pivot = TablesyncTest::Pivot->new($pair);
my $caller = 'careless';
$pair->admin("CREATE ROLE $caller SUPERUSER LOGIN; CREATE SCHEMA raw AUTHORIZATION $caller; CREATE SCHEMA wide AUTHORIZATION $caller");
$pair->admin("SET log_statement = none; CREATE USER MAPPING FOR $caller SERVER src OPTIONS ($TablesyncTest::login)");

# ---- What is read ---------------------------------------------------------------------------------------------

# Readings whose columns are of types that are cast, or compared through another.
my %select = (
	varchars => 'ship_id::varchar(40), data_channel_id::varchar, created_time, value_format, bool_v, str_v, long_v, double_v',
	casts    => 'ship_id::varchar(40), data_channel_id::name, created_time::timestamp, value_format::varchar, bool_v, str_v, long_v::int8, (CASE WHEN abs(double_v) < 1e9 THEN double_v END)::numeric AS double_v');
$pivot->make('readings', seed => 7, readings => 2000, channels => 8);
$pivot->make('mixed', seed => 7, readings => 2000, channels => 8, mixed => 1);
$pivot->make($_, seed => 7, readings => 2000, channels => 8, select => $select{$_}) foreach sort keys %select;
foreach my $node ($pair->source, $pair->target)
{
	$node->safe_psql('postgres', 'CREATE INDEX ON readings (ship_id, created_time); CREATE INDEX ON varchars (ship_id, created_time)');
	$node->safe_psql('postgres', 'CREATE VIEW days AS SELECT *, created_time::date AS day FROM readings; GRANT SELECT ON days TO PUBLIC');
}

my $columns = q(id varchar(20) PRIMARY KEY, n integer NOT NULL, at timestamptz NOT NULL DEFAULT now(), day text NOT NULL DEFAULT '20240105', seen date, name text, doc jsonb, gone boolean NOT NULL DEFAULT false, code uuid);
$pair->source_sql("CREATE TABLE items ($columns)");
$pair->source_sql("INSERT INTO items (id, n, at, seen, name, doc, gone) SELECT 'item ' || n, n, now() - n * interval '1 min', '2024-01-05', 'name ' || n, '{}', n % 7 = 0 FROM generate_series(1, 400) n");
$pair->source_sql('CREATE TABLE loose AS SELECT n % 50 AS a, (n % 50)::text AS b FROM generate_series(1, 200) n');
$pair->source_sql(q(CREATE TABLE numbered (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C"); INSERT INTO numbered (name) SELECT n FROM generate_series(1, 100) n));
$pair->source_sql(q(CREATE TABLE texts (id text PRIMARY KEY, n text, d text, t text, f text, b text, u text, c char(5)); INSERT INTO texts SELECT n, n || '.0', '2024-01-05', '2024-01-05 10:00', n, 'yes', NULL, 'abc' FROM generate_series(1, 40) n));
$pair->source_sql(q(UPDATE texts SET n = 'none' WHERE id = '7'));
$pair->source_sql('CREATE TABLE narrow (id integer PRIMARY KEY, n integer); INSERT INTO narrow VALUES (1, 1)');
$pair->source_sql('CREATE VIEW view AS SELECT * FROM items; GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC');
$pair->admin("CREATE TABLE raw.texts (id text PRIMARY KEY, n integer, d date, t timestamptz, f numeric(8,2), b boolean, u uuid, c varchar(5)); ALTER TABLE raw.texts OWNER TO $caller");

TablesyncTest::Trap::set($pair->source, $TablesyncTest::reader);
TablesyncTest::Trap::set($pair->target, $caller);

# ---- The trap works -------------------------------------------------------------------------------------------

foreach my $node ($pair->source, $pair->target)
{
	my $role = $node == $pair->source ? $TablesyncTest::reader : $caller;
	$node->safe_psql('postgres', "SET SESSION AUTHORIZATION $role; SET search_path = $TablesyncTest::Trap::path;"
		  . q( SELECT now() > '2000-01-01', 'a'::varchar = 'b', 1 < 2, 'a'::text, count(*), max(oid::int8), format_type(25, -1) FROM pg_class));
	my $sprung = join "\n", TablesyncTest::Trap::sprung($node);
	like($sprung, qr/^$role: \Q$_\E/m, $node->name . ": the trap catches $_")
	  foreach 'operator > (timestamp', 'operator = (text, text)', 'operator < (integer', 'function now', 'function format_type', 'aggregate count', 'aggregate max', 'type text', 'relation pg_class';
}

# Runs a statement as the superuser. It must end as it would without the trap, and spring none.
sub is_safe
{
	my ($name, $sql, $sqlstate) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $said = $pair->try($sql, user => $caller);
	is($said->{sqlstate}, $sqlstate // '', "$name: it ends as usual") or diag($said->{text});
	is(join("\n", TablesyncTest::Trap::sprung($pair->target)), '', '... nothing of the caller\'s path was run');
	is(join("\n", TablesyncTest::Trap::sprung($pair->source)), '', '... nor of the reader\'s');
	return $said->{out};
}

# ---- Pivots ---------------------------------------------------------------------------------------------------

my @schemas;
foreach my $table ('readings', 'days', sort keys %select)
{
	foreach my $from ('NULL', "'src'")
	{
		my $schema = "wide_${table}_" . ($from eq 'NULL' ? 'here' : 'there');
		push @schemas, $schema;
		my $call = "pivot_ship($from, 'public.$table', target_schema => '$schema'";
		my $more = $table eq 'casts' ? q(, options => '{"time_zone": "Europe/Berlin"}') : '';
		is_safe("$schema, all of it", "SELECT * FROM $call$more, chunk_interval => '7 days')");
		is_safe('... in chunks, again', "SELECT * FROM $call$more, chunk_interval => '10 min', ship_ids => ARRAY['SHIP1', 'ship-2'])");
		is_safe('... one ship, two channels, some time', "SELECT * FROM $call$more, ship_id => 'SHIP1', channels => ARRAY['RPM', 'xmin'], from_time => '2024-03-01 00:10Z', cutoff_time => '2024-03-01 01:00Z')");
		is_safe('... with workers', "SELECT * FROM $call$more, parallel_workers => 2, chunk_interval => '20 min')") if $table eq 'varchars';
		is_safe('... schemas alone', "SELECT * FROM $call$more, mode => 'schema_only')");
		is_safe('... compared', "SELECT * FROM verify_pivot($from, 'public.$table', target_schema => '$schema'$more)");
	}
}

# Several tables for each ship, and the view that joins them: it is made again when a column of it has another name, and one is new.
my $groups = q('src', 'public.mixed', target_schema => 'groups', table_groups => '{"first": "^/hs4sd_v1/", "second": "^[A-Z]"}');
is_safe('groups of channels', "SELECT * FROM pivot_ship($groups, chunk_interval => '10 min')");
my ($table, $column) = split /\|/, $pair->admin(q(SELECT table_oid::regclass, quote_ident(column_name) FROM tablesync.pivot_column JOIN tablesync.pivot_table USING (table_oid)
	WHERE target_schema = 'groups' AND ship = 'SHIP1' LIMIT 1));
$pair->admin("ALTER TABLE $table RENAME COLUMN $column TO renamed");
$pair->source->safe_psql('postgres', "INSERT INTO mixed SELECT ship_id, '/hs4sd_v1/new', created_time, value_format, bool_v, str_v, long_v, double_v FROM mixed WHERE ship_id = 'SHIP1' LIMIT 10");
is_safe('... a column is renamed', "SELECT * FROM pivot_ship($groups)");
is_safe('... the tables are dropped first', "SELECT * FROM pivot_ship($groups, drop_tables => true)");

# ---- Syncs ----------------------------------------------------------------------------------------------------

sub sync
{
	my ($source, $target, $more) = @_;
	return 'SELECT * FROM sync_table(' . join(', ', "'src'", "'public.$source'", "'raw.$target'", 'max_retries => 0', $more // ()) . ')';
}

my %way = (
	full        => q(sync_mode => 'full'),
	incremental => q(sync_mode => 'incremental', incremental_field => 'at', options => '{"lookback": "1 hour"}'),
	by_number   => q(sync_mode => 'incremental', incremental_field => 'n', options => '{"lookback": "10"}'),
	by_day      => q(sync_mode => 'incremental', incremental_field => 'day', incremental_field_type => 'yyyymmdd', options => '{"lookback": "1 day"}'),
	by_date     => q(sync_mode => 'incremental', incremental_field => 'seen', options => '{"lookback": "1 day"}'),
	xmin        => q(sync_mode => 'xmin'),
	deleting    => q(sync_mode => 'incremental', incremental_field => 'at', delete_missing => true),
	soft        => q(sync_mode => 'xmin', options => '{"soft_delete_column": "gone", "soft_delete_action": "delete"}'),
	parallel    => q(parallel_workers => 2),
	chunks      => q(chunk_mode => true, batch_size => 50),
	key_chunks  => q(chunk_mode => true, batch_size => 50, sync_mode => 'incremental', incremental_field => 'at', delete_missing => true));
is_safe("$_: the first run", sync('items', $_, $way{$_})) foreach sort keys %way;
is_safe('a view', sync('view', 'view', q(primary_key => ARRAY['id'], sync_mode => 'incremental', incremental_field => 'at')));
is_safe('no key', sync('loose', 'loose'));
is_safe('an identity', sync('numbered', 'numbered'));
is_safe('a number', sync('narrow', 'narrow'));
is_safe('texts that are converted', sync('texts', 'texts', q(options => '{"on_bad_row": "reject", "empty_string_as_null": true}')));
is_safe('... and one that cannot be', sync('texts', 'texts'), '22P02');

$pair->source_sql(q(UPDATE items SET name = name || '!', at = now() WHERE n % 10 = 0; DELETE FROM items WHERE n % 11 = 0; INSERT INTO items (id, n) VALUES ('new', 1000)));
$pair->source_sql(q(UPDATE loose SET b = b || '!' WHERE a < 5; DELETE FROM loose WHERE a > 45; UPDATE numbered SET name = name || '!' WHERE id < 5; INSERT INTO numbered (name) VALUES ('new')));
$pair->source_sql('ALTER TABLE narrow ALTER n TYPE bigint, ADD more text, ADD day date; INSERT INTO narrow VALUES (2, 1e10)');
is_safe("$_: the second run", sync('items', $_, $way{$_})) foreach sort keys %way;
is_safe('a view, again', sync('view', 'view', q(primary_key => ARRAY['id'], sync_mode => 'incremental', incremental_field => 'at', delete_missing => true)));
is_safe('no key, again', sync('loose', 'loose'));
is_safe('an identity, again', sync('numbered', 'numbered'));
is_safe('columns that are wider, and new', sync('narrow', 'narrow', q(options => '{"on_schema_change": "add"}')));
is_safe('texts, again', sync('texts', 'texts', q(options => '{"on_bad_row": "reject"}')));

# A row that is in the way of another.
$pair->source_sql(q(CREATE TABLE swapped (id integer PRIMARY KEY, code text UNIQUE); INSERT INTO swapped VALUES (1, 'a'), (2, 'b'); GRANT SELECT ON swapped TO PUBLIC));
is_safe('two keys', sync('swapped', 'swapped'));
$pair->admin('CREATE UNIQUE INDEX ON raw.swapped (code)');
$pair->source_sql(q(DELETE FROM swapped WHERE id = 1; INSERT INTO swapped VALUES (3, 'a')));
is_safe('... a value that moved on', sync('swapped', 'swapped', 'delete_missing => false'), '23505');

# ---- Comparisons, and what is asked ---------------------------------------------------------------------------

is_safe('sync_plan', qq(SELECT * FROM sync_plan('src', 'public.items', 'raw.full', $way{incremental})));
is_safe('... of a new table', qq(SELECT * FROM sync_plan('src', 'public.items', 'raw.other', $way{parallel})));
foreach my $table (qw(full xmin incremental))
{
	$pair->admin(qq(DELETE FROM raw.$table WHERE n < 10; UPDATE raw.$table SET name = 'changed' WHERE n = 20; INSERT INTO raw.$table SELECT (jsonb_populate_record(t, '{"id": "extra"}')).* FROM raw.$table t LIMIT 1));
	is_safe("verify_table, $table", "SELECT * FROM verify_table('src', 'public.items', 'raw.$table')");
	is_safe('... and repair', "SELECT * FROM verify_table('src', 'public.items', 'raw.$table', repair => true)");
	is(is_safe('... again', "SELECT * FROM verify_table('src', 'public.items', 'raw.$table')"), '', '... nothing differs');
	is_safe('... from here', "SELECT * FROM verify_table(NULL, 'raw.parallel', 'raw.$table')");
}
is_safe('verify_table, no key', "SELECT * FROM verify_table('src', 'public.loose', 'raw.loose')");
is_safe('verify_table, converted', "SELECT * FROM verify_table('src', 'public.texts', 'raw.texts', custom_where => 'id OPERATOR(pg_catalog.<>) ''7''')");
$pair->admin(q(CREATE TABLE raw.numbers AS SELECT id, n::text AS n FROM raw.texts; CREATE TABLE raw.from_numbers (id text PRIMARY KEY, n integer)));
is_safe('... from here', "SELECT * FROM verify_table(NULL, 'raw.numbers', 'raw.from_numbers')");
is_safe('explain_row', "SELECT * FROM explain_row('raw.incremental', 'item 20')");
is_safe('... of none', "SELECT * FROM explain_row('raw.incremental', 'item 11')");
is_safe('... of a rejected one', "SELECT * FROM explain_row('raw.texts', '7')");
is_safe('test_connection', "SELECT * FROM test_connection('src')");
is_safe('connection_info', "SELECT * FROM connection_info('src')");
is_safe('run_sync', "CALL run_sync('src', 'public.items', 'raw.full')");
is_safe('reprocess_failed_chunks', 'SELECT * FROM reprocess_failed_chunks()');
is_safe('drop_hidden_tables', 'SELECT tablesync.drop_hidden_tables()');
is_safe('progress', 'SELECT * FROM tablesync.progress');

done_testing();
