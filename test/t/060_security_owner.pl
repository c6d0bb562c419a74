# Whose row: a record of tablesync.* leads only the role that owns it, and what it makes run runs with that role's rights.

use strict;
use warnings;

use Test::More;
use TablesyncTest;
use TablesyncTest::Attack;

my $pair   = TablesyncTest->new(target_conf => [ 'max_worker_processes = 12', 'log_error_verbosity = verbose' ]);
my $attack = TablesyncTest::Attack->new($pair);
my $wide   = 'tbl_data_timeseries_';

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, 'item ' || g FROM generate_series(1, 100) g;
	CREATE TABLE many (id int PRIMARY KEY, name text);
	INSERT INTO many SELECT g, repeat('x', 100) FROM generate_series(1, 5000) g;
	ANALYZE;));
$attack->alice('CREATE SCHEMA evil');
$attack->make_traps('evil');

sub last_owner { return $pair->admin('SELECT owner FROM tablesync.run ORDER BY run_id DESC LIMIT 1') }
sub sync_into { return "SELECT status FROM sync_table('src', 'items', '$_[0]', max_retries => 0" . ($_[1] ? ", $_[1]" : '') . ')' }

sub assert_succeeded
{
	my ($said, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($said->{sqlstate}, '', $name) || diag($said->{text});
}

# ---- Row 2: reprocess_failed_chunks() -------------------------------------------------------------------------

# Each schema has a pivot of its own, so that a chunk can only be of that one.
my $number = 0;

sub make_pivot
{
	my ($role, $ship, $view) = @_;
	my $schema = 'pivot_' . ++$number;
	$attack->as($role, "CREATE SCHEMA $schema");
	if ($role eq 'alice')
	{
		$attack->make_traps($schema);
		$attack->make_trap_view("$schema.v");
		$view = "$schema.v";
	}
	$attack->as($role, "SELECT FROM pivot_ship(NULL, '$view', '$ship', target_schema => '$schema')");
	return $schema;
}

sub give_chunk
{
	my ($role, $ship, $schema) = @_;
	$attack->as($role, "INSERT INTO tablesync.failed_chunk (ship_id, start_time, end_time, target_schema) VALUES ('$ship', '2024-01-01 00:00Z', '2024-01-02 00:00Z', '$schema')");
	return;
}

# Statuses of a call of reprocess_failed_chunks().
sub reprocessed
{
	my ($role, $arguments) = @_;
	my $said = $attack->try_as($role, "SELECT coalesce(string_agg(status, ' '), 'nothing') FROM reprocess_failed_chunks($arguments)");
	diag($said->{text}) if $said->{sqlstate};
	return $said->{out} =~ s/\n\z//r;
}

$attack->row('row 2: a superuser does a stranger\'s chunk with the rights of the stranger', sub {
	my $schema = make_pivot('alice', 'HS1');
	give_chunk('alice', 'HS1', $schema);
	is(reprocessed('super', q(dry_run => true)), 'would run', 'dry_run lists it');
	$attack->assert_no_trap('... and runs nothing');
	is(reprocessed('super', q(ship_id => 'HS1')), 'succeeded', 'the superuser\'s call does it');
	$attack->assert_no_trap;
	is(last_owner(), 'alice', '... as the stranger');
	is($pair->admin('SELECT count(*) FROM tablesync.failed_chunk'), 0, '... and it is done');
});

$attack->row('row 2: ... also one that a run of the stranger left', sub {
	my $schema = make_pivot('alice', 'HS2');
	$attack->alice(qq(TRUNCATE $schema.${wide}hs2; ALTER TABLE $schema.${wide}hs2 ADD CONSTRAINT no CHECK (ch1 < 0)));
	my $said = $attack->try_as('alice', "SELECT FROM pivot_ship(NULL, '$schema.v', 'HS2', target_schema => '$schema', max_retries => 0)");
	$pair->assert_failed($said, '23514', undef, 'a run of the attacker fails');
	$attack->alice("ALTER TABLE $schema.${wide}hs2 DROP CONSTRAINT no");
	my $run = $pair->admin('SELECT max(run_id) FROM tablesync.run');
	is(reprocessed('super', "run_id => $run"), 'succeeded', 'the superuser\'s call does its chunk');
	$attack->assert_no_trap;
	is(last_owner(), 'alice', '... as the stranger');
});

$attack->row('row 2: ... of a wide table with a trigger of the stranger', sub {
	my $schema = make_pivot('alice', 'HS0');
	$attack->alice("CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON $schema.${wide}hs0 FOR EACH ROW EXECUTE FUNCTION $schema.row_trap(); UPDATE $schema.${wide}hs0 SET ch1 = 0");
	give_chunk('alice', 'HS0', $schema);
	is(reprocessed('super', q(ship_id => 'HS0')), 'succeeded', 'the superuser\'s call does it');
	$attack->assert_no_trap;
	is(last_owner(), 'alice', '... as the stranger');
});

$attack->row('row 2: ... of a foreign table: with the user mapping of the stranger', sub {
	my $port = $pair->source->port;
	$pair->source_sql(q(CREATE VIEW watched AS SELECT source_trap(ship_id) AS ship_id, data_channel_id, created_time, value_format, long_v FROM readings; GRANT SELECT ON watched TO PUBLIC));
	$pair->admin(qq(
		SET log_statement = none;
		CREATE EXTENSION postgres_fdw;
		CREATE SERVER foreign_source FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '$port', dbname 'postgres');
		GRANT USAGE ON FOREIGN SERVER foreign_source TO alice;
		CREATE USER MAPPING FOR alice SERVER foreign_source OPTIONS ($TablesyncTest::login);
		CREATE USER MAPPING FOR CURRENT_USER SERVER foreign_source OPTIONS (user 'powerful', password 'powerful');));
	$attack->alice(q(
		CREATE SCHEMA far;
		CREATE FOREIGN TABLE far.f (ship_id text, data_channel_id text, created_time timestamptz, value_format text, long_v bigint) SERVER foreign_source OPTIONS (schema_name 'public', table_name 'watched');
		SELECT FROM pivot_ship(NULL, 'far.f', 'HS1', target_schema => 'far');));
	give_chunk('alice', 'HS1', 'far');
	is(reprocessed('super', q(ship_id => 'HS1')), 'succeeded', 'the superuser\'s call does it');
	$attack->assert_no_trap('... with the mapping of the stranger');
});

