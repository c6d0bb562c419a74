# What was looked at is what is used: a relation or a schema that is swapped while a worker is at it leads to an error, or to the
# rows of the first one, and never to the rows of another, nor to memory that was taken for something else.

use strict;
use warnings;

use Test::More;
use TablesyncTest;
use TablesyncTest::Attack;
use TablesyncTest::Fault;

my $pair   = TablesyncTest->new(target_conf => [ 'max_worker_processes = 12', 'log_error_verbosity = verbose' ]);
my $attack = TablesyncTest::Attack->new($pair);
my $wide   = 'tbl_data_timeseries_';

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, 'item ' || g FROM generate_series(1, 100) g;
	CREATE VIEW foreign_numbers AS SELECT 'HS1'::text AS ship_id, 'c'::text AS data_channel_id, '2024-01-01 00:00Z'::timestamptz AS created_time, 'String'::text AS value_format,
		NULL::bool AS bool_v, (x'4141414141')::bigint AS str_v, NULL::int8 AS long_v, NULL::float8 AS double_v;
	GRANT SELECT ON foreign_numbers TO PUBLIC;
	ANALYZE;));
my $port = $pair->source->port;
$pair->admin(qq(
	SET log_statement = none;
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER foreign_source FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '$port', dbname 'postgres');
	GRANT USAGE ON FOREIGN SERVER foreign_source TO alice;
	CREATE USER MAPPING FOR alice SERVER foreign_source OPTIONS ($TablesyncTest::login);));

# ---- Row 1: the source of a pivot -----------------------------------------------------------------------------

# The same relation in two schemas: in ra as it should be, with the value 1; in rb as the attacker wants it to be taken for
# the first, with an address where a text was.
my $columns = q(%s::text AS ship_id, 'c'::text AS data_channel_id, '2024-01-01 00:00Z'::timestamptz AS created_time, %s::text AS value_format, NULL::bool AS bool_v, %s AS str_v, %s::int8 AS long_v, NULL::float8 AS double_v);
my $right = sprintf "SELECT $columns", "'HS1'", "'Integer'", 'NULL::text', 1;
my $slow  = sprintf "SELECT $columns", q(rout.gate('HS1')), "'Integer'", 'NULL::text', 1;
my $wrong = sprintf "SELECT $columns", "'HS1'", "'String'", q((x'4141414141')::bigint), 'NULL';
my $foreign = 'ship_id text, data_channel_id text, created_time timestamptz, value_format text, bool_v bool, str_v %s, long_v int8, double_v float8';

my %kinds = (
	'view'              => sub { "CREATE VIEW $_[0] AS $_[1]" },
	'materialized view' => sub { "CREATE MATERIALIZED VIEW $_[0] AS $_[1]" },
	'table'             => sub { "CREATE TABLE $_[0] AS $_[1]" },
	'partitioned table' => sub { "CREATE TABLE $_[0]_part AS $_[1]; CREATE TABLE $_[0] (LIKE $_[0]_part) PARTITION BY LIST (ship_id); ALTER TABLE $_[0] ATTACH PARTITION $_[0]_part DEFAULT" },
	'foreign table'     => sub { sprintf "CREATE FOREIGN TABLE %s ($foreign) SERVER foreign_source OPTIONS (schema_name 'public', table_name '%s')", $_[0],
		$_[1] eq $wrong ? ('bigint', 'foreign_numbers') : ('text', 'foreign_readings') });
$pair->source_sql("CREATE VIEW foreign_readings AS $right; GRANT SELECT ON foreign_readings TO PUBLIC");

sub make_two
{
	my ($first, $second) = @_;
	$pair->admin('DROP SCHEMA IF EXISTS ra CASCADE; DROP SCHEMA IF EXISTS rb CASCADE; DROP SCHEMA IF EXISTS rc CASCADE; DROP SCHEMA IF EXISTS rout CASCADE');
	$attack->alice(q(
		CREATE SCHEMA ra; CREATE SCHEMA rb; CREATE SCHEMA rout;
		CREATE FUNCTION rout.gate(x text) RETURNS text VOLATILE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN x; END $$;));
	$attack->alice("$first; $second");
	return;
}

