# Hostile DDL in a loop beside every function, called in loops by the attacker, by a victim, by a superuser who trusts nobody
# and by one who does: no crash, no internal error, and no row from or into a relation that the role could not use by hand.
#
# TABLESYNC_TEST_LONG: 10 minutes instead of one.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest;
use TablesyncTest::Attack;

my $seconds = $ENV{TABLESYNC_TEST_LONG} ? 600 : 60;
my $seed    = $ENV{TABLESYNC_TEST_SEED} // time;
note("TABLESYNC_TEST_SEED=$seed");
srand $seed;

my $pair = TablesyncTest->new(target_conf => [ 'max_worker_processes = 24', 'tablesync.max_workers_per_role = 12', 'log_error_verbosity = verbose',
		q(log_line_prefix = '%m [%p] %b %a '), 'deadlock_timeout = 100ms', 'fsync = off', 'synchronous_commit = off' ]);
my $attack = TablesyncTest::Attack->new($pair);
my $wide   = 'tbl_data_timeseries_';

# ---- What there is --------------------------------------------------------------------------------------------

# Each role's rows say whose they are.
foreach my $whose ('alice', 'bob', 'super', 'trusted', 'crew')
{
	$pair->source_sql("CREATE TABLE for_$whose (id int PRIMARY KEY, name text); INSERT INTO for_$whose SELECT g, 'from $whose ' || g FROM generate_series(1, 500) g; ANALYZE for_$whose");
}

