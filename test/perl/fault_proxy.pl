#!/usr/bin/perl

# A TCP proxy on the loopback interface that breaks what passes through it, at an exact byte.
#
#   fault_proxy.pl PORT      PORT: of the PostgreSQL server on 127.0.0.1 that it stands in front of
#
# It says "listening PORT" and then obeys its input, one command a line, each answered by "ok":
#
#   fault ACTION PLACE BYTES from now on, do ACTION to each connection once BYTES bytes from the server have passed
#                            since PLACE; then it says "did ACTION"
#   none                     from now on do nothing of the kind; what was stopped flows again
#   messages                 "ok 0:H 27:d ... 900:c 905:C 920:end": where each message of the last COPY began, by
#                            its offset and type in the protocol, and where the answer to the COPY ended
#
#   ACTION  rst    reset the connection
#           fin    close it
#           stop   hold back all bytes from the server
#           HEX    change that many bytes to these; once
#   PLACE   start  the first byte of the connection
#           copy   the first byte of the answer to the first COPY ... TO STDOUT
#
# It ends with its input. Sessions must not be encrypted: it reads the protocol to find the COPY.

use strict;
use warnings;

use Errno qw(EAGAIN EWOULDBLOCK EINTR);
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF SOMAXCONN);

use constant {
	CHUNK        => 65536,
	SSL_REQUEST  => pack('NN', 8, 80877103),
	GSS_REQUEST  => pack('NN', 8, 80877104),
	HEADER_BYTES => 5,    # a message begins with its type and its length
};

my ($server_port) = @ARGV;
die "usage: $0 PORT\n" unless defined $server_port && $server_port =~ /^\d+$/;

my $listener = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	LocalPort => 0,
	Listen    => SOMAXCONN,
	Blocking  => 0) or die "could not listen: $!\n";
my @connections;
my $fault;            # {action, place, bytes}
my $messages = '';    # of the last COPY

$SIG{PIPE} = 'IGNORE';
STDOUT->autoflush(1);
print 'listening ', $listener->sockport, "\n";

my $commands = '';
while (1)
{
	my $reading = IO::Select->new(\*STDIN, $listener);
	my $writing = IO::Select->new;
	foreach my $c (@connections)
	{
		$reading->add($c->{client});
		$reading->add($c->{server}) if wants_server($c);
		$writing->add($c->{client}) if length $c->{to_client};
		$writing->add($c->{server}) if length $c->{to_server};
	}
	my ($readable, $writable) = IO::Select->select($reading, $writing, undef);
	my %ready = map { $_ => 1 } @$readable, @$writable;

	obey() if $ready{ \*STDIN };
	foreach my $c (@connections)
	{
		from_client($c) if $ready{ $c->{client} };
		from_server($c) if $c->{open} && $ready{ $c->{server} } && wants_server($c);
		flush_both($c);
	}
	@connections = grep { $_->{open} } @connections;
	greet() if $ready{$listener};
}

sub obey
{
	sysread(STDIN, $commands, 4096, length $commands) or exit 0;
	while ($commands =~ s/^(.*)\n//)
	{
		my ($verb, @words) = split ' ', $1;
		if ($verb eq 'fault')
		{
			$fault = { action => $words[0], place => $words[1], bytes => $words[2] };
			print "ok\n";
		}
		elsif ($verb eq 'none')
		{
			$fault = undef;
			$_->{stopped} = 0 foreach @connections;
			print "ok\n";
		}
		elsif ($verb eq 'messages')
		{
			print "ok $messages\n";
		}
		else
		{
			die "unknown command: $verb\n";
		}
	}
	return;
}

sub greet
{
	my $client = $listener->accept or return;
	# A small buffer, so that a server whose bytes are held back comes to a halt.
	my $server = IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $server_port,
		Sockopts => [ [ SOL_SOCKET, SO_RCVBUF, pack('i', CHUNK) ] ]);
	return unless $server;
	$_->blocking(0) foreach $client, $server;
	push @connections,
	  {
		open         => 1,
		client       => $client,
		server       => $server,
		to_client    => '',
		to_server    => '',
		from_server  => 0,          # bytes
		bare_replies => 0,          # one-byte answers that are still to come
		head         => '',         # of the message that is being received
		body_left    => 0,
		copy_start   => undef,
		offsets      => [],
	  };
	return;
}

sub wants_server
{
	my ($c) = @_;
	return !$c->{stopped} && !$c->{server_done} && length $c->{to_client} < CHUNK;
}

sub from_client
{
	my ($c) = @_;
	my $read = sysread($c->{client}, my $bytes, CHUNK);
	return if !defined $read && ($! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR);
	return hang_up($c, !defined $read) unless $read;
	$c->{bare_replies}++ if $bytes eq SSL_REQUEST || $bytes eq GSS_REQUEST;
	$c->{to_server} .= $bytes;
	return;
}

