# Processes and what they hold: a worker ends when it is told to, whatever code it runs; nobody takes the lock of a table
# that he may not write to, nor all workers; and what is shown of a run is text.

use strict;
use warnings;

use Encode qw(decode FB_CROAK LEAVE_SRC);
use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest;
use TablesyncTest::Attack;
use TablesyncTest::Fault;

my $pair   = TablesyncTest->new(target_conf => [ 'max_worker_processes = 12', 'tablesync.max_workers_per_role = -1', 'log_error_verbosity = verbose' ]);
my $attack = TablesyncTest::Attack->new($pair);

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, 'item ' || g FROM generate_series(1, 100) g;
	CREATE TABLE many (id int PRIMARY KEY, name text);
	INSERT INTO many SELECT g, repeat('x', 200) FROM generate_series(1, 20000) g;
	ANALYZE;));

# A view that is read as long as this database's lock 77 is held.
$attack->alice(q(
	CREATE SCHEMA slow;
	CREATE FUNCTION slow.gate() RETURNS text VOLATILE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN '1'; END $$;
	CREATE VIEW slow.v AS SELECT slow.gate() AS ship_id, 'c'::text AS data_channel_id, now() AS created_time, 'Integer'::text AS value_format, 1::int8 AS long_v;
	GRANT USAGE ON SCHEMA slow TO PUBLIC; GRANT SELECT ON slow.v TO PUBLIC;));

sub close_gate
{
	my $gate = $attack->session('super');
	$gate->query_safe('SELECT pg_advisory_lock(77)');
	return;
}

# ---- Row 5: a worker that does not want to end ----------------------------------------------------------------

$attack->alice(q(
	CREATE SCHEMA stuck;
	CREATE FUNCTION stuck.hold() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		LOOP
			BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN query_canceled OR others THEN NULL; END;
		END LOOP;
	END $$;
	CREATE PROCEDURE stuck.hold_on() LANGUAGE plpgsql AS $$
	BEGIN
		LOOP
			BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN query_canceled THEN RAISE NOTICE 'not me'; END;
		END LOOP;
	END $$;
	CREATE FUNCTION stuck.row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM stuck.hold(); RETURN NEW; END $$;
	CREATE FUNCTION stuck.call() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN CALL stuck.hold_on(); RETURN NEW; END $$;
	CREATE FUNCTION stuck.text() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM stuck.hold(); RETURN '1'; END $$;
	CREATE TABLE stuck.by_trigger (id int PRIMARY KEY, name text);
	CREATE TABLE stuck.by_statement (id int PRIMARY KEY, name text);
	CREATE TABLE stuck.by_procedure (id int PRIMARY KEY, name text);
	CREATE TABLE stuck.by_deferred (id int PRIMARY KEY, name text);
	CREATE TRIGGER t BEFORE INSERT ON stuck.by_trigger FOR EACH ROW EXECUTE FUNCTION stuck.row();
	CREATE TRIGGER t AFTER INSERT ON stuck.by_statement EXECUTE FUNCTION stuck.row();
	CREATE TRIGGER t BEFORE INSERT ON stuck.by_procedure FOR EACH ROW EXECUTE FUNCTION stuck.call();
	CREATE CONSTRAINT TRIGGER t AFTER INSERT ON stuck.by_deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stuck.row();
	CREATE VIEW stuck.v AS SELECT stuck.text() AS ship_id, 'c'::text AS data_channel_id, now() AS created_time, 'Integer'::text AS value_format, 1::int8 AS long_v;));

my %stuck = (
	'a trigger'             => q(SELECT FROM sync_table('src', 'items', 'stuck.by_trigger', max_retries => 0)),
	'a statement\'s trigger' => q(SELECT FROM sync_table('src', 'items', 'stuck.by_statement', max_retries => 0)),
	'a procedure'           => q(SELECT FROM sync_table('src', 'items', 'stuck.by_procedure', max_retries => 0)),
	'a deferred trigger'    => q(SELECT FROM sync_table('src', 'items', 'stuck.by_deferred', max_retries => 0)),
	'a function of a view'  => q(SELECT FROM pivot_ship(NULL, 'stuck.v', '1', target_schema => 'stuck', max_retries => 0)),
	'a trigger, in a chunk' => q(SELECT FROM sync_table('src', 'items', 'stuck.by_trigger', chunk_mode => true, max_retries => 0)));
