# No row is lost, whatever the writers on the source do while syncs run: late commits, savepoints, prepared
# transactions, equal times, updates that do not touch the field, deletes, moving keys, rows that move between
# partitions, days that end, clocks that go back, sessions that do not show what they do. At no time does a watermark
# claim a row that the target lacks, and at the end each target is what its mode promises.
#
# TABLESYNC_TORTURE_SECONDS=600 makes it longer. TABLESYNC_TORTURE_SEED repeats the choices of the writers.

use strict;
use warnings;

use POSIX qw(strftime);
use Test::More;
use TablesyncTest qw(call_of);
use TablesyncTest::SlowLink;
use TablesyncTest::Witness;
use TablesyncTest::Writers;

my $seconds = $ENV{TABLESYNC_TORTURE_SECONDS} // ($ENV{TABLESYNC_TEST_LONG} ? 300 : 40);
my $seed    = $ENV{TABLESYNC_TORTURE_SEED} // int rand 1_000_000;
note("TABLESYNC_TORTURE_SEED=$seed");

my $pair = TablesyncTest->new(
	source_conf => [ 'max_prepared_transactions = 10', 'log_statement = none' ],
	target_conf => [ 'max_worker_processes = 40', 'max_connections = 60', 'log_statement = none' ]);

# ---- Without pg_read_all_stats ------------------------------------------------------------------------------

# The role cannot see how old a transaction is. What is below the lookback all the same is not read again.
$pair->source_sql(q(
	CREATE TABLE hidden (id int PRIMARY KEY, at timestamptz DEFAULT now());
	INSERT INTO hidden SELECT g, now() - g * interval '1 minute' FROM generate_series(0, 19) g;));
my @hidden = ('hidden', 'raw.hidden', q(sync_mode => 'incremental', incremental_field => 'at'));
my $writer = $pair->source->background_psql('postgres');
$writer->query_safe('BEGIN; SELECT now()');
$pair->wait_until($pair->source, q(SELECT max(now() - xact_start) > '2.5 s' FROM pg_stat_activity));
$pair->source_sql('INSERT INTO hidden VALUES (20)');
my $said = $pair->try_sync(@hidden);
ok((grep { /does not show this role/ } @{ $said->{notices} }), 'a role that cannot see transactions is told so');
$writer->query_safe('INSERT INTO hidden VALUES (21); COMMIT');
is($pair->sync(@hidden)->{inserted}, 1, '... and a row arrives that was committed after one of a later time');
is($pair->sync(@hidden)->{read}, 12, '... by reading again what is younger than the lookback');
$pair->assert_identical('hidden', 'raw.hidden');
$writer->quit;
$pair->source_sql('GRANT pg_read_all_stats TO reader');

# ---- The lanes ----------------------------------------------------------------------------------------------

# For the writers of days, a day ends while they work; by another clock, summer time does.
my $then = time + 10 + 0.4 * $seconds;
my $zone_of_day = 'TSM' . strftime('%H:%M:%S', gmtime $then);
my $last_hour = $then + 3600;
my $end_of_summer = (gmtime $last_hour)[7];
my $zone_of_clock = sprintf 'TSF0TSG-1,%d/0,%d/%s', ($end_of_summer - 30) % 365, $end_of_summer,
  strftime('%H:%M:%S', gmtime $last_hour);

my $witness = TablesyncTest::Witness->new($pair);
my $writers = TablesyncTest::Writers->new($pair,
	zone_of_day => $zone_of_day, zone_of_clock => $zone_of_clock, watch => sub { $witness->watch(@_) });

# A server that is far away, so that others write between two statements of a sync.
my $link = TablesyncTest::SlowLink->new($pair->source->port, 40);
$pair->make_server('far', "host '127.0.0.1', port '" . $link->port . "', dbname 'postgres'");
# The target as a source.
$pair->admin(qq(
	SET log_statement = none;
	CREATE ROLE reader LOGIN PASSWORD @{[ TablesyncTest::quote($TablesyncTest::password) ]};
	GRANT pg_read_all_stats TO reader;
	GRANT USAGE ON SCHEMA raw TO reader;
	ALTER DEFAULT PRIVILEGES FOR ROLE $TablesyncTest::caller GRANT SELECT ON TABLES TO reader));
$pair->make_server('middle', "host '127.0.0.1', port '" . $pair->target->port . "', dbname 'postgres'");

sub lane
{
	my ($source, $target, %more) = @_;
	$witness->add_lane(server => 'src', source => $source, target => $target, mode => 'incremental', %more);
	return;
}