$attack->row('row 2: a member of the stranger\'s role does her chunk with her rights', sub {
	my $schema = make_pivot('alice', 'HS1');
	give_chunk('alice', 'HS1', $schema);
	$pair->admin('GRANT alice TO bob');
	is(reprocessed('bob', q(dry_run => true)), 'would run', 'dry_run lists it');
	is(reprocessed('bob', q(ship_id => 'HS1')), 'succeeded', 'the member\'s call does it');
	$attack->assert_no_trap;
	is(last_owner(), 'alice', '... as the stranger');
	$pair->admin('REVOKE alice FROM bob');
});

$attack->row('row 2: a chunk of somebody whose role has the caller as a member, or of a stranger, is not the caller\'s', sub {
	my $schema = make_pivot('alice', 'HS1');
	give_chunk('alice', 'HS1', $schema);
	is(reprocessed('bob', ''), 'nothing', 'that of a stranger');
	$pair->admin('GRANT bob TO alice');
	is(reprocessed('bob', ''), 'nothing', 'that of a member of the caller\'s role');
	$attack->assert_no_trap;
	is(reprocessed('alice', q(ship_id => 'HS1')), 'succeeded', 'the stranger does her own');
	# She may do the victim's, and does it with his rights: her search_path and her tables have no part in it.
	my $bobs = make_pivot('bob', 'HS2', 'public.readings');
	give_chunk('bob', 'HS2', $bobs);
	is(reprocessed('alice', q(ship_id => 'HS2')), 'succeeded', 'a member does a chunk of the victim');
	is(last_owner(), 'bob', '... as the victim');
	$pair->admin('REVOKE bob FROM alice');
});

# ---- Row 3: the request that is kept --------------------------------------------------------------------------

sub request_of
{
	my ($schema) = @_;
	return $pair->admin("SELECT md5(string_agg(request::text, '' ORDER BY table_oid)) FROM tablesync.pivot_table WHERE target_schema = '$schema' AND owner = 'bob'::regrole");
}

sub assert_request_kept
{
	my ($schema, $ship, $request, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(request_of($schema), $request, "$name: the victim's request is what it was");
	give_chunk('bob', $ship, $schema);
	is(reprocessed('bob', "ship_id => '$ship'"), 'succeeded', '... and his reprocess_failed_chunks() does it');
	return $attack->assert_no_trap;
}

# An operator that reading varchar columns would find first.
my $path = 'SET search_path = evil, public';
$attack->alice(q(
	CREATE FUNCTION evil.eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$
	BEGIN PERFORM evil.spring('an operator of the search_path'); RETURN $1::text OPERATOR(pg_catalog.=) $2::text; END $$;
	CREATE OPERATOR evil.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = evil.eq);));

