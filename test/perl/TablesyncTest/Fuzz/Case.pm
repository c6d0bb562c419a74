# One random table with its history and its calls: drawn as a list of actions, which can be run, run again with fewer of
# them, and shown as a script.
#
#   my $case = TablesyncTest::Fuzz::Case->new($seed, $number, \%on);
#   $case->begin($slot);                          sessions: {source, far, admin, target, late, late_far, readers}
#   while ($case->advance) { $case->settle }      advance() sends the next call; settle() waits for it, and judges
#   $case->{wrong}                                what was wrong: {what, detail}; undef where nothing was

package TablesyncTest::Fuzz::Case;

use strict;
use warnings;

use TablesyncTest::Fuzz::Calls;
use TablesyncTest::Fuzz::Dice;
use TablesyncTest::Fuzz::History;
use TablesyncTest::Fuzz::Oracle;
use TablesyncTest::Fuzz::Table;

sub new
{
	my ($class, $seed, $number, $on) = @_;
	my $dice = TablesyncTest::Fuzz::Dice->new($seed, $number);
	my $self = bless { seed => $seed, number => $number, on => $on, dice => $dice, schema => "c$number", calls => 0 }, $class;
	$self->{table} = TablesyncTest::Fuzz::Table->new($dice, $self->{schema}, $on);
	TablesyncTest::Fuzz::Calls::draw_mode($self);
	$self->{steps} = [ [ setup => $self->{table}->setup ], [ 'first sync' => TablesyncTest::Fuzz::Calls::sync($self) ] ];
	$self->draw_round foreach 1 .. $dice->between(2, 6);
	# What began late ends, and then all must be there.
	push @{ $self->{steps} }, [ end_late => TablesyncTest::Fuzz::History::end_late($self) ] if $self->{late};
	push @{ $self->{steps} }, [ 'last sync' => TablesyncTest::Fuzz::Calls::sync($self) ];
	return $self;
}

sub title { my ($self) = @_; return "$self->{mode} sync of $self->{table}{kind}" }

# A watermark goes past what a transaction has written that is still open.
sub draw_late
{
	my ($self) = @_;
	my @begin = $self->{late} ? () : TablesyncTest::Fuzz::History::begin_late($self);
	return unless $self->{late};
	push @{ $self->{steps} }, [ 'a late commit' => @begin, TablesyncTest::Fuzz::Calls::rest(), TablesyncTest::Fuzz::History::insert($self), $self->{table}->after_write, TablesyncTest::Fuzz::Calls::sync($self) ];
	return;
}

# Some events, and a call.
sub draw_round
{
	my ($self) = @_;
	my ($dice, $steps) = @$self{qw(dice steps)};
	foreach my $n (1 .. $dice->between(0, 3))
	{
		my ($name, @actions) = TablesyncTest::Fuzz::History::draw($self);
		push @$steps, [ $name => @actions ];
	}
	$self->draw_late if $self->{mode} eq 'incremental' && $dice->chance(0.2);
	my @meeting = $dice->chance(0.15) ? TablesyncTest::Fuzz::Calls::beside_reload($self) : $dice->chance(0.15) ? TablesyncTest::Fuzz::Calls::beside_writer($self) : ();
	push @$steps, [ 'a sync beside others' => @meeting ] if @meeting;
	return if @meeting;
	my $mends = $self->{table}->is_verifiable;
	if ($dice->chance(0.2))
	{
		my $full = $self->{mode} eq 'full' && $dice->chance(0.5);
		# A repair does not follow columns that are new on the source.
		return unless $full || $mends && $self->{table}->is_plain && !$self->{table}{mark} && @{ $self->{table}{key} } && !$self->{schema_change};
		push @$steps, [ damage => TablesyncTest::Fuzz::History::damage($self), $full ? () : TablesyncTest::Fuzz::Calls::repair($self), TablesyncTest::Fuzz::Calls::sync($self) ];
		return;
	}
	my $mode = @{ $self->{table}{key} } && $dice->chance(0.1) ? 'full' : $self->{mode};
	my $call = TablesyncTest::Fuzz::Calls::sync($self, mode => $mode);
	my $complete = !$call->{promise}{extra} && !$call->{promise}{silent};
	push @$steps, [ sync => $call, $complete && $mends && $dice->chance(0.2) ? TablesyncTest::Fuzz::Calls::verify($self) : () ];
	return;
}

# ---- Running --------------------------------------------------------------------------------------------------

