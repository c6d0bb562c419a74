# What the TAP tests share: two clusters, the source and the target, with everything that an ordinary role needs to
# sync from one to the other; calls as that role, in the foreground and in the background; and the statements that
# must hold after every call, whatever happened to it.
#
#   my $pair = TablesyncTest->new;
#   $pair->source_sql('CREATE TABLE items ...');            as superuser on the source
#   $pair->sql('...'), $pair->admin('...')                  on the target: as the ordinary role, as superuser
#   my $row = $pair->sync('items', 'raw.items');            {status, read, inserted, ...}; dies where it fails
#   my $said = $pair->try_sync('items', 'raw.items');       {sqlstate, message, detail, ...}: see TablesyncTest::Call
#   my $call = $pair->start_sync('items', 'raw.items');     in the background; $call->finish returns the same
#   $pair->assert_...

package TablesyncTest;

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TablesyncTest::Call;
use TablesyncTest::Proxy;
use Test::More;
use Time::HiRes;

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
			"timezone = 'UTC'",               'restart_after_crash = on', 'tablesync.max_workers_per_role = 64',
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
	my @arguments = ($more // ());
	# A failure is to be seen, not tried again.
	push @arguments, 'max_retries => 0' unless $more && $more =~ /max_retries/;
	return "SELECT * FROM sync_table('src', " . join(', ', quote($source), quote($target), grep { $_ } @arguments) . ')';
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
	@row{qw(run_id status read inserted updated deleted unchanged rejected watermark duration consistent)} = split /\|/, $line, -1;
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

# Waits for $query to be true on a cluster. Dies where that takes too long; within so many seconds: returns false.
sub wait_until
{
	my ($self, $node, $query, $seconds) = @_;
	local $PostgreSQL::Test::Utils::timeout_default = $seconds // $PostgreSQL::Test::Utils::timeout_default;
	my $done;
	# A psql that a server in recovery sends away may be gone before it has taken the query.
	foreach my $attempt (1 .. 100)
	{
		$done = eval { $node->poll_query_until('postgres', $query) };
		last unless $@ =~ /Broken pipe/;
	}
	die 'waited in vain' unless $done || $seconds;
	return $done;
}

# Waits until $done returns true.
sub poll
{
	my ($done, $seconds) = @_;
	foreach my $attempt (1 .. 20 * ($seconds // $PostgreSQL::Test::Utils::timeout_default))
	{
		return 1 if $done->();
		Time::HiRes::sleep(0.05);
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
	diag_rows('missing', grep { $times{$_} > 0 } sort keys %times);
	diag_rows('too many', grep { $times{$_} < 0 } sort keys %times);
	return 0;
}

sub diag_rows
{
	my ($what, @rows) = @_;
	diag(scalar(@rows) . " rows are $what, among them:");
	diag(substr $_, 0, 500) foreach splice @rows, 0, 5;
	return;
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
	my $rows = sprintf($digest, "(SELECT x.tableoid, x.ctid, x.xmin, x.* FROM $table x)");
	return $self->admin(qq(
		SELECT to_regclass('$table') IS NULL AS absent \\gset
		\\if :absent
			\\echo absent
		\\else
			$rows;
		\\endif));
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

# Nothing is left of any run: see the names below. Waits up to ten seconds for it. With open_record: but the record of a
# worker that ended unexpectedly, which the next call closes.
sub assert_clean
{
	my ($self, $name, %except) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$name //= 'nothing is left behind';
	my $record_too = $except{open_record} ? 'false' : 'true';
	my $clean = $self->wait_until($self->target, qq(
		SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type IN ('pg_tablesync', 'pg_tablesync loader'))
		   AND NOT EXISTS (SELECT FROM tablesync.hidden_table)
		   AND NOT EXISTS (SELECT FROM pg_class WHERE relname LIKE 'tablesync\\_%')
		   AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'userlock')
		   AND NOT EXISTS (SELECT FROM tablesync.run r WHERE $record_too AND r.status = 'running' AND NOT EXISTS (
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

1;