# Ways to make a call wait, until go() is called: at a gate in a view's function, for a lock, or at a fault point.
sub hold_gate
{
	my $gate = $attack->session('super');
	$gate->query_safe('SELECT pg_advisory_lock(77)');
	return sub { $gate->query_safe('SELECT pg_advisory_unlock(77)') };
}

sub hold_relation
{
	my ($relation, $column) = @_;
	my $holder = $attack->session('alice');
	$holder->query_safe("BEGIN; ALTER TABLE $relation RENAME COLUMN $column TO another_name");
	return sub { $holder->query_safe('ROLLBACK') };
}

sub pause_at
{
	my ($point) = @_;
	TablesyncTest::Fault::set($pair, "$point:1:pause");
	return sub { TablesyncTest::Fault::clear($pair) };
}

# As hold_relation(), when the run is further on. The second result is to be called when it is there.
sub hold_later
{
	my ($point) = @_;
	TablesyncTest::Fault::set($pair, "$point:pause");
	my $holder = $attack->session('alice');
	return (sub { $holder->query_safe('ROLLBACK') }, sub {
		$holder->query_safe('BEGIN; ALTER TABLE ra.v RENAME COLUMN value_format TO another_name');
		TablesyncTest::Fault::clear($pair);
		$pair->wait_until($pair->target, q(SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'fault point %')));
	});
}

# Waits until a call, or its worker, waits; or has ended, where it has not come to a fault point.
sub wait_until_held
{
	my ($call) = @_;
	my $pid = $call->pid;
	return $pair->wait_until($pair->target, qq(SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)
		OR EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'fault point %')
		OR EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND (a.pid = $pid OR a.backend_type = 'pg_tablesync'))));
}

# While the call waits, ra becomes rc and rb becomes ra: at once, or, if that has to wait, as soon as it can.
my $swap = 'BEGIN; ALTER SCHEMA ra RENAME TO rc; ALTER SCHEMA rb RENAME TO ra; COMMIT';

