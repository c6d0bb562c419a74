# verify_table(repair => true) from a standby that lags. What a sync has brought from the primary is not there yet: as
# long as that is so, nothing is repaired.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new(source_conf => ['autovacuum = off']);
my $primary = $pair->source;
my %mode = (
	'raw.full'    => q(sync_mode => 'full'),
	'raw.by_xmin' => q(sync_mode => 'xmin'),
	'raw.by_time' => q(sync_mode => 'incremental', incremental_field => 'at'));

$pair->source_sql(q(
	GRANT pg_read_all_stats TO reader;
	CREATE TABLE items (id int PRIMARY KEY, at timestamptz DEFAULT now(), name text);
	INSERT INTO items SELECT g, '2024-01-01'::timestamptz + g * interval '1 hour', 'old' FROM generate_series(1, 500) g;));

$primary->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'standby', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = -1');
$standby->start;

sub repoint { return $pair->admin("ALTER SERVER src OPTIONS (SET port '" . $_[0]->port . "')") }

sub repair
{
	my ($target) = @_;
	return $pair->try("SELECT kind, row_key FROM verify_table('src', 'items', '$target', repair => true)");
}

# A standby that has what the first syncs read, and not what the second ones do.
$pair->sync('items', $_, $mode{$_}) foreach sort keys %mode;
$pair->source_sql('CREATE TABLE later (id int)');
$primary->wait_for_catchup($standby, 'replay');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$pair->wait_until($standby, q(SELECT pg_get_wal_replay_pause_state() = 'paused'));

# The newest row is another one: those that were changed are not read again for being the last.
$pair->source_sql(q(UPDATE items SET name = 'new', at = now() WHERE id <= 3));
$pair->source_sql(q(DELETE FROM items WHERE id = 4; INSERT INTO items VALUES (501, now(), 'new')));
$pair->source_sql(q(INSERT INTO items VALUES (502, now(), 'newest')));
$pair->sync('items', $_, "$mode{$_}, delete_missing => true") foreach sort keys %mode;
$pair->assert_identical('items', $_, "$_ is what the primary has") foreach sort keys %mode;

repoint($standby);
foreach my $target (sort keys %mode)
{
	$pair->remember($target);
	my $said = repair($target);
	$pair->assert_failed($said, '55000', qr/^refusing to repair "\Q$target\E" from a standby that is behind$/, "$target: repair from a standby that lags");
	like($said->{detail}, qr{^The standby is at [0-9A-F]+/[0-9A-F]+; the target has rows that were read at [0-9A-F]+/[0-9A-F]+\.$}, '... which says how far it is');
	is($said->{hint}, 'Wait until the standby has caught up, or repair from the primary.', '... and what to do');
	$pair->assert_unchanged($target, '... nothing is written');
}

$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$primary->wait_for_catchup($standby, 'replay');
# What is wrong here is mended then, and nothing else.
foreach my $target (sort keys %mode)
{
	$pair->sql("UPDATE $target SET name = 'bad' WHERE id = 10");
	my $said = repair($target);
	is("$said->{sqlstate}$said->{out}", "different|10\n", "$target: repair from a standby that has caught up") or diag($said->{text});
	$pair->assert_identical('items', $target, '... mends what was wrong');
}
repoint($primary);
foreach my $target (sort keys %mode)
{
	$pair->sync('items', $target, $mode{$target});
	$pair->assert_identical('items', $target, "$target: the next sync from the primary goes on");
}

$pair->assert_clean;
$standby->stop;
done_testing();
