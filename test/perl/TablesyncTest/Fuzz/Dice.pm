# Random choices that follow from a seed alone, the same on every machine and in every version of Perl.

package TablesyncTest::Fuzz::Dice;

use strict;
use warnings;

my $mask = (1 << 48) - 1;

sub new
{
	my ($class, @seeds) = @_;
	my $self = bless { state => 1_575_931_494 }, $class;
	foreach my $seed (@seeds)
	{
		$self->{state} = ($self->{state} ^ $seed) & $mask;
		$self->roll foreach 1 .. 8;
	}
	return $self;
}

# A number of 31 bits: drand48's, since its product may overflow without harm.
sub roll
{
	my ($self) = @_;
	use integer;
	$self->{state} = ($self->{state} * 25_214_903_917 + 11) & $mask;
	return $self->{state} >> 17;
}

# From $low to $high, both included.
sub between { my ($self, $low, $high) = @_; return $low + $self->roll % ($high - $low + 1) }
sub chance  { my ($self, $share) = @_; return $self->roll % 10_000 < 10_000 * $share }
sub pick    { my ($self, @items) = @_; return $items[ $self->roll % @items ] }

# Each item with its weight: pick_weighted(often => 5, seldom => 1).
sub pick_weighted
{
	my ($self, @pairs) = @_;
	my ($sum, $at) = (0, 0);
	$sum += $pairs[ 2 * $_ + 1 ] foreach 0 .. $#pairs / 2;
	my $die = $self->roll % $sum;
	while (($die -= $pairs[ $at + 1 ]) >= 0) { $at += 2 }
	return $pairs[$at];
}

sub shuffle
{
	my ($self, @items) = @_;
	foreach my $last (reverse 1 .. $#items)
	{
		my $other = $self->between(0, $last);
		@items[ $last, $other ] = @items[ $other, $last ];
	}
	return @items;
}

# $count of the items, in random order.
sub some { my ($self, $count, @items) = @_; return (grep { defined } ($self->shuffle(@items))[ 0 .. $count - 1 ]) }

1;