foreach my $case ([ 'without privileges', '' ], [ 'who may use the schema', 'GRANT USAGE, CREATE ON SCHEMA %s TO alice' ],
	[ 'who may write to the table', "GRANT USAGE ON SCHEMA %1\$s TO alice; GRANT ALL ON ALL TABLES IN SCHEMA %1\$s TO alice" ],
	[ 'who is a member', 'GRANT bob TO alice' ])
{
	my ($who, $grant) = @$case;
	foreach my $mode ('schema_only', 'tables_only', 'full')
	{
		$attack->row("row 3: a stranger $who leaves the request of a pivot alone: $mode", sub {
			my $schema = make_pivot('bob', 'HS1', 'public.readings');
			my $request = request_of($schema);
			$pair->admin(sprintf $grant, $schema) if $grant;
			my $said = $attack->try_as('alice', "$path; SELECT FROM pivot_ship(NULL, 'public.readings', 'HS1', mode => '$mode', target_schema => '$schema', channels => ARRAY['ch1'])");
			like($said->{sqlstate}, qr/^(?:42501|55000|)$/, 'the stranger calls pivot_ship') or diag($said->{text});
			assert_request_kept($schema, 'HS1', $request, $mode);
		});
		$pair->admin('REVOKE bob FROM alice') if $who =~ /member/;
	}
}

# ---- Row 8: what was recorded runs with its owner's rights ----------------------------------------------------

$attack->alice(q(
	CREATE DOMAIN evil.d AS text CHECK (evil.check_trap(VALUE));
	CREATE DOMAIN evil.number AS int CHECK (evil.check_trap(VALUE::text));
	CREATE TABLE evil.keyed (k evil.d PRIMARY KEY, v text);
	CREATE TABLE evil.keyed_twice (n evil.number, k evil.d, PRIMARY KEY (n, k));
	CREATE TABLE evil.parted (k evil.d PRIMARY KEY, v text) PARTITION BY LIST (k);
	CREATE TABLE evil.parted_1 PARTITION OF evil.parted DEFAULT;
	INSERT INTO evil.keyed VALUES ('x', 'y'); INSERT INTO evil.keyed_twice VALUES (1, 'x'); INSERT INTO evil.parted VALUES ('x', 'y');
	GRANT SELECT ON ALL TABLES IN SCHEMA evil TO bob;));
foreach my $role ('super', 'bob')
{
	foreach my $case ([ 'keyed', q('x') ], [ 'keyed', q('absent') ], [ 'keyed_twice', q('1', 'x') ], [ 'parted', q('x') ], [ 'parted_1', q('x') ])
	{
		my ($table, $key) = @$case;
		$attack->row("row 8: explain_row of a key of a domain runs no check of the domain: $role, $table, $key", sub {
			my $said = $attack->try_as($role, "SELECT * FROM explain_row('evil.$table', $key)");
			assert_succeeded($said, 'explain_row answers');
			isnt($said->{out}, '', '... something');
			$attack->assert_no_trap;
		});
	}
}

my %recorded = (
	custom_where  => [ 'where', q(custom_where => $$source_trap(name) IS NOT NULL$$) ],
	custom_select => [ 'select', q(custom_select => 'SELECT id, source_trap(name) AS name FROM items', primary_key => ARRAY['id']) ],
	'custom_where of an incremental sync' => [ 'increment', q(custom_where => $$source_trap(name) IS NOT NULL$$, sync_mode => 'incremental', incremental_field => 'id') ]);
