# The same readings in four orders, with much memory and with little: the wide tables, the counts and the rejected readings
# are the same, each row is written once, and the memory stays within its limit. Without room for the rows, readings that do
# not come in the order of time wait in temporary files (core/pivot/pivot_spill.h).

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;
use TablesyncTest;
use TablesyncTest::Fault;
use TablesyncTest::Hostile;
use TablesyncTest::Pivot;

my $limit_mb = 16;    # a third of it is for the rows

# A line of the log for each temporary file.
my $pair   = TablesyncTest->new(target_conf => [ 'max_worker_processes = 12', 'log_temp_files = 0', 'autovacuum = off' ]);
my $pivot  = TablesyncTest::Pivot->new($pair);
my $prefix = $TablesyncTest::Pivot::prefix;
my $node   = $pair->target;
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

my %order = (
	time    => 't, ship_id, c',
	channel => 'c, ship_id, t',
	ship    => 'ship_id, t, c',
	random  => 'hashtextextended(ship_id || c, t)');
my @orders = sort keys %order;

# Two ships, 800 times, 100 channels of four types: about 11 MB of rows. One channel changes from integers to decimals; one
# has no reading in the first half. Some readings have no value, no channel or no time, and some cells have several.
my $made = q(CREATE TABLE made AS SELECT row_number() OVER () AS place, * FROM (
	SELECT ship_id, CASE WHEN odd = 1 THEN '' ELSE 'channel_' || c END AS data_channel_id,
		CASE WHEN odd <> 2 THEN '2024-01-01 UTC'::timestamptz + t * interval '1 s' END AS created_time,
		CASE WHEN c = 1 AND t > 700 THEN 'Decimal' ELSE (ARRAY['Boolean', 'Integer', 'Decimal', 'String'])[1 + c % 4] END AS value_format,
		CASE WHEN c % 4 = 0 AND odd <> 3 THEN (t + turn) % 3 = 0 END AS bool_v,
		CASE WHEN c % 4 = 3 AND odd <> 3 THEN repeat(t || '.' || c || ' größe ', 15) || turn END AS str_v,
		CASE WHEN c % 4 = 1 AND odd <> 3 AND NOT (c = 1 AND t > 700) THEN t * c + turn END AS long_v,
		CASE WHEN (c % 4 = 2 OR c = 1 AND t > 700) AND odd <> 3 THEN t / 7.0 + c + turn END::float8 AS double_v, t, c
	FROM unnest('{ONE,TWO}'::text[]) AS ship_id, generate_series(1, 800) t, generate_series(1, 100) c,
		-- The further readings of a cell have other values.
		LATERAL (SELECT turn, abs(hashtextextended(ship_id || c || ' ' || t, turn)) % 2000 AS odd FROM generate_series(1, CASE WHEN (t * 31 + c) % 100 = 0 THEN 3 ELSE 1 END) turn) turns
	WHERE c <> 50 OR t > 400) x);
$pair->source_sql($made);
$pair->admin($made);
foreach my $order (@orders)
{
	# Readings of one cell stay as they followed each other.
	my $sql = "CREATE TABLE by_$order AS SELECT ship_id, data_channel_id, created_time, value_format, bool_v, str_v, long_v, double_v FROM made ORDER BY $order{$order}, place";
	$pair->source_sql($sql);
	$pair->admin("$sql; GRANT SELECT ON by_$order TO $TablesyncTest::caller");
}
my $rows = $pair->admin(q(SELECT count(DISTINCT (ship_id, t)) FROM made));

# What a call returns, without what differs: run, time and target.
sub counts_of
{
	my (@rows) = @_;
	return join "\n", map { my $row = $_; join ' ', map { "$_=$row->{$_}" } qw(ship rows_read rows_written cells_written columns_added rows_rejected) } sort { $a->{ship} cmp $b->{ship} } @rows;
}

# The cells of a schema, and the types of its columns.
sub digest_of
{
	my ($schema) = @_;
	return $pair->admin("SELECT count(*), sum(hashtextextended(c::text, 0)) FROM oracle.cells('$schema', '$prefix', 'timestamptz', 'UTC') c") . ' '
	  . $pair->admin("SELECT string_agg(concat_ws(' ', ship, channel, name, type), ',' ORDER BY ship, channel) FROM oracle.columns('$schema', '$prefix')");
}

sub rejected { my ($run) = @_; return $pair->admin(qq(SELECT count(*), sum(hashtextextended("row"::text || message, 0)) FROM tablesync.reject WHERE run_id = $run)) }

