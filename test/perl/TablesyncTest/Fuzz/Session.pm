# A psql that lasts. BackgroundPsql takes milliseconds for each answer; a fuzz asks thousands of times. A statement that
# fails is an answer here, and an answer may be fetched later than it was asked for.
#
#   my $session = TablesyncTest::Fuzz::Session->new($node, 'postgres', 'loader');
#   my $said = $session->ask('SELECT 1');      {sqlstate, message, text, out}; sqlstate is '' where all went well
#   $session->send('SELECT pg_sleep(1)'); ... $session->is_done; my $said = $session->fetch;
#   my $out = $session->must('SELECT 1');      dies where it fails

package TablesyncTest::Fuzz::Session;

use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Utils;

my $marker = 'end of the answer';

sub new
{
	my ($class, $node, $database, $user) = @_;
	my $self = bless { read => '' }, $class;
	pipe(my $its_input, $self->{input}) or die "pipe: $!";
	pipe($self->{output}, my $its_output) or die "pipe: $!";
	$self->{process} = fork // die "fork: $!";
	if (!$self->{process})
	{
		open STDIN,  '<&', $its_input;
		open STDOUT, '>&', $its_output;
		open STDERR, '>&', $its_output;
		exec 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($database) . " user=$user" or POSIX::_exit(1);
	}
	$self->{input}->autoflush(1);
	$self->{pid} = $self->must('SELECT pg_catalog.pg_backend_pid()');
	return $self;
}

# The process of the server that works for the session.
sub pid { return $_[0]{pid} }

sub send
{
	my ($self, $sql) = @_;
	die 'an answer was not fetched' if $self->{waits};
	$self->{waits} = $sql;
	local $SIG{PIPE} = 'IGNORE';
	print { $self->{input} } "$sql\n;\n\\echo $marker\n";
	return $self;
}

# Reads for so many seconds at most; whether the answer is there.
sub is_done
{
	my ($self, $seconds) = @_;
	while ($self->{read} !~ /^$marker\n/m)
	{
		my $bits = '';
		vec($bits, fileno $self->{output}, 1) = 1;
		return 0 unless select $bits, undef, undef, $seconds // 0;
		next if sysread $self->{output}, $self->{read}, 65_536, length $self->{read};
		# The server went away, and psql with it.
		$self->{read} .= "\nERROR:  lost_: the session has ended\n$marker\n";
	}
	return 1;
}

sub fetch
{
	my ($self) = @_;
	$self->is_done($PostgreSQL::Test::Utils::timeout_default) or die "no answer to: $self->{waits}";
	$self->{read} =~ s/\A(.*?)^$marker\n//ms;
	my $text = $1;
	my %said = (text => $text, sqlstate => '', message => '', asked => delete $self->{waits});
	@said{qw(sqlstate message)} = ($1, $2) if $text =~ /^(?:ERROR|FATAL):  (\w{5}): (.*)/m;
	$said{out} = join "\n", grep { !/^[A-Z]+(?: NAME| \d+)?:  |^(?:LINE \d+: |\s+\^)/ } split /\n/, $text;
	return \%said;
}

sub ask { my ($self, $sql) = @_; return $self->send($sql)->fetch }

sub must
{
	my ($self, $sql) = @_;
	my $said = $self->ask($sql);
	die "$said->{text}\nin: $sql" if $said->{sqlstate} ne '';
	return $said->{out} =~ s/\n\z//r;
}

sub quit
{
	my ($self) = @_;
	close $self->{input};
	waitpid $self->{process}, 0;
	return;
}

1;
