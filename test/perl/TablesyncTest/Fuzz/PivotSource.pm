# A random source of readings for pivot_ship, the same on both servers: what it is, the names and types of its columns, and
# what is written to it.
#
#   my $source = TablesyncTest::Fuzz::PivotSource->new($dice, 'p7', \%on);     %on: see 071_fuzz_pivot.pl
#   $source->setup                [{on => 'both' | 'target', sql => ...}, ...]
#   $source->insert(300)          SQL
#   $source->readings             a query for the oracle (TablesyncTest::Pivot)

package TablesyncTest::Fuzz::PivotSource;

use strict;
use warnings;

use TablesyncTest;
use TablesyncTest::Readings ();

# Sets of ships. Names of the last fold to one.
my @ships = (([ 'HS4', 'HS5' ]) x 3, (['HS4']) x 2, ([ 'Ünïcø "3"', 'a b', q(it's) ]) x 3, [ 'x' x 40, '7' ], [ 'Pump', 'tank' ], [ 'HS4', 'hs4' ]);

my @kinds = ('boolean', 'integer', 'decimal', 'string', 'integers, then decimals', 'whole decimals, then integers',
	'integers as text', 'decimals as text', 'booleans as integers', 'no format', 'large integers');

my @columns = qw(ship_id data_channel_id created_time value_format bool_v str_v long_v double_v);
my %plain_type = (ship_id => 'text', data_channel_id => 'text', created_time => 'timestamptz', value_format => 'text', bool_v => 'boolean',
	str_v => 'text', long_v => 'bigint', double_v => 'float8');

sub new
{
	my ($class, $dice, $schema, $on) = @_;
	my $self = bless { dice => $dice, schema => $schema, on => $on, times => 0 }, $class;
	$self->{kind}   = $dice->pick_weighted(table => 4, partitioned => 2, view => 2, matview => 1, foreign => 1);
	$self->{remote} = $self->{kind} ne 'foreign' && $dice->chance(0.5);
	$self->{base}   = "$schema.readings";
	$self->{name}   = $self->{kind} =~ /view/ ? "$schema.v" : $self->{kind} eq 'foreign' ? "$schema.ft" : $self->{base};
	$self->{ships}  = $dice->pick(@ships);
	# Another source has readings of one of them.
	@$self{qw(ships second)} = ([ 'pump', 'pump_2' ], "$schema.second") if $dice->chance(0.3);
	# What has no transactions and places to be seen has an order of its own.
	$self->{duplicates} = $self->{kind} =~ /^(?:table|partitioned)$/;
	$self->{folds}  = @{ $self->{ships} } == 2 && lc $self->{ships}[0] eq lc $self->{ships}[1];
	$self->{channels} = $dice->pick(1, 3, 8, 35, 60);
	my @some = $dice->some($dice->between(1, 6), @kinds);
	push @some, 'several types' if $dice->chance(0.3);
	$self->{kinds} = \@some;
	$self->{seed}  = $dice->between(1, 10_000);
	$self->{step}  = $dice->pick('40 s', '10 min', '1 h', '1 ms');
	$self->{at_once} = $dice->pick(1, 5, 20, 50);
	$self->draw_columns;
	return $self;
}

sub draw_columns
{
	my ($self) = @_;
	my $dice = $self->{dice};
	my %type = %plain_type;
	$type{double_v}     = 'numeric' if $dice->chance(0.2);
	$type{created_time} = 'timestamp' if $dice->chance(0.3);
	@type{qw(ship_id str_v)} = ('varchar(2000)', 'varchar') if $dice->chance(0.3);
	$self->{type} = \%type;
	$self->{zone} = $dice->pick('UTC', 'Europe/Berlin', 'Asia/Kathmandu') if $type{created_time} eq 'timestamp';
	# Names that the call must give.
	$self->{column} = { map { $_ => $_ } @columns };
	@{ $self->{column} }{qw(ship_id created_time double_v)} = ('Ship', 'ts', 'a "value"') if $dice->chance(0.3);
	return;
}

sub quoted { my ($name) = @_; $name =~ s/"/""/g; return qq("$name") }

# What is given for the option `columns`; undef where the names are the usual ones.
sub columns_option
{
	my ($self) = @_;
	my @other = grep { $self->{column}{$_} ne $_ } @columns or return undef;
	return '{' . join(', ', map { my $name = $self->{column}{$_} =~ s/"/\\"/gr; qq("$_": "$name") } @other) . '}';
}

sub definitions { my ($self) = @_; return join ', ', map { quoted($self->{column}{$_}) . " $self->{type}{$_}" } @columns }

sub setup
{
	my ($self) = @_;
	my ($dice, $schema, $kind, $base) = @$self{qw(dice schema kind base)};
	my $definitions = $self->definitions;
	my $time = quoted($self->{column}{created_time});
	my @sql = ("CREATE SCHEMA $schema; GRANT USAGE ON SCHEMA $schema TO PUBLIC");
	if ($kind eq 'partitioned')
	{
		push @sql, "CREATE TABLE $base ($definitions) PARTITION BY RANGE ($time)",
		  "CREATE TABLE $schema.early PARTITION OF $base FOR VALUES FROM ('2024-03-01 00:10') TO ('2024-03-02')",
		  "CREATE TABLE $schema.rest PARTITION OF $base DEFAULT";
	}
	else { push @sql, "CREATE TABLE $base ($definitions)" }
	push @sql, "CREATE INDEX ON $base ($time)" if $dice->chance(0.4);
	push @sql, $self->insert($dice->pick(3, 150, 400));
	push @sql, "CREATE VIEW $schema.v AS SELECT * FROM $base" if $kind eq 'view';
	push @sql, "CREATE MATERIALIZED VIEW $schema.v AS SELECT * FROM $base" if $kind eq 'matview';
	push @sql, "CREATE TABLE $self->{second} ($definitions)", $self->insert(100, into => $self->{second}, ships => ['pump']) if $self->{second};
	push @sql, "CREATE VIEW $schema.judged AS " . $self->judged($base);
	push @sql, "GRANT SELECT ON ALL TABLES IN SCHEMA $schema TO PUBLIC";
	my $judged = 'place int8, ' . join ', ', map { "$_ " . ($_ eq 'created_time' ? $self->{type}{$_} : $plain_type{$_}) } @columns;
	my @here = "CREATE FOREIGN TABLE $schema.judged_far ($judged) SERVER loop OPTIONS (schema_name '$schema', table_name 'judged')";
	push @here, "CREATE FOREIGN TABLE $schema.ft ($definitions) SERVER loop OPTIONS (schema_name '$schema', table_name 'readings'); GRANT SELECT ON $schema.ft TO PUBLIC" if $kind eq 'foreign';
	return (map({ { on => 'both', sql => $_ } } @sql), map { { on => 'admin', sql => $_ } } @here);
}

# ---- Writes ---------------------------------------------------------------------------------------------------

# Readings in random order. A ship's channel has one for each time, unless duplicates are drawn.
sub insert
{
	my ($self, $count, %options) = @_;
	my $dice = $self->{dice};
	# The same kinds of channels with other values.
	my $seed = $self->{seed} + @{ $self->{kinds} } * $self->{times}++;
	my $far = $dice->chance(0.2);
	$self->{far} ||= $far;
	my $readings = TablesyncTest::Readings::readings(seed => $seed, readings => $count, ships => $options{ships} // $self->{ships}, channels => $self->{channels}, kinds => $self->{kinds},
		nulls => $dice->pick(0, 0.02), far => $far, step => $self->{step}, at_once => $self->{at_once},
		first => $dice->pick('2024-03-01 00:00Z', '2024-03-01 00:07Z', '2024-03-02 23:00Z'));
	my %is = map { $_ => "r.$_" } @columns;
	# A numeric of such a size is no double, or has other digits.
	$is{double_v} = "CASE WHEN abs(r.double_v) BETWEEN '1e-300' AND '1e300' OR r.double_v = 0 OR abs(r.double_v) >= 'Infinity' THEN r.double_v ELSE sign(r.double_v) END"
		if $self->{type}{double_v} eq 'numeric';
	$is{created_time} = "r.created_time AT TIME ZONE '$self->{zone}'" if $self->{zone};
	my $base   = $options{into} // $self->{base};
	my %name   = map { $_ => quoted($self->{column}{$_}) } @columns;
	my $select = join ', ', map { "($is{$_})::$self->{type}{$_} AS $name{$_}" } @columns;
	my $order  = $dice->pick("created_time", "created_time DESC", "md5(r::text)", "data_channel_id, created_time", "ship_id, created_time DESC") =~ s/\b(created_time|data_channel_id|ship_id)/r.$1/gr;
	my $new    = "SELECT $select FROM $readings r ORDER BY $order";
	my $list   = join ', ', map { $name{$_} } @columns;
	return "INSERT INTO $base ($list) $new" if $self->{duplicates};
	my $same = join ', ', map { $name{$_} } qw(ship_id data_channel_id created_time);
	return "INSERT INTO $base ($list) SELECT $list FROM (SELECT *, row_number() OVER (PARTITION BY $same ORDER BY n) AS copy
			FROM (SELECT x.*, row_number() OVER () AS n FROM ($new) x) y) z
		WHERE copy = 1 AND NOT EXISTS (SELECT FROM $base b WHERE (" . join(', ', map { "b.$name{$_}" } qw(ship_id data_channel_id created_time)) . ') = ('
	  . join(', ', map { "z.$name{$_}" } qw(ship_id data_channel_id created_time)) . ')) ORDER BY n';
}

sub remove
{
	my ($self) = @_;
	return "DELETE FROM $self->{base} WHERE hashtext(" . quoted($self->{column}{created_time}) . '::text) % 7 = ' . $self->{dice}->between(0, 6);
}

# Other values of the same type.
sub update
{
	my ($self) = @_;
	return "UPDATE $self->{base} SET long_v = -long_v, bool_v = NOT bool_v WHERE long_v BETWEEN -2000 AND 2000 AND hashtext(" . quoted($self->{column}{created_time}) . '::text) % 5 = '
	  . $self->{dice}->between(0, 4);
}

sub after_write { my ($self) = @_; return $self->{kind} eq 'matview' ? { on => 'both', sql => "REFRESH MATERIALIZED VIEW $self->{schema}.v" } : () }

# ---- For the oracle -------------------------------------------------------------------------------------------

# The rule for two readings of one cell: the later by (age of its transaction, place) wins.
sub judged
{
	my ($self, $base) = @_;
	my %cast = (ship_id => '::text', data_channel_id => '::text', str_v => '::text', double_v => '::float8');
	return 'SELECT row_number() OVER (ORDER BY age(xmin) DESC, ctid) AS place, ' . join(', ', map { quoted($self->{column}{$_}) . ($cast{$_} // '') . " AS $_" } @columns) . " FROM $base";
}

# Of the second source, or of the first, where it is.
sub readings
{
	my ($self, $second) = @_;
	return $self->judged($second) if $second;
	return "SELECT * FROM $self->{schema}.judged" . ($self->{remote} || $self->{kind} eq 'foreign' ? '_far' : '');
}

1;
