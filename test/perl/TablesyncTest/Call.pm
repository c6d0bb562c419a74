# SQL that runs in a session of its own, in the background, and what its user hears of it.

package TablesyncTest::Call;

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;

sub new
{
	my ($class, $pair, $sql, $user) = @_;
	my $self = bless { pair => $pair, out => '', err => '' }, $class;
	# It ends by itself: a server that the test starts meanwhile keeps its input open.
	my $input = "\\set VERBOSITY verbose\nSELECT pg_catalog.pg_backend_pid();\n$sql;\n\\q\n";
	$self->{timeout} = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
	$self->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $pair->target->connstr('postgres') . " user=$user", '-f', '-' ],
		'<', \$input, '>', \$self->{out}, '2>', \$self->{err}, $self->{timeout});
	pump_until($self->{run}, $self->{timeout}, \$self->{out}, qr/^\d+\n/) or die "could not connect: $self->{err}";
	$self->{out} =~ s/^(\d+)\n//;
	$self->{pid} = $1;
	return $self;
}

# The process of the server that works for the session.
sub pid { return $_[0]{pid} }

# Waits for something to be said to the session's user.
sub wait_for
{
	my ($self, $pattern) = @_;
	return pump_until($self->{run}, $self->{timeout}, \$self->{err}, $pattern);
}

# Whether it has been said to the session's user by now.
sub has_heard
{
	my ($self, $pattern) = @_;
	$self->{run}->pump_nb if $self->{run}->pumpable;
	return $self->{err} =~ $pattern;
}

# The client goes away without a word.
sub kill_client
{
	my ($self) = @_;
	$self->{run}->kill_kill;
	return;
}

# Waits for its end. Returns the parts of the error, empty where there are none: sqlstate, message, detail, hint,
# context; the notices; out, the output; and text, all that was said. The sqlstate of a lost connection is "lost".
sub finish
{
	my ($self) = @_;
	$self->{run}->finish;
	my $text = $self->{err} =~ s/^psql:<stdin>:\d+: //mgr;
	$self->{pair}{heard} .= "$text\n$self->{out}\n";
	my %said = (text => $text, out => $self->{out}, map { $_ => '' } qw(sqlstate message detail hint context));
	$said{notices} = [ $text =~ /^NOTICE:  \w{5}: (.*)$/mg ];
	if ($text =~ /^(?:ERROR|FATAL):  (\w{5}): (.*?)(?:^server closed .*)?\z/ms)
	{
		$said{sqlstate} = $1;
		# A field ends where the next begins.
		(my $message, my %fields) = split /\n([A-Z]+(?: NAME)?):  ?/, $2;
		$said{message} = $message;
		$said{ lc $_ } = $fields{$_} foreach grep { defined $fields{$_} } qw(DETAIL HINT CONTEXT);
		s/\n\z// foreach @said{qw(message detail hint context)};
	}
	elsif ($text =~ /^(?:server closed the connection|connection to server was lost)/m)
	{
		@said{qw(sqlstate message)} = ('lost', $text);
	}
	return \%said;
}

1;