sub from_server
{
	my ($c) = @_;
	my $read = sysread($c->{server}, my $bytes, CHUNK);
	return if !defined $read && ($! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR);
	unless ($read)
	{
		$c->{server_done} = defined $read ? 'fin' : 'rst';
		return;
	}
	follow($c, $bytes);
	my $allowed = allowed($c);
	my $passed  = $c->{from_server};
	$c->{from_server} += $read;
	if (defined $allowed && $fault->{action} =~ /^(?:[0-9a-f]{2})+$/)
	{
		$bytes = forge($bytes, $allowed - $passed);
	}
	elsif (defined $allowed && $allowed < $c->{from_server})
	{
		my $part = $allowed > $passed ? $allowed - $passed : 0;
		$c->{held} = substr($bytes, $part);
		$bytes = substr($bytes, 0, $part);
		$c->{due} = $fault->{action};
		$c->{stopped} = 1;
	}
	$c->{to_client} .= $bytes;
	return;
}

# Puts other bytes in the place of those that begin at $at, which may be outside of $bytes.
sub forge
{
	my ($bytes, $at) = @_;
	my $forged = pack 'H*', $fault->{action};
	return $bytes if $at >= length $bytes;
	die "the bytes to be forged came in two pieces\n" if $at < 0 || $at + length $forged > length $bytes;
	substr $bytes, $at, length $forged, $forged;
	print "did $fault->{action}\n";
	$fault = undef;
	return $bytes;
}

# How many bytes from the server may pass in all; undef: any number.
sub allowed
{
	my ($c) = @_;
	return undef unless $fault;
	return $fault->{bytes} if $fault->{place} eq 'start';
	return defined $c->{copy_start} ? $c->{copy_start} + $fault->{bytes} : undef;
}

# Takes notice of where messages begin.
sub follow
{
	my ($c, $bytes) = @_;
	my $at = 0;
	while ($at < length $bytes)
	{
		if ($c->{bare_replies} > 0)
		{
			$c->{bare_replies}--;
			$at++;
		}
		elsif ($c->{body_left} > 0)
		{
			my $rest = length($bytes) - $at;
			my $part = $rest < $c->{body_left} ? $rest : $c->{body_left};
			$c->{body_left} -= $part;
			$at += $part;
			note_end($c, $c->{from_server} + $at) if $c->{body_left} == 0;
		}
		else
		{
			note_start($c, substr($bytes, $at, 1), $c->{from_server} + $at) if $c->{head} eq '';
			my $part = substr($bytes, $at, HEADER_BYTES - length $c->{head});
			$c->{head} .= $part;
			$at += length $part;
			if (length $c->{head} == HEADER_BYTES)
			{
				$c->{body_left} = unpack('x N', $c->{head}) - 4;
				$c->{head} = '';
				note_end($c, $c->{from_server} + $at) if $c->{body_left} == 0;
			}
		}
	}
	return;
}

sub note_start
{
	my ($c, $type, $at) = @_;
	$c->{type} = $type;
	$c->{copy_start} //= $at if $type eq 'H';
	push @{ $c->{offsets} }, ($at - $c->{copy_start}) . ":$type"
	  if defined $c->{copy_start} && !$c->{copy_done};
	return;
}

sub note_end
{
	my ($c, $at) = @_;
	return unless defined $c->{copy_start} && !$c->{copy_done} && $c->{type} eq 'C';
	$c->{copy_done} = 1;
	$messages = join(' ', @{ $c->{offsets} }, ($at - $c->{copy_start}) . ':end');
	return;
}

sub flush_both
{
	my ($c) = @_;
	return unless $c->{open};
	if (defined $c->{held} && !$c->{stopped})
	{
		$c->{to_client} .= delete $c->{held};
	}
	foreach my $side ('client', 'server')
	{
		next if $c->{"to_$side"} eq '';
		my $written = syswrite($c->{$side}, $c->{"to_$side"});
		if (defined $written)
		{
			substr($c->{"to_$side"}, 0, $written, '');
		}
		elsif ($! != EAGAIN && $! != EWOULDBLOCK && $! != EINTR)
		{
			return hang_up($c, 1);
		}
	}
	return unless $c->{to_client} eq '';
	if (my $action = delete $c->{due})
	{
		hang_up($c, $action eq 'rst') if $action ne 'stop';
		print "did $action\n";
	}
	elsif ($c->{server_done} && !defined $c->{held})
	{
		hang_up($c, $c->{server_done} eq 'rst');
	}
	return;
}

sub hang_up
{
	my ($c, $reset) = @_;
	foreach my $socket ($c->{client}, $c->{server})
	{
		$socket->setsockopt(SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $reset;
		close $socket;
	}
	$c->{open} = 0;
	return;
}