sub swap_while_waiting
{
	my ($hold, $call, $swapping) = @_;
	my ($go, $go_on) = $hold->();
	my $session = $attack->start_as('alice', $call);
	wait_until_held($session);
	if ($go_on)
	{
		$go_on->();
		wait_until_held($session);
	}
	my $attacker = $attack->start_as('alice', $swapping // $swap);
	$attack->wait_until_stuck($attacker);
	$go->();
	my ($said, $swapped) = ($session->finish, $attacker->finish);
	$pair->wait_until($pair->target, 'SELECT true');
	is($swapped->{sqlstate}, '', 'the attacker swaps them') or diag($swapped->{text});
	return $said;
}

# It took the first relation, or noticed.
sub assert_not_taken
{
	my ($said, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like($said->{sqlstate}, qr/^(?:|42804|40001|42P01|42809|42703|42501|55000|3F000)$/, $name // 'the call succeeds, or says what it met') || diag($said->{text});
}

sub cells
{
	my ($schema) = @_;
	return $pair->admin("SELECT to_regclass('$schema.${wide}hs1') IS NULL") eq 't' ? ''
	  : $pair->admin("SELECT coalesce(string_agg(to_jsonb(t) ->> 'c', ' '), '') FROM $schema.${wide}hs1 t");
}

my $pivot_of_ra = q(SELECT FROM pivot_ship(NULL, 'ra.v', 'HS1', target_schema => 'rout', max_retries => 0));
foreach my $kind (sort keys %kinds)
{
	$attack->row("row 1: a schema is renamed while the worker reads its view: a $kind is in its place", sub {
		make_two($kinds{view}->('ra.v', $slow), $kinds{$kind}->('rb.v', $wrong));
		assert_not_taken(swap_while_waiting(\&hold_gate, $pivot_of_ra));
		like(cells('rout'), qr/^1?$/, '... and nothing of the other is there');
	});
	$attack->row("row 1: ... while the worker waits for a $kind: a view is in its place", sub {
		make_two($kinds{$kind}->('ra.v', $right), $kinds{view}->('rb.v', $wrong));
		assert_not_taken(swap_while_waiting(sub { hold_relation('ra.v', 'value_format') }, $pivot_of_ra));
		like(cells('rout'), qr/^(?:1|280267669825|)$/, '... and what is there is of one of them');
	});
	$attack->row("row 1: ... while the worker waits for a $kind: another is in its place", sub {
		make_two($kinds{$kind}->('ra.v', $right), $kinds{$kind}->('rb.v', $wrong));
		assert_not_taken(swap_while_waiting(sub { hold_relation('ra.v', 'value_format') }, $pivot_of_ra));
		like(cells('rout'), qr/^(?:1|280267669825|)$/, '... and what is there is of one of them');
	});
	$attack->row("row 1: ... after the worker has described a $kind: another is in its place", sub {
		make_two($kinds{$kind}->('ra.v', $right), $kinds{$kind}->('rb.v', $wrong));
		assert_not_taken(swap_while_waiting(sub { pause_at('target_described') }, $pivot_of_ra));
		like(cells('rout'), qr/^1?$/, '... and nothing of the other is there');
	});
	$attack->row("row 1: verify_pivot: a schema is renamed while it reads: a $kind is in its place", sub {
		make_two($kinds{table}->('ra.v', $right), $kinds{$kind}->('rb.v', $wrong));
		$attack->alice($pivot_of_ra);
		$attack->alice('DROP TABLE ra.v; ' . $kinds{view}->('ra.v', $slow));
		my $said = swap_while_waiting(\&hold_gate, q(SELECT * FROM verify_pivot(NULL, 'ra.v', 'HS1', target_schema => 'rout')));
		assert_not_taken($said);
		is($said->{out}, '', '... and no difference of the other is listed');
	});
}

# A transaction is as much as a rename: the columns of a view are replaced, or it is dropped and made again.
foreach my $case (
	[ 'the view is dropped and made again', "DROP VIEW ra.v; CREATE VIEW ra.v AS $wrong" ],
	[ 'the view is moved, and another has its name', 'ALTER VIEW ra.v SET SCHEMA rc; ALTER VIEW rb.v SET SCHEMA ra' ],
	[ 'the view is renamed, and another has its name', "ALTER VIEW ra.v RENAME TO w; CREATE VIEW ra.v AS $wrong" ])
{
	my ($what, $ddl) = @$case;
	$attack->row("row 1: $what while the worker reads it", sub {
		make_two($kinds{view}->('ra.v', $slow), $kinds{view}->('rb.v', $wrong));
		$attack->alice('CREATE SCHEMA rc');
		assert_not_taken(swap_while_waiting(\&hold_gate, $pivot_of_ra, "BEGIN; $ddl; COMMIT"));
		like(cells('rout'), qr/^1?$/, '... and nothing of the other is there');
	});
}

# Channels come from a table, too.
my @channels = ("SELECT 'c'::text AS channel", q(SELECT (x'4141414141')::bigint AS channel));
foreach my $kind ('table', 'view', 'materialized view')
{
	$attack->row("row 1: channels_table: a schema is renamed: $kind", sub {
		make_two($kinds{$kind}->('ra.ch', $channels[0]), $kinds{$kind}->('rb.ch', $channels[1]));
		$attack->alice("CREATE TABLE rout.v AS $right");
		my $said = swap_while_waiting(sub { hold_relation('ra.ch', 'channel') },
			q(SELECT FROM pivot_ship(NULL, 'rout.v', 'HS1', target_schema => 'rout', max_retries => 0, options => '{"channels_table": "ra.ch"}')));
		assert_not_taken($said);
		like(cells('rout'), qr/^1?$/, '... and nothing of the other is there');
	});
}
$attack->row('row 1: channels_table: a schema is renamed while the worker reads its view', sub {
	make_two("CREATE VIEW ra.ch AS SELECT rout.gate('c') AS channel", "CREATE VIEW rb.ch AS $channels[1]");
	$attack->alice("CREATE TABLE rout.v AS $right");
	assert_not_taken(swap_while_waiting(\&hold_gate,
		q(SELECT FROM pivot_ship(NULL, 'rout.v', 'HS1', target_schema => 'rout', max_retries => 0, options => '{"channels_table": "ra.ch"}'))));
	like(cells('rout'), qr/^1?$/, '... and nothing of the other is there');
});

# ---- Row 9: a relation that the role could not use by hand ----------------------------------------------------

# The attacker owns both schemas, and a table of the victim is in one of them.
sub make_victims
{
	my ($hers, $his) = @_;
	make_two($hers, 'GRANT ALL ON SCHEMA rb TO bob');
	$attack->bob($his);
	return;
}

# A column of another type would be found for that alone.
my $secret = sprintf "SELECT $columns", "'HS1'", "'Integer'", 'NULL::text', 4711;
# A table that is read whole is read from its pages: again, where the wide table lacks a column at first.
my $other_channel = $right =~ s/'c'::text/'d'::text/r;

sub make_wide_table
{
	$attack->alice($kinds{table}->('rout.v', $other_channel) . q(; SELECT FROM pivot_ship(NULL, 'rout.v', 'HS1', target_schema => 'rout')));
	return;
}

my $pivot_of_all = $pivot_of_ra =~ s/\)\z/, chunk_interval => '36500 days')/r;
my %windows = (
	'waits for its lock' => sub { hold_relation('ra.v', 'value_format') },
	'waits for its lock again' => sub { hold_later('work_begun:2') },
	'waits for its lock once more' => sub { hold_later('work_begun:3') },
	'has described it'   => sub { pause_at('target_described') },
	'has begun'          => sub { pause_at('work_begun') });
foreach my $kind ('table', 'view', 'materialized view', 'partitioned table')
{
	foreach my $window (sort keys %windows)
	{
		$attack->row("row 9: a pivot that $window does not read a victim's $kind", sub {
			make_victims($kinds{table}->('ra.v', $right), $kinds{$kind}->('rb.v', $secret));
			make_wide_table();
			my $said = swap_while_waiting($windows{$window}, $pivot_of_all);
			assert_not_taken($said);
			unlike(cells('rout'), qr/4711/, '... its rows are not there');
		});
		$attack->row("row 9: ... nor when the attacker's is a $kind", sub {
			make_victims($kinds{$kind}->('ra.v', $right), $kinds{table}->('rb.v', $secret));
			make_wide_table();
			assert_not_taken(swap_while_waiting($windows{$window}, $pivot_of_all));
			unlike(cells('rout'), qr/4711/, '... its rows are not there');
		}) unless $kind eq 'table';
	}
	$attack->row("row 9: verify_pivot does not show a victim's $kind", sub {
		make_victims($kinds{table}->('ra.v', $right), $kinds{$kind}->('rb.v', $secret));
		$attack->alice($pivot_of_all);
		my $said = swap_while_waiting($windows{'waits for its lock'}, q(SELECT * FROM verify_pivot(NULL, 'ra.v', 'HS1', target_schema => 'rout')));
		assert_not_taken($said);
		unlike($said->{text} . $said->{out}, qr/4711/, '... its rows are not there');
	});
}

foreach my $column (qw(ctid xmin tableoid))
{
	$attack->row("row 9: a pivot reads no system column: $column", sub {
		make_two($kinds{table}->('ra.v', $right), $kinds{table}->('rb.v', $right));
		foreach my $role (qw(ship_id str_v long_v double_v created_time))
		{
			my $said = $attack->try_as('alice', qq(SELECT FROM pivot_ship(NULL, 'ra.v', 'HS1', target_schema => 'rout', max_retries => 0, options => '{"columns": {"$role": "$column"}}')));
			unlike($said->{sqlstate}, qr/^(?:lost|XX|57P)/, "$role") or diag($said->{text});
		}
	});
}

$attack->row('row 9: a pivot reads no attribute that is not there', sub {
	make_two($kinds{table}->('ra.v', $right), q(CREATE TABLE rb.v (ship_id text, data_channel_id text, created_time timestamptz, long_v int8); INSERT INTO rb.v VALUES ('HS1', 'c', '2024-01-01 00:00Z', 4711)));
	assert_not_taken(swap_while_waiting(sub { pause_at('target_described') }, $pivot_of_all));
	unlike(cells('rout'), qr/4711/, '... nor the rows that are');
});

# The target of a sync. What holds the worker is the attacker's own lock on her own table.
my %targets = (
	'table'             => 'CREATE TABLE %s (id int PRIMARY KEY, name text)',
	'partitioned table' => 'CREATE TABLE %1$s (id int PRIMARY KEY, name text) PARTITION BY RANGE (id); CREATE TABLE %1$s_part PARTITION OF %1$s DEFAULT');
my %syncs = (
	'full' => '', 'incremental' => q(, sync_mode => 'incremental', incremental_field => 'id'), 'in chunks' => ', chunk_mode => true', 'two workers' => ', parallel_workers => 2');
my @points = qw(work_begun source_connected target_described stage_made copy_finished);
foreach my $kind (sort keys %targets)
{
	foreach my $way (sort keys %syncs)
	{
		foreach my $point ('lock', $kind eq 'table' ? @points : 'target_described')
		{
			$attack->row("row 9: a sync does not write into a victim's $kind: $way, $point", sub {
				make_victims(sprintf($targets{$kind}, 'ra.t'), sprintf($targets{$kind}, 'rb.t'));
				my $said = swap_while_waiting(sub { $point eq 'lock' ? hold_relation('ra.t', 'name') : pause_at($point) },
					"SELECT FROM sync_table('src', 'items', 'ra.t', max_retries => 0$syncs{$way})");
				assert_not_taken($said);
				my $his = $pair->admin(q(SELECT oid::regclass FROM pg_class WHERE relname = 't' AND relowner = 'bob'::regrole));
				is($pair->admin("SELECT count(*) FROM $his"), 0, '... nothing was written to it');
			});
			TablesyncTest::Fault::clear($pair);
		}
	}
}

# Nor one of hers that is of another shape.
my %shapes = (
	'lacks a column'      => 'id int PRIMARY KEY',
	'has other types'     => 'id text PRIMARY KEY, name bigint',
	'has another order'   => 'name text, id int PRIMARY KEY',
	'has a dropped column' => 'gone int, id int PRIMARY KEY, name text',
	'has a shorter type'  => 'id int PRIMARY KEY, name varchar(3)');
foreach my $shape (sort keys %shapes)
{
	foreach my $way (sort keys %syncs)
	{
		$attack->row("row 9: a sync does not write into a table that $shape: $way", sub {
			make_two(sprintf($targets{table}, 'ra.t'), "CREATE TABLE rb.t ($shapes{$shape})" . ($shape =~ /dropped/ ? '; ALTER TABLE rb.t DROP gone' : ''));
			my $oid = $pair->admin(q(SELECT 'rb.t'::regclass::oid));
			my $said = swap_while_waiting(sub { pause_at('target_described') }, "SELECT FROM sync_table('src', 'items', 'ra.t', max_retries => 0$syncs{$way})");
			assert_not_taken($said);
			my $other = $pair->admin("SELECT ${oid}::regclass");
			is($pair->admin("SELECT count(*) FROM $other"), 0, '... nothing was written to it');
		});
		TablesyncTest::Fault::clear($pair);
	}
}

$attack->row('row 9: verify_table neither shows nor repairs a victim\'s table', sub {
	make_victims(sprintf($targets{table}, 'ra.t') . "; SELECT FROM sync_table('src', 'items', 'ra.t'); UPDATE ra.t SET name = 'changed' WHERE id = 1",
		sprintf($targets{table}, 'rb.t') . q(; INSERT INTO rb.t VALUES (4711, 'secret')));
	my $said = swap_while_waiting(sub { hold_relation('ra.t', 'name') }, q(SELECT * FROM verify_table('src', 'items', 'ra.t', primary_key => ARRAY['id'], repair => true)));
	assert_not_taken($said);
	unlike($said->{text} . $said->{out}, qr/4711|secret/, '... its rows are not there');
	my $his = $pair->admin(q(SELECT oid::regclass FROM pg_class WHERE relname = 't' AND relowner = 'bob'::regrole));
	is($pair->admin("SELECT string_agg(id || name, ' ') FROM $his"), '4711secret', '... nor are they touched');
});

done_testing;