# Without the steps of %$left_out, by their numbers.
sub begin
{
	my ($self, $slot, $left_out) = @_;
	$self->{slot} = $slot;
	$self->{actions} = [ map { my $n = $_; $left_out->{$n} ? () : map { { %$_ } } @{ $self->{steps}[$n] }[ 1 .. $#{ $self->{steps}[$n] } ] } 0 .. $#{ $self->{steps} } ];
	$self->{wrong} = undef;
	$self->{said} = '';
	$self->clean;
	$slot->{target}->must("RESET ALL; $self->{settings}");
	return;
}

sub clean
{
	my ($self) = @_;
	my $slot = $self->{slot};
	$slot->{late}->fetch if $slot->{late}{waits};
	$slot->{$_}->ask('ROLLBACK') foreach qw(late late_far);
	$slot->{late}->ask("ROLLBACK PREPARED '$self->{schema}'");
	$slot->{$_}->must("SET client_min_messages = error; DROP SCHEMA IF EXISTS $self->{schema} CASCADE") foreach qw(source far admin);
	return;
}

# Runs actions until a call has been sent: whether there was one.
sub advance
{
	my ($self) = @_;
	while (!$self->{wrong} && (my $action = shift @{ $self->{actions} }))
	{
		if ($action->{call})
		{
			$self->{calling} = $action;
			return $self->send_call($action);
		}
		my $said = $self->{slot}{ $action->{on} }->ask($action->{sql});
		# A privilege, or a row, that is not there is no reason to stop; what the fuzz does wrong is.
		return $self->fail('the fuzz itself', "$action->{on}: $action->{sql}\n$said->{text}") if $said->{sqlstate} ne '';
	}
	return 0;
}

sub send_call
{
	my ($self, $call) = @_;
	my $slot = $self->{slot};
	$self->{before} = eval { TablesyncTest::Fuzz::Oracle::found($slot->{admin}, $self->{table}->expected) };
	$slot->{late}->send($call->{beside}{writer}) if $call->{beside}{writer};
	$slot->{target}->send($call->{call});
	$self->{calls}++;
	return 1;
}

sub settle
{
	my ($self) = @_;
	my ($call, $slot) = @$self{qw(calling slot)};
	$self->release($call->{beside}{commit}) if $call->{beside}{commit};
	my $said = $slot->{target}->fetch;
	$slot->{late}->fetch if $call->{beside}{writer};
	$self->{said} = $said->{text};
	return $self->refused($said) if $said->{sqlstate} ne '';
	return $self->fail('verify_table finds what is not so', $said->{out}) if $call->{finds_nothing} && $said->{out} ne '';
	return if $call->{unjudged};
	eval { $self->judge($call, $said); 1 } or $self->fail('the fuzz itself', $@);
	return;
}

# Commits what the late session holds, as soon as the call waits for it, or has ended.
sub release
{
	my ($self, $commit) = @_;
	my $slot = $self->{slot};
	my $blocked = "SELECT EXISTS (SELECT FROM pg_stat_activity a WHERE @{[ $slot->{late}->pid ]} = ANY (pg_blocking_pids(a.pid)) AND a.application_name = 'pg_tablesync')";
	until ($slot->{target}->is_done(0.01)) { last if $slot->{source}->must($blocked) eq 't' }
	$slot->{late}->must($commit);
	return;
}

# A call may be refused for what its table is; then it has changed nothing, and the case is over.
sub refused
{
	my ($self, $said) = @_;
	return $self->fail("SQLSTATE $said->{sqlstate}", $said->{text}) unless $self->{may_fail}{ $said->{sqlstate} } || ($self->{calling}{may_fail} // '') eq $said->{sqlstate};
	$self->{actions} = [];
	$self->{refused} = $said->{sqlstate};
	return if $self->{calling}{chunks} || !$self->{before};
	my $after = TablesyncTest::Fuzz::Oracle::found($self->{slot}{admin}, $self->{table}->expected);
	my ($a, $b) = map { join "\n", sort map { join "\t", @$_ } @$_ } $self->{before}, $after;
	return $self->fail('a refused call has changed the target', $said->{text}) if $a ne $b;
	return;
}

sub fail
{
	my ($self, $what, $detail) = @_;
	$self->{wrong} = { what => $what, detail => substr($detail, 0, 2000) };
	$self->{actions} = [];
	return 0;
}

# ---- Judging --------------------------------------------------------------------------------------------------

sub judge
{
	my ($self, $call, $said) = @_;
	my ($slot, $promise) = ($self->{slot}, $call->{promise});
	my ($line) = $said->{out} =~ /^(\d+\|succeeded\|[^\n]*)$/m or return $self->fail('no result', $said->{text});
	my %row;
	@row{qw(run_id status read inserted updated deleted unchanged rejected watermark duration consistent)} = split /\|/, $line, -1;
	my $found = TablesyncTest::Fuzz::Oracle::found($slot->{admin}, $promise->{expected});
	my $wanted = TablesyncTest::Fuzz::Oracle::wanted($slot->{readers}[ $self->{reader} ], $promise->{expected});
	return $self->judge_moment($found, $wanted) if $call->{beside}{writer} && $row{consistent} eq 't';
	return if $call->{beside}{writer};
	my %silent = !$promise->{silent} ? () : map { $_ => 1 } split /\n/, $slot->{source}->must("COPY $self->{schema}.silent TO STDOUT");
	my @wrong = TablesyncTest::Fuzz::Oracle::differences($wanted, $found, extra => $promise->{extra}, silent => \%silent);
	return $self->fail('wrong rows', join("\n", scalar(@wrong) . ' differences', @wrong[ 0 .. ($#wrong > 8 ? 8 : $#wrong) ], $line)) if @wrong;
	my $sum = $row{inserted} + $row{updated} + $row{unchanged} + $row{rejected};
	return $self->fail('counts', $line) if $row{read} != $sum && !$self->{table}{mark};
	$slot->{source}->must("DELETE FROM $self->{schema}.silent") unless $promise->{silent};
	return $self->judge_again($call) if $promise->{again};
	return;
}

# Each transaction of the writer gave all rows one version. So a target that shows one moment shows one version.
sub judge_moment
{
	my ($self, $found, $wanted) = @_;
	my %here = map { $_->[0] => 1 } @$wanted;
	my %versions;
	$versions{ $_->[2] }++ foreach grep { $here{ $_->[0] } } @$found;
	return $self->fail('called consistent, but of several moments', join ', ', map { "version $_: $versions{$_} rows" } sort keys %versions) if keys %versions > 1;
	return;
}

# The same call again writes nothing.
sub judge_again
{
	my ($self, $call) = @_;
	my $said = $self->{slot}{target}->ask($call->{call});
	return $self->refused($said) if $said->{sqlstate} ne '';
	my ($inserted, $updated, $deleted) = $said->{out} =~ /^\d+\|succeeded\|\d+\|(\d+)\|(\d+)\|(\d+)\|/m;
	return $self->fail('the same call again writes', $said->{text}) if $inserted + $updated + $deleted;
	return;
}

# ---- Reporting ------------------------------------------------------------------------------------------------

# Leaves out steps as long as the same is wrong: a few seconds are worth it. Returns those that are left out.
sub shrink
{
	my ($self, $slot, $seconds) = @_;
	my ($what, $end, %left_out) = ($self->{wrong}{what}, time + $seconds);
	my $wrong = $self->{wrong};
	foreach my $n (reverse 1 .. $#{ $self->{steps} })
	{
		last if time > $end;
		my %try = (%left_out, $n => 1);
		$self->begin($slot, \%try);
		while ($self->advance) { $self->settle }
		next unless $self->{wrong} && $self->{wrong}{what} eq $what;
		%left_out = %try;
		$wrong = $self->{wrong};
	}
	$self->{wrong} = $wrong;
	return \%left_out;
}

# For psql -v source='dbname=... port=...' -v target='...'. What another session does meanwhile is a comment.
sub script
{
	my ($self, $left_out) = @_;
	my @lines = $self->script_head;
	my $connected = '';
	foreach my $n (grep { !$left_out->{$_} } 0 .. $#{ $self->{steps} })
	{
		my ($name, @actions) = @{ $self->{steps}[$n] };
		push @lines, "-- $name";
		foreach my $action (@actions)
		{
			my $on = $action->{on} // 'target';
			my $sql = ($action->{call} // $action->{sql}) . ';';
			push @lines, "-- meanwhile, in a second session of the source: $_;" foreach values %{ $action->{beside} // {} };
			if ($on =~ /late/) { push @lines, "-- in a second session, $on: $sql"; next }
			push @lines, "\\connect :$on" if $on ne $connected;
			$connected = $on;
			push @lines, $sql;
		}
	}
	return join "\n", @lines, '';
}

sub script_head
{
	my ($self) = @_;
	my @role = map { "-- ALTER ROLE ... SET $_;" } split /\|/, $TablesyncTest::Fuzz::Calls::reader_settings[ $self->{reader} ];
	return ('-- the role of the source:', @role, '-- what 070_fuzz_sync.pl makes on the source, schema fuzz and server far; and the session that calls:', "-- $self->{settings}");
}

1;
