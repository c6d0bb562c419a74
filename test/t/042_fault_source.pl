# What befalls a source beside the loss of its connection: it refuses, freezes, ends transactions that idle, has no
# room, is changed meanwhile, and says what a terminal should not print.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest qw(call_of);
use TablesyncTest::Fault;

my $pair = TablesyncTest->new(proxy => 1);
my %items = (source => 'items', target => 'raw.items');

# More than fits into the buffers between the two.
$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 5000) g;
	CREATE VIEW seen AS SELECT * FROM items;
	GRANT SELECT ON seen TO reader;));
$pair->sync('items', 'raw.items');
$pair->sync('seen',  'raw.seen');

sub change_source
{
	my ($target) = @_;
	$pair->source_sql(q(UPDATE items SET name = name || '.' WHERE id % 10 = 0));
	TablesyncTest::Fault::remember($pair, $target // 'raw.items');
	return;
}

# ---- It refuses ---------------------------------------------------------------------------------------------

change_source();
TablesyncTest::write_hba($pair->source, 'host all reader 127.0.0.1/32 reject');
$pair->source->reload;
my $said = $pair->try_sync('items', 'raw.items');
TablesyncTest::write_hba($pair->source);
$pair->source->reload;
like($said->{detail}, qr/pg_hba\.conf rejects connection/, 'pg_hba.conf: the source says why');
TablesyncTest::Fault::assert_harmless($pair, %items, name => 'pg_hba.conf rejects', said => $said, sqlstate => '08001');

change_source();
$pair->source_sql('ALTER ROLE reader CONNECTION LIMIT 0');
$said = $pair->try_sync('items', 'raw.items');
$pair->source_sql('ALTER ROLE reader CONNECTION LIMIT -1');
like($said->{detail}, qr/too many connections for role "reader"/, 'CONNECTION LIMIT: the source says why');
TablesyncTest::Fault::assert_harmless($pair, %items, name => 'no room for a session', said => $said, sqlstate => '08001');

# ---- It freezes ---------------------------------------------------------------------------------------------

my $backend = q(SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_tablesync');

change_source();
$pair->proxy->fault('stop', 'copy', 100000);
my $call = $pair->start("SET tablesync.stall_timeout = '1s'; " . call_of('items', 'raw.items'));
$pair->proxy->wait_done('stop');
my $frozen = $pair->source_sql($backend);
kill 'STOP', $frozen;
$pair->proxy->none;
$said = $call->finish;
kill 'CONT', $frozen;
TablesyncTest::Fault::assert_harmless($pair, %items, name => 'its process is frozen', said => $said, sqlstate => '08006');

# ---- It ends a transaction that idles -----------------------------------------------------------------------

# The transaction waits for the target to be described, or to be locked.
change_source();
$pair->source_sql(q(ALTER ROLE reader SET idle_in_transaction_session_timeout = '200ms'));
TablesyncTest::Fault::set($pair, 'target_described:1:pause');
$call = $pair->start_sync('items', 'raw.items');
TablesyncTest::Fault::wait_paused($pair, 'target_described');
$pair->wait_until($pair->source, "SELECT NOT EXISTS ($backend)");
TablesyncTest::Fault::clear($pair);
$said = $call->finish;
$pair->source_sql('ALTER ROLE reader RESET idle_in_transaction_session_timeout');
TablesyncTest::Fault::assert_harmless($pair, %items,
	name => 'idle_in_transaction_session_timeout', said => $said, sqlstate => '25P03|08006');

# ---- It is changed while it is read -------------------------------------------------------------------------

# Until the end of the reading transaction the table is locked: what would change it waits.
change_source();
TablesyncTest::Fault::set($pair, 'target_described:1:pause');
$call = $pair->start_sync('items', 'raw.items');
TablesyncTest::Fault::wait_paused($pair, 'target_described');
foreach my $change ('ADD c int', 'DROP name', 'RENAME name TO title', 'ALTER name TYPE varchar(2000)')
{
	my ($status, $out, $err) = $pair->source->psql('postgres', "SET lock_timeout = '100ms'; ALTER TABLE items $change");
	like($err, qr/lock timeout/, "ALTER TABLE ... $change waits");
}
my $truncate = $pair->source->background_psql('postgres', on_error_stop => 0);
$truncate->query_until(qr/begun/, "\\echo begun\nTRUNCATE items;\n");
$pair->wait_until($pair->source, q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'TRUNCATE%'
	AND wait_event_type = 'Lock')));
TablesyncTest::Fault::clear($pair);
my $finished = $call->finish;
is($finished->{sqlstate}, '', 'TRUNCATE waits') or diag($finished->{text});
is($pair->sql('SELECT count(*) FROM raw.items'), 5000, '... until all rows are read');
$truncate->quit;
is($pair->source_sql('SELECT count(*) FROM items'), 0, '... and then takes place');

# Behind a view as well: TRUNCATE empties what every snapshot sees, and all rows would seem to be gone.
$pair->source_sql(q(INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 5000) g));
change_source('raw.seen');
TablesyncTest::Fault::set($pair, 'target_described:1:pause');
$call = $pair->start_sync('seen', 'raw.seen');
TablesyncTest::Fault::wait_paused($pair, 'target_described');
my ($status, $out, $err) = $pair->source->psql('postgres', q(SET lock_timeout = '100ms'; TRUNCATE items));
TablesyncTest::Fault::clear($pair);
$said = $call->finish;
like($err, qr/lock timeout/, 'TRUNCATE waits behind a view, too');
is($said->{sqlstate}, '', '... the sync works') or diag($said->{text});
$pair->assert_identical('seen', 'raw.seen');

# ---- It speaks to the terminal ------------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE FUNCTION talk() RETURNS int LANGUAGE plpgsql AS $$
	BEGIN RAISE EXCEPTION E'no\x1b[2J\x07 way\r\nERROR:  forged' USING DETAIL = E'\x1b]0;title\x07', HINT = repeat('long ', 10000); END $$;
	CREATE VIEW talking AS SELECT id, talk() AS said FROM items;
	GRANT SELECT ON talking TO reader;));
my $log = -s $pair->target->logfile;
$said = $pair->try_sync('talking', 'raw.talking');
$pair->assert_failed($said, 'P0001', qr/^no/, 'the source raises what a terminal would obey');
my $written = slurp_file($pair->target->logfile, $log);
unlike($_, qr/[\x00-\x08\x0b-\x1f\x7f]/, '... which nobody is to print') foreach $said->{text}, $written;
cmp_ok(length $said->{text}, '<', 20000, '... and which is not endless');
is($pair->sql(q(SELECT count(*) FROM tablesync.run r WHERE r::text ~ '[\x01-\x08\x0b-\x1f]')), 0, '... nor in the record');

$pair->assert_clean;
done_testing();