# Temporary files that were removed since the last call of this.
my $read = 0;
sub files
{
	my $log = slurp_file($node->logfile, $read);
	$read += length $log;
	my $files = () = $log =~ /temporary file: path/g;
	return $files;
}

# Runs a pivot; returns the number of its temporary files, the most private memory that its worker had, and its rows.
sub watched
{
	my ($server, $table, %arguments) = @_;
	files();
	my $call = $pair->start($pivot->call($server, $table, %arguments));
	my $peak = 0;
	while ($call->{run}->pumpable)
	{
		my $now = TablesyncTest::Hostile::worker_memory($postmaster);
		$peak = $now if $now > $peak;
		$call->{run}->pump_nb;
		Time::HiRes::sleep(0.005);
	}
	my $said = $call->finish;
	is($said->{sqlstate}, '', "$table: succeeds") or diag($said->{text});
	my @names = qw(run_id ship target_table rows_read rows_written cells_written columns_added rows_rejected duration);
	return (files(), $peak, map { my %row; @row{@names} = split /\|/, $_, -1; \%row } split /\n/, $said->{out});
}

# ---- With much memory -----------------------------------------------------------------------------------------

my %whole = (chunk_interval => "'20000 days'");
my ($number, @new) = (0);
sub schema { my $name = 'orders_' . ++$number; $pair->sql("CREATE SCHEMA $name"); return $name }

my $wanted = schema();
my ($files, undef, @wanted) = watched(undef, 'by_time', %whole, target_schema => "'$wanted'", memory_limit_mb => 1024);
my ($counts, $digest, $rejected) = (counts_of(@wanted), digest_of($wanted), rejected($wanted[0]{run_id}));
$pivot->assert_oracle('by_time', $wanted, first_run => $wanted[0]{run_id}, name => 'with much memory the wide tables hold what the readings say');
is(TablesyncTest::Pivot::total('rows_written', @wanted), $rows, '... each row was written once');
cmp_ok(TablesyncTest::Pivot::total('rows_rejected', @wanted), '>', 100, '... and there are readings that no column can hold');
is($files, 0, '... without a temporary file');

# ---- With little ----------------------------------------------------------------------------------------------

# From here and from there; in one chunk and in two; few rows at a time.
my %ways = (here => [undef, %whole], there => [ 'src', %whole ], chunks => [ undef, chunk_interval => "'400 s'" ], few_rows => [ undef, %whole, batch_size => 10 ]);
my %from_there;
foreach my $way (sort keys %ways)
{
	foreach my $order (@orders)
	{
		my ($server, %arguments) = @{ $ways{$way} };
		my $schema = schema();
		push @new, $schema;
		$from_there{$order} = $schema if $way eq 'there';
		my ($files, $peak, @found) = watched($server, "by_$order", %arguments, target_schema => "'$schema'", memory_limit_mb => $limit_mb);
		# Columns that are missing in the second chunk are created between the chunks, and the read-again counts are those of the chunk.
		is(counts_of(@found), $counts, "$way, by $order: the counts are the same");
		is(digest_of($schema), $digest, '... and the cells') or $pivot->assert_same($wanted, $schema);
		is(rejected($found[0]{run_id}), $rejected, '... and what was rejected');
		cmp_ok($peak, '<=', $limit_mb + 16, '... within the limit of memory');
		# A sort by the age of rows, which readings of one cell need, has one.
		if ($order =~ /time|ship/) { cmp_ok($files, '<', 5, '... without files, because the order is that of time') }
		else { cmp_ok($files, '>=', 64, '... with files') }
		my $said = $pair->try(sprintf q(SELECT ship, channel, reading_time, kind FROM verify_pivot(%s, 'by_%s', target_schema => '%s', memory_limit_mb => 16)),
			defined $server ? "'$server'" : 'NULL', $order, $schema);
		is($said->{sqlstate} . $said->{out}, '', '... as verify_pivot says') or diag($said->{text});
	}
}

# ---- Into tables that are there -------------------------------------------------------------------------------