my @deletes = (deletes => 'true', options => '{"max_delete_fraction": 1}');
my @updated_at = (field => 'updated_at');
lane('orders', 'raw.complete', mode => 'full', options => '{"max_delete_fraction": 1}');
lane('orders', 'raw.by_xmin', mode => 'xmin');
lane('orders', 'raw.by_xmin_keys', mode => 'xmin', @deletes);
lane('orders', 'raw.by_time', @updated_at);
lane('orders', 'raw.by_time_keys', @updated_at, @deletes);
lane('orders', 'raw.by_clock', field => 'written_at', options => '{"lookback": "30 s"}');
lane('orders', 'raw.by_second', field => 'second');
lane('orders', 'raw.far', server => 'far', @updated_at);
lane('parted', 'raw.parted', key => '{id}', @updated_at, @deletes);
lane('parted', 'raw.parted_by_xmin', mode => 'xmin', key => '{id}', @deletes);
lane('parted', 'raw.parted_far', server => 'far', key => '{id}', @updated_at);
lane('counters', 'raw.counters', field => 'revision');
lane('counters', 'raw.counters_far', server => 'far', field => 'revision', @deletes);
lane('days', 'raw.days', field => 'day', options => qq({"time_zone": "$zone_of_day"}));
lane('days', 'raw.codes', field => 'code', type => 'yyyymmdd', options => qq({"time_zone": "$zone_of_day"}));
lane('days', 'raw.numbers', field => 'number', type => 'yyyymmdd', options => qq({"time_zone": "$zone_of_day"}));
lane('days', 'raw.clocks', field => 'local', options => qq({"time_zone": "$zone_of_clock"}));
lane('raw.by_xmin_keys', 'raw.cascade_by_xmin', server => 'middle', mode => 'xmin', @deletes);
lane('raw.by_time_keys', 'raw.cascade_by_time', server => 'middle', @updated_at);
lane('raw.counters', 'raw.cascade_counters', server => 'middle', field => 'revision');

# Copies that hold every row as it is at one time can have the unique index of the source. So can the one by time, since
# a seat never changes without it.
$pair->sql("ALTER TABLE raw.$_ ADD UNIQUE (seat)") foreach qw(complete by_xmin_keys by_time_keys cascade_by_xmin);

# ---- The torture --------------------------------------------------------------------------------------------

my @lanes = $witness->lanes;
$writers->start($seconds, $seed, 'veiled');
my $syncs = TablesyncTest::Writers::bench($pair->target, $seconds, [ q(
	\set pause random(0, 100)
	SELECT witness.sync(:client_id);
	\sleep :pause ms) ], '-c', scalar @lanes, '-T', $seconds, '-U', $TablesyncTest::caller);
is($writers->finish, '', 'the writers have come through');
is(TablesyncTest::Writers::ended($syncs), '', '... and every sync');
is($witness->sync_all, '', '... and one more of each lane');
$witness->collect;

# ---- The judgement ------------------------------------------------------------------------------------------

sub none
{
	my ($what, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @rows = split /\n/, $what;
	is(scalar @rows, 0, $name) or diag(join "\n", splice @rows, 0, 5);
	return;
}

# The table at the head of the cascade.
sub origin_of
{
	my ($lane) = @_;
	my ($before) = grep { $_->{target} eq $lane->{source} } @lanes;
	return $before ? origin_of($before) : $lane->{source};
}

foreach my $no (0 .. $#lanes)
{
	my $lane = $lanes[$no];
	my $name = "$lane->{target} ($lane->{mode}" . ($lane->{field} ? " by $lane->{field})" : ')');
	my $exact = $lane->{mode} ne 'incremental';
	my $deletes = $lane->{deletes} || $lane->{mode} eq 'full';
	none($witness->lacking($no, 'xid'), "$name: no photo lacks what was written before its snapshot");
	none($witness->lacking($no, 'field'), "$name: no photo lacks what is below its watermark") if $lane->{field};
	none($witness->undead($no), "$name: no photo has a row that was deleted before its snapshot") if $exact && $deletes;
	none($witness->untrue($no), "$name: no row was seen that nobody had committed, or that went back");
	none($witness->wrong_at_last($no, $exact, $deletes), "$name: at last, the rows are what was promised");
	$pair->assert_identical(origin_of($lane), $lane->{target}) if $exact && $deletes;

	my ($photos, $advances) = $witness->advances($no, $lane->{field} ? 'below_field' : 'below_xid');
	my $races = $lane->{field} ? split /\n/, $witness->lacking($no, 'highest') : undef;
	note("$name: $photos photos, $advances watermarks"
		  . (defined $races ? ", $races rows that came after one of a later field" : ''));
	cmp_ok($advances, '>', 2, '... the watermark moved') unless $lane->{source} eq 'days' && $lane->{field} ne 'local';
	cmp_ok($races, '>', 0, '... rows came late') if defined $races;
}
is($pair->sql("SELECT count(DISTINCT below_field) FROM witness.photo JOIN witness.lane USING (lane)
	WHERE target = '$_'"), 2, "$_: a day ended") foreach 'raw.days', 'raw.codes', 'raw.numbers';

$pair->assert_clean;
done_testing();