foreach my $what (sort keys %recorded)
{
	my ($table, $more) = @{ $recorded{$what} };
	my $target = "evil.$table";
	$attack->alice(sync_into($target, $more));
	$attack->row("row 8: a superuser's explain_row does not run another's $what", sub {
		my $said = $attack->try_as('super', "SELECT * FROM explain_row('$target', '5')");
		assert_succeeded($said, 'explain_row answers');
		like($said->{out}, qr/^target\|/m, '... what is known on this side') or diag($said->{out});
		$attack->assert_no_trap;
	});
	$attack->row("row 8: ... nor does verify_table run another's $what", sub {
		$pair->assert_failed($attack->try_as('super', "SELECT * FROM verify_table('src', 'items', '$target')"), '55000', undef,
			'it is refused, where the call gives none');
		$attack->assert_no_trap;
	});
	$attack->row("row 8: ... but their owner, and who sets the role, runs $what as it was recorded", sub {
		foreach my $as ('', 'SET ROLE alice; ')
		{
			my $role = $as ? 'super' : 'alice';
			assert_succeeded($attack->try_as($role, "${as}SELECT * FROM explain_row('$target', '5')"), "explain_row, $role");
			my $said = $attack->try_as($role, "${as}SELECT * FROM verify_table('src', 'items', '$target')");
			assert_succeeded($said, "verify_table, $role");
			is($said->{out}, '', '... finds no difference');
		}
		$attack->assert_no_trap('... with the mapping of the owner');
	});
}

$attack->row('row 8: what a victim gives himself replaces what was recorded', sub {
	my $said = $attack->try_as('super', q(SELECT * FROM verify_table('src', 'items', 'evil.where', custom_where => 'id > 0')));
	assert_succeeded($said, 'verify_table works');
	is($said->{out}, '', '... finds no difference');
	$attack->assert_no_trap;
});

# A run of the attacker with a chunk that failed, and then a trap in its target.
sub leave_chunk
{
	my ($table, $make) = @_;
	$attack->alice("$make; ALTER TABLE evil.$table ADD CONSTRAINT no CHECK (id <> 4000)");
	my $said = $attack->try_as('alice', "SELECT FROM sync_table('src', 'many', 'evil.$table', chunk_mode => true, batch_size => 1000, max_retries => 0)");
	$pair->assert_failed($said, '23514', undef, 'a chunk of the attacker fails');
	$attack->set_trap('evil', "evil.$table");
	$attack->alice("ALTER TABLE evil.$table DROP CONSTRAINT no");
	return $pair->admin('SELECT max(run_id) FROM tablesync.run');
}

my %chunked = (
	'a table'             => [ 'chunked', 'CREATE TABLE evil.chunked (id int PRIMARY KEY, name text)' ],
	'a partitioned table' => [ 'chunked_parts', 'CREATE TABLE evil.chunked_parts (id int PRIMARY KEY, name text) PARTITION BY RANGE (id); CREATE TABLE evil.chunked_part PARTITION OF evil.chunked_parts DEFAULT' ]);
foreach my $what (sort keys %chunked)
{
	$attack->row("row 8: a superuser's retry_chunks runs with the rights of the run's owner: $what", sub {
		my $run = leave_chunk(@{ $chunked{$what} });
		my $said = $attack->try_as('super', "SELECT string_agg(DISTINCT status, ' ') FROM retry_chunks($run, dry_run => true)");
		is($said->{out}, "failed\n", 'dry_run lists it') or diag($said->{text});
		$said = $attack->try_as('super', "SELECT string_agg(DISTINCT status, ' ') FROM retry_chunks($run)");
		is($said->{out}, "succeeded\n", 'the chunk is done') or diag($said->{text});
		$attack->assert_no_trap;
		is(last_owner(), 'alice', '... as the owner');
	});
}

$attack->row('row 8: ... and so does that of a member', sub {
	my $run = leave_chunk('chunked_by_member', 'CREATE TABLE evil.chunked_by_member (id int PRIMARY KEY, name text)');
	$pair->assert_failed($attack->try_as('bob', "SELECT * FROM retry_chunks($run)"), '42704', undef, 'a stranger does not see the run');
	$pair->admin('GRANT alice TO bob');
	my $said = $attack->try_as('bob', "SELECT string_agg(DISTINCT status, ' ') FROM retry_chunks($run)");
	is($said->{out}, "succeeded\n", 'the chunk is done') or diag($said->{text});
	$attack->assert_no_trap;
	is(last_owner(), 'alice', '... as the owner');
	$pair->admin('REVOKE alice FROM bob');
});

# ---- Row 15: checkpoints --------------------------------------------------------------------------------------

my $checkpoints = q(SELECT count(*), coalesce(min(run_id), 0), coalesce(md5(string_agg(c::text, '')), '') FROM tablesync.checkpoint c WHERE owner = 'bob'::regrole);
my $failed = q(SELECT count(*) FROM tablesync.chunk k JOIN tablesync.run r USING (run_id) WHERE k.status = 'failed' AND r.owner = 'bob'::regrole);

