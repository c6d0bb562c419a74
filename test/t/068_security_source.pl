# A source that means harm. Whatever it sends, a run ends with an SQLSTATE, in bounded time, within its memory limit
# and 32 MB; and nothing that the catalogs here could not hold gets into them.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TablesyncTest;
use TablesyncTest::Hostile;

my $pair  = TablesyncTest->new;
my $proxy = TablesyncTest::Hostile->new($pair->source->port);
my $port  = $proxy->port;
$pair->make_server('hostile', "host '127.0.0.1', port '$port', dbname 'postgres', connect_timeout '2'");
$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, val text);
	COMMENT ON COLUMN items.val IS 'a comment';
	INSERT INTO items SELECT g, 'item ' || g FROM generate_series(1, 200) g;));
my ($postmaster) = slurp_file($pair->target->data_dir . '/postmaster.pid') =~ /^(\d+)/;

my $limit_mb = 16;
my $refused  = '54000';                      # program_limit_exceeded
my $lost     = '08P01|08006';                # protocol_violation, connection_failure
my $text     = '22021';                      # character_not_in_repertoire
my $any      = '|[0-9A-Z]{5}';               # no rule is broken, whether or not that is an error
my $settings = "SET tablesync.stall_timeout = '3s'";

# ---- What it sends ------------------------------------------------------------------------------------------

my @modes = (
	# Without an end.
	[ 'endless_catalog',      $refused ],
	[ 'endless_big',          $refused ],
	[ 'endless_notice',       '08P01' ],
	[ 'endless_notification', '08P01' ],
	[ 'endless_settings',     $refused ],
	[ 'endless_results',      '08006' ],
	[ 'endless_copy',         '57014' ],
	[ 'trickle',              '08006' ],
	[ 'notices_in_copy',      '08P01' ],
	[ 'settings_in_copy',     $refused ],
	# Larger than there is room for.
	[ 'wide_row 1500000000',  $refused ],
	[ 'wide_copy 1500000000', $refused ],
	[ 'long_error',           $refused ],
	[ 'error_of_a_few_kb',    '42P01' ],
	# Before it has let anybody in.
	[ 'login_endless_notice', '08001|54000' ],
	[ 'login_huge_error',     '08001|54000' ],
	[ 'login_endless_error',  '08001|54000' ],
	[ 'login_many_settings',  '08001|54000' ],
	[ 'login_short_error',    '08001' ],
	[ 'login_gss',            '08001' ],
	[ 'login_negotiate',      '08001' ],
	# Texts that are none.
	[ 'invalid_name',         $text ],
	[ 'cut_name',             $text ],
	[ 'invalid_comment',      $text ],
	[ 'invalid_type',         $text ],
	[ 'invalid_collation',    $text ],
	[ 'invalid_table',        $text ],
	[ 'invalid_path',         $text ],
	[ 'invalid_place',        $text ],
	[ 'invalid_value',        $text ],
	[ 'zero_byte',            $text ],
	[ 'invalid_message',      '42P01' ],
	[ 'invalid_sqlstate',     $lost ],
	[ 'other_encoding',       $any ],
	[ 'other_version',        $any ],
	# Answers of another form.
	[ 'no_columns',           $lost ],
	[ 'two_widths',           $lost ],
	[ 'error_without_fields', "$lost|XX000" ],
	[ 'copy_in',              $lost ],
	[ 'copy_both',            $lost ],
	[ 'many_ready',           $any ],
	# Texts that would be SQL.
	[ 'name',                 $any ],
	[ 'comment',              $any ],
	[ 'type',                 $any ],
	[ 'type_name',            $any ],
	[ 'collation',            $any ],
	[ 'key_operator',         $any ],
	[ 'place',                $any ],
	[ 'system_name',          $any ],
	[ 'empty_name',           $any ],
	[ 'same_name',            $any ],
	[ 'false_type',           $any ]);

foreach my $case (@modes)
{
	my ($mode, $sqlstate) = @$case;
	my ($name) = split ' ', $mode;
	$proxy->mode($mode);
	my $timeout = $name eq 'endless_copy' ? '2s' : '20s';
	my $began   = time;
	my $call    = $pair->start(qq($settings; SELECT status FROM sync_table('hostile', 'items', 'raw.$name',
		max_retries => 0, memory_limit_mb => $limit_mb, options => '{"timeout": "$timeout"}')));
	my $peak = watch($call);
	my $said = $call->finish;
	my $seconds = time - $began;
	ok($said->{sqlstate} =~ /^(?:$sqlstate)$/, "$mode: ends as it must") or diag("it said: $said->{text}");
	cmp_ok($peak, '<=', $limit_mb + 32, '... within the limit of memory');
	cmp_ok($seconds, '<', 15, '... soon');
	like($said->{text}, qr/hostile/, '... and says which server it was') if $said->{sqlstate} =~ /^(?:54000|22021|08)/;
}
$proxy->mode('none');

# The most private memory that a worker had while the call ran.
sub watch
{
	my ($call) = @_;
	my $peak = 0;
	while ($call->{run}->pumpable)
	{
		my $now = TablesyncTest::Hostile::worker_memory($postmaster);
		$peak = $now if $now > $peak;
		$call->{run}->pump_nb;
		Time::HiRes::sleep(0.01);
	}
	return $peak;
}

$pair->assert_clean('no worker is left');
is($pair->admin(q(SELECT count(*) FROM pg_class WHERE relname = 'injected')), '0', 'no text became SQL');

# ---- A large row is no attack -------------------------------------------------------------------------------

$pair->source_sql(q(CREATE TABLE large (id int PRIMARY KEY, t text); ALTER TABLE large ALTER t SET STORAGE EXTERNAL;
	INSERT INTO large VALUES (1, repeat('x', 30000000)), (2, 'small');));
my $said = $pair->try_sync('large', 'raw.large', 'memory_limit_mb => 16');
$pair->assert_failed($said, '54000', qr/^server "src" sent more than memory_limit_mb allows$/, 'a row of 30 MB does not fit into 16 MB');
is($said->{detail}, 'A row may have 6.4 MB, because about five copies of it are held in memory.', '... it says why');
is($said->{hint}, 'Raise memory_limit_mb, or leave out the largest column with custom_select.', '... and what to do');
$said = $pair->try_sync('large', 'raw.large', 'memory_limit_mb => 256');
is($said->{sqlstate}, '', '... but into 256 MB') or diag($said->{text});
$pair->assert_identical('large', 'raw.large');

# ---- A source is only read ----------------------------------------------------------------------------------

foreach my $argument ('custom_select', 'custom_count')
{
	$said = $pair->try_sync('items', 'raw.items',
		"$argument => 'WITH x AS (DELETE FROM items RETURNING id) SELECT count(*) AS id FROM x'");
	$pair->assert_failed($said, '25006', qr/^$argument must not write$/, "$argument: a WITH that writes");
}
$said = $pair->try_sync('items', 'raw.items', "custom_where => 'id < 5) OR (true'");
$pair->assert_failed($said, '42601', undef, 'custom_where: two halves of expressions');

# ---- What was stored can be restored ------------------------------------------------------------------------

my $dump = $pair->target->basedir . '/target.sql';
my @pg_dump = ('pg_dump', '-d', $pair->target->connstr('postgres'), '-f', $dump);
$pair->admin('CREATE DATABASE restored');
is(system(@pg_dump), 0, 'the target can be dumped');
my ($status, $out, $err) = $pair->target->psql('restored', "\\i $dump", on_error_stop => 1);
is($status, 0, '... and the dump restored') or diag($err);

done_testing();
