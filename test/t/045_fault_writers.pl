# Others write, change or drop the target while a run goes on: what the run has locked they wait for, what they did
# before the lock is seen, and what they write beside it is outlived.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest qw(call_of);
use TablesyncTest::Fault;

my $pair  = TablesyncTest->new;
my $other = $pair->session($pair->admin('SELECT current_user'));
my $field = q(sync_mode => 'incremental', incremental_field => 'changed_at', delete_missing => true);
my %items = (source => 'items', target => 'raw.items', more => $field);

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text, changed_at timestamptz DEFAULT clock_timestamp());
	INSERT INTO items SELECT g, repeat('x', 100) FROM generate_series(1, 1000) g;));
$pair->sync('items', 'raw.items', $field);
my $last = 1000;

# Row $last is new, row 10 is changed, and a row has gone.
sub change_source
{
	$last++;
	$pair->source_sql("INSERT INTO items VALUES ($last, 'new'); DELETE FROM items WHERE id = $last - 900;
		UPDATE items SET name = name || '.', changed_at = clock_timestamp() WHERE id % 10 = 0");
	TablesyncTest::Fault::remember($pair, 'raw.items');
	return;
}

sub pause_at
{
	my ($point, @call) = @_;
	TablesyncTest::Fault::set($pair, "$point:1:pause");
	my $call = $pair->start_sync(@call ? @call : ('items', 'raw.items', $field));
	TablesyncTest::Fault::wait_paused($pair, $point);
	return $call;
}

# ---- They write the same rows -------------------------------------------------------------------------------

# Their transaction is open when the merge comes to their row, and ends when it waits for it.
foreach my $write (
	[ 'the row that is new',      sub { "INSERT INTO raw.items VALUES ($last, 'theirs')" } ],
	[ 'a row that is changed',    sub { q(UPDATE raw.items SET name = 'theirs' WHERE id = 10) } ],
	[ 'a row that they delete',   sub { q(DELETE FROM raw.items WHERE id = 10) } ],
	[ 'the row that goes',        sub { "UPDATE raw.items SET name = 'theirs' WHERE id = $last - 900" } ],
	[ 'a key that they give away', sub { "UPDATE raw.items SET id = $last WHERE id = 11" } ])
{
	my ($what, $statement) = @$write;
	foreach my $end ('COMMIT', 'ROLLBACK')
	{
		change_source();
		my $call = pause_at('source_done');
		$other->query_safe('BEGIN; ' . $statement->());
		TablesyncTest::Fault::clear($pair);
		$pair->wait_for_lock_wait;
		$other->query_safe($end);
		my $said = $call->finish;
		is($said->{sqlstate}, '', "$what, $end: the sync succeeds") or diag($said->{text});
		# Row 11 was not read again: it is absent until the next sync.
		TablesyncTest::Fault::assert_goes_on($pair, 'items', 'raw.items', $field);
	}
}

# Without a moment's rest. What fails may fail because of them; in the end all is right.
my $script = PostgreSQL::Test::Utils::tempdir('script') . '/upsert.sql';
append_to_file($script, "\\set id random(1, 1100)\n"
	  . "INSERT INTO raw.items VALUES (:id, 'theirs') ON CONFLICT (id) DO UPDATE SET name = 'theirs';\n");
my ($out, $err);
my $pgbench = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 4, '-t', 500, '-f', $script, '-U', $TablesyncTest::caller, $pair->target->connstr('postgres') ],
	'>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
my ($calls, %ended) = (0);
do
{
	$pair->source_sql(q(UPDATE items SET name = name || ',', changed_at = clock_timestamp() WHERE id % 3 = 0));
	$ended{ $pair->try_sync('items', 'raw.items', $field)->{sqlstate} }++;
	$calls++;
	$pgbench->pump_nb;
} while ($pgbench->pumpable && $calls < 100);
ok($pgbench->finish, 'other sessions write the same rows') or diag($err);
is(join(' ', grep { !/^(?:|23505|40001|40P01|08P01)$/ } sort keys %ended), '', "... beside $calls syncs");
$pair->sync('items', 'raw.items', q(delete_missing => true));
$pair->assert_identical('items', 'raw.items');
$pair->assert_clean;