# sa and sb have relations of the same names, and change places. The victim's in sb are his secret: the attacker owns the
# schema, and may not use them. The crew is a group of both.
$pair->admin(q(
	CREATE ROLE chief LOGIN SUPERUSER;
	CREATE USER MAPPING FOR chief SERVER src OPTIONS (user 'powerful', password 'powerful');
	CREATE ROLE crew; GRANT crew TO alice, bob;
	CREATE SCHEMA shared; GRANT ALL ON SCHEMA shared TO PUBLIC;
	CREATE TABLE shared.parted (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
	CREATE TABLE shared.part PARTITION OF shared.parted DEFAULT; ALTER TABLE shared.part OWNER TO alice;
	GRANT ALL ON shared.parted TO bob;));
$attack->alice('CREATE SCHEMA evil');
$attack->make_traps('evil');
my $narrow = 'ship_id text, data_channel_id text, created_time timestamptz, value_format text, bool_v bool, str_v text, long_v int8, double_v float8';
my $some   = q(SELECT 'HS' || g % 3, 'ch' || g % 5, '2024-01-01 00:00Z'::timestamptz + g * interval '1 min', 'String', NULL::bool, 'value ' || g, NULL::int8, NULL::float8 FROM generate_series(1, 200) g);
$attack->alice(qq(
	CREATE DOMAIN evil.key AS text CHECK (evil.check_trap(VALUE));
	CREATE SCHEMA sa; CREATE SCHEMA sb; CREATE SCHEMA sc;
	GRANT ALL ON SCHEMA sa, sb, sc TO PUBLIC;
	CREATE TABLE sa.r ($narrow); INSERT INTO sa.r $some; GRANT SELECT ON sa.r TO PUBLIC;
	CREATE VIEW sa.v AS SELECT * FROM public.readings; GRANT SELECT ON sa.v TO PUBLIC;
	CREATE VIEW evil.trapped AS SELECT evil.text_trap(ship_id) AS ship_id, data_channel_id, created_time, value_format, bool_v, str_v, long_v, double_v FROM public.readings;
	CREATE TABLE sa.t (id int PRIMARY KEY, name text); GRANT ALL ON sa.t TO PUBLIC;
	CREATE TRIGGER trap BEFORE INSERT OR UPDATE OR DELETE ON sa.t FOR EACH ROW EXECUTE FUNCTION evil.row_trap();
	CREATE TABLE sa.p (id int PRIMARY KEY, name text) PARTITION BY RANGE (id); GRANT ALL ON sa.p TO PUBLIC;
	CREATE TABLE sa.p1 PARTITION OF sa.p FOR VALUES FROM (0) TO (250); CREATE TABLE sa.p2 PARTITION OF sa.p FOR VALUES FROM (250) TO (10000);
	CREATE TRIGGER trap BEFORE INSERT OR UPDATE OR DELETE ON sa.p FOR EACH ROW EXECUTE FUNCTION evil.row_trap();
	CREATE TABLE evil.keyed (k evil.key PRIMARY KEY); INSERT INTO evil.keyed VALUES ('5'); GRANT SELECT ON evil.keyed TO PUBLIC;
	CREATE TRIGGER trap BEFORE INSERT OR UPDATE OR DELETE ON shared.part FOR EACH ROW EXECUTE FUNCTION evil.row_trap();
	CREATE SEQUENCE evil.done;
	CREATE SCHEMA hers;));
my $secrets = $some =~ s/'value '/'CANARY '/r;
$attack->bob(qq(
	CREATE TABLE sb.r ($narrow); INSERT INTO sb.r $secrets;
	CREATE VIEW sb.v AS SELECT ship_id, data_channel_id, created_time, value_format, bool_v, long_v AS str_v, length(str_v)::int8 + 4700000 AS long_v, double_v FROM sb.r;
	CREATE TABLE sb.t (id int PRIMARY KEY, name text); INSERT INTO sb.t VALUES (4711, 'CANARY');
	CREATE TABLE sb.p (id int PRIMARY KEY, name text); INSERT INTO sb.p VALUES (4711, 'CANARY');
	CREATE SCHEMA his;
	CREATE TABLE shared.crew (id int PRIMARY KEY, name text); GRANT ALL ON shared.crew TO PUBLIC; ALTER TABLE shared.crew OWNER TO crew;));

# ---- Hostile DDL ----------------------------------------------------------------------------------------------

# In transactions; each may fail. LOCK TABLE keeps what is the victim's from being dropped: then there would be nothing to hide.
my $trap = 'CREATE TRIGGER trap BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION evil.row_trap()';
my @hostile = (
	('ALTER SCHEMA sa RENAME TO sx; ALTER SCHEMA sb RENAME TO sa; ALTER SCHEMA sx RENAME TO sb') x 4,
	(map { my $t = $_; map { sprintf "LOCK TABLE $t; DROP TABLE $t; CREATE TABLE $t ($_); GRANT ALL ON $t TO PUBLIC; $trap", $t }
		'id int PRIMARY KEY, name text', 'id int PRIMARY KEY, name text', 'id int PRIMARY KEY, name bigint', 'name text, id int PRIMARY KEY' } 'sa.t', 'sb.t'),
	'ALTER TABLE sa.r ALTER str_v TYPE bigint USING 280267669825', 'ALTER TABLE sa.r ALTER str_v TYPE text', 'ALTER TABLE sb.r ALTER str_v TYPE text',
	'ALTER TABLE sa.r ALTER created_time TYPE text', 'ALTER TABLE sa.r ALTER created_time TYPE timestamptz USING created_time::timestamptz',
	'ALTER TABLE sa.r RENAME value_format TO other', 'ALTER TABLE sa.r RENAME other TO value_format',
	"LOCK TABLE shared.crew; $trap; ALTER TABLE shared.crew OWNER TO alice" =~ s/%s/shared.crew/r,
	('LOCK TABLE shared.crew; DROP TRIGGER trap ON shared.crew; ALTER TABLE shared.crew OWNER TO crew') x 2,
	'ALTER TABLE sa.p DETACH PARTITION sa.p2', 'ALTER TABLE sa.p ATTACH PARTITION sa.p2 FOR VALUES FROM (250) TO (10000)',
	'ALTER TABLE sb.p DETACH PARTITION sb.p2', 'ALTER TABLE sb.p ATTACH PARTITION sb.p2 FOR VALUES FROM (250) TO (10000)',
	'DROP TRIGGER trap ON sa.t', sprintf($trap, 'sa.t'), 'DROP TRIGGER trap ON sb.t', sprintf($trap, 'sb.t'),
	'CREATE OR REPLACE VIEW sa.v AS SELECT * FROM public.readings WHERE long_v > 5', 'CREATE OR REPLACE VIEW sa.v AS SELECT * FROM public.readings',
	'LOCK TABLE sa.v; DROP VIEW sa.v; CREATE VIEW sa.v AS SELECT ship_id, data_channel_id, created_time, value_format, bool_v, long_v AS str_v, long_v, double_v FROM public.readings; GRANT SELECT ON sa.v TO PUBLIC',
	('LOCK TABLE sa.v; DROP VIEW sa.v; CREATE VIEW sa.v AS SELECT * FROM public.readings; GRANT SELECT ON sa.v TO PUBLIC') x 2,
	'ALTER TABLE sa.t SET SCHEMA sc', 'ALTER TABLE sc.t SET SCHEMA sa', 'ALTER TABLE sc.t SET SCHEMA sb', 'ALTER VIEW sa.v SET SCHEMA sc', 'ALTER VIEW sc.v SET SCHEMA sa',
	'ALTER TABLE sa.t RENAME TO u', 'ALTER TABLE sa.u RENAME TO t', 'ALTER TABLE sb.u RENAME TO t',
	'ALTER TABLE sa.t ALTER name TYPE varchar(3) USING left(name, 3)', 'ALTER TABLE sa.t ALTER name TYPE text',
	(map { ("ALTER TABLE $_.${wide}hs1 ALTER created_time TYPE text", "ALTER TABLE $_.${wide}hs1 ALTER created_time TYPE timestamptz USING created_time::timestamptz",
		"ALTER TABLE $_.${wide}hs1 DROP ch1, ADD ch1 bigint", "DROP TABLE $_.${wide}hs1") } 'hers', 'sa'),
	# The hidden tables of whoever loads into her schemas.
	(q(DO $$ DECLARE t text; BEGIN FOR t IN SELECT oid::regclass FROM pg_class WHERE relname LIKE 'tablesync\_hidden%' AND relkind = 'r' AND relnamespace::regnamespace::text IN ('sa', 'sb') LOOP
		EXECUTE 'DROP TABLE ' || t; EXECUTE 'CREATE TABLE ' || t || ' (id int, name text)'; EXECUTE 'GRANT ALL ON ' || t || ' TO PUBLIC';
		EXECUTE 'CREATE TRIGGER trap BEFORE INSERT ON ' || t || ' FOR EACH ROW EXECUTE FUNCTION evil.row_trap()'; END LOOP; END $$)) x 3);

# ---- Calls ----------------------------------------------------------------------------------------------------

my %modes = (full => '', incremental => q(, sync_mode => 'incremental', incremental_field => 'id'), xmin => q(, sync_mode => 'xmin'),
	chunks => ', chunk_mode => true, batch_size => 100', parallel => ', parallel_workers => 2');

# Of a role: where its rows come from, where it tries to write, where it always may, and options of calls that write.
my %who = (
	alice => { source => 'for_alice', targets => [ 'sa.t', 'sa.t', 'sb.t', 'sa.p' ], own => 'hers', options => '"adopt": true, "restart": true' },
	bob   => { source => 'for_bob',   targets => [ 'sa.t', 'sb.t', 'sa.p', 'sa.new', 'shared.parted' ], own => 'his', options => '"adopt": true, "restart": true' },
	super => { source => 'for_super', targets => [ 'sa.t', 'sb.t', 'sa.p', 'sa.new', 'shared.parted' ], own => 'public', options => '"adopt": true, "restart": true' },
	chief => { source => 'for_trusted', targets => [ 'sa.t', 'sa.p', 'shared.parted', 'sa.trusted' ], own => 'chiefs', options => '"adopt": true, "restart": true, "trust_owner": true' });
$pair->admin('CREATE SCHEMA chiefs');
my $chunked = q((SELECT max(r.run_id) FROM tablesync.run r WHERE EXISTS (SELECT FROM tablesync.chunk k WHERE k.run_id = r.run_id AND k.status = 'failed')));
my $run_of_chunk;
my $latest  = '(SELECT max(run_id) FROM tablesync.run)';

sub one_of { return $_[ int rand @_ ] }

# The options that concern all writing: of pivots, only the last.
sub sync_arguments
{
	my ($role, $mode) = @_;
	my $who = $who{$role};
	my ($source, $target) = ($who->{source}, rand() < 0.3 ? "$who->{own}.of_$mode" : one_of(@{ $who->{targets} }));
	($source, $target) = ('for_crew', 'shared.crew') if $role eq 'bob' && rand() < 0.25;
	return "'src', '$source', '$target'" . ($modes{$mode} // '') . ", max_retries => 0, options => '{$who->{options}}'";
}

sub pivot_arguments
{
	my ($role) = @_;
	my ($server, $source) = @{ one_of([ 'NULL', 'sa.r' ], [ 'NULL', 'sa.r' ], [ 'NULL', 'sa.v' ], [ 'NULL', 'sa.v' ], [ 'NULL', 'public.readings' ], [ q('src'), 'public.readings' ]) };
	my $schema = rand() < 0.6 ? $who{$role}{own} : 'sa';
	return ("$server, '$source', '" . one_of('HS1', 'HS1', 'HS2') . "', target_schema => '$schema'", $role eq 'chief' ? '"trust_owner": true' : '');
}

my %calls = (
	(map { my $mode = $_; ("sync_table, $mode" => sub { 'SELECT count(*) FROM sync_table(' . sync_arguments($_[0], $mode) . ')' }) } keys %modes),
	run_sync       => sub { 'CALL run_sync(' . sync_arguments($_[0], 'full') . ')' },
	sync_plan      => sub { 'SELECT count(*) FROM sync_plan(' . sync_arguments($_[0], one_of(keys %modes)) . ')' },
	verify_table   => sub { verify($_[0], '') },
	'verify_table, repair' => sub { verify($_[0], ', repair => true') },
	explain_row    => sub { 'SELECT count(*) FROM explain_row(' . one_of(q('evil.keyed', '5'), q('sa.t', '5'), q('sb.t', '5'), q('sa.p', '300'), "'$who{$_[0]}{own}.of_full', '5'") . ')' },
	retry_chunks   => sub { 'SELECT count(*) FROM retry_chunks(' . ($_[0] eq 'bob' ? $chunked : one_of($run_of_chunk, $run_of_chunk, $chunked)) . one_of('', ', dry_run => true') . ')' },
	reprocess_failed_chunks => sub { 'SELECT count(*) FROM reprocess_failed_chunks()' },
	pivot_ship     => sub {
		my ($arguments, $trust) = pivot_arguments($_[0]);
		return "SELECT count(*) FROM pivot_ship($arguments, max_retries => 0, options => '{" . join(', ', '"restart": true', $trust || ()) . "}'" . one_of('', '', q(, chunk_interval => '20 min'), q(, chunk_interval => '36500 days'), ', drop_tables => true', ', parallel_workers => 2') . ')';
	},
	verify_pivot   => sub {
		my ($arguments) = rand() < 0.4 ? "NULL, 'public.readings', 'HS2', target_schema => '$who{$_[0]}{own}'" : pivot_arguments($_[0]);
		return "SELECT * FROM verify_pivot($arguments)";
	},
	wait_run       => sub { 'SELECT count(*) FROM wait_run(' . one_of($latest, q((SELECT max(run_id) FROM tablesync.run WHERE status = 'succeeded'))) . ", '1 s')" },
	cancel_run     => sub { "SELECT cancel_run($latest)" },
	connection_info => sub { q(SELECT count(*) FROM connection_info('src')) },
	test_connection => sub { q(SELECT ok FROM test_connection('src')) },
	drop_hidden_tables => sub { 'SELECT tablesync.drop_hidden_tables()' },
	run_progress   => sub { "SELECT * FROM tablesync.run_progress($latest)" },
	views          => sub { 'SELECT count(*) FROM tablesync.' . one_of(qw(progress cascade failed_chunk run chunk checkpoint pivot_table pivot_column watermark hidden_table reject difference)) });

sub verify
{
	my ($role, $more) = @_;
	my $who = $who{$role};
	my $target = rand() < 0.4 ? "$who->{own}.of_full" : one_of(@{ $who->{targets} });
	my $options = $role eq 'chief' ? q(, options => '{"trust_owner": true}') : '';
	return "SELECT * FROM verify_table('src', '$who->{source}', '$target', primary_key => ARRAY['id']$more$options)";
}

# Chunks that others may stumble over, of a pivot through a trap.
my @bait = (
	q(INSERT INTO tablesync.failed_chunk (ship_id, start_time, end_time, target_schema) VALUES ('HS1', '2024-01-01 00:00Z', '2024-01-01 01:00Z', 'hers')),
	q(SELECT count(*) FROM pivot_ship(NULL, 'evil.trapped', 'HS1', target_schema => 'hers', max_retries => 0)),
	q(DELETE FROM tablesync.failed_chunk));

# Before anything is swapped, each role has what its calls refer to.
foreach my $role (sort keys %who)
{
	my ($name, $own) = ($role eq 'super' ? $attack->{super} : $role, $who{$role}{own});
	$attack->as($name, "SELECT FROM sync_table('src', '$who{$role}{source}', '$own.of_full'); SELECT FROM pivot_ship(NULL, 'public.readings', target_schema => '$own')");
}
# A run with a chunk that fails as often as it is done again, in a table with a trap.
my $bad_chunk = q(SELECT FROM sync_table('src', 'for_alice', 'hers.chunked', chunk_mode => true, batch_size => 100, max_retries => 0));
$attack->alice("CREATE TABLE hers.chunked (id int PRIMARY KEY, name text, CHECK (id <> 250)); " . sprintf $trap, 'hers.chunked');
$pair->assert_failed($attack->try_as('alice', $bad_chunk), '23514', undef, 'a chunk fails');
$run_of_chunk = $pair->admin('SELECT max(run_id) FROM tablesync.run');
# An attempt to trust nobody, and to be wrong, fails before the race: then it shows what it should.
my $refused = $attack->try_as('super', q(SELECT FROM sync_table('src', 'for_super', 'sa.t')));
$pair->assert_failed($refused, '42501', qr/refusing to write/, 'who trusts nobody is refused before the race');
is($attack->try_as('alice', q(SELECT FROM pivot_ship(NULL, 'sb.r', 'HS1', target_schema => 'hers')))->{sqlstate}, '42501', 'the attacker may not read the victim\'s table');
isnt($attack->try_as('alice', q(SELECT FROM sync_table('src', 'for_alice', 'sb.t', options => '{"adopt": true}')))->{sqlstate}, '', '... nor write to it');

# ---- The race -------------------------------------------------------------------------------------------------

my $from  = -s $pair->target->logfile;
my $begin = $pair->admin('SELECT pg_postmaster_start_time()');
my $until = $pair->admin("SELECT clock_timestamp() + interval '$seconds s'");

# A session that says what it calls, and whether it worked, until the time is over.
sub start_session
{
	my ($role, $title, $next) = @_;
	my %session = (role => $role, title => $title, out => '', err => '');
	my $script = "\\set VERBOSITY verbose\nSET client_min_messages = warning; SET lock_timeout = '500ms'; SET statement_timeout = '6s';\n";
	# Many more than can be run.
	foreach my $n (1 .. $seconds * 60)
	{
		my ($name, $sql) = $next->($n);
		$script .= "SELECT clock_timestamp() > '$until' AS over \\gset\n\\if :over\n\\q\n\\endif\n" if $n % 3 == 1 || $name;
		$script .= $name ? "\\echo #call $name\n$sql;\n\\if :ERROR\n\\else\n\\echo #ok $name\n\\endif\n" : "$sql;\n";
	}
	my $file = $pair->target->basedir . "/$title.sql";
	PostgreSQL::Test::Utils::append_to_file($file, $script);
	my $user = $role eq 'super' ? $attack->{super} : $role;
	$session{files} = { map { $_ => $pair->target->basedir . "/$title.$_" } qw(out err) };
	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $pair->target->connstr('postgres') . " user=$user application_name=$title", '-f', $file ],
		'<', '/dev/null', '>', $session{files}{out}, '2>', $session{files}{err}, IPC::Run::timeout($seconds + $PostgreSQL::Test::Utils::timeout_default));
	return \%session;
}

