# The calls of a random case: of sync_table, and of verify_table with repair; and what each promises.
#
#   {call => SQL, chunks => bool, promise => {...}, beside => {...}}
#
# promise: expected    what the target must show (TablesyncTest::Fuzz::Table), or undef where another call follows
#          extra       rows may stay whose key the source has no longer
#          silent      rows are not promised that were changed without their field
#          again       the same call again must write nothing
# unjudged: that it does not fail is all that is expected of it.
# beside:  commit      SQL of the late session, which has the call wait for a lock; it commits when the call does
#          writer      SQL of the late session that goes on meanwhile; each of its transactions writes column v of all rows

package TablesyncTest::Fuzz::Calls;

use strict;
use warnings;

use TablesyncTest;
use TablesyncTest::Fuzz::History;

# Settings of the session that calls.
my @settings = ('', '', '',
	q(SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = -10; SET bytea_output = 'escape'),
	q(SET search_path = ''; SET standard_conforming_strings = off; SET backslash_quote = off; SET escape_string_warning = off),
	q(SET default_transaction_isolation = 'serializable'; SET array_nulls = off; SET transform_null_equals = on; SET xmloption = 'document'));

# Settings of the roles of the source.
our @reader_settings = ('', q(TimeZone = 'America/New_York'|DateStyle = 'SQL, DMY'|IntervalStyle = 'sql_standard'|extra_float_digits = -5),
	q(search_path = ''|TimeZone = 'Asia/Kathmandu'|bytea_output = 'escape'|standard_conforming_strings = off),
	q(default_transaction_read_only = on|default_transaction_isolation = 'serializable'|DateStyle = 'German'|quote_all_identifiers = on|client_encoding = 'LATIN1'|lc_monetary = 'C'));

