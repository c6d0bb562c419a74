# What the TAP tests share: two clusters, the source and the target, with everything that an ordinary role needs to
# sync from one to the other; calls as that role, in the foreground and in the background; and the statements that
# must hold after every call, whatever happened to it.
#
#   my $pair = TablesyncTest->new;
#   $pair->source_sql('CREATE TABLE items ...');            as superuser on the source
#   $pair->sql('...'), $pair->admin('...')                  on the target: as the ordinary role, as superuser
#   my $row = $pair->sync('items', 'raw.items');            {status, read, inserted, ...}; dies where it fails
#   my $said = $pair->try_sync('items', 'raw.items');       {sqlstate, message, detail, hint, context, notices, out}
#   my $call = $pair->start_sync('items', 'raw.items');     in the background; $call->finish gives the same as try
#   $pair->assert_...

package TablesyncTest;

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Spec;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT_OK = qw(call_of);

# The role on the target that calls sync_table, the role on the source that reads, and its password. The quotes in
# it are there to be quoted wrongly; the rest must never be seen in a log.
our $caller   = 'loader';
our $reader   = 'reader';
our $secret   = 'open-sesame-42';
our $password = "$secret\\'\" =";
our $login    = "user '$reader', password " . quote($password);    # options of a user mapping

# PostgreSQL::Test::Cluster asks for it; only a makefile of the server would set it.
BEGIN
{
	$ENV{PG_REGRESS} //= do
	{
		chomp(my $makefile = `pg_config --pgxs`);
		File::Spec->catfile(dirname($makefile), '..', 'test', 'regress', 'pg_regress');
	};
}

# ---- The clusters -------------------------------------------------------------------------------------------

# Options: source_conf, target_conf: lines for postgresql.conf. proxy: whether the server "src" of the target leads
# through a fault proxy. start_target: a sub that starts the target instead of its start method.
sub new
{
	my ($class, %options) = @_;
	my $self = bless { heard => '', log_read => {} }, $class;
	$self->{source} = make_cluster('source', $options{source_conf});
	$self->{target} = make_cluster('target', $options{target_conf});
	$self->{source}->start;
	$options{start_target} ? $options{start_target}->($self) : $self->{target}->start;
	$self->{proxy} = TablesyncTest::Proxy->new($self->{source}->port) if $options{proxy};
	$self->make_reader;
	$self->make_caller;
	return $self;
}

sub source { return $_[0]{source} }
sub target { return $_[0]{target} }
sub proxy  { return $_[0]{proxy} }

sub make_cluster
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', join("\n",
			"listen_addresses = '127.0.0.1'", 'wal_level = replica',
			'max_wal_senders = 4',            'shared_buffers = 32MB',
			"timezone = 'UTC'",               'restart_after_crash = on',
			@{ $conf // [] }));
	write_hba($node);
	return $node;
}

# Superusers and callers come by the Unix socket; a connection over TCP has to give a password.
sub write_hba
{
	my ($node, @lines) = @_;
	my $file = $node->data_dir . '/pg_hba.conf';
	unlink $file;
	$node->append_conf('pg_hba.conf', join("\n",
			@lines, 'local all all trust', 'local replication all trust', 'host all all 127.0.0.1/32 scram-sha-256'));
	return;
}

sub make_reader
{
	my ($self) = @_;
	$self->source_sql("SET log_statement = none; CREATE ROLE $reader LOGIN PASSWORD " . quote($password));
	$self->source_sql("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO $reader");
	return;
}

sub make_caller
{
	my ($self) = @_;
	my $port = $self->proxy ? $self->proxy->port : $self->source->port;
	$self->admin(qq(
		CREATE EXTENSION pg_tablesync;
		CREATE ROLE $caller LOGIN;
		GRANT CREATE ON DATABASE postgres TO $caller;
		SELECT tablesync.grant_to('$caller');));
	$self->make_server('src', "host '127.0.0.1', port '$port', dbname 'postgres'");
	return;
}