sub hostile
{
	my $ddl = one_of(@hostile);
	return (undef, "BEGIN; $ddl; SELECT nextval('evil.done'); COMMIT; SELECT pg_sleep(random() * 0.04)");
}

sub caller_of
{
	my ($role, @names) = @_;
	return sub {
		my ($n) = @_;
		return (undef, one_of(@bait)) if $role eq 'alice' && $n % 4 == 0;
		my $name = $names[ $n % @names ];
		return ($name, $calls{$name}->($role));
	};
}

my @syncs  = grep { /sync|verify_table/ } sort keys %calls;
my @others = grep { !/sync|verify_table/ } sort keys %calls;
my @sessions = (
	(map { start_session('alice', "hostile_$_", \&hostile) } 1, 2),
	start_session('alice', 'alice', caller_of('alice', sort keys %calls)),
	(map { (start_session($_, "${_}_1", caller_of($_, @syncs)), start_session($_, "${_}_2", caller_of($_, @others))) } 'bob', 'super'),
	start_session('chief', 'chief', caller_of('chief', sort keys %calls)));
$_->{run}->finish foreach @sessions;
foreach my $session (@sessions)
{
	$session->{$_} = slurp_file($session->{files}{$_}) foreach 'out', 'err';
}
$pair->wait_until($pair->target, 'SELECT true');

