# The source fails over to a standby: its transaction ids go on only where the history does. A sync in xmin mode goes on
# from its watermark where it is shown that the new primary has all that was read, and is refused where not.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);

my $pair    = TablesyncTest->new(source_conf => ['autovacuum = off']);
my $primary = $pair->source;
my $by_xmin = q(sync_mode => 'xmin');
my $by_time = q(sync_mode => 'incremental', incremental_field => 'at');
my $many    = 1000;

$pair->source_sql(q(
	GRANT pg_read_all_stats TO reader;
	CREATE TABLE items (id int PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), name text);
	INSERT INTO items SELECT g, '2020-01-01'::timestamptz + g * interval '1 hour', 'old' FROM generate_series(1, 1000) g;));

# ---- Servers and their ways ---------------------------------------------------------------------------------

# Each way to fail over is a server of its own on the target, with targets of its own: raw.NAME in xmin mode,
# raw.NAME_by_time in incremental mode.
my @ways = qw(good cut back other);

sub server_of
{
	my ($node) = @_;
	return "host '127.0.0.1', port '" . $node->port . "', dbname 'postgres'";
}

sub repoint
{
	my ($way, $node) = @_;
	$pair->admin("ALTER SERVER $way OPTIONS (SET port '" . $node->port . "')");
	return;
}

sub sync
{
	my ($way, $mode, $more) = @_;
	my $target = "raw.$way" . ($mode eq $by_time ? '_by_time' : '');
	my $said = $pair->try(call_of('items', $target, $mode . ($more ? ", $more" : '')) =~ s/'src'/'$way'/r);
	diag($said->{text}) if $said->{sqlstate} && $said->{sqlstate} ne '55000';
	return { %$said, %{ TablesyncTest::row_of($said->{out}) } };
}

sub watermark_of
{
	my ($target) = @_;
	return $pair->sql("SELECT value, snapshot_xmin, lsn, timeline FROM tablesync.watermark WHERE target = '$target'");
}

sub timeline_of { return (split /\|/, watermark_of("raw.$_[0]"))[3] }

# A standby of $node that has all that was committed there so far.
sub make_standby
{
	my ($node, $name) = @_;
	$node->backup($name);
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($node, $name, has_streaming => 1);
	$standby->start;
	$node->wait_for_catchup($standby, 'replay');
	return $standby;
}

