#!/usr/bin/perl

# A source that means harm: a proxy on the loopback interface that passes everything on to a PostgreSQL server, but
# answers chosen statements as a hostile server could.
#
#   hostile_proxy.pl PORT    PORT: of the PostgreSQL server on 127.0.0.1 that it stands in front of
#
# It says "listening PORT" and then obeys its input, one command a line, each answered by "ok":
#
#   mode NAME [ARGUMENT]     what it does to connections that begin from now on: see %at_login and %answers
#
# It ends with its input. Each connection has a process of its own. Sessions must not be encrypted.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw(SOMAXCONN);
use Time::HiRes qw(usleep);

my ($server_port) = @ARGV;
die "usage: $0 PORT\n" unless defined $server_port && $server_port =~ /^\d+$/;

# The statement that is being answered, and what makes those known that are answered falsely.
my $sql = '';
my %statements = (
	resolve => qr/to_regclass\(\$1::pg_catalog\.text\)/,
	columns => qr/WITH RECURSIVE attribute/,
	keys    => qr/pg_amop/,
	place   => qr/txid_snapshot_xmin/,
	copy    => qr/^COPY/,
	any     => qr//);

my ($mode, $argument) = ('none', '');
my ($client, $server);
my $pending = '';    # for the client
my $data_messages = 0;

sub message { my ($type, $body) = @_; return $type . pack('N', 4 + length $body) . $body }
sub row { return message('D', pack('n', scalar @_) . join('', map { defined $_ ? pack('N/a*', $_) : pack('N', 0xffffffff) } @_)) }
sub notice { my ($text) = @_; return message('N', "SNOTICE\0VNOTICE\0C00000\0M$text\0\0") }
sub failure { my (%fields) = @_; return message('E', join('', map { "$_$fields{$_}\0" } sort keys %fields) . "\0") }

sub values_of
{
	my ($body) = @_;
	my ($count) = unpack 'n', $body;
	my $at = 2;
	my @values;
	foreach (1 .. $count)
	{
		my $length = unpack 'l>', substr $body, $at, 4;
		push @values, $length < 0 ? undef : substr $body, $at + 4, $length;
		$at += 4 + ($length < 0 ? 0 : $length);
	}
	return @values;
}

# The process of the connection ends when the client has gone.
sub put
{
	my ($bytes) = @_;
	my $at = 0;
	while ($at < length $bytes)
	{
		my $written = syswrite $client, $bytes, length($bytes) - $at, $at;
		exit 0 unless $written;
		$at += $written;
	}
	return;
}

sub flush { put($pending); $pending = ''; return }

sub flood
{
	my ($bytes) = @_;
	flush();
	put($bytes) while 1;
	return;
}

# A message that says to be that long, and is.
sub wide
{
	my ($type, $head, $size) = @_;
	flush();
	put($type . pack('N', 4 + length($head) + $size) . $head);
	my $block = 'y' x 1_000_000;
	put($block) foreach 1 .. $size / length $block;
	return '';
}

# A row with other values in it; $change gets them.
sub changed
{
	my ($body, $change) = @_;
	my @values = values_of($body);
	$change->(\@values);
	return row(@values);
}

# Changes a value of the description of the column "val".
sub of_column
{
	my (%changes) = @_;
	return [ columns => 'D', sub { changed($_[0], sub { my ($v) = @_; $v->[0] eq 'val' and @$v[ keys %changes ] = values %changes }) } ];
}

# ---- What it does -------------------------------------------------------------------------------------------

my %at_login = (
	login_endless_notice => sub { flood(notice('x' x 1000) x 100) },
	login_huge_error     => sub { put(failure(S => 'FATAL', C => '28P01', M => 'A' x 25_000_000)) },
	login_endless_error  => sub { put('E' . pack('N', 0x7fffffff)); flood('A' x 1_000_000) },
	login_short_error    => sub { put(failure(S => 'FATAL', C => '28P01', M => 'x:  y', H => 'ab:  c')) },
	login_gss            => sub { put(message('R', pack 'N', 7)) },
	login_negotiate      => sub { put(message('v', pack 'NN', 3, 0x7fffffff)) },
	login_many_settings  => sub {
		put(message('R', pack 'N', 0));
		settings();
	});

sub settings
{
	my $n = 0;
	while (1)
	{
		put(join '', map { message('S', 'p' . $n++ . "\0" . 'v' x 10_000 . "\0") } 1 .. 10);
	}
	return;
}

# The statement, the type of the message of its answer, and what is sent instead, made from the message's body.
my %answers = (
	endless_catalog => [ resolve => 'D', sub { flood(message('D', $_[0]) x 500) } ],
	endless_big     => [ resolve => 'D', sub { flood(changed($_[0], sub { $_[0][4] = 'x' x 1_000_000 })) } ],
	endless_notice  => [ resolve => 'D', sub { flood(notice('x' x 200) x 100) } ],
	endless_notification => [ resolve => 'D', sub { flood(message('A', pack('N', 1) . "channel\0payload\0") x 1000) } ],
	endless_settings => [ resolve => 'D', sub { flush(); settings() } ],
	endless_results  => [ resolve => 'C', sub { flood(message('C', "SELECT 1\0") x 1000) } ],
	trickle          => [ resolve => 'D', sub { flush(); while (1) { put(message('D', $_[0])); usleep(20_000) } } ],
	wide_row         => [ resolve => 'D', sub { wide('D', pack('n N', 1, $argument), $argument) } ],
	long_error       => [ resolve => 'D', sub {
		failure(S => 'ERROR', V => 'ERROR', C => '42P01', M => "m\e[2J" x 2_000_000, D => 'd' x 5_000_000, H => 'h' x 5_000_000, W => 'w' x 5_000_000) } ],
	error_of_a_few_kb => [ resolve => 'D', sub {
		failure(S => 'ERROR', V => 'ERROR', C => '42P01', map { $_ => "\xe6\x95\xb0" x 100_000 } qw(M D H W s t c d n)) } ],
	error_without_fields => [ any => 'C', sub { message('E', "\0") } ],
	invalid_sqlstate     => [ resolve => 'D', sub { failure(S => 'ERROR', C => "\xff\e[2J", M => 'm') } ],
	invalid_message      => [ resolve => 'D', sub { failure(S => 'ERROR', C => '42P01', M => "m\xff\xe2\x82", D => "\xc3") } ],

	endless_copy => [ copy => 'd', sub { flood(message('d', $_[0]) x 1000) if $data_messages > 2; message('d', $_[0]) } ],
	wide_copy    => [ copy => 'd', sub { $data_messages == 2 ? wide('d', '', $argument) : message('d', $_[0]) } ],
	# One row of as many columns as the table has, the last of them as long as it says.
	large_copy => [ copy => 'd', sub {
		$data_messages == 2 ? wide('d', pack('n N N N', 2, 4, 7, $argument), $argument) : message('d', $_[0]) } ],
	invalid_value => [ copy => 'd', sub { message('d', $_[0] =~ s/item/\xff\xfeem/r) } ],
	notices_in_copy => [ copy => 'd', sub { flood(notice('x' x 200) x 100) } ],
	settings_in_copy => [ copy => 'd', sub { flush(); settings() } ],

	invalid_name      => of_column(0 => "v\xff\xfe"),
	cut_name          => of_column(0 => "v\xe2\x82"),
	invalid_comment   => of_column(13 => "com\xff\xe2"),
	invalid_type      => of_column(1 => 'no', 2 => "such\xff", 5 => "ty\xff"),
	invalid_collation => of_column(11 => 'pg_catalog', 12 => "C\xff"),
	invalid_table     => [ resolve => 'D', sub { changed($_[0], sub { $_[0][2] = "it\xffems" }) } ],
	invalid_path      => [ resolve => 'D', sub { changed($_[0], sub { $_[0][4] = "p\xff" }) } ],
	invalid_place     => [ place => 'D', sub { changed($_[0], sub { $_[0][1] = "0/\xff" }) } ],
	zero_byte         => of_column(13 => "com\0ment"),
	other_encoding    => [ any => 'S', sub { message('S', $_[0] =~ s/^client_encoding\0\K\w+/SJIS/r) } ],
	other_version     => [ any => 'S', sub { message('S', $_[0] =~ s/^server_version\0\K[^\0]+/\xff\e[2J99/r) } ],
	no_columns        => [ resolve => 'T', sub { message('T', "\0\0") } ],
	two_widths        => [ columns => 'T', sub { message('T', $_[0]) . message('D', pack 'n N', 1, 0xffffffff) } ],
	key_operator      => [ keys => 'D', sub { changed($_[0], sub { $_[0][4] = '=) true; CREATE TABLE public.injected(); --' }) } ],
	place             => [ place => 'D', sub { changed($_[0], sub { @{ $_[0] }[ 0, 1, 2 ] = ('18446744073709551615', "0/0'; CREATE TABLE injected(); --", '-1') }) } ],
	name              => of_column(0 => 'a" int); CREATE TABLE public.injected(); --'),
	comment           => of_column(13 => "c'; CREATE TABLE public.injected(); -- \\'; CREATE TABLE public.injected(); --"),
	type              => of_column(5 => 'text); CREATE TABLE public.injected(); --'),
	type_name         => of_column(1 => 'pg_catalog', 2 => 'text); CREATE TABLE public.injected(); --'),
	collation         => of_column(11 => 'pg_catalog', 12 => 'C" ); CREATE TABLE public.injected(); --'),
	system_name       => of_column(0 => 'ctid'),
	empty_name        => of_column(0 => ''),
	same_name         => of_column(0 => 'id'),
	false_type        => of_column(2 => 'int8', 5 => 'bigint', 6 => '/pg_catalog.int8 -1'),
	copy_in           => [ copy => 'H', sub { message('G', $_[0]) } ],
	copy_both         => [ copy => 'H', sub { message('W', $_[0]) } ],
	many_ready        => [ any => 'Z', sub { message('Z', 'I') x 10_000 } ]);

# ---- A connection -------------------------------------------------------------------------------------------

sub take
{
	my ($size) = @_;
	my $bytes = '';
	while (length $bytes < $size)
	{
		sysread($client, $bytes, $size - length $bytes, length $bytes) or exit 0;
	}
	return $bytes;
}

sub startup
{
	while (1)
	{
		my $head = take(8);
		my ($length, $code) = unpack 'NN', $head;
		return $head . take($length - 8) if $code != 80877103 && $code != 80877104;
		put('N');
	}
}

sub serve
{
	my $startup = startup();
	if (my $act = $at_login{$mode})
	{
		$act->();
		take(1) while 1;
	}
	$server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server_port) or exit 1;
	syswrite $server, $startup;
	my %received = ($client => '', $server => '');
	my $select = IO::Select->new($client, $server);
	while (1)
	{
		foreach my $from ($select->can_read)
		{
			sysread($from, $received{$from}, 65536, length $received{$from}) or exit 0;
			while ($received{$from} =~ /^(.)(.{4})/s && length $received{$from} > (my $length = unpack 'N', $2))
			{
				my ($type, $body) = ($1, substr $received{$from}, 5, $length - 4);
				substr $received{$from}, 0, $length + 1, '';
				$from == $client ? from_client($type, $body) : from_server($type, $body);
			}
		}
		flush();
	}
	return;
}

sub from_client
{
	my ($type, $body) = @_;
	(undef, $sql) = split /\0/, $body if $type eq 'P';
	$sql = $body if $type eq 'Q';
	my $bytes = message($type, $body);
	syswrite $server, $bytes;
	return;
}

sub from_server
{
	my ($type, $body) = @_;
	$data_messages++ if $type eq 'd';
	my ($statement, $of_type, $answer) = @{ $answers{$mode} // [ 'any', '', undef ] };
	$pending .= $type eq $of_type && $sql =~ $statements{$statement} ? $answer->($body) : message($type, $body);
	return;
}

# ---- All of them --------------------------------------------------------------------------------------------

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => SOMAXCONN) or die "could not listen: $!\n";
$SIG{PIPE} = $SIG{CHLD} = 'IGNORE';
STDOUT->autoflush(1);
print 'listening ', $listener->sockport, "\n";

my $commands = '';
while (1)
{
	foreach my $ready (IO::Select->new(\*STDIN, $listener)->can_read)
	{
		if ($ready == $listener)
		{
			$client = $listener->accept or next;
			my $child = fork // die "could not fork: $!\n";
			serve() unless $child;
			close $client;
			next;
		}
		sysread(STDIN, $commands, 4096, length $commands) or exit 0;
		while ($commands =~ s/^(.*)\n//)
		{
			(undef, $mode, $argument) = split ' ', $1;
			die "unknown mode: $mode\n" unless $mode eq 'none' || $at_login{$mode} || $answers{$mode};
			print "ok\n";
		}
	}
}
