# A running hostile_proxy.pl, and how much memory the workers have that read from it.

package TablesyncTest::Hostile;

use strict;
use warnings;

use parent -norequire, 'TablesyncTest::Proxy';

use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Utils;
use TablesyncTest::Proxy;

sub new
{
	my ($class, $server_port) = @_;
	my $self = bless { in => '', out => '' }, $class;
	$self->{run} = IPC::Run::start([ $^X, dirname(__FILE__) . '/../hostile_proxy.pl', $server_port ],
		'<', \$self->{in}, '>', \$self->{out});
	$self->{port} = $self->wait_for(qr/^listening (\d+)\n/m);
	return $self;
}

# See hostile_proxy.pl.
sub mode
{
	my ($self, @words) = @_;
	return $self->command("mode @words");
}

# Megabytes of private memory of the largest worker of a server, now; 0 where there is none.
sub worker_memory
{
	my ($postmaster) = @_;
	my $largest = 0;
	open my $list, '<', "/proc/$postmaster/task/$postmaster/children" or die "no list of the server's processes: $!";
	foreach my $pid (split ' ', <$list>)
	{
		# Each may end at any moment.
		next unless (contents("/proc/$pid/cmdline") // '') =~ /pg_tablesync/;
		my ($kilobytes) = (contents("/proc/$pid/status") // '') =~ /^RssAnon:\s+(\d+)/m;
		$largest = $kilobytes if defined $kilobytes && $kilobytes > $largest;
	}
	return $largest / 1024;
}

sub contents
{
	my ($file) = @_;
	open my $handle, '<', $file or return undef;
	local $/;
	return <$handle>;
}

1;