# ---- What must hold -------------------------------------------------------------------------------------------

is($pair->admin('SELECT pg_postmaster_start_time()'), $begin, 'the server is the one that it was');
my $log = slurp_file($pair->target->logfile, $from);
is(join("\n", $log =~ /^.*(?:was terminated by signal|Failed process was running|PANIC:|TRAP:|reinitializing).*$/mg), '', '... and nothing has crashed');
# The server's own word for DDL that meets DDL.
my @internal = grep { !/ hostile_\d / } $log =~ /^.*(?:ERROR|FATAL):  XX00\d.*$/mg;
is(join("\n", splice @internal, 0, 5), '', 'no internal error is in the log');
foreach my $session (grep { $_->{title} !~ /hostile/ } @sessions)
{
	my @wrong = $session->{err} =~ /^.*(?:(?:ERROR|FATAL|PANIC):  (?:XX00\d|57P02)|server closed the connection|lost).*$/mg;
	is(join("\n", splice @wrong, 0, 5), '', "$session->{title}: no caller has heard of one");
}

# A race without runners shows nothing.
my (%called, %worked);
foreach my $session (@sessions)
{
	$called{ $session->{role} }{$1}++ while $session->{out} =~ /^#call (.*)$/mg;
	$worked{ $session->{role} }{$1}++ while $session->{out} =~ /^#ok (.*)$/mg;
}
foreach my $role (sort keys %who)
{
	my @seldom = grep { ($called{$role}{$_} // 0) < 5 } sort keys %calls;
	is("@seldom", '', "$role has called every function five times");
	my @never = grep { !$worked{$role}{$_} } sort keys %calls;
	is("@never", '', '... and each has worked');
	note("$role: $_: $called{$role}{$_} calls, " . ($worked{$role}{$_} // 0) . ' worked') foreach sort keys %{ $called{$role} };
}
cmp_ok($pair->admin('SELECT last_value FROM evil.done'), '>', 2 * $seconds, 'the attacker was there');

# Whose rows are where: a regular expression of what the tables of a role must not have.
sub assert_without
{
	my ($owner, $wrong) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @found;
	foreach my $table (split /\n/, $pair->admin("SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relowner = '$owner'::regrole AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'tablesync')"))
	{
		my $rows = $pair->admin("SELECT count(*) || ', such as ' || min(t::text) FROM $table t WHERE t::text ~ '$wrong' HAVING count(*) > 0");
		push @found, "$table: $rows" if $rows ne '';
	}
	return is("@found", '', "$owner\'s tables have no row of $wrong");
}
assert_without('alice', 'from bob|from super|CANARY');
assert_without('bob',   'from alice|from super');
assert_without('crew',  'from bob|from super|from alice|CANARY');
foreach my $table (qw(run failed_attempt reject difference pivot_difference chunk chunk_to_redo))
{
	my $whose = $table =~ /^(?:run|reject|difference|chunk_to_redo)$/ ? 't.owner' : '(SELECT r.owner FROM tablesync.run r WHERE r.run_id = t.run_id)';
	# Transaction ids, times and counts have the digits of a secret sooner or later.
	my $texts = q((to_jsonb(t) - '{run_id,first_xid,next_xid,worker_pid,shared_memory,bytes_read,started_at,finished_at,failed_at,rejected_at,worker_start,duration,request}'::text[])::text);
	is($pair->admin("SELECT count(*) FROM tablesync.$table t WHERE $whose = 'alice'::regrole AND $texts ~ 'CANARY|from bob|from super|47000'"), 0, "the attacker's rows of tablesync.$table have none");
}
foreach my $session (grep { $_->{role} eq 'alice' } @sessions)
{
	my @seen = ($session->{out} . $session->{err}) =~ /^.*(?:CANARY|from bob|from super|47000\d\d).*$/mg;
	is(join("\n", splice @seen, 0, 3), '', "$session->{title}: the attacker has seen none");
}

# Traps are for those who trust.
my %sprung;
$sprung{$1}++ while $log =~ /LOG:  (?:00000: )?sprung (?!by chief:)(.*)/g;
is(join('; ', map { "$_ ($sprung{$_} times)" } sort keys %sprung), '', 'no trap was sprung by one who trusts nobody');
is($pair->admin(q(SELECT coalesce(string_agg(DISTINCT who || ': ' || how, '; '), '') FROM public.pwned WHERE who <> 'chief')), '', '... none for good');

$pair->admin(q(SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type LIKE 'pg\_tablesync%'));
is(join("\n", $pair->leaks), '', 'nothing has leaked');
done_testing;
