# A running fault_proxy.pl and how to command it.

package TablesyncTest::Proxy;

use strict;
use warnings;

use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Utils;

sub new
{
	my ($class, $server_port) = @_;
	my $self = bless { in => '', out => '' }, $class;
	# No timeout of its own: it lives as long as the test.
	$self->{run} = IPC::Run::start([ $^X, dirname(__FILE__) . '/../fault_proxy.pl', $server_port ],
		'<', \$self->{in}, '>', \$self->{out});
	$self->{port} = $self->wait_for(qr/^listening (\d+)\n/m);
	return $self;
}

sub port { return $_[0]{port} }

# Waits for the proxy to say something, takes that out of what it has said, and returns what the pattern captured.
sub wait_for
{
	my ($self, $pattern) = @_;
	my $timeout = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
	pump_until($self->{run}, $timeout, \$self->{out}, $pattern) or die "the proxy did not say $pattern";
	$self->{out} =~ s/$pattern//;
	return $1;
}

sub command
{
	my ($self, $line) = @_;
	$self->{in} .= "$line\n";
	return $self->wait_for(qr/^ok ?(.*)\n/m);
}

# See fault_proxy.pl. What it did before is forgotten.
sub fault
{
	my ($self, $action, $place, $bytes) = @_;
	$self->command("fault $action $place $bytes");
	$self->{out} = '';
	return;
}

sub none { return $_[0]->command('none') }

sub wait_done
{
	my ($self, $action) = @_;
	return $self->wait_for(qr/^did ($action)\n/m);
}

# Where the messages of the last COPY began: [offset, type] of each; the type of the last is "end".
sub messages
{
	my ($self) = @_;
	return map { [ split /:/ ] } split ' ', $self->command('messages');
}

1;