# A server of the target with a user mapping for the caller; without $mapping, the one that works.
sub make_server
{
	my ($self, $name, $options, $mapping) = @_;
	$mapping //= $login;
	$self->admin(qq(
		SET log_statement = none;
		CREATE SERVER $name FOREIGN DATA WRAPPER tablesync OPTIONS ($options);
		GRANT USAGE ON FOREIGN SERVER $name TO $caller;
		CREATE USER MAPPING FOR $caller SERVER $name OPTIONS ($mapping);));
	return;
}

sub quote
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	my $escape = $text =~ s/\\/\\\\/g ? 'E' : '';
	return "$escape'$text'";
}

# ---- SQL ----------------------------------------------------------------------------------------------------

sub source_sql { return $_[0]->source->safe_psql('postgres', $_[1]) }
sub admin      { return $_[0]->target->safe_psql('postgres', $_[1]) }
sub sql        { return $_[0]->target->safe_psql('postgres', $_[1], extra_params => [ '-U', $caller ]) }

# The text of a call of sync_table. $more: further arguments, in SQL.
sub call_of
{
	my ($source, $target, $more) = @_;
	return "SELECT * FROM sync_table('src', " . quote($source) . ', ' . quote($target) . ($more ? ", $more" : '') . ')';
}

# Runs SQL as the caller (or as `user`) and says how it ended.
sub try
{
	my ($self, $sql, %options) = @_;
	return $self->start($sql, %options)->finish;
}

sub try_sync
{
	my ($self, @call) = @_;
	return $self->try(call_of(@call));
}