sub assert_same
{
	my ($node, $target, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($pair->digest_of($pair->target, $target), $pair->digest_of($node, 'items'), $name // "$target is identical");
}

# A sync that reads what has changed, and no more.
sub assert_goes_on
{
	my ($node, $way, $mode, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $said = sync($way, $mode);
	is($said->{sqlstate} || "$said->{inserted} $said->{updated}", $expected, $name) or diag($said->{text});
	cmp_ok($said->{read} // -1, '<', 100, '... by reading little');
	return $said;
}

# It is refused; neither the target nor the watermark is changed, however often it is tried.
sub assert_refused
{
	my ($way, $like, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = watermark_of("raw.$way");
	$pair->remember("raw.$way");
	foreach my $time ('', ' again')
	{
		my $said = sync($way, $by_xmin);
		$pair->assert_failed($said, '55000', $like, "$name: refused$time");
		like($said->{hint}, qr/verify_table\('$way', 'items', 'raw\.$way', repair => true\)/, '... the hint says what to do');
		like($said->{context}, qr/sync_table $way: items -> raw\.$way$/, '... the context says in which run');
	}
	is(watermark_of("raw.$way"), $before, '... the watermark stays');
	$pair->assert_unchanged("raw.$way", '... nothing is changed');
	return;
}

# What the hint says: both sides are compared, and from there it goes on.
sub assert_mended
{
	my ($node, $way) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $said = $pair->try("SELECT * FROM verify_table('$way', 'items', 'raw.$way', repair => true)");
	is($said->{sqlstate}, '', '... what the hint says works') or diag($said->{text});
	assert_same($node, "raw.$way", '... and mends what differs');
	$node->safe_psql('postgres', q(UPDATE items SET name = 'mended', at = DEFAULT WHERE id = 77));
	assert_goes_on($node, $way, $by_xmin, '0 1', '... the next sync goes on from there');
	assert_same($node, "raw.$way");
	return;
}

# ---- Before the failover ------------------------------------------------------------------------------------

foreach my $way (@ways)
{
	$pair->make_server($way, server_of($primary));
	is(sync($way, $_)->{inserted}, $many, "$way: the first load") foreach $by_xmin, $by_time;
}
$primary->backup('early');
my $good = make_standby($primary, 'good');
my $cut  = make_standby($primary, 'cut');
$cut->stop;

# What the standby "cut" never gets. A transaction that the failover cuts off holds the watermark back.
$pair->source_sql(q(
	UPDATE items SET name = 'before the failover', at = DEFAULT WHERE id <= 10;
	INSERT INTO items (id) VALUES (2001);));
my $open = $primary->background_psql('postgres');
$open->query_safe(q(BEGIN; UPDATE items SET name = 'never committed' WHERE id = 500));
foreach my $way (@ways)
{
	assert_goes_on($primary, $way, $_, '1 10', "$way: changes before it") foreach $by_xmin, $by_time;
}
$pair->source_sql(q(UPDATE items SET name = 'late before the failover', at = DEFAULT WHERE id BETWEEN 11 AND 15));
$primary->wait_for_catchup($good, 'replay');

# ---- The new primary has all --------------------------------------------------------------------------------

my $may_read = 'EXECUTE ON FUNCTION pg_read_file(text), pg_stat_file(text, boolean)';
$primary->stop('immediate');
eval { $open->quit };
$good->promote;
repoint('good', $good);
$good->safe_psql('postgres', q(
	UPDATE items SET name = 'after the failover', at = DEFAULT WHERE id BETWEEN 16 AND 20;
	INSERT INTO items (id) VALUES (2002);));

# The server may know it; the reader does not.
assert_refused('good', qr/server "good" is on a different timeline/, 'a history that the reader may not read');
$good->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION pg_read_file(text) TO reader');
assert_refused('good', qr/server "good" is on a different timeline/, 'one whose file it may read, but not look for');
$good->safe_psql('postgres', "GRANT $may_read TO reader");
assert_goes_on($good, 'good', $by_xmin, '1 10', 'a new primary that has all, which its history shows');
assert_same($good, 'raw.good');
is(timeline_of('good'), 2, '... the watermark is of its timeline');
$good->safe_psql('postgres', q(UPDATE items SET name = 'on', at = DEFAULT WHERE id = 21));
assert_goes_on($good, 'good', $by_xmin, '0 1', '... it goes on');

# A watermark of a value is one in any history.
my ($value) = split /\|/, watermark_of('raw.good_by_time');
my $said = assert_goes_on($good, 'good', $by_time, '1 11', '... in incremental mode, too');
is(join("\n", grep { !/ read, / } @{ $said->{notices} }), '', '... there is nothing to tell');
cmp_ok((split /\|/, watermark_of('raw.good_by_time'))[0], 'ge', $value, '... from its watermark');
assert_same($good, 'raw.good_by_time');

# Twice more, without a sync in between: the history of the newest timeline knows the older ones.
my $next = make_standby($good, 'next');
$good->safe_psql('postgres', q(UPDATE items SET name = 'before the second failover', at = DEFAULT WHERE id = 31));
$good->wait_for_catchup($next, 'replay');
$good->stop;
$next->promote;
$next->safe_psql('postgres', q(UPDATE items SET name = 'between failovers', at = DEFAULT WHERE id = 32));
my $last = make_standby($next, 'last');
$next->stop;
$last->promote;
$last->safe_psql('postgres', q(UPDATE items SET name = 'after the third failover', at = DEFAULT WHERE id = 33));
repoint('good', $last);
assert_goes_on($last, 'good', $_, '0 3', 'two failovers more, of which no sync knows') foreach $by_xmin, $by_time;
assert_same($last, $_) foreach 'raw.good', 'raw.good_by_time';
is(timeline_of('good'), 4, '... the watermark is of the newest timeline');

# ---- The new primary lacks something ------------------------------------------------------------------------

$cut->start;
$cut->promote;
repoint('cut', $cut);
$cut->safe_psql('postgres', "GRANT $may_read TO reader");
$cut->safe_psql('postgres', q(
	UPDATE items SET name = 'another history', at = DEFAULT WHERE id BETWEEN 6 AND 12;
	INSERT INTO items (id) VALUES (2002);));
is($cut->safe_psql('postgres', 'SELECT count(*) FROM items WHERE id = 2001'), 0, 'what was read is not there any more');
assert_refused('cut', qr/server "cut" is on a different timeline/, 'a new primary that lacks what was read');

# Not even when it has come further than what was read.
$cut->safe_psql('postgres', q(
	DO $$ BEGIN FOR i IN 1 .. 200 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$;
	SELECT pg_switch_wal();
	UPDATE items SET name = name || '.';));
assert_refused('cut', qr/server "cut" is on a different timeline/, '... also later');
($value) = split /\|/, watermark_of('raw.cut_by_time');
$cut->safe_psql('postgres', q(UPDATE items SET name = 'new', at = DEFAULT WHERE id = 40));
my $by_value = sync('cut', $by_time);
is($by_value->{sqlstate}, '', '... incremental mode keeps its watermark');
cmp_ok($by_value->{read}, '<', 100, '... reads what is above it');
cmp_ok((split /\|/, watermark_of('raw.cut_by_time'))[0], 'ge', $value, '... and goes on');
is($pair->sql(q(SELECT name FROM raw.cut_by_time WHERE id = 40)), 'new', '... with what is new');
assert_mended($cut, 'cut');

# ---- Transaction ids that went back -------------------------------------------------------------------------

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($primary, 'early');
$restored->start;
repoint('back', $restored);
is($restored->safe_psql('postgres', 'SELECT timeline_id FROM pg_control_checkpoint()'), 1, 'a backup on the same timeline');
assert_refused('back', qr/server "back" is behind the watermark$/, 'a restored backup');
assert_mended($restored, 'back');

# ---- Another cluster ----------------------------------------------------------------------------------------

# It happens to be the target's own.
my $stranger = $pair->target;
$pair->admin(qq(
	SET log_statement = none;
	CREATE ROLE reader LOGIN PASSWORD @{[ TablesyncTest::quote($TablesyncTest::password) ]};
	GRANT pg_read_all_stats TO reader;
	CREATE TABLE items (id int PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), name text);
	INSERT INTO items SELECT g, '2020-01-01', 'elsewhere' FROM generate_series(1, 1000) g;
	GRANT SELECT ON items TO reader;));
repoint('other', $stranger);
my $another = qr/server "other" is a different cluster than before/;
isnt($pair->admin(q(SELECT 'items'::regclass::oid)), $last->safe_psql('postgres', q(SELECT 'items'::regclass::oid)),
	'another cluster, where the table has another oid');
assert_refused('other', $another, 'another cluster');
$pair->admin(q(UPDATE tablesync.watermark SET relation_oid = 'items'::regclass WHERE target = 'raw.other'));
assert_refused('other', $another, '... where the table has the same oid');
$said = sync('other', $by_time);
is($said->{sqlstate}, '', '... incremental mode works');
is($said->{read}, $many, '... reads everything');
like(join("\n", @{ $said->{notices} }), qr/reads everything, because the source is a different cluster than before/,
	'... and says why');
assert_mended($stranger, 'other');

$pair->wait_until($pair->target, q(SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_tablesync')));
is(join("\n", $pair->leaks), '', 'the logs hold no password');
$_->stop foreach $cut, $last, $restored;
done_testing();