# Some columns, and some cells with other values. A type that is known rejects readings.
$pair->admin(qq(CREATE TABLE begun AS SELECT * FROM by_time WHERE created_time < '2024-01-01 00:01 UTC' AND data_channel_id ~ '[02468]\$' AND data_channel_id <> 'channel_50'; UPDATE begun SET str_v = 'before' WHERE str_v <> ''; GRANT SELECT ON begun TO $TablesyncTest::caller));
foreach my $order (@orders)
{
	$pair->admin("INSERT INTO by_$order SELECT ship_id, 'channel_4', '2024-01-01 UTC'::timestamptz + g * interval '1 s', 'String', NULL, 'perhaps', NULL, NULL FROM unnest('{ONE,TWO}'::text[]) ship_id, generate_series(1, 20) g");
}
my @of_existing;
foreach my $order ('time', @orders)
{
	my $schema = schema();
	$pivot->run(undef, 'begun', %whole, target_schema => "'$schema'");
	my (undef, $peak, @found) = watched(undef, "by_$order", %whole, target_schema => "'$schema'", memory_limit_mb => @of_existing ? $limit_mb : 1024);
	my @seen = (counts_of(@found), digest_of($schema), rejected($found[0]{run_id}));
	@of_existing = @seen unless @of_existing;
	is_deeply(\@seen, \@of_existing, "tables that were there, by $order: the same");
	cmp_ok(TablesyncTest::Pivot::total('rows_rejected', @found), '>', 140, '... with what their types reject');
	cmp_ok($peak, '<=', $limit_mb + 16, '... within the limit of memory') if $peak && $order ne 'time';
	my (undef, undef, @again) = watched(undef, "by_$order", %whole, target_schema => "'$schema'", memory_limit_mb => $limit_mb);
	is(TablesyncTest::Pivot::total('rows_written', @again), 0, '... and once more, nothing is written');
}

# A cell that somebody changed is found, whatever the order.
foreach my $order (@orders)
{
	my $schema = $from_there{$order};
	$pair->sql(qq(UPDATE $schema."${prefix}one" SET channel_3 = 'changed' WHERE created_time = '2024-01-01 00:05:00 UTC'));
	$pair->sql(qq(DELETE FROM $schema."${prefix}two" WHERE created_time = '2024-01-01 00:10:00 UTC'));
	my $said = $pair->try("SELECT kind, count(*) FROM verify_pivot('src', 'by_$order', target_schema => '$schema', memory_limit_mb => 16) GROUP BY 1 ORDER BY 1");
	is($said->{out}, "different|1\nmissing|100\n", "by $order: verify_pivot finds what is different") or diag($said->{text});
}

# ---- No file is left ------------------------------------------------------------------------------------------

my $schema = schema();
TablesyncTest::Fault::set($pair, 'row_received:150000:error');
my $said = $pair->try($pivot->call('src', 'by_channel', %whole, target_schema => "'$schema'", memory_limit_mb => $limit_mb));
TablesyncTest::Fault::clear($pair);
is($pair->admin('SELECT count(*) FROM pg_ls_tmpdir()'), 0, 'an error that is retried leaves no temporary file');
is($said->{sqlstate}, '', '... and the chunk is read again') or diag($said->{text});
is(digest_of($schema), $digest, '... in full');

$schema = schema();
my $slow = $pair->start($pivot->call(undef, 'by_channel', %whole, target_schema => "'$schema'", memory_limit_mb => $limit_mb, options => q('{"max_rate": "40000 rows"}')));
$pair->wait_until($node, 'SELECT count(*) > 10 FROM pg_ls_tmpdir()');
$pair->admin('SELECT cancel_run(run) FROM tablesync.progress');
is($slow->finish->{sqlstate}, '57014', 'a pivot is canceled while readings wait in files');
$pair->wait_until($node, 'SELECT count(*) = 0 FROM pg_ls_tmpdir()');
is(TablesyncTest::Pivot::total('rows_written', $pivot->run(undef, 'by_channel', %whole, target_schema => "'$schema'", memory_limit_mb => $limit_mb)), $rows, '... and the next one writes all');

$pair->admin("ALTER ROLE $TablesyncTest::caller SET temp_file_limit = '1MB'");
$schema = schema();
$said = $pair->try($pivot->call(undef, 'by_channel', %whole, target_schema => "'$schema'", memory_limit_mb => $limit_mb));
is($said->{sqlstate}, '53400', 'temp_file_limit is kept') or diag($said->{text});
$pair->admin("ALTER ROLE $TablesyncTest::caller RESET temp_file_limit");

$pair->assert_clean;
my $list = join ', ', map { "'$_'" } @new;
is($pair->admin("SELECT count(*), sum(n_tup_upd) FROM pg_stat_user_tables WHERE schemaname IN ($list)"), 2 * @new . '|' . @orders, 'no row of a new table was updated, but by this test');

done_testing();
