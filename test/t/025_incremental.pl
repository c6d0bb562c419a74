# Incremental mode, kind of field by kind of field: no row is lost. Rows become visible when their transaction commits,
# and carry a time, a day or a number from before that: the watermark must wait for them.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair   = TablesyncTest->new(source_conf => ['max_prepared_transactions = 2']);
my $source = $pair->source;

# Two sessions that last, since there is much to ask.
my $there = $source->background_psql('postgres');
my $here  = $pair->target->background_psql('postgres');
sub source_sql { return $there->query_safe("$_[0];") }
sub target_sql { return $here->query_safe("$_[0];") }
source_sql('GRANT pg_read_all_stats TO reader');

# ---- Kinds of fields ----------------------------------------------------------------------------------------

# Each kind is a table with a field "at". In SQL: type of the field; stamp: what a writer puts there at its now(),
# which is its transaction's start; past: of the n-th row, long ago; specials: values without a place in the order.
# zone: where the writers of a field without zone live, SQL's $zone in the stamp.
sub kind
{
	my ($name, $type, $stamp, $past, %more) = @_;
	return { name => $name, table => "k_$name", type => $type, column => $type =~ s/serial/int/r, stamp => $stamp, past => $past,
		specials => ['NULL'], %more };
}

my $minutes    = q('2020-01-01 00:00:00'::timestamp + g / 2 * interval '1 minute');
my $days       = q('2020-01-01'::date + g / 2);
my $infinities = [ 'NULL', q('infinity'), q('-infinity') ];

sub moment_kind
{
	my ($name, $zone) = @_;
	return kind($name, 'timestamp', 'now() AT TIME ZONE $zone', $minutes, zone => $zone, specials => $infinities);
}

sub day_kinds
{
	my ($zone) = @_;
	my $text = q(to_char(now() AT TIME ZONE $zone, 'YYYYMMDD'));
	my $past = "to_char($days, 'YYYYMMDD')";
	my @text = (zone => $zone, declared => 'yyyymmdd');
	return (
		kind('date', 'date', '(now() AT TIME ZONE $zone)::date', $days, zone => $zone, specials => $infinities),
		(map { kind("yyyymmdd_$_", $_, "$text\::$_", "$past\::$_", @text) } 'text', 'int4', 'int8'),
		kind('yyyymmdd_char', 'char(8)', $text, $past, @text));
}

# A number from a sequence: the order in which they are drawn is not that of the commits.
sub number_kind
{
	my ($name, $type) = @_;
	return kind($name, $type, "nextval('numbers_$name')", "nextval('numbers_$name') / 2", number => 1);
}

# Of two zones something happens at a moment that is a few seconds away: the day begins; clocks go back by an hour, and
# are 7 hours behind UTC before and 8 after it. Until that moment is chosen, they are UTC.
my %zone = (west => '<W>+11', east => '<E>-11', utc => 'UTC', midnight => 'UTC', summer => 'UTC');
my $moment;

sub choose_moment
{
	my ($seconds) = @_;
	($moment, $zone{midnight}, $zone{summer}) = split /\|/, source_sql(qq(
		WITH turn AS (SELECT date_trunc('second', clock_timestamp()) + interval '$seconds s' AS at),
		there AS (SELECT at, at AT TIME ZONE 'UTC' AS utc, at AT TIME ZONE 'UTC' - interval '7 hours' AS summer FROM turn)
		SELECT at, '<N>+' || CASE WHEN utc::time = '00:00' THEN '24:00:00' ELSE utc::time::text END,
			'<W>+8<S>+7,' || extract(doy FROM summer - interval '90 days') - 1 || '/0,'
				|| extract(doy FROM summer) - 1 || '/' || summer::time
		FROM there));
	return;
}

my $dst   = moment_kind('summer', 'summer');
my @kinds = (
	kind('timestamptz', 'timestamptz', 'now()', "($minutes) AT TIME ZONE 'UTC'", specials => $infinities),
	(map { moment_kind($_, $_) } 'utc', 'west', 'east'), $dst,
	day_kinds('midnight'),
	number_kind('int2', 'smallint'), number_kind('int8', 'bigint'), number_kind('serial', 'serial'));

