# The environment that the target's server was started in, and the files of its operating system user, have no say in
# how a source is connected to.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest qw(call_of);

my $home = PostgreSQL::Test::Utils::tempdir('home');

# Every way in which libpq could learn the password, or be led elsewhere.
sub write_file
{
	my ($name, $text) = @_;
	append_to_file("$home/$name", $text);
	chmod 0600, "$home/$name" or die "could not chmod: $!";
	return "$home/$name";
}

sub start_in_hostile_environment
{
	my ($pair) = @_;
	my $password = $TablesyncTest::password;
	my $escaped  = $password =~ s/([\\:])/\\$1/gr;
	my $port     = $pair->source->port;
	local %ENV = (
		%ENV,
		HOME                     => $home,
		PGPASSWORD               => $password,
		PGPASSFILE               => write_file('.pgpass', "*:*:*:*:$escaped\n"),
		PGSERVICE                => 'trap',
		PGSERVICEFILE            => write_file('.pg_service.conf', "[trap]\nhostaddr=127.0.0.2\npassword=$password\n"),
		PGSYSCONFDIR             => $home,
		PGHOSTADDR               => '127.0.0.2',
		PGDATABASE               => 'trap',
		PGUSER                   => 'postgres',
		PGOPTIONS                => '-c tablesync_test.environment=seen',
		PGSSLMODE                => 'require',
		PGREQUIRESSL             => '1',
		PGSSLROOTCERT            => '/nonexistent/root.crt',
		PGSSLCERT                => '/nonexistent/client.crt',
		PGCHANNELBINDING         => 'require',
		PGGSSENCMODE             => 'require',
		PGREQUIREPEER            => 'nobody',
		PGTARGETSESSIONATTRS     => 'standby',
		PGCONNECT_TIMEOUT        => 'soon',
		PGCLIENTENCODING         => 'LATIN1',
		PGDATESTYLE              => 'German',
		PGTZ                     => 'Nowhere/Nowhere',
		PGGEQO                   => 'off');
	$pair->target->start;
	return;
}

my $pair = TablesyncTest->new(start_target => \&start_in_hostile_environment);
my $port = $pair->source->port;

# PGHOST is there too: PostgreSQL::Test::Cluster starts the server with the directory of its sockets.
my ($postmaster) = slurp_file($pair->target->data_dir . '/postmaster.pid') =~ /^(\d+)/;
my $environment = slurp_file("/proc/$postmaster/environ");
like($environment, qr/(?:^|\0)$_=./, "the server has $_ in its environment")
  foreach qw(PGHOST PGPORT PGPASSWORD PGSERVICE PGTZ);

# ---- What works ---------------------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE DATABASE trap;
	CREATE VIEW settings AS SELECT 1 AS id, current_setting('tablesync_test.environment', true) AS options,
		current_setting('geqo') AS geqo, current_setting('application_name') AS application, current_user::text AS role,
		current_database()::text AS database, '☃' AS snowman, date '2026-01-31' AS day;));
my $said = $pair->try_sync('settings', 'raw.settings');
is($said->{sqlstate}, '', 'a sync works in a hostile environment') or diag($said->{text});
is( $pair->admin(q(SET datestyle = ISO; SET client_encoding = 'UTF8'; SELECT * FROM raw.settings)),
	'1||on|pg_tablesync|reader|postgres|☃|2026-01-31', 'nothing of the environment reached the source');

# ---- In the caller's session --------------------------------------------------------------------------------

$pair->source_sql('CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items VALUES (1)');
$pair->sync('items', 'raw.items');
$said = $pair->try("SELECT * FROM sync_plan('src', 'settings', 'raw.settings')");
is($said->{sqlstate}, '', 'sync_plan() works in a hostile environment, too') or diag($said->{text});
unlike($said->{out}, qr/could not connect/, '... it asks the source');
$said = $pair->try("SELECT * FROM explain_row('raw.items', '1')");
like($said->{out}, qr/^source\|found$/m, '... and so does explain_row()') or diag("$said->{out}$said->{text}");

# ---- What must not work -------------------------------------------------------------------------------------

# Superusers may leave out the password and the host: what is left out comes from nowhere else.
$pair->admin(qq(
	CREATE SERVER no_password FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1', port '$port', dbname 'postgres');
	CREATE SERVER no_database FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1', port '$port');
	CREATE SERVER no_host FOREIGN DATA WRAPPER tablesync OPTIONS (port '$port', dbname 'postgres');
	CREATE USER MAPPING FOR CURRENT_USER SERVER no_password OPTIONS (user 'reader');
	CREATE USER MAPPING FOR CURRENT_USER SERVER no_host OPTIONS (user 'reader');
	SET log_statement = none;
	CREATE USER MAPPING FOR CURRENT_USER SERVER no_database
		OPTIONS ($TablesyncTest::login)));

sub assert_no_way
{
	my ($server, $detail) = @_;
	my $refused = $pair->try("SELECT * FROM sync_table('$server', 'settings', 'public.$server')",
		user => $pair->admin('SELECT current_user'));
	$pair->assert_failed($refused, '08001', undef, "$server: fails with 08001");
	like($refused->{detail}, $detail, "$server: ... for want of it");
	return $refused;
}

assert_no_way('no_password', qr/no password supplied/);
my $plan = $pair->try("SELECT * FROM sync_plan('no_password', 'settings', 'public.no_password')",
	user => $pair->admin('SELECT current_user'));
like("$plan->{out}$plan->{text}", qr/could not connect to server "no_password"/, "... nor in the caller's session");
assert_no_way('no_database', qr/database "reader" does not exist/);
my $refused = assert_no_way('no_host', qr/No such file or directory|Connection refused/);
unlike($refused->{detail}, qr/\Q${\$pair->source->host}\E|127\.0\.0/, 'no_host: ... PGHOST is not looked at');

$pair->assert_clean;
done_testing();
