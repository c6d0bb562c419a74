# This server is stopped while a run goes on, in each of its ways; what the run needs is dropped under it.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TablesyncTest qw(call_of);
use TablesyncTest::Fault;

my $pair   = TablesyncTest->new(proxy => 1);
my $proxy  = $pair->proxy;
my $target = $pair->target;
my %items  = (source => 'items', target => 'raw.items');

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, repeat('x', 1000) FROM generate_series(1, 2000) g;));
$pair->sync('items', 'raw.items');

sub change_source
{
	$pair->source_sql(q(UPDATE items SET name = name || '.' WHERE id % 10 = 0));
	TablesyncTest::Fault::remember($pair, 'raw.items');
	return;
}

# ---- It is stopped ------------------------------------------------------------------------------------------

# A run that stands in its COPY.
sub start_and_hold
{
	my ($more) = @_;
	change_source();
	$proxy->fault('stop', 'copy', 100000);
	my $call = $pair->start_sync('items', 'raw.items', $more);
	$proxy->wait_done('stop');
	return $call;
}

# pg_ctl stop, in the background.
sub begin_stop
{
	my ($mode) = @_;
	my $log = -s $target->logfile;
	my $stop = IPC::Run::start([ 'pg_ctl', '-D', $target->data_dir, '-m', $mode, '-w', 'stop' ],
		'>', \my $out, '2>', \my $err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	TablesyncTest::poll(sub { slurp_file($target->logfile, $log) =~ /received $mode shutdown request/ })
	  or die 'the server did not hear of it';
	return $stop;
}

sub end_stop
{
	my ($stop) = @_;
	$stop->finish or die 'the server did not stop';
	$target->_update_pid(0);
	$target->start;
	return;
}

my $call = start_and_hold();
my $stop = begin_stop('smart');
$proxy->none;
my $said = $call->finish;
end_stop($stop);
TablesyncTest::Fault::assert_harmless($pair, %items,
	name => 'a smart stop waits for the caller', said => $said, sqlstate => '', record => 'succeeded');

# Nobody waits for it.
start_and_hold('wait => false')->finish;
my $start = time;
$stop = begin_stop('smart');
end_stop($stop);
$proxy->none;
cmp_ok(time - $start, '<', 10, 'a smart stop ends a run that nobody waits for');
TablesyncTest::Fault::assert_harmless($pair, %items, name => '...', said => { sqlstate => '', message => '' }, sqlstate => '',
	record => 'interrupted');

$call = start_and_hold();
$start = time;
$stop  = begin_stop('fast');
$said  = $call->finish;
end_stop($stop);
$proxy->none;
cmp_ok(time - $start, '<', 10, 'a fast stop takes less than ten seconds');
TablesyncTest::Fault::assert_harmless($pair, %items,
	name => 'a fast stop', said => $said, sqlstate => '57P01', record => 'interrupted');

# ---- What it needs is dropped -------------------------------------------------------------------------------

# DROP waits while a run holds it, and works as soon as the run has ended.
sub pause_at
{
	my ($point) = @_;
	change_source();
	TablesyncTest::Fault::set($pair, "$point:1:pause");
	my $paused = $pair->start_sync('items', 'raw.items');
	TablesyncTest::Fault::wait_paused($pair, $point);
	return $paused;
}

$call = pause_at('merge_done');
foreach my $drop (
	[ 'DROP EXTENSION pg_tablesync CASCADE',         qr/lock timeout/ ],
	[ "DROP ROLE $TablesyncTest::caller",            qr/lock timeout|some objects depend on it/ ],
	[ "DROP OWNED BY $TablesyncTest::caller CASCADE", qr/lock timeout/ ],
	[ 'DROP SCHEMA raw CASCADE',                     qr/lock timeout/ ])
{
	my ($status, $out, $err) = $target->psql('postgres', "SET lock_timeout = '100ms'; $drop->[0]");
	like($err, $drop->[1], "$drop->[0], while a run writes");
}
TablesyncTest::Fault::clear($pair);
is($call->finish->{sqlstate}, '', '... which goes on');
$pair->assert_identical('items', 'raw.items');

# Between its record and its work a run holds nothing.
my $options = $pair->admin(q(SELECT array_to_string(srvoptions, ' ') FROM pg_foreign_server)) =~ s/(\w+)=(\S+)/$1 '$2'/gr =~
  s/ (?=\w)/, /gr;
$call = pause_at('run_recorded');
$pair->admin('DROP SERVER src CASCADE');
TablesyncTest::Fault::clear($pair);
$said = $call->finish;
$pair->make_server('src', $options);
TablesyncTest::Fault::assert_harmless($pair, %items, name => 'the server is dropped', said => $said, sqlstate => '42704');

$call = pause_at('run_recorded');
$pair->admin("REVOKE USAGE ON FOREIGN SERVER src FROM $TablesyncTest::caller");
TablesyncTest::Fault::clear($pair);
$said = $call->finish;
$pair->admin("GRANT USAGE ON FOREIGN SERVER src TO $TablesyncTest::caller");
TablesyncTest::Fault::assert_harmless($pair, %items, name => 'a privilege is gone', said => $said, sqlstate => '42501');

# A database: in another, since this one is needed. (Nobody may be connected to the one that is copied.)
sub other { return $target->safe_psql('other', @_) }
$target->safe_psql('template1', 'CREATE DATABASE other TEMPLATE postgres');
change_source();
TablesyncTest::Fault::set($pair, 'merge_done:1:pause');
my $sync = "\\connect other\n" . call_of('items', 'raw.items');
$call = $pair->start($sync);
TablesyncTest::Fault::wait_paused($pair, 'merge_done');
my ($status, $out, $err) = $target->psql('postgres', "\\set VERBOSITY verbose\nDROP DATABASE other");
like($err, qr/ERROR:  55006: .*being accessed/, 'DROP DATABASE is refused while a run goes on');
$start = time;
$pair->admin('DROP DATABASE other WITH (FORCE)');
cmp_ok(time - $start, '<', 5, '... WITH (FORCE) it ends the run');
TablesyncTest::Fault::clear($pair);
$pair->assert_failed($call->finish, 'lost|57P01', undef, '... and its caller');
$pair->assert_clean;

# The extension, and with it all that it knew.
$call = pause_at('run_recorded');
$pair->admin('DROP EXTENSION pg_tablesync CASCADE');
TablesyncTest::Fault::clear($pair);
$said = $call->finish;
$pair->assert_failed($said, '3F000', undef, 'the extension is dropped: the run fails');
$pair->assert_unchanged('raw.items');
$pair->admin("CREATE EXTENSION pg_tablesync; SELECT tablesync.grant_to('$TablesyncTest::caller')");
$pair->make_server('src', $options);
$pair->sync('items', 'raw.items', q(options => '{"adopt": true}'));
TablesyncTest::Fault::assert_goes_on($pair, 'items', 'raw.items');

done_testing();