foreach my $kind (@kinds)
{
	source_sql("CREATE SEQUENCE numbers_$kind->{name}") if $kind->{number};
	source_sql(qq(
		CREATE TABLE $kind->{table} (id int PRIMARY KEY, at $kind->{type}, name text);
		ALTER TABLE $kind->{table} ALTER at DROP NOT NULL;
		INSERT INTO $kind->{table} SELECT g, $kind->{past}, 'old' FROM generate_series(1, 200) g;
		INSERT INTO $kind->{table} SELECT 300 + random() * 1e9, v, 'special'
			FROM unnest(ARRAY[@{[ join ', ', @{ $kind->{specials} } ]}]::$kind->{column}\[]) v;));
}

sub sync_arguments
{
	my ($kind, %options) = @_;
	$options{time_zone} = $zone{ $kind->{zone} } if $kind->{zone};
	my $given = join ', ', map { qq("$_": "$options{$_}") } grep { defined $options{$_} } sort keys %options;
	return q(sync_mode => 'incremental', incremental_field => 'at')
	  . ($kind->{declared} ? ", incremental_field_type => '$kind->{declared}'" : '')
	  . ($given ? ", options => '{$given}'" : '');
}

sub sync_kind
{
	my ($kind, %options) = @_;
	return $pair->sync($kind->{table}, "raw.$kind->{table}", sync_arguments($kind, %options));
}

sub stamp_of
{
	my ($kind) = @_;
	return $kind->{stamp} unless $kind->{zone};
	return $kind->{stamp} =~ s/\$zone/'$zone{$kind->{zone}}'/r;
}

# Rows with a stamp of now, in every kind: SQL for one transaction.
sub insert_stamped
{
	my ($id, $name) = @_;
	my @inserts = map { "INSERT INTO $_->{table} VALUES ($id, " . stamp_of($_) . ", '$name');\n" } @kinds;
	return join '', @inserts;
}

sub identical { return $pair->assert_identical($_[0]{table}, "raw.$_[0]{table}", "$_[0]{name}: $_[1]") }

# A cell of the source or the target.
sub field_of { return source_sql("SELECT at FROM $_[0]{table} WHERE id = $_[1]") }
sub arrived  { return target_sql("SELECT count(*) FROM raw.$_[0]{table} WHERE id IN ($_[1])") }
sub watermark { return target_sql("SELECT value FROM tablesync.watermark WHERE target = 'raw.$_[0]{table}'") }

# Whether, in the order of the field, one is below the other.
sub is_below
{
	my ($kind, $low, $high) = @_;
	return source_sql("SELECT '$low'::$kind->{column} < '$high'::$kind->{column}") eq 't';
}

# A session of the source with a transaction that has begun. What it writes is stamped with that moment.
sub open_transaction
{
	my ($sql) = @_;
	my $session = $source->background_psql('postgres', on_error_stop => 0);
	$session->query_safe("BEGIN; $sql");
	return $session;
}

# Until a transaction that began by now is older than the margin that the watermark keeps for the start of a statement.
sub wait_past
{
	my ($since) = @_;
	return $pair->wait_until($source, "SELECT clock_timestamp() > '$since'::timestamptz + interval '2.1 s'");
}

sub source_clock { return source_sql('SELECT clock_timestamp()') }

# ---- The first load -----------------------------------------------------------------------------------------

foreach my $kind (@kinds)
{
	my $row = sync_kind($kind);
	my $rows = 200 + @{ $kind->{specials} };
	is("$row->{read} $row->{inserted}", "$rows $rows", "$kind->{name}: the first load");
	is($row->{watermark}, $kind->{number} ? '' : watermark($kind), '... the call says how far');
	my $highest = source_sql("SELECT max(at) FROM $kind->{table} WHERE at::text <> 'infinity'");
	is($row->{watermark} =~ s/\+00$//r, $kind->{number} ? '' : $highest =~ s/\+00$//r,
		'... to the highest value that is one');
}

# ---- Late commits, across midnight and across the end of summer ---------------------------------------------