my %ends = (
	'pg_terminate_backend' => [ qr/^(?:57P01|57014)$/, sub { my ($call, $pid) = @_; $pair->admin("SELECT pg_terminate_backend($pid)") } ],
	'the caller is canceled' => [ qr/^57014$/, sub { my ($call, $pid) = @_; $pair->admin('SELECT pg_cancel_backend(' . $call->pid . ')') } ],
	'cancel_run, then pg_terminate_backend' => [ qr/^(?:57P01|57014)$/, sub {
		my ($call, $pid) = @_;
		$pair->admin("SELECT cancel_run(run_id) FROM tablesync.run WHERE worker_pid = $pid AND status = 'running'");
		$pair->admin("SELECT pg_terminate_backend($pid)");
	} ],
	# Or, where the server kept its own shutdown waiting, nothing.
	'a fast shutdown' => [ qr/^(?:57P01|57014|lost)$/, sub {
		my ($call, $pid) = @_;
		local $ENV{PGCTLTIMEOUT} = 15;
		ok($pair->target->stop('fast', fail_ok => 1), 'the server stops within 15 s');
	} ]);
foreach my $what (sort keys %stuck)
{
	foreach my $end (sort keys %ends)
	{
		next if $end =~ /cancel_run/ && $what ne 'a trigger';
		$attack->row("row 5: a worker that $what holds on to ends: $end", sub {
			my ($sqlstate, $action) = @{ $ends{$end} };
			my $call = $attack->start_as('alice', $stuck{$what});
			$pair->wait_until($pair->target, q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_tablesync' AND wait_event = 'PgSleep')));
			my $pid = $pair->worker_pid;
			$action->($call, $pid);
			my $gone = TablesyncTest::poll(sub { !kill 0, $pid }, 15);
			ok($gone, 'its process is gone within 15 s');
			if ($end =~ /shutdown/ || !$gone)
			{
				$pair->target->stop('immediate', fail_ok => 1);
				$pair->target->start;
			}
			my $said = $call->finish;
			like($said->{sqlstate}, $sqlstate, 'the caller hears of it') or diag($said->{text});
			my $waited = $attack->try_as('super', "SELECT status FROM wait_run((SELECT max(run_id) FROM tablesync.run WHERE worker_pid = $pid), '1 h')");
			like($waited->{sqlstate}, qr/^(?:57P01|57P02|57014)$/, '... and so does wait_run()') or diag($waited->{text});
			$pair->assert_clean('... nothing is left behind', open_record => 1);
			is($pair->admin(q(SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM stuck.by_trigger UNION ALL SELECT count(*) FROM stuck.by_deferred) x)), 0, '... nothing was written');
		});
	}
}
$attack->row('row 5: the next run of its target closes the record', sub {
	$attack->alice('ALTER TABLE stuck.by_trigger DISABLE TRIGGER t');
	my $said = $attack->try_as('alice', $stuck{'a trigger'});
	is($said->{sqlstate}, '', 'it works') or diag($said->{text});
	is($pair->admin(q(SELECT count(*) FROM tablesync.run WHERE status = 'running' AND target = 'stuck.by_trigger')), 0, '... no record is open');
});

# ---- Row 10: locks of those who have no right to them ---------------------------------------------------------

