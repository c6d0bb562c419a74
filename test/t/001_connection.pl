# Every way in which a connection cannot be made, or must not be: the SQLSTATE at the caller, what test_connection()
# says of it, and that no password is seen.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);

my $pair  = TablesyncTest->new(proxy => 1);
my $proxy = $pair->proxy;
my $port  = $pair->source->port;

$pair->source_sql('CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (1, $$one$$)');

sub ask
{
	my ($server) = @_;
	my $line = $pair->sql("SELECT ok, failed_step, sqlstate, message, detail, hint FROM test_connection('$server')");
	my %answer;
	@answer{qw(ok failed_step sqlstate message detail hint)} = split /\|/, $line, -1;
	return \%answer;
}

# A server that cannot be used: what a sync says, and what test_connection() says. $worker: whether a worker had to
# find that out.
sub assert_unusable
{
	my ($server, $sqlstate, $step, $detail, $worker) = (@_, 1);
	my $said = $pair->try("SELECT * FROM sync_table('$server', 'items', 'raw.$server')");
	$pair->assert_failed($said, $sqlstate, undef, "$server: sync_table fails with $sqlstate");
	like("$said->{message}\n$said->{detail}", $detail, "$server: ... and says why");
	isnt($said->{hint}, '', "$server: ... and what to do");
	my $answer = ask($server);
	is("$answer->{ok} $answer->{failed_step} $answer->{sqlstate}", "f $step $sqlstate",
		"$server: test_connection says where");
	like("$answer->{message}\n$answer->{detail}", $detail, "$server: ... and why");
	is($pair->state_of("raw.$server"), 'absent', "$server: no target was made");
	is($pair->last_run("raw.$server"), $worker ? "failed $sqlstate" : '', "$server: the run, if any, is recorded");
	return;
}

# ---- It works -----------------------------------------------------------------------------------------------

my $facts = $pair->sql(q(
	SELECT ok, server_version, remote_role, encrypted, latency > '0', server_kind, failed_step IS NULL
	FROM test_connection('src')));
like($facts, qr/^t\|15\.\d+ ?[^|]*\|reader\|f\|t\|primary\|t$/, 'test_connection tells what it found');
is(TablesyncTest::counts($pair->sync('items', 'raw.items')), '1 0 0 0', 'a sync with the same server works');
$pair->assert_identical('items', 'raw.items');

# ---- It cannot ----------------------------------------------------------------------------------------------

my $address = "host '127.0.0.1', port '$port', dbname 'postgres'";

$pair->make_server('wrong_password', $address, "user '$TablesyncTest::reader', password '$TablesyncTest::secret'");
assert_unusable('wrong_password', '08001', 'login', qr/password authentication failed for user "reader"/);

$pair->make_server('no_such_role', $address, "user 'nobody', password '$TablesyncTest::secret'");
assert_unusable('no_such_role', '08001', 'login', qr/password authentication failed for user "nobody"/);

$pair->make_server('no_such_database', "host '127.0.0.1', port '$port', dbname 'nowhere'");
assert_unusable('no_such_database', '08001', 'login', qr/database "nowhere" does not exist/);

$pair->make_server('unknown_host', "host 'no-such-host.invalid', port '$port', dbname 'postgres'");
assert_unusable('unknown_host', '08001', 'name look-up', qr/could not translate host name/);

my $closed = PostgreSQL::Test::Cluster::get_free_port();
$pair->make_server('closed_port', "host '127.0.0.1', port '$closed', dbname 'postgres'");
assert_unusable('closed_port', '08001', 'TCP', qr/Connection refused/);

$pair->make_server('no_tls', "$address, sslmode 'require'");
assert_unusable('no_tls', '08001', 'TLS', qr/does not support SSL/);

# A server that takes the connection and says nothing.
$proxy->fault('stop', 'start', 0);
my $silent = $proxy->port;
$pair->make_server('black_hole', "host '127.0.0.1', port '$silent', dbname 'postgres', connect_timeout '1'");
assert_unusable('black_hole', '08001', 'TLS', qr/The server did not answer within 1 s \(connect_timeout\)/);
$proxy->none;

# ---- It must not --------------------------------------------------------------------------------------------

# A server that asks for no password would lend an ordinary role the identity of whoever runs this server.
$pair->source_sql('CREATE ROLE open_door LOGIN; GRANT SELECT ON items TO open_door');
TablesyncTest::write_hba($pair->source, 'host all open_door 127.0.0.1/32 trust');
$pair->source->reload;
$pair->make_server('trusting', $address, "user 'open_door', password '$TablesyncTest::secret'");
assert_unusable('trusting', '2F003', 'login', qr/password is required.*without asking for the password/s);

$pair->make_server('without_password', $address, "user 'open_door'");
assert_unusable('without_password', '2F003', 'login', qr/password is required/, 0);

$pair->make_server('excused', $address, "user 'open_door', password_required 'false'");
is($pair->sql("SELECT ok FROM test_connection('excused')"), 't', 'a superuser can make an exception');
my $said = $pair->try(q(
	ALTER USER MAPPING FOR CURRENT_USER SERVER trusting OPTIONS (ADD password_required 'false')));
$pair->assert_failed($said, '42501', qr/must be owner|permission denied/, 'an ordinary role cannot');

$pair->admin(q(
	CREATE ROLE stranger LOGIN;
	SELECT tablesync.grant_to('stranger');
	GRANT CREATE ON DATABASE postgres TO stranger;
	GRANT USAGE ON FOREIGN SERVER wrong_password TO stranger;));
$said = $pair->try(call_of('items', 'elsewhere.none'), user => 'stranger');
$pair->assert_failed($said, '42501', qr/permission denied for foreign server src/, 'without USAGE on the server');
like($said->{hint}, qr/GRANT USAGE ON FOREIGN SERVER src TO stranger/, '... the hint has the statement');
$said = $pair->try(q(SELECT * FROM sync_table('wrong_password', 'items', 'elsewhere.none')), user => 'stranger');
$pair->assert_failed($said, '42704', qr/user mapping not found for user "stranger", server "wrong_password"/,
	'without a mapping');
like($said->{hint}, qr/CREATE USER MAPPING FOR stranger SERVER wrong_password/, '... the hint has the statement');
$said = $pair->try(q(SELECT ok, failed_step, sqlstate FROM test_connection('wrong_password')), user => 'stranger');
is($said->{out}, "f|user mapping|42704\n", '... and test_connection says so');

# ---- What may be seen ---------------------------------------------------------------------------------------

is( $pair->sql(q(SELECT option, value, origin FROM connection_info('src') WHERE option = 'password')),
	'password|********|user mapping', 'connection_info masks the password');
is($pair->sql(q(SELECT count(*) FROM connection_info('src') c WHERE c::text LIKE '%sesame%')), '0', '... everywhere');

$pair->assert_clean;
is(TablesyncTest::counts($pair->sync('items', 'raw.items')), '0 0 0 1', 'after all that a sync works');

done_testing();