# Two transactions begin before the moment; the second commits. After it, a third begins and commits; only then does
# the first. A number is proven once all that was open when it was read has ended, and then the margin.
wait_past(source_clock());
my $late;
foreach my $seconds (3, 6, 12, 24, 48)
{
	choose_moment($seconds);
	$late = open_transaction(insert_stamped(1000, 'late'));
	source_sql('BEGIN; ' . insert_stamped(1001, 'early') . 'COMMIT');
	sync_kind($dst);
	last if source_clock() lt $moment;
	# This machine was too slow.
	$late->query_safe('ROLLBACK');
	source_sql("DELETE FROM $_->{table} WHERE id = 1001") foreach @kinds;
	target_sql("DELETE FROM raw.$dst->{table} WHERE id = 1001");
}
wait_past($moment);
source_sql('BEGIN; ' . insert_stamped(1002, 'after') . 'COMMIT');
ok(is_below($dst, field_of($dst, 1002), field_of($dst, 1001)), 'summer: clocks went back, later rows are below earlier ones');
foreach my $kind (@kinds)
{
	my $row = sync_kind($kind);
	is(arrived($kind, '1000, 1001, 1002'), 2, "$kind->{name}: what was committed arrives");
	cmp_ok($row->{read}, '<=', 12, '... by reading little') or diag("it read $row->{read} rows");
}
my %mark = map { $_->{name} => watermark($_) } @kinds;
$late->query_safe('COMMIT');
foreach my $kind (@kinds)
{
	# What a watermark of the highest value, or of the highest less a margin, would have lost.
	my $other = $kind == $dst ? 1001 : 1002;
	ok(is_below($kind, field_of($kind, 1000), field_of($kind, $other)),
		"$kind->{name}: the row of the late commit is below a row that was read");
	ok(!is_below($kind, field_of($kind, 1000), $mark{ $kind->{name} }), '... but not below the watermark');
	my $row = sync_kind($kind);
	is($row->{inserted}, 1, '... and arrives with the next sync');
	cmp_ok($row->{read}, '<=', 12, '... which reads little') or diag("it read $row->{read} rows");
	identical($kind, '... nothing is missing');
}

# ---- At the watermark, and beside it ------------------------------------------------------------------------

# In that hour of the year, the highest value is above what the clocks show.
my @rest = grep { $_ != $dst } @kinds;
wait_past(source_clock());
foreach my $kind (@rest)
{
	sync_kind($kind);
	my $top = watermark($kind);
	is($top, field_of($kind, 1002), "$kind->{name}: the watermark comes to the highest value");

	# The same value again; a day that is not over yet.
	source_sql("INSERT INTO $kind->{table} SELECT id + 1, at, 'equal' FROM $kind->{table} WHERE id = 1002");
	is(sync_kind($kind)->{inserted}, 1, '... a further row of the same value arrives');

	# Values that have no place in the order.
	my @specials = @{ $kind->{specials} };
	source_sql(join '', map { "INSERT INTO $kind->{table} VALUES (1100 + $_, $specials[$_], 'special');"
		  . "UPDATE $kind->{table} SET at = $specials[$_], name = 'became special' WHERE id = 10 + $_;" } 0 .. $#specials);
	my $special = sync_kind($kind);
	is("$special->{inserted} $special->{updated}", scalar(@specials) . ' ' . scalar(@specials),
		"... rows with @specials arrive, new ones and changed ones");
	is(watermark($kind), $top, '... the watermark stays');

	my $idle = sync_kind($kind);
	is("$idle->{inserted} $idle->{updated} $idle->{deleted}", '0 0 0', '... and then there is nothing to do');
	cmp_ok($idle->{read}, '<=', 20, '... and little to read');
}

# ---- Lookback -----------------------------------------------------------------------------------------------

# Rows whose values are older than any transaction: nobody can know of them but the user.
foreach my $kind (@rest)
{
	my $less = $kind->{number} ? 'at - 2' : $kind->{type} =~ /^timestamp/ ? q(at - interval '20 min') : undef;
	$less //= $kind->{type} eq 'date' ? 'at - 1' : qq(to_char(at::text::date - 1, 'YYYYMMDD')::$kind->{type});
	source_sql("INSERT INTO $kind->{table} SELECT 1200, $less, 'foreign' FROM $kind->{table} WHERE id = 1002");
	is(sync_kind($kind)->{inserted}, 0, "$kind->{name}: a row below the watermark is not read");
	my $row = sync_kind($kind, lookback => $kind->{number} ? '3' : '30 min');
	is($row->{inserted}, 1, '... but with a lookback');
	identical($kind, '... nothing is missing');
	cmp_ok($row->{read}, '<=', 20, '... by reading little') or diag("it read $row->{read} rows");
	cmp_ok(watermark($kind), 'ge', $mark{ $kind->{name} }, '... the watermark does not go back') unless $kind->{number};
}

$_->quit foreach $there, $here;
$pair->assert_clean;
done_testing();
