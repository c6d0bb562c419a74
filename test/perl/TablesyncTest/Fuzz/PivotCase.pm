# One random source of readings with its history and calls of pivot_ship: see TablesyncTest::Fuzz::Case, whose way it goes.
# After each call the wide tables are compared with the readings by the oracle of TablesyncTest::Pivot.

package TablesyncTest::Fuzz::PivotCase;

use strict;
use warnings;

use parent -norequire, 'TablesyncTest::Fuzz::Case';
use TablesyncTest;
use TablesyncTest::Fuzz::Case;
use TablesyncTest::Fuzz::Dice;
use TablesyncTest::Fuzz::PivotHistory;
use TablesyncTest::Fuzz::PivotSource;

sub new
{
	my ($class, $seed, $number, $on) = @_;
	my $dice = TablesyncTest::Fuzz::Dice->new($seed, $number, 71);
	my $self = bless { seed => $seed, number => $number, on => $on, dice => $dice, schema => "p$number", wide => "w$number", calls => 0, may_fail => {}, settings => '', reader => 0 }, $class;
	$self->{source} = TablesyncTest::Fuzz::PivotSource->new($dice, $self->{schema}, $on);
	$self->{prefix} = $dice->pick('tbl_data_timeseries_', 'wide_');
	$self->{value_type} = $dice->chance(0.2) ? 'text' : 'native';
	$self->{mixed} = grep { /several/ } @{ $self->{source}{kinds} };
	$self->{grouped} = $dice->chance(0.25) && (!$self->{source}{second} || $on->{groups_of_two_sources});
	$self->{settings} = $dice->pick('', '', q(SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'; SET extra_float_digits = -10), q(SET search_path = ''; SET standard_conforming_strings = off; SET escape_string_warning = off));
	# Two ships of one name; and one whose further tables have too long a name.
	$self->{may_fail}{42710} = 1 if $self->{source}{folds};
	$self->{may_fail}{42622} = 1 if grep { length > 30 } @{ $self->{source}{ships} };
	$self->{steps} = [ [ setup => $self->{source}->setup, { on => 'target', sql => "CREATE SCHEMA $self->{wide}" } ], [ 'first pivot' => $self->calls ] ];
	foreach my $round (1 .. $dice->between(1, 5))
	{
		foreach my $n (1 .. $dice->between(0, 2))
		{
			my ($name, @actions) = TablesyncTest::Fuzz::PivotHistory::draw($self);
			push @{ $self->{steps} }, [ $name => @actions ];
		}
		push @{ $self->{steps} }, [ pivot => $self->calls ];
	}
	return $self;
}

sub title { my ($self) = @_; return 'pivot of ' . ($self->{source}{remote} ? 'remote ' : '') . $self->{source}{kind} }

# ---- Calls ----------------------------------------------------------------------------------------------------

sub arguments { my (%given) = @_; return map { "$_ => $given{$_}" } sort keys %given }

# A call of pivot_ship, and at times one of verify_pivot.
sub calls
{
	my ($self) = @_;
	my ($dice, $source) = @$self{qw(dice source)};
	my (%range, %given, %option);
	my $second = $dice->chance(0.4) ? $source->{second} : undef;
	my @server = ($source->{remote} ? "'src'" : 'NULL', TablesyncTest::quote($second // $source->{name}));
	if ($second)
	{
		$range{ships} = ['pump'];
		$given{ship_id} = "'pump'";
	}
	elsif ($dice->chance(0.3))
	{
		my @ships = $dice->some($dice->between(1, scalar @{ $source->{ships} }), @{ $source->{ships} });
		$range{ships} = \@ships;
		if (@ships == 1) { $given{ship_id} = TablesyncTest::quote($ships[0]) }
		else { $given{ship_ids} = TablesyncTest::Readings::sql_array(@ships) }
	}
	$range{from_time}   = '2024-03-01 00:08:20Z' if $dice->chance(0.2);
	$range{cutoff_time} = $dice->pick('2024-03-01 00:31:00Z', '2024-03-02 00:00Z', '2024-04-01 00:00Z') if $dice->chance(0.2);
	$given{$_} = "'$range{$_}'" foreach grep { $range{$_} } qw(from_time cutoff_time);
	$given{target_schema} = "'$self->{wide}'";
	$given{table_prefix}  = TablesyncTest::quote($self->{prefix}) if $self->{prefix} !~ /^tbl/;
	my $columns = $source->columns_option;
	$option{columns}   = $columns               if $columns;
	$option{time_zone} = qq("$source->{zone}") if $source->{zone};
	my $options = sub { return 'options => ' . TablesyncTest::quote('{' . join(', ', map { qq("$_": $option{$_}) } sort keys %option) . '}') };
	my $verify = sprintf 'SELECT * FROM public.verify_pivot(%s)', join ', ', @server, arguments(%given), $options->();

	$given{mode} = $dice->pick(q('migration_only'), q('tables_only'), q('schema-only')) if $dice->chance(0.15);
	$given{value_type}     = "'text'" if $self->{value_type} eq 'text';
	$given{chunk_interval} = $dice->pick(q('7 minutes'), q('1 hour'), q('6 hours'), q('10 days')) if $dice->chance(0.6);
	# Far readings and short chunks take long.
	$given{chunk_interval} = q('6 hours') if ($given{chunk_interval} // '') =~ /minutes/ && $source->{step} =~ /h|10/;
	$given{parallel_workers} = $dice->between(2, 3) if $dice->chance(0.3);
	$given{batch_size}       = $dice->pick(1, 10, 100) if $dice->chance(0.4);
	$given{memory_limit_mb}  = 16 if $dice->chance(0.3);
	$given{table_groups} = q('{"engine": "me/", "power": "(ae|pms)/"}') if $self->{grouped};
	$option{order}   = '"oldest_first"' if $dice->chance(0.3);
	$option{restart} = 'true';
	my $call = sprintf 'SELECT * FROM public.pivot_ship(%s)', join ', ', @server, arguments(%given), $options->();
	my $copies = ($given{mode} // '') !~ /only'/ || $given{mode} =~ /migration/;
	return ({ call => $call, second => $second, range => \%range, copies => $copies, chunks => 1 },
		$copies && $dice->chance(0.4) ? { call => $verify, finds_nothing => 1, unjudged => 1 } : ());
}

# ---- Running --------------------------------------------------------------------------------------------------

sub clean
{
	my ($self) = @_;
	my $slot = $self->{slot};
	$slot->{both}->must("SET client_min_messages = error; DROP SCHEMA IF EXISTS $self->{schema} CASCADE");
	$slot->{admin}->must("DROP SCHEMA IF EXISTS $self->{wide}, $self->{wide}_archive CASCADE; DROP TABLE IF EXISTS before.$self->{wide}");
	return;
}

sub send_call
{
	my ($self, $call) = @_;
	my $slot = $self->{slot};
	$self->remember if $call->{range};
	$slot->{target}->send($call->{call});
	$self->{calls}++;
	return 1;
}

my $cells = q(oracle.cells('%s', %s, '%s', '%s'));

# The cells that are there, and where rejects of the call will be.
sub remember
{
	my ($self) = @_;
	my ($source, $admin) = ($self->{source}, $self->{slot}{admin});
	my @given = ($self->{wide}, TablesyncTest::quote($self->{prefix}), $source->{type}{created_time}, $source->{zone} // 'UTC');
	$admin->must("DROP TABLE IF EXISTS before.$self->{wide}; CREATE TABLE before.$self->{wide} AS SELECT * FROM " . sprintf $cells, @given);
	$self->{first_run} = $admin->must('SELECT coalesce(max(run_id), 0) + 1 FROM tablesync.run');
	return;
}

sub refused
{
	my ($self, $said) = @_;
	if ($said->{sqlstate} =~ /^(?:42704|55000)$/ && $self->is_nothing_there($said))
	{
		# It has done nothing that could be verified.
		shift @{ $self->{actions} } if @{ $self->{actions} } && $self->{actions}[0]{finds_nothing};
		return;
	}
	return $self->fail("SQLSTATE $said->{sqlstate}", $said->{text}) unless $self->{may_fail}{ $said->{sqlstate} };
	$self->{actions} = [];
	$self->{refused} = $said->{sqlstate};
	return;
}

# A ship has no readings, or verify_pivot no table, when the call says so. The case goes on.
sub is_nothing_there
{
	my ($self, $said) = @_;
	my ($source, $admin) = ($self->{source}, $self->{slot}{admin});
	# Another source may have made tables here, which verify_pivot refuses where their ship is named.
	my ($from) = $said->{message} =~ /^there is no wide table of "(.*)" in schema/;
	($from) = $said->{text} =~ /^DETAIL:.* to fill it from "(.*)"\.$/m if $said->{message} =~ /^table ".*" of ship ".*" is not on record/;
	return $admin->must("SELECT count(*) FROM tablesync.pivot_table WHERE target_schema = '$self->{wide}' AND source = " . TablesyncTest::quote($from)) eq '0' if defined $from;
	my ($ship) = $said->{message} =~ /^there are no readings of ship "(.*)" in / or return 0;
	return $admin->must('SELECT count(*) FROM (' . $source->readings . ') r WHERE ship_id = ' . TablesyncTest::quote($ship)) eq '0';
}

sub judge
{
	my ($self, $call, $said) = @_;
	my ($source, $admin, $range) = ($self->{source}, $self->{slot}{admin}, $call->{range});
	# Cells that a column has converted when it was widened.
	$admin->must("UPDATE before.$self->{wide} b SET value = oracle.convert('bigint', b.value, 'double precision') FROM oracle.columns('$self->{wide}', "
		  . TablesyncTest::quote($self->{prefix}) . ") c WHERE (c.ship, c.channel) = (b.ship, b.channel) AND c.type = 'double precision' AND b.value ~ '^-?[0-9]+\$'
			AND oracle.convert('bigint', b.value, 'double precision') IS NOT NULL");
	my $readings = $source->readings($call->{second});
	$readings .= ' WHERE false' unless $call->{copies};
	my @given = (
		TablesyncTest::quote($readings), "'$self->{wide}'", TablesyncTest::quote($self->{prefix}), "'" . ($source->{zone} // 'UTC') . "'",
		(map { $range->{$_} ? "'$range->{$_}'" : 'NULL' } qw(from_time cutoff_time)), $range->{ships} ? TablesyncTest::Readings::sql_array(@{ $range->{ships} }) : 'NULL',
		'NULL', "'before.$self->{wide}'", $call->{copies} ? $self->{first_run} : 'NULL', 'true');
	# Names and places are on record as the last call has found them; dropped columns are forgotten by one that copies.
	my $stale = $call->{copies} ? '^a (column|table) ' : '^a (column|table|channel) ';
	my $wrong = $admin->ask('BEGIN; SET LOCAL client_min_messages = error; SELECT to_json(x) FROM oracle.differences(' . join(', ', @given) . ") x WHERE what !~ '$stale' LIMIT 12; ROLLBACK");
	die "the oracle: $wrong->{text}" if $wrong->{sqlstate} ne '';
	return $self->fail('wrong cells', "$wrong->{out}\n$call->{call}\n$said->{text}") if $wrong->{out} ne '';
	return;
}

# ---- Reporting ------------------------------------------------------------------------------------------------

sub script_head
{
	my ($self) = @_;
	return ("-- the session that calls: $self->{settings}", '-- "both": on the source and on the target; oracle.readings() is of TablesyncTest::Readings');
}

1;
