# A source behind a connection pooler in transaction mode, with fewer connections than syncs: every transaction may run
# in another session of the server, sessions are others' before and after, and nothing of ours may stay in them.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest qw(call_of);

my ($program) = grep { -x $_ } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'pgbouncer is not installed' unless $program;

# ---- The pooler ---------------------------------------------------------------------------------------------

my $pair = TablesyncTest->new;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $dir  = PostgreSQL::Test::Utils::tempdir();
my ($pooler, $said) = (undef, '');

sub start_pooler
{
	my $password = $TablesyncTest::password =~ s/"/""/gr;
	append_to_file("$dir/users", qq("$TablesyncTest::reader" "$password"\n));
	append_to_file("$dir/pgbouncer.ini", <<"END");
[databases]
postgres = host=127.0.0.1 port=@{[ $pair->source->port ]} dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 2
server_round_robin = 1
END
	$pooler = IPC::Run::start([ $program, "$dir/pgbouncer.ini" ], '>', \$said, '2>', \$said);
	return;
}

END { $pooler->kill_kill if $pooler }

# A session of the reader: in the pooler, or straight on the source.
sub reader_psql
{
	my ($through, $sql) = @_;
	local $ENV{PGPASSWORD} = $TablesyncTest::password;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', $through, '-U', $TablesyncTest::reader,
			'-d', 'postgres', '-f', '-' ],
		'<', \$sql, '>', \$out, '2>', \$err);
	return $ok ? $out =~ s/\n\z//r : "failed: $err";
}

start_pooler();
ok(TablesyncTest::poll(sub { $pooler->pump_nb; reader_psql($port, 'SELECT 1') eq '1' }), 'the pooler works') or diag($said);

# ---- What the sessions hold ---------------------------------------------------------------------------------

# All that a sync might leave in a session: settings, statements, locks, temporary tables, a transaction.
my $state = q(
	SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
		WHERE name IN ('search_path', 'TimeZone', 'DateStyle', 'IntervalStyle', 'extra_float_digits', 'bytea_output',
			'row_security', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
			'client_connection_check_interval', 'default_transaction_isolation', 'default_transaction_read_only',
			'transaction_isolation', 'transaction_read_only', 'standard_conforming_strings', 'client_encoding', 'role');
	SELECT (SELECT count(*) FROM pg_prepared_statements) || ' statements, '
		|| (SELECT count(*) FROM pg_cursors WHERE is_holdable) || ' cursors, '
		|| (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') || ' locks, '
		|| (SELECT count(*) FROM pg_class WHERE relpersistence = 't') || ' temporary tables';);
my $fresh = reader_psql($pair->source->port, $state);
like($fresh, qr/search_path="\$user", public/, 'a fresh session has a search_path');

# A client of the pooler that lasts.
sub client
{
	local $ENV{PGPASSWORD} = $TablesyncTest::password;
	return $pair->source->background_psql('postgres',
		extra_params => [ '-d', "host=127.0.0.1 port=$port user=$TablesyncTest::reader dbname=postgres" ]);
}

# In both sessions of the pool: while a transaction keeps the one, another gets the other.
sub in_both_sessions
{
	my ($sql) = @_;
	my @clients = map { client() } 1 .. 2;
	$_->query_safe('BEGIN') foreach @clients;
	my @pids = map { $_->query_safe('SELECT pg_backend_pid();') } @clients;
	my @said = map { $_->query_safe($sql) } @clients;
	$_->query_safe('COMMIT') foreach @clients;
	$_->quit foreach @clients;
	isnt($pids[0], $pids[1], 'the pool has two sessions');
	return @said;
}

sub assert_fresh
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($_, $fresh, "$name: a session is as a fresh one") foreach in_both_sessions($state);
	return;
}

# ---- Syncs --------------------------------------------------------------------------------------------------

$pair->source_sql(q(
	GRANT pg_read_all_stats TO reader;
	CREATE TABLE items (id int PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), local timestamp, day date, f float8,
		n numeric, i interval, b bytea, name text);
	INSERT INTO items SELECT g, '2020-01-01'::timestamptz + g * interval '1 hour', '2020-02-01', '2020-02-03', g / 7.0,
			g / 8.0, g * interval '1 hour', '\x0102', repeat('x', 200)
		FROM generate_series(1, 10000) g;
	CREATE TABLE seen AS SELECT * FROM items LIMIT 100;
	CREATE VIEW told AS SELECT id, at, to_char(day, 'DD Month') || ' ' || i AS said FROM seen;));
