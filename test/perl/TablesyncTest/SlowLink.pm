# A slow link to a server on the loopback interface: slow_link.pl, running.

package TablesyncTest::SlowLink;

use strict;
use warnings;

use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Utils;

# $delay: milliseconds that each message to the server takes.
sub new
{
	my ($class, $server_port, $delay) = @_;
	my $self = bless { in => '', out => '' }, $class;
	# No timeout of its own: it lives as long as the test.
	$self->{run} = IPC::Run::start([ $^X, dirname(__FILE__) . '/../slow_link.pl', $server_port, $delay ],
		'<', \$self->{in}, '>', \$self->{out});
	my $timeout = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
	pump_until($self->{run}, $timeout, \$self->{out}, qr/^listening \d+\n/) or die 'the slow link did not start';
	($self->{port}) = $self->{out} =~ /^listening (\d+)/;
	return $self;
}

sub port { return $_[0]{port} }

1;