$attack->bob(q(
	CREATE SCHEMA priv;
	CREATE TABLE priv.table1 (id int PRIMARY KEY, name text);
	CREATE VIEW priv.view1 AS SELECT 1 AS id;
	CREATE MATERIALIZED VIEW priv.matview1 AS SELECT 1 AS id;
	CREATE TABLE priv.parted1 (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
	CREATE TABLE priv.part1 PARTITION OF priv.parted1 DEFAULT;
	CREATE SEQUENCE priv.sequence1;));
my %reach = (
	'nothing'             => [ 'SELECT', 'SELECT' ],
	'only sees it'        => [ 'GRANT USAGE ON SCHEMA priv TO alice; GRANT SELECT ON ALL TABLES IN SCHEMA priv TO alice', 'REVOKE USAGE ON SCHEMA priv FROM alice; REVOKE SELECT ON ALL TABLES IN SCHEMA priv FROM alice' ]);

# A run of the attacker that would stand still with its lock. She is refused, and the victim is not kept waiting.
sub assert_no_lock
{
	my ($call, $target) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $last = $pair->admin('SELECT coalesce(max(run_id), 0) FROM tablesync.run');
	my $session = $attack->start_as('alice', $call);
	# She has her answer, and her worker has ended, or stands.
	my $pid = $session->pid;
	my $stands = q((application_name LIKE 'fault point%' OR wait_event = 'advisory'));
	$pair->wait_until($pair->target, qq(SELECT bool_and($stands IS TRUE) FILTER (WHERE backend_type = 'pg_tablesync') IS NOT FALSE
		AND (bool_or($stands) OR NOT bool_or(pid = $pid)) FROM pg_stat_activity));
	is($pair->admin(q(SELECT count(*) FROM pg_locks WHERE locktype = 'userlock')), 0, 'the attacker has no lock');
	my $said = $attack->try_as('bob', "SELECT FROM sync_table('src', 'items', '$target', max_retries => 0)");
	unlike($said->{sqlstate}, qr/^(?:55P03|lost|XX)/, '... the victim\'s sync is not kept from it') or diag($said->{text});
	is($said->{sqlstate}, '', '... and works') if $target =~ /table|absent|parted/ && !is($said->{text} =~ /^ERROR/m ? 1 : 0, 0, '... nor does it fail');
	TablesyncTest::Fault::clear($pair);
	$pair->admin(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_tablesync'));
	my $hers = $session->finish;
	my $state = $hers->{sqlstate} || $pair->admin("SELECT coalesce(string_agg(sqlstate, ' '), '') FROM tablesync.run WHERE run_id > $last AND owner = 'alice'::regrole");
	like($state, qr/^(?:42501|42809)$/, '... the attacker was refused') or diag($hers->{text});
	return;
}

foreach my $reach (sort keys %reach)
{
	foreach my $target (qw(table1 view1 matview1 parted1 part1 sequence1 absent1))
	{
		my ($prefix, $ship) = $target =~ /^(.*)(\d)$/;
		foreach my $wait ('true', 'false')
		{
			my %calls = (
				'a sync'  => "SELECT FROM sync_table('src', 'items', 'priv.$target', max_retries => 0, wait => $wait)",
				'a sync of two workers' => "SELECT FROM sync_table('src', 'items', 'priv.$target', parallel_workers => 2, max_retries => 0, wait => $wait)",
				'a sync that waits for its turn' => qq(SELECT FROM sync_table('src', 'items', 'priv.$target', max_retries => 0, wait => $wait, options => '{"if_running": "wait"}')),
				'a pivot' => "SELECT FROM pivot_ship(NULL, 'slow.v', '$ship', target_schema => 'priv', table_prefix => '$prefix', max_retries => 0, wait => $wait)");
			foreach my $what (sort keys %calls)
			{
				next if $what =~ /two|turn/ && ($wait eq 'true' || $target !~ /table|absent/);
				next if $reach ne 'nothing' && ($wait eq 'true' || $what =~ /two|turn/);
				$attack->row("row 10: $what of one who may do nothing with priv.$target, or $reach, takes no lock: wait => $wait", sub {
					$pair->admin('DROP TABLE IF EXISTS priv.absent1');
					$pair->admin($reach{$reach}[0]);
					close_gate();
					$pair->admin(q(LOAD 'pg_tablesync'; ALTER ROLE alice SET tablesync.fault = 'target_locked:1:pause'));
					assert_no_lock($calls{$what}, "priv.$target");
				});
				$pair->admin("LOAD 'pg_tablesync'; ALTER ROLE alice RESET tablesync.fault; $reach{$reach}[1]");
			}
		}
	}
}

$attack->row('row 10: the locks of a pivot and those of a sync do not meet', sub {
	close_gate();
	$attack->bob(q(SELECT FROM pivot_ship(NULL, 'slow.v', '1', target_schema => 'priv', table_prefix => 'table', max_retries => 0, wait => false)));
	$pair->wait_until($pair->target, q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_tablesync' AND wait_event = 'advisory')));
	isnt($pair->admin(q(SELECT count(*) FROM pg_locks WHERE locktype = 'userlock')), 0, 'a pivot has its lock');
	my $said = $attack->try_as('bob', q(SELECT FROM sync_table('src', 'items', 'priv.table1', max_retries => 0)));
	is($said->{sqlstate}, '', '... a sync of a table whose name is the same goes on') or diag($said->{text});
	$pair->assert_failed($attack->try_as('bob', q(SELECT FROM pivot_ship(NULL, 'slow.v', '1', target_schema => 'priv', table_prefix => 'table', max_retries => 0))),
		'55P03', undef, '... another pivot does not');
});

# ---- Row 11: workers per role ---------------------------------------------------------------------------------

# Starts runs of a role that stand still until it is refused, or has so many. Returns how many it has, and what it heard then.
my $started = 0;

sub start_many
{
	my ($role, $at_most, $before) = @_;
	my ($count, $said) = (0, undef);
	while ($count < $at_most)
	{
		my $ship = 's' . ++$started;
		my $schema = $role eq 'alice' ? 'slow' : 'crowd';
		$said = $attack->try_as($role, ($before // '') . "SELECT run_id FROM pivot_ship(NULL, 'slow.v', '$ship', target_schema => '$schema', max_retries => 0, wait => false)");
		last if $said->{sqlstate};
		$count++;
	}
	return ($count, $said);
}

sub assert_refused_at
{
	my ($role, $limit, $before) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($count, $said) = start_many($role, $limit + 2, $before);
	is($count, $limit, "$role has $limit workers") or diag($said->{text});
	return $pair->assert_failed($said, '53000', qr/^role "$role" already has $limit background workers?$/, '... and no more') && isnt($said->{hint}, '', '... with a hint');
}

# For sessions that begin from here on.
sub limit_workers
{
	my ($limit) = @_;
	$pair->admin("LOAD 'pg_tablesync'; ALTER SYSTEM SET tablesync.max_workers_per_role = $limit; SELECT pg_reload_conf()");
	return $pair->wait_until($pair->target, "SELECT current_setting('tablesync.max_workers_per_role') = '$limit'");
}

$pair->admin('CREATE SCHEMA crowd; GRANT ALL ON SCHEMA crowd TO bob');
my $workers = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg\_tablesync%' AND backend_type <> 'pg_tablesync launcher');

$attack->row('row 11: a role has half of the workers, the others are for the others', sub {
	close_gate();
	is($pair->admin(q(LOAD 'pg_tablesync'; SHOW tablesync.max_workers_per_role)), '-1', 'the setting is -1');
	assert_refused_at('alice', 6);
	my ($count, $said) = start_many('bob', 2);
	is($count, 2, 'another role has workers') or diag($said->{text});
	$said = $attack->try_as('super', q(SELECT status FROM sync_table('src', 'items', 'public.of_super')));
	is($said->{out}, "succeeded\n", '... and so has a superuser') or diag($said->{text});
	$said = $attack->try_as('super', q(SELECT ok FROM test_connection('src')));
	is($said->{out}, "t\n", '... also for test_connection') or diag($said->{text});
	$pair->assert_failed($attack->try_as('alice', q(SELECT ok FROM test_connection('src'))), '53000', undef, '... which counts for the role');
	$pair->admin(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_tablesync' AND usename = 'alice' LIMIT 1));
	$pair->wait_until($pair->target, "SELECT ($workers) = 7");
	($count, $said) = start_many('alice', 2);
	is($count, 1, 'one that has ended makes place for one') or diag($said->{text});
});

$attack->row('row 11: the slots are free again after that', sub {
	my $said = $attack->try_as('alice', q(SELECT status FROM sync_table('src', 'items', 'slow.items')));
	is($said->{out}, "succeeded\n", 'a sync works') or diag($said->{text});
	close_gate();
	assert_refused_at('alice', 6);
});

$attack->row('row 11: a superuser is not limited', sub {
	close_gate();
	limit_workers(1);
	my ($count, $said) = start_many('super', 4);
	is($count, 4, 'he has four') or diag($said->{text});
	assert_refused_at('alice', 1);
	assert_refused_at('bob', 1);
});

$attack->row('row 11: loaders count', sub {
	limit_workers(2);
	foreach my $way ('parallel_workers => 3', 'parallel_workers => 3, chunk_mode => true, batch_size => 1000')
	{
		TablesyncTest::Fault::set($pair, 'copy_finished:1:pause');
		my $call = $attack->start_as('alice', "SELECT FROM sync_table('src', 'many', 'slow.many_" . ++$started . "', $way, max_retries => 0)");
		# Each of them has come to the point, or waits for those which have.
		$pair->wait_until($pair->target, 'SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ' . $call->pid . ") OR EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'fault point copy_finished')");
		cmp_ok($pair->admin(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg\_tablesync%' AND usename = 'alice')), '<=', 2, "$way: there are no more than two");
		TablesyncTest::Fault::clear($pair);
		my $said = $call->finish;
		like($said->{sqlstate}, qr/^(?:|53000)$/, '... it succeeds, or is refused') or diag($said->{text});
	}
	my $said = $attack->try_as('alice', "SELECT FROM sync_table('src', 'many', 'slow.many_" . ++$started . "', max_retries => 0)");
	is($said->{sqlstate}, '', 'one worker is allowed') or diag($said->{text});
});

$attack->row('row 11: a plain role cannot set it', sub {
	$pair->assert_failed($attack->try_as('alice', q(SELECT count(*) FROM connection_info('src'); SET tablesync.max_workers_per_role = 100)), '42501', undef, 'once the module is there');
	limit_workers(1);
	close_gate();
	assert_refused_at('alice', 1, 'SET tablesync.max_workers_per_role = 100; ');
	my $said = $attack->try_as('alice', 'ALTER ROLE alice SET tablesync.max_workers_per_role = 100');
	($said) = (start_many('alice', 2))[1];
	is($said->{sqlstate}, '53000', '... nor for its sessions') or diag($said->{text});
	$pair->admin('ALTER ROLE alice RESET ALL');
});
TablesyncTest::Fault::clear($pair);
$pair->target->psql('postgres', q(LOAD 'pg_tablesync'; ALTER SYSTEM RESET tablesync.max_workers_per_role; SELECT pg_reload_conf()));

# ---- Rows 16 to 20: what is shown -----------------------------------------------------------------------------

$attack->row('rows 16-20: tablesync.cascade does not leak what others sync', sub {
	$attack->bob(q(SELECT FROM sync_table('src', 'items', 'priv.counted', sync_mode => 'incremental', incremental_field => 'id')));
	$pair->admin('CREATE ROLE nobody LOGIN; GRANT CREATE ON DATABASE postgres TO nobody');
	$attack->as('nobody', q(
		CREATE SCHEMA nobodys;
		CREATE FUNCTION nobodys.leak(oid, text, text, text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'leaked: % % % %', $1, $2, $3, $4; RETURN true; END $$;
		CREATE FUNCTION nobodys.leak_one(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'leaked: %', $1; RETURN true; END $$;));
	foreach my $where ('nobodys.leak(target_oid, sync_mode, field, value)', 'nobodys.leak_one(field)', 'nobodys.leak_one(value) AND target_oid > 0')
	{
		my $said = $attack->try_as('nobody', "SELECT * FROM tablesync.cascade WHERE $where");
		is($said->{sqlstate} . $said->{out}, '', "no row: $where") or diag($said->{text});
		unlike($said->{text}, qr/leaked/, '... and none was shown to the function');
	}
	is($attack->bob(q(SELECT field FROM tablesync.cascade WHERE target_oid = 'priv.counted'::regclass)), 'id', 'who may read the table sees its row');
});

# All records are text of the database's encoding: a conversion to it verifies them.
my @texts = ('SELECT to_jsonb(r)::text FROM tablesync.run r', 'SELECT to_jsonb(r)::text FROM tablesync.run_step r', 'SELECT to_jsonb(r)::text FROM tablesync.failed_attempt r',
	'SELECT to_jsonb(r)::text FROM tablesync.watermark r', 'SELECT to_jsonb(r)::text FROM tablesync.chunk r', 'SELECT to_jsonb(r)::text FROM tablesync.reject r',
	'SELECT to_jsonb(r)::text FROM tablesync.chunk_to_redo r');

sub assert_text
{
	my ($name, @queries) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @wrong;
	foreach my $query (@queries)
	{
		my ($status, $out, $err) = $pair->target->psql('postgres', "SELECT count(convert_from(convert_to(x, 'UTF8'), 'UTF8')) FROM ($query) q (x)");
		push @wrong, "$query: $err" if $status;
	}
	return is("@wrong", '', $name);
}

sub is_text
{
	my ($bytes) = @_;
	return eval { decode('UTF-8', $bytes, FB_CROAK | LEAVE_SRC); 1 };
}

# Names that are cut somewhere, at all places of a letter of two, three and four bytes.
my %letters = ('two bytes' => 'é', 'three bytes' => '速', 'four bytes' => '😀');
foreach my $size (sort keys %letters)
{
	foreach my $offset (0 .. 3)
	{
		my $long  = ('x' x $offset) . ($letters{$size} x 400);
		my $short = ('x' x $offset) . ($letters{$size} x 14);
		$attack->row("rows 16-20: texts are cut between letters: of $size, after $offset", sub {
			$pair->admin('DELETE FROM tablesync.run');
			$pair->source_sql(qq(CREATE TABLE "$short" AS SELECT * FROM items));
			my %calls = (
				'a long source'  => qq(SELECT FROM sync_table('src', '"$long"', 'slow.t', max_retries => 0)),
				'a long target'  => qq(SELECT FROM sync_table('src', 'items', 'slow."$long"', max_retries => 0)),
				'a long condition' => qq(SELECT FROM sync_table('src', 'items', 'slow.t', custom_where => \$\$name = '$long' AND no\$\$, max_retries => 0)),
				'a long option'  => qq(SELECT FROM sync_table('src', 'items', 'slow.t', incremental_field => '$long', sync_mode => 'incremental', max_retries => 0)),
				'a long ship'    => qq(SELECT FROM pivot_ship(NULL, 'public.readings', '$long', target_schema => 'slow', max_retries => 0)),
				'a long prefix'  => qq(SELECT FROM pivot_ship(NULL, 'public.readings', 'HS1', target_schema => 'slow', table_prefix => '$long', max_retries => 0)),
				'a short name'   => qq(SELECT FROM sync_table('src', '"$short"', 'slow."$short"', max_retries => 0)),
				'a short ship'   => qq(SELECT FROM pivot_ship('src', 'public.readings', '$short', target_schema => 'slow', table_prefix => '$short', max_retries => 0)),
				'a ship'         => qq(SELECT FROM pivot_ship('src', 'public.readings', '$short', target_schema => 'slow', table_prefix => 'p', max_retries => 0)));
			foreach my $what (sort keys %calls)
			{
				my $said = $attack->try_as('alice', $calls{$what});
				unlike($said->{sqlstate}, qr/^(?:lost|XX|22021)/, $what) or diag($said->{text});
				ok(is_text($said->{text}), '... what is said is text') or diag($said->{text});
			}
			assert_text('... what is recorded is text', @texts);
			TablesyncTest::Fault::set($pair, 'run_recorded:1:pause');
			foreach my $what ('a long source', 'a short name', 'a ship')
			{
				my $call = $attack->start_as('alice', $calls{$what});
				$attack->wait_until_paused('run_recorded', $call);
				assert_text("$what: what a worker shows is text", 'SELECT a.query FROM pg_stat_activity a', 'SELECT a.application_name FROM pg_stat_activity a', 'SELECT to_jsonb(p)::text FROM tablesync.progress p');
				my $pid = $pair->worker_pid;
				isnt($pid, '', '... it is there');
				ok(is_text(slurp_file("/proc/$pid/cmdline") =~ tr/\0//dr), '... and so is its title');
				$pair->admin(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_tablesync'));
				ok(is_text($call->finish->{text}), '... and what its caller hears');
			}
			TablesyncTest::Fault::clear($pair);
			assert_text('... the records are still text', @texts);
			my $log = slurp_file($pair->target->logfile, $attack->{log_from}{target});
			ok(is_text($log), '... and so is the server\'s log') or diag(join "\n", (grep { !is_text($_) } split /\n/, $log)[0 .. 1]);
		});
		TablesyncTest::Fault::clear($pair);
	}
}

done_testing;
