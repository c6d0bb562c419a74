# A standby as the source: a sync reads it as it reads a primary, follows it through a promotion, and ends with an error
# where replay takes the rows away under it.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);

my $pair    = TablesyncTest->new(proxy => 1);
my $primary = $pair->source;

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 20000) g;
	CREATE TABLE few AS SELECT * FROM items WHERE id <= 10;
	CREATE VIEW seen AS SELECT * FROM items;));

$primary->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'standby', has_streaming => 1);
$standby->append_conf('postgresql.conf', join("\n",
		'max_standby_streaming_delay = 0', 'log_recovery_conflict_waits = on', "deadlock_timeout = '10ms'"));
$standby->start;

my $proxy = TablesyncTest::Proxy->new($standby->port);
$pair->make_server('standby', "host '127.0.0.1', port '" . $proxy->port . "', dbname 'postgres'");

sub sync_standby
{
	my ($source, $target, $more) = @_;
	return call_of($source, $target, $more) =~ s/'src'/'standby'/r;
}

sub catch_up { return $primary->wait_for_catchup($standby, 'replay') }

sub counts_of
{
	my ($call) = @_;
	my $said = $pair->try($call);
	return $said->{sqlstate} ? $said->{text} : TablesyncTest::counts(TablesyncTest::row_of($said->{out}));
}

is($pair->sql(q(SELECT ok, server_kind FROM test_connection('standby'))), 't|standby', 'a standby is known as one');
is($pair->sql(q(SELECT ok, server_kind FROM test_connection('src'))), 't|primary', '... and a primary');

catch_up();
is(counts_of(sync_standby('items', 'raw.items')), '20000 0 0 0', 'the first load from a standby');
my $said = $pair->try(sync_standby('items', 'raw.by_two', 'parallel_workers => 2'));
is($said->{sqlstate}, '', '... by two workers, in one snapshot of the standby');
unlike($said->{text}, qr/one worker/, '... who are two');
$pair->assert_identical('items', 'raw.by_two');
is(counts_of(sync_standby('few', 'raw.few')), '10 0 0 0', '... of a small table');
is(counts_of(sync_standby('seen', 'raw.seen')), '20000 0 0 0', '... from a view there');
$pair->source_sql(q(
	UPDATE items SET name = 'changed' WHERE id <= 100;
	DELETE FROM items WHERE id > 19990;
	INSERT INTO items VALUES (0);));
catch_up();
is(counts_of(sync_standby('items', 'raw.items')), '1 100 10 19890', 'a sync from a standby');
$pair->assert_identical('items', 'raw.items');

# A standby is no target.
$pair->source_sql('CREATE EXTENSION pg_tablesync');
catch_up();
my ($status, $out, $err) = $standby->psql('postgres', q(SELECT * FROM sync_table('src', 'items', 'items')),
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/ERROR:  25006: cannot execute sync_table\(\) during recovery/, 'a standby is no target');

# Vacuum on the primary wants rows gone that the run still reads: the standby cancels the COPY, or, where it has sent
# all of it, ends the session.
foreach my $table ([ 'items', '40001', qr/conflict with recovery/ ], [ 'few', '08006', qr/lost the connection/ ])
{
	my ($source, $sqlstate, $message) = @$table;
	$pair->source_sql("UPDATE $source SET name = repeat('y', 1000)");
	catch_up();
	$pair->remember("raw.$source");
	my $log  = -s $standby->logfile;
	my $sync = sync_standby($source, "raw.$source");
	$proxy->fault('stop', 'copy', 3000);
	my $call = $pair->start($sync);
	$proxy->wait_done('stop');
	$pair->wait_until($standby, q(SELECT wait_event IN ('ClientWrite', 'ClientRead') FROM pg_stat_activity
		WHERE application_name = 'pg_tablesync'));
	$pair->source_sql("UPDATE $source SET name = name || '.'; VACUUM $source");
	$standby->wait_for_log(qr/recovery still waiting after .*: recovery conflict|due to conflict with recovery/, $log);
	$proxy->none;
	my $said = $call->finish;
	$pair->assert_failed($said, $sqlstate, $message, "a recovery conflict ends the run of $source");
	is($pair->last_run("raw.$source"), "failed $sqlstate", '... so it says');
	$pair->assert_unchanged("raw.$source", '... nothing was changed');
	$pair->assert_clean;
}

# It becomes the primary: the same cluster.
catch_up();
$standby->promote;
is($pair->sql(q(SELECT server_kind FROM test_connection('standby'))), 'primary', 'the standby has become the primary');
$standby->safe_psql('postgres', 'DELETE FROM items WHERE id = 1');
is(counts_of(sync_standby('items', 'raw.items')), '0 19990 1 0', 'a sync after the promotion');
is($pair->digest_of($pair->target, 'raw.items'), $pair->digest_of($standby, 'items'), '... takes what is there');

$standby->stop;
$pair->assert_clean;
done_testing();
