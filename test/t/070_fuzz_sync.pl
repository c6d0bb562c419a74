# Differential fuzz of sync_table and verify_table: random tables with random histories are synced by random calls, and after
# each call the target is compared with the source by SQL outside of the extension. TablesyncTest::Fuzz lists its settings.

use strict;
use warnings;

use Test::More;
BEGIN { $ENV{PG_TEST_TIMEOUT_DEFAULT} = 3600 if $ENV{TABLESYNC_TEST_LONG} }
use TablesyncTest;
use TablesyncTest::Fuzz;
use TablesyncTest::Fuzz::Calls;
use TablesyncTest::Fuzz::Case;
use TablesyncTest::Fuzz::Session;

# Faults that are known and not mended: what would meet one is not drawn. One line each, to be turned on and then removed.
my %on = (
	verified_collations => 0,    # verify_table, and verify => full, of keys with a collation of their own: 42P22
);

# ---- The servers ----------------------------------------------------------------------------------------------

my $pair = TablesyncTest->new(
	source_conf => [ 'max_prepared_transactions = 10', 'max_connections = 200' ],
	target_conf => [ 'max_worker_processes = 64', 'autovacuum_naptime = 1' ]);
$pair->source->safe_psql('postgres', 'CREATE DATABASE far');

# A number of 31 bits.
my $number = q(CREATE FUNCTION fuzz.n(i int, salt int) RETURNS int IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$ SELECT (hashint8extended(i, salt) & 2147483647)::int $$);
$pair->source_sql("CREATE SCHEMA fuzz; $number");
$pair->source_sql(q(
	GRANT USAGE ON SCHEMA fuzz TO PUBLIC;
	CREATE EXTENSION postgres_fdw;

	-- Transactions that each give all rows one version.
	CREATE PROCEDURE fuzz.work(place text, stamp text, times int, move text) LANGUAGE plpgsql AS $$
	BEGIN
		FOR n IN 1 .. times LOOP
			EXECUTE format('UPDATE %s SET v = v + 1, at = %s', place, stamp);
			IF move <> '' AND n % 10 = 0 THEN EXECUTE move; END IF;
			COMMIT;
			PERFORM pg_sleep(0.002);
		END LOOP;
	END $$));
my $port = $pair->source->port;
$pair->source_sql("SET log_statement = none; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '$port', dbname 'far', use_remote_estimate 'false');
	CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS ($TablesyncTest::login)");
$pair->source->safe_psql('far', "CREATE SCHEMA fuzz; $number; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO PUBLIC");
foreach my $n (0 .. $#TablesyncTest::Fuzz::Calls::reader_settings)
{
	my $role = "reader_$n";
	my @settings = split /\|/, $TablesyncTest::Fuzz::Calls::reader_settings[$n];
	$pair->source_sql(join ';', "SET log_statement = none; CREATE ROLE $role LOGIN PASSWORD " . TablesyncTest::quote($TablesyncTest::password),
		"GRANT reader, pg_read_all_stats TO $role", map { "ALTER ROLE $role SET $_" } @settings);
	$pair->make_server("src_$n", "host '127.0.0.1', port '$port', dbname 'postgres'", "user '$role', password " . TablesyncTest::quote($TablesyncTest::password));
}

sub session { return TablesyncTest::Fuzz::Session->new(@_) }

my ($source, $target) = ($pair->source, $pair->target);
my $settings = q(SET TimeZone = 'UTC'; SET client_min_messages = warning; SET lock_timeout = '10s');
my %shared = (source => session($source, 'postgres', 'postgres'), far => session($source, 'far', 'postgres'), admin => session($target, 'postgres', 'postgres'),
	readers => [ map { session($source, 'postgres', "reader_$_") } 0 .. $#TablesyncTest::Fuzz::Calls::reader_settings ]);
my @slots = map { { %shared, target => session($target, 'postgres', $TablesyncTest::caller), late => session($source, 'postgres', 'postgres'), late_far => session($source, 'far', 'postgres') } } 1 .. 6;
$_->must(q(SET client_encoding = 'UTF8')) foreach @{ $shared{readers} };
$_->must($settings) foreach $shared{source}, $shared{far}, map { @$_{qw(late late_far)} } @slots;

TablesyncTest::Fuzz->new('TablesyncTest::Fuzz::Case', $pair, @slots)->run(\%on);
$_->quit foreach $shared{source}, $shared{far}, $shared{admin}, @{ $shared{readers} }, map { @$_{qw(target late late_far)} } @slots;
$pair->assert_clean;
done_testing();
