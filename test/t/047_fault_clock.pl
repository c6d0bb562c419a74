# This server's clock is wrong, goes back, leaps ahead, is in another zone: what is read is decided by the source's
# clock alone, and no wait is for the time of day.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TablesyncTest;
use TablesyncTest::Fault;

my $dir     = PostgreSQL::Test::Utils::tempdir('clock');
my $clock   = "$dir/clock";
my $library = TablesyncTest::Fault::preloaded($dir, 'wrong_clock');
my %seconds = (h => 3600, d => 86400);

# An offset to the true time, for the target alone: "-1h", "+3650d".
sub set_clock
{
	my ($offset) = @_;
	my ($number, $unit) = $offset =~ /^(.*)(\w)$/;
	append_to_file("$clock.new", $number * $seconds{$unit});
	rename "$clock.new", $clock or die "could not rename: $!";
	return;
}

sub start_with_clock
{
	my ($starting) = @_;
	local @ENV{qw(LD_PRELOAD WRONG_CLOCK)} = ($library, $clock);
	$starting->target->start;
	return;
}

set_clock('+0d');
my $pair = TablesyncTest->new(proxy => 1, start_target => \&start_with_clock);
$pair->admin("ALTER ROLE $TablesyncTest::caller SET timezone = 'Pacific/Auckland'");
my $there = $pair->source->background_psql('postgres');

$pair->source_sql(q(
	GRANT pg_read_all_stats TO reader;
	CREATE TABLE items (id int PRIMARY KEY, name text, changed_at timestamptz DEFAULT clock_timestamp(),
		local_at timestamp DEFAULT clock_timestamp());
	INSERT INTO items SELECT g, repeat('x', 100), now() - interval '1 day', now() - interval '1 day' FROM generate_series(1, 1000) g;));
my $last = 1000;
my %mode = (
	'raw.items'    => q(sync_mode => 'incremental', incremental_field => 'changed_at'),
	'raw.by_local' => q(sync_mode => 'incremental', incremental_field => 'local_at'),
	'raw.by_xmin'  => q(sync_mode => 'xmin'));

foreach my $offset ('+0d', '-3650d', '+3650d', '-1d', '+1h')
{
	set_clock($offset);
	# The first is written before the syncs, and committed after them.
	$last += 2;
	$there->query_safe("BEGIN; INSERT INTO items VALUES ($last, 'late')");
	$pair->source_sql("INSERT INTO items VALUES ($last + 1, 'in time')");
	$pair->sync('items', $_, $mode{$_}) foreach sort keys %mode;
	$there->query_safe('COMMIT');
	foreach my $target (sort keys %mode)
	{
		my $row = $pair->sync('items', $target, $mode{$target});
		$pair->assert_identical('items', $target, "the clock at $offset: $target has every row");
		cmp_ok($row->{read}, '<', 500, '... by reading little') unless $offset eq '+0d';
		like($row->{duration}, qr/^00:00:0/, '... which took as long as it took');
		next if $target eq 'raw.by_xmin';
		my $zone = $target eq 'raw.by_local' ? ' UTC' : '';
		is($pair->source_sql("SELECT now() - '$row->{watermark}$zone'::timestamptz BETWEEN '0' AND '1 hour'"), 't',
			'... the watermark is of the time of the source') or diag($row->{watermark});
	}
}
set_clock('+3650d');
cmp_ok($pair->admin('SELECT extract(year FROM now())'), '>', $pair->source_sql('SELECT 9 + extract(year FROM now())'),
	'the clock did leap');

# It goes back while a run waits: to try again, and for its turn to read.
set_clock('+0d');
$pair->proxy->fault('rst', 'copy', 1000);
my $call = $pair->start_sync('items', 'raw.items', q(options => '{"retry_delay": "1s"}', max_retries => 1));
$call->wait_for(qr/attempt 1 of 2 failed/) or die 'no attempt';
$pair->proxy->none;
set_clock('-1h');
my $start = time;
is($call->finish->{sqlstate}, '', 'the clock goes back while a run waits to try again: it does');
cmp_ok(time - $start, '<', 20, '... in time');

set_clock('+0d');
$call = $pair->start_sync('items', 'raw.slowly', q(options => '{"max_rate": "500 rows"}'));
$pair->wait_until($pair->target, q(SELECT phase = 'copy' FROM tablesync.progress));
set_clock('-1h');
$start = time;
is($call->finish->{sqlstate}, '', '... while it keeps a rate');
cmp_ok(time - $start, '<', 20, '... in time');

set_clock('+0d');
TablesyncTest::Fault::set($pair, 'source_connected:1:pause');
$call = $pair->start_sync('items', 'raw.items', $mode{'raw.items'});
TablesyncTest::Fault::wait_paused($pair, 'source_connected');
set_clock('-3650d');
TablesyncTest::Fault::clear($pair);
is($call->finish->{sqlstate}, '', '... while it is paused');
set_clock('+0d');
TablesyncTest::Fault::assert_goes_on($pair, 'items', $_, $mode{$_}) foreach sort keys %mode;

$there->quit;
done_testing();
