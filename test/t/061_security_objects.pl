# What was looked at is what is used: a relation, a schema, a type or a column that is swapped, moved, altered or made
# again while a worker is at it leads to an error, or to the rows of the first one, and never to the rows of another.

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
	CREATE TABLE many (id int PRIMARY KEY, name text);
	INSERT INTO many SELECT g, repeat('x', 200) FROM generate_series(1, 20000) g;
	CREATE VIEW foreign_numbers AS SELECT 'HS1'::text AS ship_id, 'c'::text AS data_channel_id, '2024-01-01 00:00Z'::timestamptz AS created_time, 'String'::text AS value_format,
		NULL::bool AS bool_v, (x'4141414141')::bigint AS str_v, NULL::int8 AS long_v, NULL::float8 AS double_v;
	GRANT SELECT ON foreign_numbers TO PUBLIC;
	ANALYZE;));
$attack->alice('CREATE SCHEMA evil');
$attack->make_traps('evil');
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

# ---- Row 4: columns of wide tables that were altered ----------------------------------------------------------

my %alterations = (
	'the time is text'             => 'ALTER created_time TYPE text',
	'the time is bigint'           => 'ALTER created_time TYPE bigint USING extract(epoch FROM created_time)::bigint',
	'the time is date'             => 'ALTER created_time TYPE date USING (created_time::date + (extract(epoch FROM created_time)::bigint / 60 % 5000)::int)',
	'the time is a bytea'          => q(ALTER created_time TYPE bytea USING convert_to(created_time::text, 'UTF8')),
	'the time has another typmod'  => 'ALTER created_time TYPE timestamptz(0)',
	'the time has no zone'         => q(ALTER created_time TYPE timestamp(0) USING created_time AT TIME ZONE 'UTC'),
	'the time is dropped'          => 'DROP created_time',
	'the time is made again'       => 'DROP created_time, ADD created_time text',
	'the time has another name'    => 'RENAME created_time TO at',
	'a channel is varchar(3)'      => 'ALTER s TYPE varchar(3) USING left(s, 3)',
	'a channel is char(2)'         => 'ALTER s TYPE char(2) USING left(s, 2)',
	'a channel is numeric'         => 'ALTER n TYPE numeric',
	'a channel is numeric(3,1)'    => 'ALTER n TYPE numeric(3,1) USING 1',
	'a bigint is text'             => 'ALTER n TYPE text',
	'a text is bigint'             => 'ALTER s TYPE bigint USING 1',
	'a text is an array'           => 'ALTER s TYPE text[] USING ARRAY[s]',
	'a float is a domain'          => 'ALTER f TYPE evil.positive USING 1',
	'a channel is made again'      => 'DROP n, ADD n text',
	'an adopted varchar is varchar(3)' => 'ALTER s TYPE varchar(3) USING left(s, 3)',
	'channels have changed places' => 'RENAME n TO x; ALTER TABLE %1$s RENAME s TO n; ALTER TABLE %1$s RENAME x TO s');
$attack->alice('CREATE DOMAIN evil.positive AS float8 CHECK (VALUE > 0)');
my $narrow = q(CREATE TABLE %s (ship_id text, data_channel_id text, created_time timestamptz, str_v text, long_v bigint, double_v float8));
my $reading = q(INSERT INTO %1$s SELECT 'A', 's', '2024-01-%2$s 00:00:00.25Z'::timestamptz + g * interval '1 hour', 'text ' || g, NULL::bigint, NULL::float8 FROM generate_series(0, 5) g
	UNION ALL SELECT 'A', 'n', '2024-01-%2$s 00:00:00.25Z'::timestamptz + g * interval '1 hour', NULL, 1000000 + g, NULL FROM generate_series(0, 5) g
	UNION ALL SELECT 'A', 'f', '2024-01-%2$s 00:00:00.25Z'::timestamptz + g * interval '1 hour', NULL, NULL, 1.5 - g FROM generate_series(0, 5) g);