# What a stranger calls, with and without `restart`, and what she may be told: nothing of the victim's definition.
sub assert_checkpoint_kept
{
	my ($call, $secret) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = $pair->admin("$checkpoints; $failed");
	unlike($before, qr/^0\|/, 'the victim has a checkpoint');
	foreach my $options ('', q(, options => '{"restart": true}'))
	{
		my $said = $attack->try_as('alice', "SELECT FROM $call$options)");
		unlike($said->{text}, qr/$secret/, "the stranger$options: hears nothing of the victim's definition");
		is($pair->admin("$checkpoints; $failed"), $before, '... and his checkpoint and his failed chunks are what they were');
	}
	return;
}

my %grants = (
	'without privileges'  => '',
	'who may write'       => 'GRANT USAGE, CREATE ON SCHEMA %1$s TO alice; GRANT ALL ON ALL TABLES IN SCHEMA %1$s TO alice',
	'who is a member'     => 'GRANT bob TO alice');
foreach my $who (sort keys %grants)
{
	my $schema = 'incomplete_' . ++$number;
	$attack->row("row 15: the checkpoint of a pivot is out of reach of a stranger $who", sub {
		$attack->bob(qq(
			CREATE SCHEMA $schema;
			SELECT FROM pivot_ship(NULL, 'public.readings', 'HS1', target_schema => '$schema', channels => ARRAY['ch1','ch2']);
			ALTER TABLE $schema.${wide}hs1 ADD CHECK (ch2 <> 401 AND ch1 <> 1) NOT VALID;
			TRUNCATE $schema.${wide}hs1;));
		my $said = $attack->try_as('bob', "SELECT FROM pivot_ship(NULL, 'public.readings', 'HS1', target_schema => '$schema', channels => ARRAY['ch1','ch2'], chunk_interval => '1 hour', max_retries => 0)");
		$pair->assert_failed($said, '23514', undef, 'a pivot of the victim is incomplete');
		$pair->admin(sprintf $grants{$who}, $schema) if $grants{$who};
		assert_checkpoint_kept("pivot_ship(NULL, 'public.readings', 'HS1', target_schema => '$schema', from_time => '2030-01-01', cutoff_time => '2031-01-01'", '(?:ch1.*ch2|1 hour|3600)');
		$pair->admin('REVOKE bob FROM alice') if $who =~ /member/;
		# The victim goes on where he was.
		$attack->bob("ALTER TABLE $schema.${wide}hs1 DROP CONSTRAINT ${wide}hs1_check");
		assert_succeeded($attack->try_as('bob', "SELECT FROM pivot_ship(NULL, 'public.readings', 'HS1', target_schema => '$schema', channels => ARRAY['ch1','ch2'], chunk_interval => '1 hour', max_retries => 0)"),
			'the victim goes on');
		is($pair->admin($checkpoints) =~ s/\|.*//r, 0, '... to the end');
	});
	$pair->admin("DROP SCHEMA $schema CASCADE; DELETE FROM tablesync.checkpoint");

	$attack->row("row 15: the checkpoint of a sync is out of reach of a stranger $who", sub {
		$attack->bob("CREATE SCHEMA $schema; CREATE TABLE $schema.t (id int PRIMARY KEY, name text, CONSTRAINT no CHECK (id <> 4000))");
		my $call = "sync_table('src', 'many', '$schema.t', chunk_mode => true, batch_size => 1000, max_retries => 0, custom_where => 'id <> 4711'";
		$pair->assert_failed($attack->try_as('bob', "SELECT FROM $call)"), '23514', undef, 'a sync of the victim is incomplete');
		$pair->admin(sprintf $grants{$who}, $schema) if $grants{$who};
		assert_checkpoint_kept("sync_table('src', 'many', '$schema.t', chunk_mode => true, batch_size => 100, max_retries => 0, custom_where => 'id < 10'", '4711');
		$pair->admin('REVOKE bob FROM alice') if $who =~ /member/;
		# A member may do to the table what she likes.
		return if $who =~ /member/;
		$attack->bob("ALTER TABLE $schema.t DROP CONSTRAINT no");
		assert_succeeded($attack->try_as('bob', "SELECT FROM $call)"), 'the victim goes on');
		is($pair->admin("SELECT count(*) FROM $schema.t"), 4999, '... to the end');
	});
	$pair->admin("DROP SCHEMA IF EXISTS $schema CASCADE; DELETE FROM tablesync.checkpoint");
}

done_testing;
