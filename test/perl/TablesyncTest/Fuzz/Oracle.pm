# What a target must hold, by SQL that has nothing to do with the extension: the source's query, run by a session of the
# role that the extension reads as; and the target's rows, as text.

package TablesyncTest::Fuzz::Oracle;

use strict;
use warnings;

# In which texts are compared, whatever the settings of the role are.
my $plain = q(SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 1;
	SET LOCAL bytea_output = 'hex'; SET LOCAL client_encoding = 'UTF8'; SET LOCAL quote_all_identifiers = off; SET LOCAL search_path = pg_catalog);

# Rows of the source: [key, text, marked]. The query runs with the role's settings; its result is shown with plain ones.
sub wanted
{
	my ($session, $expected) = @_;
	my $key = $expected->{key} // "''";
	return lines($session, qq(
		BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; CREATE TEMP TABLE wanted ON COMMIT DROP AS $expected->{query};
		$plain; COPY (SELECT $key, $expected->{row}, $expected->{marked} FROM pg_temp.wanted) TO STDOUT; ROLLBACK));
}

# Rows of the target: [key, text, version].
sub found
{
	my ($session, $expected) = @_;
	my $key = $expected->{key} // "''";
	return lines($session, qq(
		BEGIN; $plain; COPY (SELECT $key, $expected->{seen}, v FROM $expected->{target}) TO STDOUT; ROLLBACK));
}

sub lines
{
	my ($session, $sql) = @_;
	my $said = $session->ask($sql);
	if ($said->{sqlstate} ne '')
	{
		$session->ask('ROLLBACK');
		die "the oracle: $said->{text}";
	}
	return [ map { [ split /\t/, $_, -1 ] } split /\n/, $said->{out} ];
}

# What is wrong, in words. %options: extra, silent ({key => 1}): see TablesyncTest::Fuzz::Calls.
sub differences
{
	my ($wanted, $found, %options) = @_;
	my (%balance, %has, %marked);
	my $silent = $options{silent} // {};
	foreach my $row (@$wanted)
	{
		my ($key, $text, $marked) = @$row;
		next if $silent->{$key};
		if ($marked eq 't') { $marked{$key} = 1; next }
		$has{$key} = 1;
		$balance{"$key: $text"}++;
	}
	my @wrong;
	foreach my $row (@$found)
	{
		my ($key, $text) = @$row;
		next if $silent->{$key} || $options{extra} && !$has{$key} && !$marked{$key};
		push @wrong, "too many: $key: $text" if --$balance{"$key: $text"} < 0;
	}
	push @wrong, map { "missing: $_" } grep { $balance{$_} > 0 } sort keys %balance;
	return @wrong;
}

1;
