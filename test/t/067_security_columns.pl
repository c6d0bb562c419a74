# A wide table's columns may be altered by their owner at any time: the next pivot, and the next chunk of one that is going on,
# looks at their types before it stores a byte.

use strict;
use warnings;

use Test::More;
use TablesyncTest;
use TablesyncTest::Attack;
use TablesyncTest::Fault;

my $pair   = TablesyncTest->new(target_conf => [ 'max_worker_processes = 12', 'log_error_verbosity = verbose' ]);
my $attack = TablesyncTest::Attack->new($pair);
my $wide   = 'tbl_data_timeseries_';

$attack->alice('CREATE SCHEMA evil');

# ---- Row 4: columns of wide tables that were altered ----------------------------------------------------------

my %alterations = (
	'the time is text'             => 'ALTER created_time TYPE text',
	'the time is bigint'           => 'ALTER created_time TYPE bigint USING extract(epoch FROM created_time)::bigint',
	'the time is date'             => 'ALTER created_time TYPE date USING (created_time::date + (extract(epoch FROM created_time)::bigint / 60 % 5000)::int)',
	'the time is a bytea'          => q(ALTER created_time TYPE bytea USING convert_to(created_time::text, 'UTF8')),
	'the time has another typmod'  => 'ALTER created_time TYPE timestamptz(0)',
	'the time has no zone'         => q(ALTER created_time TYPE timestamp(0) USING created_time AT TIME ZONE 'UTC'),
	'the time is dropped'          => 'DROP created_time',
	'the time is made again'       => 'DROP created_time, ADD created_time text',
	'the time has another name'    => 'RENAME created_time TO at',
	'a channel is varchar(3)'      => 'ALTER s TYPE varchar(3) USING left(s, 3)',
	'a channel is char(2)'         => 'ALTER s TYPE char(2) USING left(s, 2)',
	'a channel is numeric'         => 'ALTER n TYPE numeric',
	'a channel is numeric(3,1)'    => 'ALTER n TYPE numeric(3,1) USING 1',
	'a bigint is text'             => 'ALTER n TYPE text',
	'a text is bigint'             => 'ALTER s TYPE bigint USING 1',
	'a text is an array'           => 'ALTER s TYPE text[] USING ARRAY[s]',
	'a float is a domain'          => 'ALTER f TYPE evil.positive USING 1',
	'a channel is made again'      => 'DROP n, ADD n text',
	'an adopted varchar is varchar(3)' => 'ALTER s TYPE varchar(3) USING left(s, 3)',
	'channels have changed places' => 'RENAME n TO x; ALTER TABLE %1$s RENAME s TO n; ALTER TABLE %1$s RENAME x TO s');
$attack->alice('CREATE DOMAIN evil.positive AS float8 CHECK (VALUE > 0)');
my $narrow = q(CREATE TABLE %s (ship_id text, data_channel_id text, created_time timestamptz, str_v text, long_v bigint, double_v float8));
my $reading = q(INSERT INTO %1$s SELECT 'A', 's', '2024-01-%2$s 00:00:00.25Z'::timestamptz + g * interval '1 hour', 'text ' || g, NULL::bigint, NULL::float8 FROM generate_series(0, 5) g
	UNION ALL SELECT 'A', 'n', '2024-01-%2$s 00:00:00.25Z'::timestamptz + g * interval '1 hour', NULL, 1000000 + g, NULL FROM generate_series(0, 5) g
	UNION ALL SELECT 'A', 'f', '2024-01-%2$s 00:00:00.25Z'::timestamptz + g * interval '1 hour', NULL, NULL, 1.5 - g FROM generate_series(0, 5) g);

# Sets up a pivot of the attacker that has its first day. Returns its schema.
my $number = 0;
sub begin_pivot
{
	my ($adopted) = @_;
	my $schema = 'altered_' . ++$number;
	$attack->alice("CREATE SCHEMA $schema; " . ($adopted ? "CREATE TABLE $schema.${wide}a (created_time timestamptz PRIMARY KEY, s $adopted, n bigint, f float8); " : '') . sprintf($narrow, "$schema.r") . ';' . sprintf($reading, "$schema.r", '01')
		  . "; SELECT FROM pivot_ship(NULL, '$schema.r', 'A', target_schema => '$schema')");
	return $schema;
}

# What is stored of a reading since the alteration is the reading. (A column goes by its number, whatever its name becomes.)
sub assert_stored_right
{
	my ($schema) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $wrong = qq(
		SELECT w.* FROM (SELECT to_jsonb(t) FROM $schema.${wide}a t WHERE to_jsonb(t) ->> 'created_time' >= '2024-01-02') w (j) CROSS JOIN LATERAL (
			SELECT r.data_channel_id, coalesce(r.str_v, r.long_v::text, r.double_v::text) AS value FROM $schema.r r WHERE to_jsonb(r.created_time) = j -> 'created_time') v
		WHERE j ->> v.data_channel_id <> v.value);
	return is($pair->admin("SELECT count(*) FROM ($wrong) x"), 0, '... what is stored is what was read') || diag($pair->admin($wrong));
}