$pair->make_server('pool', "host '127.0.0.1', port '$port', dbname 'postgres'");
is($pair->sql(q(SELECT ok, server_kind, failed_step FROM test_connection('pool'))), 't|primary|', 'test_connection');

my $by_xmin = q(sync_mode => 'xmin');
my $by_time = q(sync_mode => 'incremental', incremental_field => 'at');
my @calls   = (
	[ items => 'raw.in_full' ], [ items => 'raw.by_xmin', $by_xmin ], [ items => 'raw.by_time', $by_time ],
	[ seen => 'raw.seen' ], [ told => 'raw.told', "$by_time, primary_key => ARRAY['id']" ],
	[ items => 'raw.selected', qq($by_time, primary_key => ARRAY['id'], custom_select => 'SELECT id, at, f FROM items') ]);

sub call { return call_of(@{ $_[0] }) =~ s/'src'/'pool'/r }

sub assert_target
{
	my ($call) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($source, $target) = @$call;
	$source = '(SELECT id, at, f FROM items)' if $target eq 'raw.selected';
	return $pair->assert_identical($source, $target);
}

foreach my $call (@calls)
{
	my $said_to_caller = $pair->try(call($call));
	is($said_to_caller->{sqlstate}, '', "$call->[1]: the first load") or diag($said_to_caller->{text});
	assert_target($call);
}
assert_fresh('after the first loads');

# More syncs at once than the pool has sessions.
foreach my $round (1 .. 3)
{
	$pair->source_sql(qq(
		UPDATE items SET name = 'round $round', at = clock_timestamp() WHERE id % 100 = $round;
		INSERT INTO items (id, name) VALUES (20000 + $round, 'new');
		UPDATE seen SET day = day + 1, at = clock_timestamp() WHERE id % 10 = $round;));
	my @running = map { $pair->start(call($_)) } @calls;
	foreach my $n (0 .. $#calls)
	{
		my $end = $running[$n]->finish;
		is($end->{sqlstate}, '', "round $round, @{[ scalar @calls ]} at once: $calls[$n][1]") or diag($end->{text});
		my $row = TablesyncTest::row_of($end->{out});
		cmp_ok($row->{read}, '<', 500, '... by reading little') if $calls[$n][2];
		assert_target($calls[$n]);
	}
}
assert_fresh('after syncs at once');

# A sync that fails, and one that is canceled while it reads, leave nothing either.
$pair->source_sql('CREATE TABLE hidden (id int); REVOKE ALL ON hidden FROM reader');
my $hidden = $pair->try(call([ hidden => 'raw.hidden' ]));
$pair->assert_failed($hidden, '42501', qr/permission denied/, 'a sync that fails');
my $lock = $pair->source->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE');
my $stuck = $pair->start(call($calls[0]));
$pair->wait_until($pair->source, q(SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)));
$pair->admin('SELECT pg_cancel_backend(' . $stuck->pid . ')');
$pair->assert_failed($stuck->finish, '57014', undef, '... and one that is canceled while it waits there');
$lock->query_safe('COMMIT');
$lock->quit;
assert_fresh('after failures');

# ---- Sessions in which others have left something -----------------------------------------------------------

# Tracked by the pooler are DateStyle and TimeZone alone, and these as the client first gave them.
my $litter = q(
	SET search_path = nowhere; SET extra_float_digits = 0; SET bytea_output = 'escape'; SET intervalstyle = 'iso_8601';
	SET datestyle = 'German, DMY'; SET timezone = 'Asia/Tokyo'; SET row_security = on;
	SET default_transaction_isolation = 'serializable';);
in_both_sessions($litter);
like($_, qr/search_path=nowhere/, 'sessions in which others have left their settings') foreach in_both_sessions($state);
$pair->source_sql(q(
	UPDATE items SET name = 'beside litter', f = f / 3, at = clock_timestamp() WHERE id % 100 = 50;
	UPDATE seen SET i = i * 2, at = clock_timestamp() WHERE id % 10 = 5;));
foreach my $call (@calls)
{
	# The names alone must say what is meant, and what a view makes of its rows is the settings' matter.
	my ($source, @rest) = @$call;
	next if $source eq 'told';
	my @qualified = ("public.$source", @rest);
	my $end = $pair->try(call(\@qualified) =~ s/FROM items/FROM public.items/r);
	is($end->{sqlstate}, '', "$call->[1]: there, too") or diag($end->{text});
	assert_target($call);
}

$pooler->kill_kill;
undef $pooler;
$pair->assert_clean;
done_testing();
