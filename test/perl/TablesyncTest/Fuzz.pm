# What the differential fuzz tests share: their settings, their sessions, and the way cases are run, side by side, for as long
# as it is wanted.
#
#   TABLESYNC_FUZZ_SEED      12345 repeats a run, 12345/17 its case 17 alone; a failure shows it. 1, so that a change is judged by what it
#                            changed; with TABLESYNC_TEST_LONG another one each time
#   TABLESYNC_FUZZ_SECONDS   how long: 45; with TABLESYNC_TEST_LONG half an hour
#   TABLESYNC_FUZZ_SWITCHES  names of the test's %on, to be turned on: A1,A5
#   TABLESYNC_FUZZ_KEEP_ON   go on after the first failure
#
#   my $fuzz = TablesyncTest::Fuzz->new($class, $pair, @slots);     cases are of $class; each slot has the sessions of one
#   $fuzz->run(\%on);                                               and done_testing() is the caller's

package TablesyncTest::Fuzz;

use strict;
use warnings;

use Test::More;

sub new
{
	my ($class, $cases, $pair, @slots) = @_;
	my ($seed, $only) = split m{/}, $ENV{TABLESYNC_FUZZ_SEED} // ($ENV{TABLESYNC_TEST_LONG} ? time : 1);
	my $seconds = $ENV{TABLESYNC_FUZZ_SECONDS} // ($ENV{TABLESYNC_TEST_LONG} ? 1800 : 45);
	return bless { class => $cases, pair => $pair, slots => \@slots, seed => $seed, only => $only, seconds => $seconds, failed => 0, cases => 0, calls => 0, kinds => {}, refused => {} }, $class;
}

# %$on: the switches of the test, as they stand in it.
sub run
{
	my ($self, $on) = @_;
	foreach my $switch (split /,/, $ENV{TABLESYNC_FUZZ_SWITCHES} // '')
	{
		exists $on->{$switch} or die "there is no switch \"$switch\"";
		$on->{$switch} = 1;
	}
	$self->{on} = $on;
	note("seed $self->{seed}");
	my ($next, $width) = (1, scalar @{ $self->{slots} });
	if (defined $self->{only}) { $self->run_round($self->{only}) }
	else
	{
		$self->{end} = time + $self->{seconds};
		for (; !$self->is_over && (!$self->{failed} || $ENV{TABLESYNC_FUZZ_KEEP_ON}); $next += $width) { $self->run_round($next .. $next + $width - 1) }
	}
	my $refused = join ', ', map { "$self->{refused}{$_} with $_" } sort keys %{ $self->{refused} };
	note("$_: $self->{kinds}{$_}") foreach sort keys %{ $self->{kinds} };
	diag("seed $self->{seed}: $self->{cases} tables, $self->{calls} calls, refused: @{[ $refused || 'none' ]}, $self->{failed} wrong");
	cmp_ok($self->{cases}, '>', 0, 'there were cases');
	is($self->{failed}, 0, "seed $self->{seed}: the targets are what they should be");
	return;
}

# A case that is asked for by its number comes to its end.
sub is_over { my ($self) = @_; return defined $self->{end} && time >= $self->{end} }

# All cases of a round go on side by side, from call to call; in the midst of which the time may be over.
sub run_round
{
	my ($self, @numbers) = @_;
	my @cases = map { $self->{class}->new($self->{seed}, $_, $self->{on}) } @numbers;
	$cases[$_]->begin($self->{slots}[$_], {}) foreach 0 .. $#cases;
	my @going = @cases;
	while (!$self->is_over && (@going = grep { $_->advance } @going)) { $_->settle foreach @going }
	foreach my $case (@cases)
	{
		$self->{cases}++;
		$self->{calls} += $case->{calls};
		$self->{kinds}{ $case->title }++;
		$self->{refused}{ $case->{refused} }++ if $case->{refused};
		$self->report($case) if $case->{wrong};
		$case->clean;
	}
	return;
}

# The fewest steps that fail in the same way.
sub report
{
	my ($self, $case) = @_;
	$self->{failed}++;
	my $left_out = $case->{wrong}{what} eq 'the fuzz itself' ? {} : $case->shrink($case->{slot}, 20);
	fail("case $self->{seed}/$case->{number}: $case->{wrong}{what}");
	diag($case->title . "\n$case->{wrong}{detail}\n" . $case->script($left_out));
	return;
}

1;