# What all calls of a case have in common.
sub draw_mode
{
	my ($case) = @_;
	my ($table, $dice) = @$case{qw(table dice)};
	my $kind = $table->{kind};
	my @modes = (full => 3);
	push @modes, (incremental => 4) if @{ $table->{key} };
	push @modes, (xmin => 3) if @{ $table->{key} } && $kind !~ /view|select|^foreign$/;
	$case->{mode}     = $dice->pick_weighted(@modes);
	$case->{settings} = $dice->pick(@settings);
	$case->{reader}   = $dice->between(0, $#reader_settings);
	$case->{deletes}  = $dice->chance(0.3);
	$case->{schema_change} = 'add' if $dice->chance(0.4);
	$case->{server} = "src_$case->{reader}";
	$table->{keeps_marked} = $table->{mark} && $dice->chance(0.3);
	# What may be refused: see the list of the reference.
	my %may = map { $_ => 1 } ($case->{mode} ne 'full' && !$table->is_plain ? '0A000' : ()), qw(21000 23505), ($table->{swapped_pair} ? '42804' : ());
	$case->{may_fail} = \%may;
	return;
}

sub fixed_arguments
{
	my ($case) = @_;
	my $table = $case->{table};
	my @given;
	push @given, 'custom_select => ' . TablesyncTest::quote($table->{query}) if $table->{kind} eq 'select';
	push @given, 'custom_where => ' . TablesyncTest::quote($table->{where}) if $table->{where};
	push @given, 'primary_key => ARRAY[' . join(', ', map { TablesyncTest::quote(s/^"|"$//gr) } @{ $table->{key} }) . ']' if $table->{no_primary} && @{ $table->{key} };
	return @given;
}

# A call of sync_table. Option: mode.
sub sync
{
	my ($case, %options) = @_;
	my ($table, $dice) = @$case{qw(table dice)};
	my $mode = $options{mode} // $case->{mode};
	my $keyed = @{ $table->{key} };
	my @given = ("sync_mode => '$mode'", fixed_arguments($case));
	push @given, q(incremental_field => 'at'), $table->{declared} ? "incremental_field_type => '$table->{declared}'" : () if $mode eq 'incremental';
	my $deletes = $mode eq 'full' ? !$keyed || $dice->chance(0.9) : $case->{deletes};
	push @given, 'delete_missing => ' . ($deletes ? 'true' : 'false') if $deletes != ($mode eq 'full');
	my $chunks = $keyed && $dice->chance(0.3);
	my %options_json = (allow_empty => 'true', max_delete_fraction => 1);
	if ($chunks)
	{
		push @given, 'chunk_mode => true', 'batch_size => ' . $dice->pick(1, 7, 30);
		$options_json{chunk_by} = '"key"' if $dice->chance(0.5);
	}
	push @given, 'parallel_workers => ' . $dice->between(2, 3) if $dice->chance(0.3);
	push @given, 'verify => ' . $dice->pick(qw('none' 'full' 'full'))
	  if $dice->chance(0.4) && $table->is_verifiable && !$case->{silent};
	push @given, 'memory_limit_mb => 16' if $dice->chance(0.2);
	$options_json{on_schema_change} = '"add"' if $case->{schema_change};
	$options_json{retry_delay} = '"50 ms"';
	if ($table->{mark})
	{
		$options_json{soft_delete_column} = '"gone"';
		$options_json{soft_delete_action} = '"mark"' if $table->{keeps_marked};
	}
	push @given, "options => '{" . join(', ', map { qq("$_": $options_json{$_}) } sort keys %options_json) . "}'";
	my $sql = sprintf 'SELECT * FROM public.sync_table(%s)', join ', ', "'$case->{server}'", TablesyncTest::quote($table->{source}), TablesyncTest::quote($table->{target}), @given;
	return {
		call => $sql, chunks => $chunks,
		promise => { expected => $table->expected, extra => !$deletes, silent => $mode eq 'incremental', again => !$chunks && $dice->chance(0.2) } };
}

# A call of verify_table that mends.
sub repair
{
	my ($case) = @_;
	my $table = $case->{table};
	my @given = grep { /primary_key/ } fixed_arguments($case);
	my $sql = sprintf 'SELECT * FROM public.verify_table(%s)', join ', ', "'$case->{server}'", TablesyncTest::quote($table->{source}), TablesyncTest::quote($table->{target}), @given,
	  'repair => true', q(options => '{"max_delete_fraction": 1}');
	return { call => $sql, unjudged => 1, promise => {} };
}

# Time goes by, in which others go on: what was written is older than the margin that a watermark keeps.
sub rest { return { call => 'SELECT pg_catalog.pg_sleep(2.2)', unjudged => 1, promise => {} } }

# A call of verify_table after a sync that was complete.
sub verify
{
	my ($case) = @_;
	my $call = repair($case);
	$call->{call} =~ s/repair => true/repair => false/;
	$call->{finds_nothing} = 1;
	return $call;
}

# ---- Calls that meet others -----------------------------------------------------------------------------------

# The late session holds a table that it has emptied and filled again, and commits while the call waits for it.
sub beside_reload
{
	my ($case) = @_;
	my ($table, $dice) = @$case{qw(table dice)};
	return () if $case->{late} || $table->{kind} =~ /foreign/;
	my $other = $table->{kind} =~ /view|select|where/ && $case->{mode} eq 'full' && $dice->chance(0.6);
	# What a materialized view was made from is not read.
	return () if $table->{kind} eq 'matview';
	my $sql = $other ? TablesyncTest::Fuzz::History::reload_other_sql($case) : TablesyncTest::Fuzz::History::reload_sql($case);
	my $call = sync($case);
	$call->{beside} = { commit => 'COMMIT' };
	return ({ on => 'late', sql => "BEGIN; $sql" }, $call);
}

# The late session goes on writing while the call reads.
sub beside_writer
{
	my ($case) = @_;
	my ($table, $dice) = @$case{qw(table dice)};
	return () if $case->{late} || $table->{kind} =~ /matview|foreign/ || !@{ $table->{key} };
	my $call = sync($case);
	# Every tenth transaction takes a row away, too; or it empties the table and fills it again.
	my $move = $dice->pick('', $call->{promise}{extra} ? () : "DELETE FROM $table->{name} WHERE i = (SELECT min(i) FROM $table->{name})",
		"TRUNCATE $table->{name}; " . $table->insert(TablesyncTest::Fuzz::History::next_rows($case, 50), stamped => 1));
	$call->{beside} = { writer => sprintf 'CALL fuzz.work(%s, %s, %d, %s)', TablesyncTest::quote($table->{name}), TablesyncTest::quote($table->{stamp}), 80, TablesyncTest::quote($move) };
	delete $call->{promise}{again};
	# Queries in chunks are of several moments, and a verification says so.
	$call->{may_fail} = '55000' if $call->{chunks} && !$table->is_plain;
	# All versions are the same when it begins. What it leaves behind is for another call to read.
	return (
		{ on => 'source', sql => "UPDATE $table->{name} SET v = 1000, at = $table->{stamp}" }, $call,
		{ on => 'source', sql => "UPDATE $table->{name} SET v = 0, at = $table->{stamp}" }, sync($case));
}

1;
