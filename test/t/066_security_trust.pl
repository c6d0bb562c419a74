# Whose code: who writes into a table, or as a superuser makes one in a schema, of a role that he neither trusts nor is a member
# of is refused, unless he says trust_owner.

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
	CREATE TABLE numbers AS SELECT id, id::text AS n FROM items;
	ALTER TABLE numbers ADD PRIMARY KEY (id);
	ANALYZE;));
$attack->alice('CREATE SCHEMA evil');
$attack->make_traps('evil');

sub sync_into { return "SELECT status FROM sync_table('src', 'items', '$_[0]', max_retries => 0" . ($_[1] ? ", $_[1]" : '') . ')' }

sub assert_succeeded
{
	my ($said, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($said->{sqlstate}, '', $name) || diag($said->{text});
}

# ---- Trust ----------------------------------------------------------------------------------------------------

my $trust = q(options => '{"trust_owner": true}');

sub assert_refused
{
	my ($role, $call, $object, $owner, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $caller = $role eq 'super' ? $attack->{super} : $role;
	my $said = $attack->try_as($role, $call);
	my $right = $pair->assert_failed($said, '42501', qr/\Arefusing to write to \Q$object\E: it belongs to role "$owner"\z/, $name // "$role: refused");
	return 0 unless $right;
	is($said->{detail}, qq(Triggers, defaults and domains of that role would run with the rights of role "$caller".), '... with the reason');
	is($said->{hint}, qq(Call the function as that role (SET ROLE $owner), or allow it: options => '{"trust_owner": true}'.), '... and what to do');
	return 1;
}

$attack->alice(q(
	CREATE SCHEMA hers;
	CREATE TABLE hers.t (id int PRIMARY KEY, name text);
	CREATE TABLE hers.parted (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
	CREATE TABLE hers.part PARTITION OF hers.parted DEFAULT;
	GRANT ALL ON SCHEMA hers TO bob; GRANT ALL ON ALL TABLES IN SCHEMA hers TO bob;));
$attack->set_trap('evil', "hers.$_") foreach 'parted', 't';

my %ways = (
	'full'          => '',
	'incremental'   => q(sync_mode => 'incremental', incremental_field => 'id'),
	'xmin'          => q(sync_mode => 'xmin'),
	'in chunks'     => 'chunk_mode => true, batch_size => 1000',
	'two workers'   => 'parallel_workers => 2',
	'not waited for' => 'wait => false');
foreach my $role ('super', 'bob')
{
	foreach my $table ('t', 'parted')
	{
		foreach my $way (sort keys %ways)
		{
			$attack->row("trust: $role is kept from a stranger's table: $table, $way", sub {
				if ($way =~ /waited/)
				{
					my $said = $attack->try_as($role, sync_into("hers.$table", $ways{$way}));
					$pair->wait_until($pair->target, q(SELECT NOT EXISTS (SELECT FROM tablesync.run WHERE status = 'running')));
					is($said->{sqlstate} || $pair->last_run("hers.$table"), $said->{sqlstate} ? '42501' : 'failed 42501', 'it fails');
				}
				else
				{
					assert_refused($role, sync_into("hers.$table", $ways{$way}), qq(table "hers.$table"), 'alice');
				}
				$attack->assert_no_trap;
				is($pair->admin("SELECT count(*) FROM hers.$table"), 0, '... nothing was written');
			});
			$pair->admin("TRUNCATE hers.$table; DELETE FROM tablesync.watermark; DELETE FROM tablesync.checkpoint");
		}
		my $said = $attack->try_as($role, sync_into("hers.$table", $trust));
		assert_succeeded($said, "trust: trust_owner allows it: $role, $table");
		is($pair->admin("SELECT count(*) FROM hers.$table"), $said->{sqlstate} ? 0 : 100, '... and the rows are there');
		$pair->admin("TRUNCATE hers.$table; DELETE FROM tablesync.watermark");
	}
	$attack->row("trust: run_sync: $role", sub {
		assert_refused($role, q(CALL run_sync('src', 'items', 'hers.t')), 'table "hers.t"', 'alice');
		$attack->assert_no_trap;
	});
	$attack->row("trust: sync_plan says so: $role", sub {
		my $said = $attack->try_as($role, q(SELECT value, fix FROM sync_plan('src', 'items', 'hers.t') WHERE state = 'error'));
		assert_succeeded($said, 'there is a plan');
		like($said->{out}, qr/refusing to write to table "hers\.t": it belongs to role "alice"/, '... with the reason');
		like($said->{out}, qr/trust_owner/, '... and what to do');
		$said = $attack->try_as($role, qq(SELECT value FROM sync_plan('src', 'items', 'hers.t', $trust) WHERE state = 'error'));
		is($said->{sqlstate} . $said->{out}, '', '... and not where it is allowed') or diag($said->{text});
	});
}

$attack->row('trust: a partition of a stranger, in a table of one\'s own', sub {
	$pair->admin(q(CREATE SCHEMA mixed; GRANT USAGE ON SCHEMA mixed TO PUBLIC; CREATE TABLE mixed.parted (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
		CREATE TABLE mixed.mine PARTITION OF mixed.parted FOR VALUES FROM (0) TO (50); CREATE TABLE mixed.hers PARTITION OF mixed.parted FOR VALUES FROM (50) TO (1000);
		ALTER TABLE mixed.hers OWNER TO alice));
	$attack->set_trap('evil', 'mixed.hers');
	assert_refused('super', sync_into('mixed.parted'), 'table "mixed.hers"', 'alice');
	assert_refused('super', sync_into('mixed.parted', 'chunk_mode => true'), 'table "mixed.hers"', 'alice', 'in chunks');
	$attack->assert_no_trap;
	is($pair->admin('SELECT count(*) FROM mixed.parted'), 0, '... nothing was written');
	assert_succeeded($attack->try_as('super', sync_into('mixed.parted', $trust)), '... trust_owner allows it');
});

$attack->row('trust: a partition of a partition', sub {
	$pair->admin(q(CREATE TABLE mixed.deep (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
		CREATE TABLE mixed.deep_1 PARTITION OF mixed.deep DEFAULT PARTITION BY RANGE (id); CREATE TABLE mixed.deep_11 PARTITION OF mixed.deep_1 DEFAULT; ALTER TABLE mixed.deep_11 OWNER TO alice));
	$attack->set_trap('evil', 'mixed.deep_11');
	assert_refused('super', sync_into('mixed.deep'), 'table "mixed.deep_11"', 'alice');
	$attack->assert_no_trap;
});

foreach my $way ('full', 'in chunks', 'two workers')
{
	$attack->row("trust: a superuser makes no table in a stranger's schema: $way", sub {
		assert_refused('super', sync_into('hers.absent', $ways{$way}), 'schema "hers"', 'alice');
		is($pair->admin(q(SELECT to_regclass('hers.absent') IS NULL)), 't', '... nothing was made');
		assert_succeeded($attack->try_as('super', sync_into('hers.absent', join ', ', $trust, $ways{$way} || ())), '... trust_owner allows it');
		assert_succeeded($attack->try_as('super', sync_into('hers.absent', $ways{$way})), '... what he has made is his');
	});
	$pair->admin('DROP TABLE IF EXISTS hers.absent');
}

$attack->row('trust: one\'s own tables, those of a group, and those of a superuser need no word', sub {
	$pair->admin(q(
		CREATE ROLE fleet; CREATE ROLE office; GRANT fleet TO office; GRANT office TO bob;
		CREATE SCHEMA trusted; GRANT ALL ON SCHEMA trusted TO PUBLIC;
		CREATE TABLE trusted.of_fleet (id int PRIMARY KEY, name text); ALTER TABLE trusted.of_fleet OWNER TO fleet;
		CREATE TABLE trusted.of_super (id int PRIMARY KEY, name text); GRANT ALL ON trusted.of_super TO bob;
		CREATE ROLE chief SUPERUSER LOGIN; CREATE TABLE trusted.of_chief (id int PRIMARY KEY, name text); ALTER TABLE trusted.of_chief OWNER TO chief;));
	$attack->bob('CREATE TABLE trusted.of_bob (id int PRIMARY KEY, name text)');
	assert_succeeded($attack->try_as('bob', sync_into("trusted.$_")), "bob: $_") foreach 'of_bob', 'of_fleet', 'of_super', 'absent_1';
	assert_succeeded($attack->try_as('super', sync_into("trusted.$_")), "a superuser: $_") foreach 'of_super', 'of_chief', 'absent_2';
	assert_refused('super', sync_into('trusted.of_fleet'), 'table "trusted.of_fleet"', 'fleet', 'a superuser is a member of no role here');
	assert_succeeded($attack->try_as('super', 'SET ROLE bob; ' . sync_into('trusted.of_fleet')), '... unless he sets the role');
	assert_succeeded($attack->try_as('super', 'SET ROLE alice; ' . sync_into('hers.t')), 'SET ROLE of the owner');
});

$attack->row('trust: pg_database_owner is the owner of the database', sub {
	assert_succeeded($attack->try_as('super', sync_into('public.of_super')), 'a superuser owns the database');
	$pair->admin('ALTER DATABASE postgres OWNER TO alice');
	assert_refused('super', sync_into('public.new'), 'schema "public"', 'alice', 'a stranger owns it');
	is($pair->admin(q(SELECT to_regclass('public.new') IS NULL)), 't', '... nothing was made');
});
# What the owner had been granted is gone with the ownership.
$pair->admin("ALTER DATABASE postgres OWNER TO $attack->{super}; GRANT CREATE ON DATABASE postgres TO alice");

foreach my $mode ('full', 'tables_only', 'migration_only')
{
	$attack->row("trust: pivot_ship, $mode: a stranger's wide table, and a stranger's schema", sub {
		my $schema = "pivot_$mode";
		$attack->alice("CREATE SCHEMA $schema; SELECT FROM pivot_ship(NULL, 'public.readings', 'HS1', target_schema => '$schema')");
		$attack->set_trap('evil', "$schema.${wide}hs1");
		$attack->alice("GRANT ALL ON SCHEMA $schema TO bob; GRANT ALL ON $schema.${wide}hs1 TO bob; UPDATE $schema.${wide}hs1 SET ch1 = 0");
		my $state = $pair->state_of("$schema.${wide}hs1");
		foreach my $role ('super', 'bob')
		{
			my $pivot = "SELECT FROM pivot_ship(NULL, 'public.readings', 'HS1', mode => '$mode', target_schema => '$schema', max_retries => 0";
			next if $mode eq 'tables_only' && $role eq 'bob';
			assert_refused($role, "$pivot)", qq(table "$schema.${wide}hs1"), 'alice');
			is($pair->state_of("$schema.${wide}hs1"), $state, '... nothing was written');
		}
		assert_refused('super', "SELECT FROM pivot_ship('src', 'public.readings', 'HS2', mode => '$mode', target_schema => '$schema', max_retries => 0)", qq(schema "$schema"), 'alice', 'a new table');
		is($pair->admin("SELECT to_regclass('$schema.${wide}hs2') IS NULL"), 't', '... was not made');
		$attack->assert_no_trap;
		assert_succeeded($attack->try_as('super', "SELECT FROM pivot_ship('src', 'public.readings', mode => '$mode', target_schema => '$schema', $trust)"), '... trust_owner allows both');
	});
}

$attack->row('trust: verify_table only looks, unless it repairs or converts', sub {
	$attack->alice(q(
		CREATE TABLE hers.synced (id int PRIMARY KEY, name text);
		GRANT ALL ON hers.synced TO bob;) . sync_into('hers.synced') . q(; UPDATE hers.synced SET name = 'other' WHERE id = 1));
	$attack->set_trap('evil', 'hers.synced');
	$attack->alice(q(CREATE TABLE hers.converted (id int PRIMARY KEY, n int); GRANT ALL ON hers.converted TO bob; SELECT FROM sync_table('src', 'numbers', 'hers.converted')));
	foreach my $role ('super', 'bob')
	{
		my $said = $attack->try_as($role, q(SELECT kind FROM verify_table('src', 'items', 'hers.synced')));
		assert_succeeded($said, "$role: it looks");
		is($said->{out}, "different\n", q(... and finds the difference)) or diag($said->{text});
		assert_refused($role, q(SELECT * FROM verify_table('src', 'items', 'hers.synced', repair => true)), 'table "hers.synced"', 'alice', "$role: to repair is to write");
		assert_refused($role, q(SELECT * FROM verify_table('src', 'numbers', 'hers.converted')), 'table "hers.converted"', 'alice', "$role: a column that is converted");
	}
	$attack->assert_no_trap;
	is($pair->admin('SELECT name FROM hers.synced WHERE id = 1'), 'other', '... nothing was written');
	assert_succeeded($attack->try_as('super', "SELECT * FROM verify_table('src', 'items', 'hers.synced', repair => true, $trust)"), '... trust_owner allows it');
	is($pair->admin('SELECT name FROM hers.synced WHERE id = 1'), 'item 1', '... and it is mended');
});

# ---- Row 12: what a search_path finds -------------------------------------------------------------------------

# A schema in which the attacker may make things, as public was before PostgreSQL 15, is in the path of others. Her operators and
# functions fit varchar better than those of pg_catalog do.
$pair->admin('CREATE SCHEMA common; GRANT ALL ON SCHEMA common TO PUBLIC');
my %spellings = ('=' => 'eq', '<>' => 'ne', '<' => 'lt', '<=' => 'le', '>' => 'gt', '>=' => 'ge', '~' => 'match', '||' => 'plus');
foreach my $types ('varchar, varchar', 'varchar, text', 'text, varchar')
{
	my ($left, $right) = split /, /, $types;
	foreach my $operator (sort keys %spellings)
	{
		my $result = $operator eq '||' ? 'text' : 'bool';
		$attack->alice(qq(
			CREATE FUNCTION common.$spellings{$operator}($types) RETURNS $result LANGUAGE plpgsql AS \$\$
			BEGIN PERFORM evil.spring('operator $operator ($types)'); RETURN \$1::text OPERATOR(pg_catalog.$operator) \$2::text; END \$\$;
			CREATE OPERATOR common.$operator (LEFTARG = $left, RIGHTARG = $right, FUNCTION = common.$spellings{$operator});));
	}
}
foreach my $function ('lower', 'upper', 'md5', 'btrim')
{
	$attack->alice(qq(CREATE FUNCTION common.$function(varchar) RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN PERFORM evil.spring('function $function'); RETURN pg_catalog.$function(\$1::text); END \$\$));
}
$pair->source_sql(q(
	CREATE TABLE varied (a varchar(20), b varchar, name varchar, changed int, PRIMARY KEY (a, b));
	INSERT INTO varied SELECT 'a' || g % 10, 'b' || g, 'name ' || g, g FROM generate_series(1, 200) g;
	ANALYZE varied;));

my $path = 'SET search_path = "$user", common, public; ';
my %calls = (
	'sync_table, full' => q(SELECT FROM sync_table('src', 'varied', 'plain.full', delete_missing => true)),
	'sync_table, incremental' => q(SELECT FROM sync_table('src', 'varied', 'plain.incremental', sync_mode => 'incremental', incremental_field => 'changed')),
	'sync_table, xmin' => q(SELECT FROM sync_table('src', 'varied', 'plain.xmin', sync_mode => 'xmin')),
	'sync_table, chunks' => q(SELECT FROM sync_table('src', 'varied', 'plain.chunks', chunk_mode => true, options => '{"chunk_by": "key"}')),
	'sync_table, two workers' => q(SELECT FROM sync_table('src', 'varied', 'plain.two', parallel_workers => 2)),
	'verify_table'     => q(SELECT * FROM verify_table('src', 'varied', 'plain.full', repair => true)),
	'explain_row'      => q(SELECT * FROM explain_row('plain.full', 'a1', 'b1')),
	'sync_plan'        => q(SELECT * FROM sync_plan('src', 'varied', 'plain.full')),
	'pivot_ship'       => q(SELECT FROM pivot_ship(NULL, 'public.readings', ship_ids => ARRAY['HS1', 'HS2'], channels => ARRAY['ch1', 'ch2'], target_schema => 'plain')),
	'pivot_ship, of times' => q(SELECT FROM pivot_ship(NULL, 'public.readings', 'HS1', from_time => '2024-01-01', cutoff_time => '2024-01-02', chunk_interval => '1 hour', target_schema => 'plain')),
	'pivot_ship, of a table of channels' => q(SELECT FROM pivot_ship(NULL, 'public.readings', target_schema => 'plain', options => '{"channels_table": "public.channels"}')),
	'pivot_ship, schema_only' => q(SELECT FROM pivot_ship(NULL, 'public.readings', mode => 'schema_only', target_schema => 'plain', table_groups => '{"one": "1$"}')),
	'verify_pivot'     => q(SELECT * FROM verify_pivot(NULL, 'public.readings', 'HS1', target_schema => 'plain')),
	'reprocess_failed_chunks' => q(INSERT INTO tablesync.failed_chunk (ship_id, start_time, end_time, target_schema) VALUES ('HS1', '2024-01-01', '2024-01-02', 'plain'); SELECT * FROM reprocess_failed_chunks()));
$pair->admin(q(
	CREATE TABLE public.channels (channel varchar); INSERT INTO public.channels VALUES ('ch1'), ('ch2'); GRANT SELECT ON public.channels TO PUBLIC;
	CREATE SCHEMA plain; GRANT ALL ON SCHEMA plain TO PUBLIC));
foreach my $role ('super', 'bob')
{
	$pair->admin('DROP SCHEMA plain CASCADE; CREATE SCHEMA plain; GRANT ALL ON SCHEMA plain TO PUBLIC; DELETE FROM tablesync.pivot_table; DELETE FROM tablesync.pivot_column; DELETE FROM tablesync.watermark');
	$attack->as($role eq 'super' ? $attack->{super} : $role, $calls{'sync_table, full'});
	foreach my $what (sort keys %calls)
	{
		$attack->row("row 12: $what finds no operator or function of a stranger: $role", sub {
			# The first makes tables, the second compares.
			foreach my $time ('first', 'second')
			{
				assert_succeeded($attack->try_as($role, $path . $calls{$what}), "the $time call works");
			}
			$attack->assert_no_trap;
		});
	}
}

done_testing;