# After the alteration the bytes of a name or a length cannot be beyond their column's type.
sub alter { return join ' ', "ALTER TABLE $_[0]", sprintf $_[1], $_[0] }

foreach my $what (sort keys %alterations)
{
	foreach my $from ('here, from there on', 'here', 'there')
	{
		$attack->row("row 4: $what when the next pivot comes, from $from", sub {
			my $schema = begin_pivot($what =~ /an adopted (\S+) is/);
			my $table = "$schema.${wide}a";
			my $said = $attack->try_as('alice', alter($table, $alterations{$what}));
			is($said->{sqlstate}, '', 'the column is altered') or diag($said->{text});
			$attack->alice(sprintf $reading, "$schema.r", '02');
			my $server = 'NULL';
			if ($from eq 'there')
			{
				$pair->source_sql("CREATE SCHEMA $schema; GRANT USAGE ON SCHEMA $schema TO PUBLIC; " . sprintf($narrow, "$schema.r") . '; ' . sprintf($reading, "$schema.r", '01') . '; '
					  . sprintf($reading, "$schema.r", '02') . "; GRANT SELECT ON $schema.r TO PUBLIC");
				$server = q('src');
			}
			# Where no row is yet, rows are stored in another way than where they may be there.
			my $later = $from =~ /on/ ? q(, from_time => '2024-01-02 00:00Z') : '';
			$said = $attack->try_as('alice', "SELECT FROM pivot_ship($server, '$schema.r', 'A', target_schema => '$schema', max_retries => 0$later)");
			unlike($said->{sqlstate}, qr/^(?:lost|XX|57P)/, 'the call succeeds, or says why not') or diag($said->{text});
			assert_stored_right($schema) unless $what =~ /places/;
			if ($what =~ /varchar|char\(/)
			{
				is($pair->admin("SELECT count(*) FROM $table WHERE octet_length(s) > 3"), 0, '... no value is longer than its column allows');
				is($pair->admin("SELECT count(*) FROM $table WHERE created_time > '2024-01-02' AND s IS NOT NULL"), 0, '... nor was one cut');
			}
			is($pair->admin("SELECT count(*) FROM $table WHERE n > 99.9"), 0, '... no number is beyond its column') if $what =~ /numeric\(3/;
			is($pair->admin("SELECT count(*) FROM $table WHERE f <= 0 AND created_time > '2024-01-02'"), 0, '... nor against the check of a domain') if $what =~ /domain/;
			is($pair->admin("SELECT count(*) FROM $table WHERE created_time <> date_trunc('second', created_time)"), 0, '... no time is finer than its column') if $what =~ /typmod|no zone/;
		});
		last if $from =~ /on/ && $what !~ /time|varchar|again/;
	}
}

# The same between two chunks of one run.
foreach my $what (sort keys %alterations)
{
	next if $what =~ /(?:date|char\(2\)|numeric\(3,1\)|array|places|domain)/;
	$attack->row("row 4: $what between two chunks", sub {
		my $schema = begin_pivot();
		my $table = "$schema.${wide}a";
		$attack->alice(sprintf $reading, "$schema.r", $_) foreach '02', '03', '04', '05';
		TablesyncTest::Fault::set($pair, 'work_begun:3:pause');
		my $call = $attack->start_as('alice', "SELECT FROM pivot_ship(NULL, '$schema.r', 'A', target_schema => '$schema', chunk_interval => '6 hours', max_retries => 0)");
		$attack->wait_until_paused('work_begun', $call);
		my $alteration = $attack->start_as('alice', alter($table, $alterations{$what}));
		$attack->wait_until_stuck($alteration);
		TablesyncTest::Fault::clear($pair);
		my $said = $call->finish;
		unlike($said->{sqlstate}, qr/^(?:lost|XX|57P)/, 'the call succeeds, or says why not') or diag($said->{text});
		is($alteration->finish->{sqlstate}, '', 'the column was altered');
		# Some have changed what was stored before.
		assert_stored_right($schema) unless $alterations{$what} =~ /USING (?:left|1)/;
		is($pair->admin("SELECT count(*) FROM $table WHERE octet_length(s) > 3"), 0, '... no value is longer than its column allows') if $what =~ /varchar/;
		is($pair->admin("SELECT count(*) FROM $table WHERE created_time <> date_trunc('second', created_time)"), 0, '... no time is finer than its column') if $what =~ /typmod|no zone/;
	});
}

done_testing;