# Sets up a pivot of the attacker that has its first day. Returns its schema.
my $number = 0;
sub begin_pivot
{
	my ($adopted) = @_;
	my $schema = 'altered_' . ++$number;
	$attack->alice("CREATE SCHEMA $schema; " . ($adopted ? "CREATE TABLE $schema.${wide}a (created_time timestamptz PRIMARY KEY, s $adopted, n bigint, f float8); " : '') . sprintf($narrow, "$schema.r") . ';' . sprintf($reading, "$schema.r", '01')
		  . "; SELECT FROM pivot_ship(NULL, '$schema.r', 'A', target_schema => '$schema')");
	return $schema;
}

# What is stored of a reading since the alteration is the reading. (A column goes by its number, whatever its name becomes.)
sub assert_stored_right
{
	my ($schema) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $wrong = qq(
		SELECT w.* FROM (SELECT to_jsonb(t) FROM $schema.${wide}a t WHERE to_jsonb(t) ->> 'created_time' >= '2024-01-02') w (j) CROSS JOIN LATERAL (
			SELECT r.data_channel_id, coalesce(r.str_v, r.long_v::text, r.double_v::text) AS value FROM $schema.r r WHERE to_jsonb(r.created_time) = j -> 'created_time') v
		WHERE j ->> v.data_channel_id <> v.value);
	return is($pair->admin("SELECT count(*) FROM ($wrong) x"), 0, '... what is stored is what was read') || diag($pair->admin($wrong));
}

# After the alteration the bytes of a name or a length cannot be beyond their column's type.
sub alter { return join ' ', "ALTER TABLE $_[0]", sprintf $_[1], $_[0] }

