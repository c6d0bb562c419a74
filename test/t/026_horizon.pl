# What keeps a watermark back: transactions on the source that are open, prepared, or cannot be seen. Each of them
# writes a row, in a transaction that is older than the watermark's own margin, and commits after a sync has read later
# ones: none is lost.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair   = TablesyncTest->new(source_conf => ['max_prepared_transactions = 2']);
my $source = $pair->source;

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, at timestamptz DEFAULT now(), name text);
	INSERT INTO items SELECT g, '2020-01-01'::timestamptz + g * interval '1 hour', 'old' FROM generate_series(1, 1000) g;
	CREATE TABLE plain AS SELECT id, name FROM items;
	ALTER TABLE plain ADD PRIMARY KEY (id);
	CREATE TABLE local (id int, writer text, at timestamp, PRIMARY KEY (id, writer));
	INSERT INTO local SELECT id, 'old', at AT TIME ZONE 'UTC' FROM items;));

my $by_time = q(sync_mode => 'incremental', incremental_field => 'at');
my $by_xmin = q(sync_mode => 'xmin');
my @tables  = (items => $by_time, plain => $by_xmin, local => $by_time);
my $next_id = 2000;

# A column without zone is taken to be in the zone of the reader's role, or in UTC, whichever is earlier: it has writers
# in both.
my $zone = 'UTC';

sub live_in
{
	($zone) = @_;
	$pair->source_sql("ALTER ROLE reader SET timezone = '$zone'");
	return;
}

sub insert
{
	my ($id) = @_;
	return qq(
		INSERT INTO items (id, name) VALUES ($id, 'new');
		INSERT INTO plain VALUES ($id, 'new');
		INSERT INTO local VALUES ($id, 'reader', now() AT TIME ZONE '$zone'), ($id, 'UTC', now() AT TIME ZONE 'UTC'););
}

sub sync_all
{
	my (@inserted) = @_;
	my ($rows, $right) = (0, 1);
	foreach my $n (0 .. 2)
	{
		my $row = $pair->sync($tables[ 2 * $n ], "raw.$tables[2 * $n]", $tables[ 2 * $n + 1 ]);
		$right &&= $row->{inserted} == $inserted[$n] && $row->{read} < 50;
		diag("$tables[2 * $n]: $row->{read} read, $row->{inserted} inserted") unless $right;
	}
	return $right;
}

sub session_there
{
	my ($sql) = @_;
	my $session = $source->background_psql('postgres', on_error_stop => 0);
	$session->query_safe($sql);
	return $session;
}

# A client that has ended may still have a backend.
sub wait_until_alone
{
	return $pair->wait_until($source, q(SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'postgres'));
}

# Longer than the margin that the watermark keeps for the start of a statement.
sub wait_past_margin
{
	my $now = $pair->source_sql('SELECT clock_timestamp()');
	return $pair->wait_until($source, "SELECT clock_timestamp() > '$now'::timestamptz + interval '2.1 s'");
}

sub try_items
{
	my ($more) = @_;
	return $pair->try_sync('items', 'raw.items', $by_time . ($more ? ", $more" : ''));
}

sub row { return TablesyncTest::row_of($_[0]{out}) }

sub told
{
	my ($said) = @_;
	return join "\n", grep { !/ read, / } @{ $said->{notices} };
}

# $writers: for each session, how it begins its transaction and writes row $id, and how it commits.
# $notice, $hint: what the syncs in between say.
sub assert_waits_for
{
	my ($name, $writers, $notice, $hint) = @_;
	my $early = $next_id++;
	my @late = map { { id => $next_id++, end => $_->[1], begin => $_->[0] } } @$writers;
	$_->{session} = session_there($_->{begin}->($_->{id})) foreach @late;
	wait_past_margin();
	$pair->source_sql(insert($early));
	my $said = try_items();
	is(row($said)->{inserted}, 1, "$name: what was committed arrives") or diag($said->{text});
	$notice ? like(told($said), $notice, '... the caller is told') : is(told($said), '', '... there is nothing to tell');
	like($said->{text}, $hint, '... and what to do') if $hint;
	ok(sync_all(0, 1, 2), '... in every mode, with little to read');
	# Once more, so that a watermark that had moved too far would be relied upon.
	ok(sync_all(0, 0, 0), '... no more the next time');
	$_->{session}->query_safe($_->{end}->($_->{id})) foreach @late;
	my $count = @late;
	ok(sync_all($count, $count, 2 * $count), '... the late commit arrives');
	$pair->assert_identical($_, "raw.$_") foreach 'items', 'plain', 'local';
	$_->{session}->quit foreach @late;
	return;
}

# ---- Sessions that the reader may not see -------------------------------------------------------------------

wait_until_alone();
my $first = try_items();
is(row($first)->{inserted}, 1000, 'the first load');
is(told($first), '', '... of a source that nobody else uses: there is nothing to tell');
$pair->sync($_, "raw.$_", $_ eq 'plain' ? $by_xmin : $by_time) foreach 'plain', 'local';

