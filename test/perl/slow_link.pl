#!/usr/bin/perl

# A TCP proxy on the loopback interface that is far away: what a client sends reaches the server some time later. What
# a test wants to happen between two messages of a client then does happen.
#
#   slow_link.pl PORT DELAY   PORT: of the server on 127.0.0.1; DELAY: milliseconds
#
# It says "listening PORT", and ends with its input.

use strict;
use warnings;

use Errno qw(EAGAIN EWOULDBLOCK EINTR);
use IO::Select;
use IO::Socket::INET;
use List::Util qw(max min);
use Socket qw(IPPROTO_TCP SOMAXCONN TCP_NODELAY);
use Time::HiRes qw(time);

use constant CHUNK => 65536;

my ($server_port, $delay) = @ARGV;
die "usage: $0 PORT DELAY\n" unless defined $delay && "$server_port $delay" =~ /^\d+ \d+$/;

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => SOMAXCONN)
  or die "could not listen: $!\n";
my @links;    # {open, client, server, to_client, to_server: [due, bytes] ...}

$SIG{PIPE} = 'IGNORE';
STDOUT->autoflush(1);
print 'listening ', $listener->sockport, "\n";

while (1)
{
	my $reading = IO::Select->new(\*STDIN, $listener);
	my $writing = IO::Select->new;
	foreach my $link (@links)
	{
		$reading->add($link->{client});
		# A client that does not read holds the server back.
		$reading->add($link->{server}) if length $link->{to_client} < CHUNK;
		$writing->add($link->{client}) if length $link->{to_client};
	}
	my ($readable, $writable) = IO::Select->select($reading, $writing, undef, time_left());
	my %ready = map { $_ => 1 } @{ $readable // [] }, @{ $writable // [] };

	exit 0 if $ready{ \*STDIN } && !sysread(STDIN, my $ignored, CHUNK);
	foreach my $link (@links)
	{
		from_client($link) if $ready{ $link->{client} };
		from_server($link) if $link->{open} && $ready{ $link->{server} };
		deliver($link) if $link->{open};
	}
	@links = grep { $_->{open} } @links;
	connect_through() if $ready{$listener};
}

# Seconds until the next message is due; undef: there is none.
sub time_left
{
	my @due = map { $_->{to_server}[0][0] } grep { @{ $_->{to_server} } } @links;
	return @due ? max(0, min(@due) - time) : undef;
}

sub connect_through
{
	my $client = $listener->accept or return;
	my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server_port) or return;
	foreach my $socket ($client, $server)
	{
		$socket->blocking(0);
		$socket->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
	}
	push @links, { open => 1, client => $client, server => $server, to_client => '', to_server => [] };
	return;
}

# The bytes that are there; undef: none at the moment, '': the other end is gone.
sub receive
{
	my ($socket) = @_;
	my $read = sysread($socket, my $bytes, CHUNK);
	return defined $read ? $bytes : $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR ? undef : '';
}

sub from_client
{
	my ($link) = @_;
	my $bytes = receive($link->{client}) // return;
	return hang_up($link) if $bytes eq '';
	push @{ $link->{to_server} }, [ time + $delay / 1000, $bytes ];
	return;
}

sub from_server
{
	my ($link) = @_;
	my $bytes = receive($link->{server}) // return;
	return hang_up($link) if $bytes eq '';
	$link->{to_client} .= $bytes;
	return;
}

sub deliver
{
	my ($link) = @_;
	while (@{ $link->{to_server} } && $link->{to_server}[0][0] <= time)
	{
		my $bytes = \$link->{to_server}[0][1];
		pass_on($link, 'server', $bytes) // return;
		return if length $$bytes;
		shift @{ $link->{to_server} };
	}
	pass_on($link, 'client', \$link->{to_client});
	return;
}

# Writes what a socket takes, and removes that from the bytes. Returns undef where the other end is gone.
sub pass_on
{
	my ($link, $side, $bytes) = @_;
	my $written = syswrite($link->{$side}, $$bytes);
	return substr $$bytes, 0, $written, '' if defined $written;
	return '' if $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR;
	return hang_up($link);
}

sub hang_up
{
	my ($link) = @_;
	close $link->{$_} foreach 'client', 'server';
	$link->{open} = 0;
	return undef;
}