# ---- They change the table, before the run has locked it ----------------------------------------------------

# What is mended is what the run could not put right.
foreach my $change (
	[ 'DROP TABLE raw.items',                                      '' ],
	[ 'TRUNCATE raw.items',                                        '' ],
	[ 'ALTER TABLE raw.items DROP CONSTRAINT items_pkey',          '42P10', 'ALTER TABLE raw.items ADD PRIMARY KEY (id)' ],
	[ 'ALTER TABLE raw.items ALTER name TYPE varchar(3) USING $$x$$', '22001|42804',
		'TRUNCATE raw.items; ALTER TABLE raw.items ALTER name TYPE text' ],
	[ 'ALTER TABLE raw.items DROP name',                           '42703|55000', 'DROP TABLE raw.items' ],
	[ 'ALTER TABLE raw.items ADD more int NOT NULL DEFAULT 1; ALTER TABLE raw.items ALTER more DROP DEFAULT',
		'23502', 'ALTER TABLE raw.items DROP more' ],
	[ 'ALTER TABLE raw.items RENAME TO before', '', 'DROP TABLE raw.before' ])
{
	my ($statements, $sqlstate, $mend) = @$change;
	change_source();
	my $call = pause_at('source_connected');
	$other->query_safe($statements);
	TablesyncTest::Fault::remember($pair, 'raw.items');
	TablesyncTest::Fault::clear($pair);
	my $said = $call->finish;
	$pair->sql($mend) if $mend && !$sqlstate;
	$pair->assert_failed($said, $sqlstate, undef, "$statements: ends with '$sqlstate'");
	TablesyncTest::Fault::assert_nothing_changed($pair, 'raw.items') if $said->{sqlstate};
	$pair->assert_identical('items', 'raw.items') unless $said->{sqlstate};
	$pair->sql($mend) if $mend && $sqlstate;
	TablesyncTest::Fault::assert_goes_on($pair, 'items', 'raw.items', $field);
}

# A table of that name, which was not there.
$pair->sql('DROP TABLE raw.items');
my $call = pause_at('source_connected');
$pair->sql(q(CREATE TABLE raw.items (id int PRIMARY KEY, name text, changed_at timestamptz); INSERT INTO raw.items VALUES (-1, 'theirs')));
TablesyncTest::Fault::remember($pair, 'raw.items');
TablesyncTest::Fault::clear($pair);
$pair->assert_failed($call->finish, '55000', qr/refusing to replace the rows/, 'somebody makes the target, and fills it');
TablesyncTest::Fault::assert_nothing_changed($pair, 'raw.items');
$pair->sql('TRUNCATE raw.items');
TablesyncTest::Fault::assert_goes_on($pair, 'items', 'raw.items', $field);

# ---- ... and after -------------------------------------------------------------------------------------------

change_source();
$call = pause_at('target_described');
foreach my $statement ('DROP TABLE raw.items', 'TRUNCATE raw.items', 'ALTER TABLE raw.items ADD c int',
	'ALTER TABLE raw.items RENAME TO gone', 'CREATE INDEX ON raw.items (name)', 'DROP SCHEMA raw CASCADE')
{
	my ($status, $nothing, $said) = $pair->target->psql('postgres', "SET lock_timeout = '100ms'; $statement");
	like($said, qr/lock timeout/, "$statement waits for a run that has begun");
}
TablesyncTest::Fault::clear($pair);
is($call->finish->{sqlstate}, '', '... which goes on');
TablesyncTest::Fault::assert_goes_on($pair, 'items', 'raw.items', $field);

$other->quit;
done_testing();