my $write  = sub { return 'BEGIN; ' . insert($_[0]) };
my $commit = sub { return 'COMMIT' };
assert_waits_for('a session that the reader may not see', [ [ $write, $commit ] ],
	qr/does not show this role how old other sessions' transactions are/,
	qr/lookback of 10 min.*GRANT pg_read_all_stats TO reader/s);

my $idle = session_there('SELECT 1');
like(try_items(q(options => '{"lookback": "90 s"}'))->{text}, qr/no longer than the lookback of 1 min 30 s/,
	'the lookback is what the caller says');
$idle->quit;

# ---- Sessions that it may see -------------------------------------------------------------------------------

$pair->source_sql('GRANT pg_read_all_stats TO reader');
live_in('<W>+11');
assert_waits_for('open transactions', [
		[ $write, $commit ],
		[ sub { return "BEGIN; SAVEPOINT a; SAVEPOINT b; " . insert($_[0]) . ' RELEASE a' }, $commit ],
		[ sub { return 'BEGIN; SELECT count(*) FROM items' }, sub { return insert($_[0]) . ' COMMIT' } ]]);
live_in('<E>-11');
assert_waits_for('a session without track_activities',
	[ [ sub { return 'SET track_activities = off; ' . $write->($_[0]) }, $commit ] ],
	qr/has track_activities off/, qr/lookback of 10 min/);

# ---- Prepared transactions ----------------------------------------------------------------------------------

sub mark { return $pair->sql(q(SELECT value FROM tablesync.watermark WHERE target = 'raw.items')) }

try_items();
my $before = mark();
assert_waits_for('a prepared transaction', [
		[ sub { return $write->($_[0]) . " PREPARE TRANSACTION 'p'" },
			sub { is(mark(), $before, '... the watermark stays'); return "COMMIT PREPARED 'p'" } ]],
	qr/a prepared transaction on the source keeps the watermark from advancing/, qr/pg_prepared_xacts/);
try_items();
cmp_ok(mark(), 'gt', $before, '... until it is committed');

# A target that is made while there is one: nothing is proven, everything is there.
$pair->source_sql($write->($next_id) . " PREPARE TRANSACTION 'q'");
$pair->sync('items', 'raw.made', $by_time);
is($pair->sql(q(SELECT value IS NULL OR value = '' FROM tablesync.watermark WHERE target = 'raw.made')), 't',
	'a first load beside a prepared transaction proves nothing');
$pair->source_sql("COMMIT PREPARED 'q'");
$pair->source_sql(insert($next_id + 1));
my $made = $pair->sync('items', 'raw.made', $by_time);
is($made->{inserted}, 2, '... and misses nothing');
cmp_ok($made->{read}, '<', 50, '... by reading little') or diag("it read $made->{read} rows");
$pair->assert_identical('items', 'raw.made');
$next_id += 2;

# Of another database, it is no matter.
$pair->source_sql('CREATE DATABASE elsewhere');
$source->safe_psql('elsewhere', "CREATE TABLE t (); BEGIN; INSERT INTO t DEFAULT VALUES; PREPARE TRANSACTION 'r'");
is(told(try_items()), '', 'a prepared transaction of another database is no matter');
$source->safe_psql('elsewhere', "COMMIT PREPARED 'r'");

# ---- Numbers that were taken ahead --------------------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE taken (id int PRIMARY KEY, rev bigint GENERATED BY DEFAULT AS IDENTITY (CACHE 50), other bigint);
	CREATE SEQUENCE others CACHE 20;
	ALTER TABLE taken ALTER other SET DEFAULT nextval('others');));
my $early = session_there('INSERT INTO taken VALUES (1);');
$pair->source_sql('INSERT INTO taken SELECT g FROM generate_series(2, 9) g');
my $numbers = q(sync_mode => 'incremental', incremental_field => ');
my $ahead = qr/the sequence of incremental_field rev has CACHE 50/;
like(told($pair->try_sync('taken', 'raw.taken', qq(${numbers}rev'))), $ahead, 'numbers are taken ahead: told');
like(told($pair->try_sync('taken', 'raw.other', qq(${numbers}other'))),
	qr/the sequence of incremental_field other has CACHE 20/, '... of a default too');
# What was read is proven by now.
wait_past_margin();
$pair->sync('taken', 'raw.taken', qq(${numbers}rev'));
$early->query_safe('INSERT INTO taken VALUES (10);');
is($pair->sync('taken', 'raw.taken', qq(${numbers}rev'))->{inserted}, 0, '... such a row is not read');
my $said = $pair->try_sync('taken', 'raw.taken', qq(${numbers}rev', options => '{"lookback": "100"}'));
is(TablesyncTest::row_of($said->{out})->{inserted}, 1, '... but with a lookback');
is(told($said), '', '... where there is nothing to tell');
$pair->assert_identical('taken', 'raw.taken');
$early->quit;

# ---- Zones --------------------------------------------------------------------------------------------------

my $refused = $pair->try_sync('local', 'raw.local', qq($by_time, options => '{"time_zone": "Mars/Olympus"}'));
$pair->assert_failed($refused, '22023', qr/time zone "Mars\/Olympus" not recognized/, 'a zone that does not exist');

$pair->assert_clean;
done_testing();