sub start
{
	my ($self, $sql, %options) = @_;
	return TablesyncTest::Call->new($self, $sql, $options{user} // $caller);
}

sub start_sync
{
	my ($self, @call) = @_;
	return $self->start(call_of(@call));
}

# A call that must succeed: its row.
sub sync
{
	my ($self, @call) = @_;
	my $said = $self->try_sync(@call);
	die 'sync_table failed: ' . $said->{text} if $said->{sqlstate};
	return row_of($said->{out});
}

# The columns of sync_table's row, from the last line of psql's output.
sub row_of
{
	my ($out) = @_;
	my ($line) = $out =~ /([^\n]*)\n*\z/;
	my %row;
	@row{qw(run_id status read inserted updated deleted unchanged rejected watermark duration)} = split /\|/, $line, -1;
	return \%row;
}

# "inserted updated deleted unchanged" of a row.
sub counts
{
	my ($row) = @_;
	return join ' ', @$row{qw(inserted updated deleted unchanged)};
}

# A session of psql on the target that lasts: to hold locks, say. Its statements may fail.
sub session
{
	my ($self, $user) = @_;
	return $self->target->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', $user ]);
}

# Waits for $query to be true on a cluster, for so many seconds at most.
sub wait_until
{
	my ($self, $node, $query, $seconds) = @_;
	local $PostgreSQL::Test::Utils::timeout_default = $seconds if $seconds;
	return $node->poll_query_until('postgres', $query);
}

# Waits until $done returns true.
sub poll
{
	my ($done, $seconds) = @_;
	foreach my $attempt (1 .. 20 * ($seconds // $PostgreSQL::Test::Utils::timeout_default))
	{
		return 1 if $done->();
		select undef, undef, undef, 0.05;
	}
	return 0;
}

# kill -9 of a server's postmaster, and a new one, as soon as the orphans of the old one are gone.
sub kill_and_start
{
	my ($node) = @_;
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	$node->kill9;
	return poll(sub { !kill 0, $pid }) && poll(sub { $node->start(fail_ok => 1) });
}

sub worker_pid
{
	my ($self) = @_;
	return $self->admin(q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_tablesync'));
}

# Waits until a worker waits for a lock that another session holds.
sub wait_for_lock_wait
{
	my ($self) = @_;
	return $self->wait_until($self->target, q(SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE NOT l.granted AND a.backend_type = 'pg_tablesync')));
}

# tablesync.progress as a person sees it: its lines.
sub progress_table
{
	my ($self) = @_;
	my ($status, $table) = $self->target->psql('postgres', 'SELECT * FROM tablesync.progress',
		extra_params => [ '-U', $caller, '-P', 'format=aligned', '-P', 'tuples_only=off' ]);
	return split /\n/, $table;
}

# "status sqlstate" of the target's latest run.
sub last_run
{
	my ($self, $target) = @_;
	return $self->sql('SELECT status, sqlstate FROM tablesync.run WHERE target = '
		  . quote($target) . ' ORDER BY run_id DESC LIMIT 1') =~ tr/|/ /r;
}

# ---- What must hold -----------------------------------------------------------------------------------------

# All rows as text, each as often as it is there: a value is the same only where its text is.
my $digest = q(SELECT count(*) || ' rows ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '')
	FROM %s t);

sub digest_of
{
	my ($self, $node, $table) = @_;
	return $node->safe_psql('postgres', sprintf($digest, $table));
}

sub assert_identical
{
	my ($self, $source_table, $target_table, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$name //= "$target_table is identical to $source_table";
	return pass($name)
	  if $self->digest_of($self->source, $source_table) eq $self->digest_of($self->target, $target_table);
	fail($name);
	my %times;
	$times{$_}++ foreach $self->row_texts($self->source, $source_table);
	$times{$_}-- foreach $self->row_texts($self->target, $target_table);
	my @missing = grep { $times{$_} > 0 } sort keys %times;
	my @surplus = grep { $times{$_} < 0 } sort keys %times;
	diag(scalar(@missing) . ' rows are missing or differ: ' . join("\n", map { substr $_, 0, 500 } grep { defined } @missing[ 0 .. 4 ]));
	diag(scalar(@surplus) . ' rows should not be there: ' . join("\n", map { substr $_, 0, 500 } grep { defined } @surplus[ 0 .. 4 ]));
	return 0;
}

sub row_texts
{
	my ($self, $node, $table) = @_;
	return split /\n/, $node->safe_psql('postgres', "COPY (SELECT t::text FROM $table t) TO STDOUT");
}

# Remembers what a table of the target holds, rows' places included; assert_unchanged() then says that nothing was
# written to it.
sub remember
{
	my ($self, $table) = @_;
	$self->{remembered}{$table} = $self->state_of($table);
	return;
}

sub assert_unchanged
{
	my ($self, $table, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($self->state_of($table), $self->{remembered}{$table}, $name // "$table is unchanged");
}

sub state_of
{
	my ($self, $table) = @_;
	return 'absent' if $self->admin("SELECT to_regclass('$table') IS NULL") eq 't';
	return $self->digest_of($self->target, "(SELECT x.tableoid, x.ctid, x.xmin, x.* FROM $table x)");
}

# $said: what try() returned. $like: a regular expression for the message.
sub assert_failed
{
	my ($self, $said, $sqlstate, $like, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$name //= "fails with $sqlstate";
	my $right = ($said->{sqlstate} =~ /^(?:$sqlstate)$/) && (!defined $like || $said->{message} =~ $like);
	ok($right, $name) or diag("it said: $said->{text}\nand returned: $said->{out}");
	return $right;
}

# Nothing is left of any run: see the names below. Waits up to ten seconds for it.
sub assert_clean
{
	my ($self, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$name //= 'nothing is left behind';
	my $clean = $self->wait_until($self->target, q(
		SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_tablesync')
		   AND NOT EXISTS (SELECT FROM pg_class WHERE relname LIKE 'tablesync\_%')
		   AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'userlock')
		   AND NOT EXISTS (SELECT FROM tablesync.run r WHERE r.status = 'running' AND NOT EXISTS (
				SELECT FROM pg_stat_activity a WHERE a.pid = r.worker_pid AND a.backend_start = r.worker_start))), 10);
	my $gone = $self->wait_until($self->source,
		q(SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pg_tablesync')), 10);
	my $leaks = join "\n", $self->leaks;
	ok($clean && $gone && $leaks eq '', $name) or diag($leaks);
	return;
}

# What the logs, and the answers to the callers, must never hold: the password, and complaints of the server about
# resources that were not given back.
sub leaks
{
	my ($self) = @_;
	my @found;
	foreach my $node ($self->source, $self->target)
	{
		my $from = $self->{log_read}{ $node->logfile } // 0;
		my $log = slurp_file($node->logfile, $from);
		# A line may be half-written: it is read again.
		$self->{log_read}{ $node->logfile } = $from + length($log =~ s/[^\n]*\z//r);
		push @found, $node->name . ": $1" while $log =~ /(.*(?:\Q$secret\E|\bleak|was not closed|PANIC|TRAP:).*)/g;
	}
	push @found, "said to the caller: $1" if $self->{heard} =~ /(.*\Q$secret\E.*)/;
	my $recorded = $self->admin(
		"SET log_statement = none; SELECT count(*) FROM tablesync.run r WHERE r::text LIKE '%$secret%'");
	push @found, "the password is in $recorded rows of tablesync.run" if $recorded;
	$self->{heard} = '';
	return @found;
}

# ---- A call in a session of its own -------------------------------------------------------------------------

package TablesyncTest::Call;

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;

sub new
{
	my ($class, $pair, $sql, $user) = @_;
	my $self = bless { pair => $pair, out => '', err => '' }, $class;
	my $input = "\\set VERBOSITY verbose\nSELECT pg_backend_pid();\n$sql;\n";
	my $node = $pair->target;
	$self->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') . " user=$user", '-f', '-' ],
		'<', \$input, '>', \$self->{out}, '2>', \$self->{err},
		$self->{timeout} = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	pump_until($self->{run}, $self->{timeout}, \$self->{out}, qr/^\d+\n/)
	  or die "could not connect: $self->{err}";
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

# The client goes away without a word.
sub kill_client
{
	my ($self) = @_;
	$self->{run}->kill_kill;
	return;
}

sub finish
{
	my ($self) = @_;
	$self->{run}->finish;
	my $text = $self->{err};
	$self->{pair}{heard} .= "$text\n$self->{out}\n";
	my %said = (text => $text, out => $self->{out}, sqlstate => '', message => '', detail => '', hint => '', context => '');
	$said{notices} = [ $text =~ /^(?:psql:<stdin>:\d+: )?NOTICE:  \w{5}: (.*)$/mg ];
	if ($text =~ /^(?:psql:<stdin>:\d+: )?(?:ERROR|FATAL):  (\w{5}): (.*)/ms)
	{
		$said{sqlstate} = $1;
		my @parts = split /^(DETAIL|HINT|CONTEXT|QUERY|STATEMENT|SCHEMA NAME|TABLE NAME|COLUMN NAME|DATATYPE NAME|CONSTRAINT NAME|LOCATION|server closed)\b:? */m, $2;
		chomp($said{message} = shift @parts);
		while (my ($part, $value) = splice @parts, 0, 2)
		{
			chomp($said{ lc $part } //= $value // '') if $part !~ /^(?:DETAIL|HINT|CONTEXT)$/;
			chomp($said{ lc $part } = $value // '') if $part =~ /^(?:DETAIL|HINT|CONTEXT)$/;
		}
	}
	elsif ($text =~ /server closed the connection|connection to server was lost/)
	{
		$said{sqlstate} = 'lost';
		$said{message} = $text;
	}
	return \%said;
}

# ---- The fault proxy ----------------------------------------------------------------------------------------

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
	$self->{run} = IPC::Run::start([ $^X, dirname(__FILE__) . '/fault_proxy.pl', $server_port ],
		'<', \$self->{in}, '>', \$self->{out});
	($self->{port}) = $self->wait_for(qr/^listening (\d+)\n/m);
	return $self;
}

sub port { return $_[0]{port} }

# Waits for the proxy to say something, and takes it out of what it has said.
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

# See fault_proxy.pl. What happened before is forgotten.
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

# Where the messages of the last COPY began: [offset, type] of each, the last of type "end".
sub messages
{
	my ($self) = @_;
	return map { [ split /:/ ] } split ' ', $self->command('messages');
}

1;
