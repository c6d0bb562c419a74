# A table that is dropped and made again, moved or renamed by the owner of its schema is another table: nothing is written to
# it, nothing of it is dropped, and its triggers do not run.

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
	ANALYZE;));
$attack->alice('CREATE SCHEMA evil');
$attack->make_traps('evil');
my $number = 0;

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
			my $call = $attack->start_as($role, q(SELECT FROM sync_table('src', 'many', 'hs.big', parallel_workers => 2, max_retries => 0, options => '{"adopt": true, "compare": "stage"}')));
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

# Or it is not there any more, or is another for its owner's sake.
my %gone = (
	'is renamed'    => 'ALTER TABLE hs.%s RENAME TO another',
	'is moved'      => 'ALTER TABLE hs.%s SET SCHEMA away',
	'is dropped'    => 'DROP TABLE hs.%s',
	'has another type' => 'ALTER TABLE hs.%s ALTER name TYPE varchar(3) USING left(name, 3)',
	'lacks a column' => 'ALTER TABLE hs.%s DROP name',
	'lacks its key' => 'ALTER TABLE hs.%1$s DROP CONSTRAINT %1$s_pkey',
	'is in a schema with another name' => 'ALTER SCHEMA hs RENAME TO hs_2');
$pair->admin('CREATE SCHEMA away; GRANT ALL ON SCHEMA away TO bob');
foreach my $what (sort keys %gone)
{
	foreach my $kind ('a table that was there', 'a table with rows', 'a table that the run has made')
	{
		foreach my $way (', chunk_mode => true, batch_size => 2000', ', chunk_mode => true, batch_size => 2000, parallel_workers => 2', ', parallel_workers => 2')
		{
			next if $way =~ /workers/ && $what !~ /dropped|type/;
			$attack->row("row 6: the target $what between two transactions: $kind$way", sub {
				my $name = 'gone_' . ++$number;
				$attack->bob("CREATE TABLE hs.$name (id int PRIMARY KEY, name text)" . ($kind =~ /rows/ ? "; INSERT INTO hs.$name VALUES (1, 'one'), (-1, 'none')" : '')) unless $kind =~ /made/;
				my $nth = $way =~ /chunk/ ? 4 : 2;
				TablesyncTest::Fault::set($pair, "work_begun:$nth:pause");
				my $call = $attack->start_as('bob', qq(SELECT FROM sync_table('src', 'many', 'hs.$name', max_retries => 0$way, options => '{"adopt": true}')));
				$attack->wait_until_paused('work_begun', $call);
				my $change = $attack->start_as('super', sprintf $gone{$what}, $name);
				$attack->wait_until_stuck($change);
				TablesyncTest::Fault::clear($pair);
				my $said = $call->finish;
				unlike($said->{sqlstate}, qr/^(?:lost|XX|57P)/, 'the call succeeds, or says why not') or diag($said->{text});
				# A hidden table may be all that there is yet.
				$change->finish;
			});
			TablesyncTest::Fault::clear($pair);
			$pair->target->psql('postgres', 'ALTER SCHEMA hs_2 RENAME TO hs; DROP TABLE hs.another; DELETE FROM tablesync.checkpoint');
		}
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