foreach my $what (sort keys %alterations)
{
	foreach my $from ('here, from there on', 'here', 'there')
	{
		$attack->row("row 4: $what when the next pivot comes, from $from", sub {
			my $schema = begin_pivot($what =~ /an adopted (\S+) is/);
			my $table = "$schema.${wide}a";
			my $said = $attack->try_as('alice', alter($table, $alterations{$what}));
			is($said->{sqlstate}, '', 'the column is altered') or diag($said->{text});
			$attack->alice(sprintf $reading, "$schema.r", '02');
			my $server = 'NULL';
			if ($from eq 'there')
			{
				$pair->source_sql("CREATE SCHEMA $schema; GRANT USAGE ON SCHEMA $schema TO PUBLIC; " . sprintf($narrow, "$schema.r") . '; ' . sprintf($reading, "$schema.r", '01') . '; '
					  . sprintf($reading, "$schema.r", '02') . "; GRANT SELECT ON $schema.r TO PUBLIC");
				$server = q('src');
			}
			# Where no row is yet, rows are stored in another way than where they may be there.
			my $later = $from =~ /on/ ? q(, from_time => '2024-01-02 00:00Z') : '';
			$said = $attack->try_as('alice', "SELECT FROM pivot_ship($server, '$schema.r', 'A', target_schema => '$schema', max_retries => 0$later)");
			unlike($said->{sqlstate}, qr/^(?:lost|XX|57P)/, 'the call succeeds, or says why not') or diag($said->{text});
			assert_stored_right($schema) unless $what =~ /places/;
			if ($what =~ /varchar|char\(/)
			{
				is($pair->admin("SELECT count(*) FROM $table WHERE octet_length(s) > 3"), 0, '... no value is longer than its column allows');
				is($pair->admin("SELECT count(*) FROM $table WHERE created_time > '2024-01-02' AND s IS NOT NULL"), 0, '... nor was one cut');
			}
			is($pair->admin("SELECT count(*) FROM $table WHERE n > 99.9"), 0, '... no number is beyond its column') if $what =~ /numeric\(3/;
			is($pair->admin("SELECT count(*) FROM $table WHERE f <= 0 AND created_time > '2024-01-02'"), 0, '... nor against the check of a domain') if $what =~ /domain/;
			is($pair->admin("SELECT count(*) FROM $table WHERE created_time <> date_trunc('second', created_time)"), 0, '... no time is finer than its column') if $what =~ /typmod|no zone/;
		});
		last if $from =~ /on/ && $what !~ /time|varchar|again/;
	}
}

# The same between two chunks of one run.
foreach my $what (sort keys %alterations)
{
	next if $what =~ /(?:date|char\(2\)|numeric\(3,1\)|array|places|domain)/;
	$attack->row("row 4: $what between two chunks", sub {
		my $schema = begin_pivot();
		my $table = "$schema.${wide}a";
		$attack->alice(sprintf $reading, "$schema.r", $_) foreach '02', '03', '04', '05';
		TablesyncTest::Fault::set($pair, 'work_begun:3:pause');
		my $call = $attack->start_as('alice', "SELECT FROM pivot_ship(NULL, '$schema.r', 'A', target_schema => '$schema', chunk_interval => '6 hours', max_retries => 0)");
		$attack->wait_until_paused('work_begun', $call);
		my $alteration = $attack->start_as('alice', alter($table, $alterations{$what}));
		$attack->wait_until_stuck($alteration);
		TablesyncTest::Fault::clear($pair);
		my $said = $call->finish;
		unlike($said->{sqlstate}, qr/^(?:lost|XX|57P)/, 'the call succeeds, or says why not') or diag($said->{text});
		is($alteration->finish->{sqlstate}, '', 'the column was altered');
		# Some have changed what was stored before.
		assert_stored_right($schema) unless $alterations{$what} =~ /USING (?:left|1)/;
		is($pair->admin("SELECT count(*) FROM $table WHERE octet_length(s) > 3"), 0, '... no value is longer than its column allows') if $what =~ /varchar/;
	});
}

# ---- Row 6: a table that is made again ------------------------------------------------------------------------

$attack->alice('CREATE SCHEMA hs; GRANT ALL ON SCHEMA hs TO bob');

# Drops a relation of the victim, as the owner of its schema may, and makes one with a trap.
sub replace_with_trap
{
	my ($table, $columns) = @_;
	my $said = $attack->try_as('alice', qq(BEGIN; DROP TABLE $table; CREATE TABLE $table ($columns); GRANT ALL ON $table TO PUBLIC;
		CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION evil.row_trap(); COMMIT));
	is($said->{sqlstate}, '', "$table is made again, with a trap") or diag($said->{text});
	return;
}

foreach my $role ('bob', 'super')
{
	foreach my $target ('absent', 'filled')
	{
		$attack->row("row 6: the hidden table of a parallel load is made again: $role, the target is $target", sub {
			$pair->admin('DROP TABLE IF EXISTS hs.big');
			my $make = 'CREATE TABLE hs.big (id int PRIMARY KEY, name text); INSERT INTO hs.big VALUES (1, $$one$$);';
			$role eq 'bob' ? $attack->bob($make) : $pair->admin("$make") if $target eq 'filled';
			TablesyncTest::Fault::set($pair, 'work_begun:2:pause');
			my $call = $attack->start_as($role, q(SELECT FROM sync_table('src', 'many', 'hs.big', parallel_workers => 2, max_retries => 0, options => '{"adopt": true}')));
			$attack->wait_until_paused('work_begun', $call);
			my $hidden = $pair->admin(q(SELECT coalesce(string_agg(table_name, ' '), '') FROM tablesync.hidden_table));
			isnt($hidden, '', 'there is a hidden table') if $role eq 'bob' || $target eq 'filled';
			replace_with_trap("hs.$hidden", 'id int, name text') if $hidden ne '';
			TablesyncTest::Fault::clear($pair);
			my $said = $call->finish;
			like($said->{sqlstate}, qr/^(?:40001|55000|42P01|42809|42501)$/, 'the call says that it is gone') or diag($said->{text});
			$attack->assert_no_trap;
			$pair->admin("DROP TABLE hs.$hidden; DELETE FROM tablesync.hidden_table") if $hidden ne '' && $pair->admin("SELECT to_regclass('hs.$hidden') IS NULL") eq 'f';
		});
		TablesyncTest::Fault::clear($pair);
	}
}

# A sync in chunks: the target is another one when the next chunk comes.
foreach my $role ('bob', 'super')
{
	foreach my $kind ('of the victim', 'of the victim, partitioned', 'that the run has made')
	{
		my $table = 'hs.chunks_' . ++$number;
		my $columns = 'id int PRIMARY KEY, name text';
		next if $role eq 'super' && $kind =~ /made/;
		$attack->row("row 6: the target is made again between two chunks: $role, a table $kind", sub {
			my $make = "CREATE TABLE $table ($columns)" . ($kind =~ /partitioned/ ? " PARTITION BY RANGE (id); CREATE TABLE ${table}_1 PARTITION OF $table DEFAULT" : '');
			$attack->as($role eq 'super' ? $attack->{super} : $role, $make) unless $kind =~ /made/;
			TablesyncTest::Fault::set($pair, 'work_begun:4:pause');
			my $call = $attack->start_as($role, "SELECT FROM sync_table('src', 'many', '$table', chunk_mode => true, batch_size => 2000, max_retries => 0)");
			$attack->wait_until_paused('work_begun', $call);
			replace_with_trap($table, $columns);
			TablesyncTest::Fault::clear($pair);
			my $said = $call->finish;
			like($said->{sqlstate}, qr/^(?:40001|55000|42P01|42809|42501)$/, 'the call says that it is another') or diag($said->{text});
			$attack->assert_no_trap;
			is($pair->admin("SELECT count(*) FROM $table"), 0, '... nothing was written to it');
		});
		TablesyncTest::Fault::clear($pair);
	}
}

# A partition of the attacker in a table of the victim, where he lets her.
$attack->row('row 6: a partition with a trap comes between two chunks', sub {
	$pair->admin(q(
		CREATE ROLE crew; GRANT crew TO alice, bob; GRANT ALL ON SCHEMA hs TO crew;
		CREATE TABLE hs.shared (id int PRIMARY KEY, name text) PARTITION BY RANGE (id); ALTER TABLE hs.shared OWNER TO crew;
		CREATE TABLE hs.shared_1 PARTITION OF hs.shared FOR VALUES FROM (0) TO (1000000); ALTER TABLE hs.shared_1 OWNER TO crew;));
	TablesyncTest::Fault::set($pair, 'work_begun:4:pause');
	my $call = $attack->start_as('bob', q(SELECT FROM sync_table('src', 'many', 'hs.shared', chunk_mode => true, batch_size => 2000, max_retries => 0)));
	$attack->wait_until_paused('work_begun', $call);
	my $said = $attack->try_as('alice', q(
		BEGIN; ALTER TABLE hs.shared DETACH PARTITION hs.shared_1; CREATE TABLE hs.shared_2 PARTITION OF hs.shared DEFAULT; GRANT ALL ON hs.shared_2 TO bob;
		CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON hs.shared_2 FOR EACH ROW EXECUTE FUNCTION evil.row_trap(); COMMIT));
	is($said->{sqlstate}, '', 'the partition is another') or diag($said->{text});
	TablesyncTest::Fault::clear($pair);
	$said = $call->finish;
	like($said->{sqlstate}, qr/^(?:42501|40001|55000)$/, 'the call says that it is another') or diag($said->{text});
	$attack->assert_no_trap;
});
TablesyncTest::Fault::clear($pair);

# The same for a wide table, which its pivot opens again for each chunk.
$attack->row('row 6: a wide table is made again between two chunks of a pivot', sub {
	my $pivot = q(SELECT FROM pivot_ship(NULL, 'public.readings', 'HS1', target_schema => 'hs', chunk_interval => '1 hour', max_retries => 0));
	$attack->bob($pivot);
	TablesyncTest::Fault::set($pair, 'work_begun:4:pause');
	my $call = $attack->start_as('bob', $pivot);
	$attack->wait_until_paused('work_begun', $call);
	replace_with_trap("hs.${wide}hs1", 'created_time timestamptz PRIMARY KEY, ch0 bigint, ch1 bigint, ch2 bigint, ch3 bigint, ch4 bigint');
	TablesyncTest::Fault::clear($pair);
	my $said = $call->finish;
	like($said->{sqlstate}, qr/^(?:40001|55000|42P01|42809|42501)$/, 'the call says that it is another') or diag($said->{text});
	$attack->assert_no_trap;
	is($pair->admin("SELECT count(*) FROM hs.${wide}hs1"), 0, '... nothing was written to it');
});
TablesyncTest::Fault::clear($pair);

# ---- Row 7: drop_tables ---------------------------------------------------------------------------------------

$pair->admin('CREATE SCHEMA fleet; GRANT ALL ON SCHEMA fleet TO alice, bob');
$attack->alice('CREATE SCHEMA hers');
$attack->bob('CREATE SCHEMA his');

sub reset_fleet
{
	$pair->admin('DROP SCHEMA fleet CASCADE; CREATE SCHEMA fleet; GRANT ALL ON SCHEMA fleet TO alice, bob; DROP SCHEMA hers CASCADE; DROP SCHEMA his CASCADE;
		DELETE FROM tablesync.pivot_table; DELETE FROM tablesync.pivot_column');
	$attack->alice('CREATE SCHEMA hers');
	$attack->bob('CREATE SCHEMA his');
	return;
}

sub drop_tables
{
	my ($role) = @_;
	return $attack->try_as($role, q(SELECT FROM pivot_ship(NULL, 'public.readings', target_schema => 'fleet', drop_tables => true, max_retries => 0)));
}

sub pivot_into_fleet { return $attack->as($_[0], q(SELECT FROM pivot_ship(NULL, 'public.readings', 'HS0', target_schema => 'fleet'))) }

sub oid_of { return $pair->admin("SELECT coalesce(to_regclass('$_[0]')::oid, 0)") }

sub assert_kept
{
	my ($oid, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($pair->admin("SELECT count(*) FROM pg_class WHERE oid = $oid"), 1, "... $what is kept");
}

my $away = "ALTER TABLE fleet.${wide}hs0 SET SCHEMA hers; ALTER TABLE hers.${wide}hs0 RENAME TO payroll";
my %payroll = (
	'a table'             => 'CREATE TABLE fleet.payroll (id int)',
	'a partitioned table' => 'CREATE TABLE fleet.payroll (id int) PARTITION BY LIST (id)',
	'a view'              => 'CREATE VIEW fleet.payroll AS SELECT 1 AS id',
	'a sequence'          => 'CREATE SEQUENCE fleet.payroll');
foreach my $role ('bob', 'super')
{
	foreach my $what (sort keys %payroll)
	{
		$attack->row("row 7: $role\'s $what with the name that the attacker's wide table got is not dropped", sub {
			reset_fleet();
			pivot_into_fleet('alice');
			$attack->as($role eq 'super' ? $attack->{super} : $role, $payroll{$what});
			my $oid = oid_of('fleet.payroll');
			$attack->alice($away);
			my $said = drop_tables($role);
			unlike($said->{sqlstate}, qr/^(?:lost|XX)/, 'pivot_ship is called') or diag($said->{text});
			assert_kept($oid, 'it');
		});
	}
}

foreach my $case ([ 'moved', "ALTER TABLE fleet.${wide}hs0 SET SCHEMA his" ], [ 'renamed', "ALTER TABLE fleet.${wide}hs0 RENAME TO another" ],
	[ 'moved and renamed', "ALTER TABLE fleet.${wide}hs0 SET SCHEMA his; ALTER TABLE his.${wide}hs0 RENAME TO payroll" ])
{
	my ($what, $ddl) = @$case;
	$attack->row("row 7: a wide table that was $what is not dropped", sub {
		reset_fleet();
		pivot_into_fleet('bob');
		my $oid = oid_of("fleet.${wide}hs0");
		$attack->bob("CREATE TABLE fleet.payroll (id int); $ddl");
		my $payroll = oid_of('fleet.payroll');
		my $said = $attack->try_as('bob', q(SELECT FROM pivot_ship(NULL, 'public.readings', target_schema => 'fleet', drop_tables => true, max_retries => 0)));
		is($said->{sqlstate}, '', 'pivot_ship works') or diag($said->{text});
		assert_kept($oid, 'it');
		assert_kept($payroll, 'and what is called so');
		ok(scalar(grep { /\Q${wide}hs0\E|another|payroll/ } @{ $said->{notices} }), '... and a NOTICE says so') or diag($said->{text});
	});
}

$attack->row('row 7: a table with the recorded name that somebody has made afterwards is not dropped', sub {
	reset_fleet();
	pivot_into_fleet('alice');
	$attack->alice($away);
	$attack->bob("CREATE TABLE fleet.${wide}hs0 (created_time timestamptz PRIMARY KEY)");
	my $oid = oid_of("fleet.${wide}hs0");
	foreach my $role ('alice', 'bob', 'super')
	{
		my $said = drop_tables($role);
		unlike($said->{sqlstate}, qr/^(?:lost|XX)/, "pivot_ship is called: $role") or diag($said->{text});
		assert_kept($oid, 'it');
	}
});

$attack->row('row 7: the wide tables of another role are not dropped', sub {
	reset_fleet();
	pivot_into_fleet('bob');
	my $oid = oid_of("fleet.${wide}hs0");
	$attack->try_as('super', q(SELECT FROM pivot_ship(NULL, 'public.readings', 'HS0', target_schema => 'fleet', drop_tables => true, max_retries => 0)));
	assert_kept($oid, 'it');
	my $said = drop_tables('bob');
	is($said->{sqlstate}, '', 'the role itself') or diag($said->{text});
	is($pair->admin("SELECT count(*) FROM pg_class WHERE oid = $oid"), 0, '... drops it');
});

# ---- Rows 16 to 20: what comes with a new table, and names that are taken -------------------------------------

$attack->row('rows 16-20: triggers that an event trigger adds see every row', sub {
	$pair->admin(q(
		CREATE TABLE public.audit (t text); GRANT INSERT ON public.audit TO PUBLIC;
		CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.audit VALUES (TG_TABLE_NAME); RETURN NEW; END $$;
		CREATE FUNCTION public.guard() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE r record;
		BEGIN
			FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' AND schema_name = 'guarded' LOOP
				EXECUTE format('CREATE TRIGGER audit BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION public.audit()', r.objid::regclass);
			END LOOP;
		END $$;
		CREATE EVENT TRIGGER guard ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.guard()));
	$attack->bob(q(
		CREATE SCHEMA guarded;
		SELECT FROM pivot_ship(NULL, 'public.readings', target_schema => 'guarded');
		SELECT FROM pivot_ship('src', 'public.readings', 'HS1', target_schema => 'guarded', table_prefix => 'far_', chunk_interval => '1 hour');
		SELECT FROM sync_table('src', 'items', 'guarded.items');
		SELECT FROM sync_table('src', 'many', 'guarded.many', parallel_workers => 2);
		SELECT FROM sync_table('src', 'many', 'guarded.chunks', chunk_mode => true);));
	foreach my $table (split /\n/, $pair->admin(q(SELECT relname FROM pg_class WHERE relnamespace = 'guarded'::regnamespace AND relkind = 'r' ORDER BY 1)))
	{
		# A hidden table has the name of its target later.
		my $names = $table eq 'many' ? q(t = 'many' OR t LIKE 'tablesync\_hidden%') : "t = '$table'";
		is($pair->admin("SELECT count(*) FROM public.audit WHERE $names"), $pair->admin("SELECT count(*) FROM guarded.$table"), "$table: each row was seen");
	}
});
$pair->admin('DROP EVENT TRIGGER guard');

my %squatters = (
	'tables'    => 'CREATE TABLE hs.%s ()',
	'views'     => 'CREATE VIEW hs.%s AS SELECT 1',
	'sequences' => 'CREATE SEQUENCE hs.%s',
	'types'     => 'CREATE TYPE hs.%s AS ENUM ()');
foreach my $what (sort keys %squatters)
{
	$attack->row("rows 16-20: $what with the names of hidden tables do not keep a parallel sync from working", sub {
		my $next = $pair->admin('SELECT 1 + max(run_id) FROM tablesync.run');
		$attack->alice(join '; ', map { sprintf $squatters{$what}, "tablesync_hidden_$_" } $next .. $next + 100);
		my $said = $attack->try_as('bob', qq(SELECT status FROM sync_table('src', 'many', 'hs.squatted_$what', parallel_workers => 2, max_retries => 0)));
		is($said->{sqlstate}, '', 'it works') or diag($said->{text});
		is($said->{out}, "succeeded\n", '... and says so');
		$said = $attack->try_as('bob', qq(SELECT status FROM sync_table('src', 'many', 'hs.squatted_$what', parallel_workers => 2, max_retries => 0)));
		is($said->{sqlstate}, '', '... with a stage, too') or diag($said->{text});
		my ($kind) = $what =~ /^(.*)s$/;
		$attack->alice(join '; ', map { "DROP $kind hs.tablesync_hidden_$_" } $next .. $next + 100);
	});
}

done_testing;
