# What a dump keeps of the state, and a restore brings back: by name, in every format; where the rows are not those of
# the dump, or a name is gone, nothing is taken for known. After it an incremental run reads what is new, and no more.

use strict;
use warnings;

use Test::More;
use TablesyncTest;
use PostgreSQL::Test::Utils;

my $pair = TablesyncTest->new(proxy => 1, target_conf => [ 'max_worker_processes = 16', "tablesync.databases = ''" ]);
my ($target, $proxy) = ($pair->target, $pair->proxy);
my $dir = PostgreSQL::Test::Utils::tempdir();
my $channel = '/engine/cylinder/3/exhaust/temperature/sensor/number/4/of/the/main/engine/port/side';

sub run_tool { return PostgreSQL::Test::Utils::system_log(@_) == 0 }

# SQL in one of the target's databases as the caller: its output, and what was said.
sub call_in
{
	my ($database, $sql, $user) = @_;
	my ($out, $err) = ('', '');
	$target->psql($database, "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err, extra_params => [ '-U', $user // $TablesyncTest::caller ]);
	return ($out, $err);
}

sub row_in
{
	my ($database, @call) = @_;
	my ($out, $err) = call_in($database, TablesyncTest::call_of(@call));
	my $row = TablesyncTest::row_of($out);
	$row->{said} = $err;
	return $row;
}

sub admin_in { return $target->safe_psql($_[0], $_[1]) }

sub same_in
{
	my ($database, $source, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $digest = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM %s t";
	return is(admin_in($database, sprintf $digest, $name), $pair->source_sql(sprintf $digest, $source), "$database: $name is identical to $source");
}

# ---- What there is -------------------------------------------------------------------------------------------

$pair->source_sql(qq(
	GRANT pg_read_all_stats TO reader;
	CREATE TABLE orders (id int PRIMARY KEY, v text, amount numeric, at timestamptz, changed timestamptz NOT NULL DEFAULT now());
	INSERT INTO orders SELECT g, 'order ' || g, g / 7.0, '2026-01-01'::timestamptz + g * interval '1 s', now() - interval '1 day' + g * interval '1 ms' FROM generate_series(1, 2000) g;
	CREATE TABLE parted (id int, region text, changed timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, region));
	INSERT INTO parted SELECT g, CASE g % 2 WHEN 0 THEN 'north' ELSE 'south' END FROM generate_series(1, 1000) g;
	CREATE TABLE large (id int PRIMARY KEY, v text);
	INSERT INTO large SELECT g, repeat('x', 200) FROM generate_series(1, 5000) g;
	CREATE TABLE readings (ship_id text, data_channel_id text, created_time timestamptz, value_format text, bool_v bool, str_v text, long_v bigint, double_v float8);
	INSERT INTO readings SELECT 'S1', c, '2026-01-01Z'::timestamptz + g * interval '1 min', 'Decimal', NULL, NULL, NULL, g
		FROM generate_series(1, 100) g, unnest('{speed,$channel,xmin}'::text[]) c;));
$pair->sql(q(CREATE SCHEMA raw; CREATE TABLE raw.parted (id int, region text, changed timestamptz NOT NULL, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
	CREATE TABLE raw.north PARTITION OF raw.parted FOR VALUES IN ('north'); CREATE TABLE raw.south PARTITION OF raw.parted FOR VALUES IN ('south')));

my %call = (
	by_time  => [ 'orders', 'raw.by_time', q(sync_mode => 'incremental', incremental_field => 'changed') ],
	by_xmin  => [ 'orders', 'raw.by_xmin', q(sync_mode => 'xmin') ],
	complete => [ 'orders', 'raw.complete' ],
	filtered => [ 'orders', 'raw.filtered', q(sync_mode => 'xmin', custom_where => 'id <= 1000') ],
	parted   => [ 'parted', 'raw.parted', q(sync_mode => 'xmin') ],
	'"By Hand"' => [ 'orders', 'raw."By Hand"', q(sync_mode => 'xmin') ]);
my $chunks = q(chunk_mode => true, batch_size => 500);
sub pivot_of { return "SELECT * FROM pivot_ship('src', 'readings', target_schema => 'wide', max_retries => 0$_[0])" }

$pair->sync(@{ $call{$_} }) foreach sort keys %call;
$pair->sql('ALTER TABLE raw.complete RENAME TO complete_by_another_name');
$call{complete}[1] = 'raw.complete_by_another_name';
$pair->sync('orders', 'raw.gone', q(sync_mode => 'xmin'));
ok(!$pair->try(pivot_of(''))->{sqlstate}, 'a pivot');
$pair->sql('ALTER TABLE wide.tbl_data_timeseries_s1 RENAME COLUMN speed TO velocity');
$pair->sql(q(INSERT INTO tablesync.failed_chunk (ship_id, start_time, end_time, server, source, target_schema) VALUES ('S1', '2026-01-01 00:10Z', '2026-01-01 00:20Z', 'src', 'public.readings', 'wide')));

# A sync in chunks that is not complete, and one that has a failed chunk.
foreach my $name (qw(begun broken))
{
	$proxy->fault('stop', 'copy', 700_000);
	my $call = $pair->start_sync('large', "raw.$name", $chunks);
	$proxy->wait_done('stop');
	$pair->sql(qq(SELECT cancel_run(max(run_id)) FROM tablesync.run WHERE target = 'raw.$name'));
	$call->finish;
	$proxy->none;
}
# So is a pivot.
my $begun_pivot = q(SELECT * FROM pivot_ship('src', 'readings', target_schema => 'wide', table_prefix => 'begun_', chunk_interval => '10 min', max_retries => 0));
$proxy->fault('stop', 'copy', 20_000);
my $pivot = $pair->start($begun_pivot);
$proxy->wait_done('stop');
$pair->sql('SELECT cancel_run(max(run_id)) FROM tablesync.run');
$pivot->finish;
$proxy->none;
cmp_ok($pair->admin(q(SELECT chunks FROM tablesync.checkpoint WHERE subject LIKE 'pivot %')), '>', 0, 'chunks are done of a pivot that was canceled');
my $done = $pair->admin(q(SELECT chunks FROM tablesync.checkpoint WHERE target = 'raw.begun'));
cmp_ok($done, '>', 0, 'chunks are done of a sync that was canceled');
$pair->admin(q(UPDATE tablesync.chunk SET status = 'failed' WHERE chunk_no = 1 AND run_id = (SELECT run_id FROM tablesync.checkpoint WHERE target = 'raw.broken')));

# Other roles: one that will be gone, one that loses nothing and gets nothing.
$pair->admin(qq(
	SET log_statement = none;
	CREATE ROLE leaver LOGIN; SELECT tablesync.grant_to('leaver'); GRANT USAGE ON FOREIGN SERVER src TO leaver; CREATE SCHEMA his AUTHORIZATION leaver;
	CREATE USER MAPPING FOR leaver SERVER src OPTIONS ($TablesyncTest::login);));
ok(!$pair->try(TablesyncTest::call_of('orders', 'his.orders', q(sync_mode => 'xmin')), user => 'leaver')->{sqlstate}, 'another role syncs');
# Who dumps is a superuser. Before PostgreSQL 16 a table could be made a view, with its oid.
$pair->source_sql('CREATE TABLE trap (id int); INSERT INTO trap VALUES (1)');
$pair->sync('trap', 'raw.trap');
$pair->sql(q(CREATE TABLE raw.sprung (who text); GRANT ALL ON raw.sprung TO PUBLIC;
	CREATE FUNCTION raw.spring() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO raw.sprung VALUES (current_user); RETURN 1; END $$; DELETE FROM raw.trap));
my $trap = $pair->try(q(CREATE RULE "_RETURN" AS ON SELECT TO raw.trap DO INSTEAD SELECT raw.spring() AS id));
note('no trap in this version') if $trap->{sqlstate};
# A foreign table is read with the rights of another server.
$pair->admin(q(CREATE EXTENSION postgres_fdw; CREATE SERVER nowhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1'); GRANT USAGE ON FOREIGN SERVER nowhere TO loader));
$pair->sync('orders', 'raw.parent', q(sync_mode => 'xmin'));
$pair->sql('CREATE FOREIGN TABLE raw.child () INHERITS (raw.parent) SERVER nowhere');
# What a loader leaves behind.
$pair->sql('CREATE TABLE raw.tablesync_hidden_999_1 (id int)');
$pair->admin(q(INSERT INTO tablesync.hidden_table SELECT 'raw.tablesync_hidden_999_1'::regclass, 'tablesync_hidden_999_1', 999, 'loader', 'raw.x', now()));

# ---- Dumps, and restores -------------------------------------------------------------------------------------

my @from = ('-d', $target->connstr('postgres'));
ok(run_tool('pg_dump', @from, '-f', "$dir/plain.sql"), 'pg_dump, plain');
ok(run_tool('pg_dump', @from, '-Fc', '-f', "$dir/custom"), 'pg_dump -Fc');
ok(run_tool('pg_dump', @from, '-U', 'loader', '--rows-per-insert=500', '-n', 'raw', '-e', 'pg_tablesync', '-f', "$dir/schema.sql"), 'pg_dump -n raw -e pg_tablesync, as a role that is no superuser');
ok(run_tool('pg_dump', @from, '-s', '-f', "$dir/definition.sql"), 'pg_dump --schema-only');
ok(run_tool('pg_dump', @from, '-a', '-f', "$dir/data.sql"), 'pg_dump --data-only');
$pair->admin('SELECT count(*) FROM tablesync.state_to_dump()');
is($pair->admin('SELECT count(*) FROM raw.sprung'), 0, 'a dump runs nobody\'s code');
unlike(slurp_file("$dir/definition.sql"), qr/dumped_state/, "... which has no state");
$pair->admin('DROP OWNED BY leaver CASCADE; DROP ROLE leaver');

sub psql_file { return run_tool('psql', '-Xq', '-d', $target->connstr($_[0]), '-f', $_[1], @_[ 2 .. $#_ ]) }

my @restored = qw(plain custom schema data_only);
admin_in('postgres', "CREATE DATABASE $_ TEMPLATE template0") foreach @restored, qw(other_rows partial);
ok(psql_file('plain', "$dir/plain.sql"), 'psql restores');
run_tool('pg_restore', '-d', $target->connstr('custom'), '-j', '4', "$dir/custom");
# One schema, into a database that has the rest.
admin_in('schema', qq(
	SET log_statement = none;
	CREATE EXTENSION pg_tablesync; SELECT tablesync.grant_to('loader'); CREATE SERVER src FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1', port '@{[ $proxy->port ]}', dbname 'postgres');
	GRANT USAGE ON FOREIGN SERVER src TO loader; CREATE USER MAPPING FOR loader SERVER src OPTIONS ($TablesyncTest::login);));
psql_file('schema', "$dir/schema.sql");
# The data alone, into tables without rows.
psql_file($_, "$dir/definition.sql") foreach qw(data_only other_rows);
psql_file('data_only', "$dir/data.sql");
# ... and into tables that have rows: as many, but others.
admin_in('other_rows', q(
	INSERT INTO raw.by_time SELECT g, 'another', 0, now(), now() - interval '1 day' FROM generate_series(1, 2000) g;
	INSERT INTO raw.by_xmin SELECT g, 'another', 0, now(), now() FROM generate_series(1, 2000) g;
	INSERT INTO raw.begun SELECT g, 'another' FROM generate_series(1, 100) g;));
psql_file('other_rows', "$dir/data.sql");
# A restore that lost a partition on the way.
psql_file('partial', "$dir/plain.sql");
admin_in('partial', 'DELETE FROM raw.parted WHERE id = 7');

# pg_restore gives no role what it gives a role that does not exist in the same step.
admin_in($_, "SELECT tablesync.grant_to('loader'); GRANT USAGE ON FOREIGN SERVER src TO loader") foreach @restored, qw(other_rows partial);

# What was written meanwhile.
$pair->source_sql(q(
	INSERT INTO orders SELECT g, 'new ' || g, g, now(), now() FROM generate_series(2001, 2010) g;
	UPDATE orders SET v = 'changed', changed = now() WHERE id <= 5;
	INSERT INTO parted SELECT g, 'north', now() FROM generate_series(1001, 1003) g;));

foreach my $database (@restored)
{
	my $name = "$database:";
	is(row_in($database, @{ $call{$_} })->{read}, 15, "$name $_ reads what is new") foreach 'by_xmin', '"By Hand"';
	# Bounds are inclusive.
	is(row_in($database, @{ $call{by_time} })->{read}, 16, "$name ... by time");
	is(row_in($database, @{ $call{filtered} })->{read}, 5, "$name ... by its condition");
	is(row_in($database, @{ $call{parted} })->{read}, 3, "$name ... into partitions");
	my $row = row_in($database, @{ $call{complete} });
	is(TablesyncTest::counts($row), '10 5 0 1995', "$name a full sync into a renamed table") or diag($row->{said});
	same_in($database, 'orders', $_) foreach qw(raw.by_time raw.by_xmin raw.complete_by_another_name), 'raw."By Hand"';
	same_in($database, '(SELECT * FROM orders WHERE id <= 1000)', 'raw.filtered');
	same_in($database, 'parted', 'raw.parted');
	is(row_in($database, @{ $call{by_xmin} })->{read}, 0, "$name ... once") unless $database eq 'schema';
	# A role that does not exist, and its table, which belongs to whoever restored it.
	is(admin_in($database, q(SELECT count(*) FROM tablesync.watermark w LEFT JOIN pg_roles r ON r.oid = w.owner WHERE r.oid IS NULL OR w.target ~ 'his')), 0,
		"$name a role that is gone has nothing");
	is(admin_in($database, 'SELECT count(*) FROM tablesync.dumped_state'), 0, "$name nothing is left where it came in");
	is(admin_in($database, q(SELECT count(*) FROM tablesync.watermark w WHERE replace(w.target, '"', '') <> replace(w.target_oid::regclass::text, '"', ''))), 0, "$name each row is of its table");

	is(admin_in($database, q(SELECT concat_ws(' ', request->>'command', request->>'source', request->>'target', request->>'batch_size') FROM tablesync.checkpoint WHERE target = 'raw.begun')),
		'sync_table large ["raw", "begun"] 500', "$name the call of a sync in chunks is kept");
	$row = row_in($database, 'large', 'raw.begun', $chunks);
	like($row->{said}, qr/resumes run 0 after $done chunk@{[ $done == 1 ? q() : q(s) ]}\b/, "$name a sync in chunks goes on") or diag($row->{said});
	cmp_ok($row->{read}, '<', 5000, "$name ... from where it was");
	same_in($database, 'large', 'raw.begun');
	$row = row_in($database, 'large', 'raw.broken', $chunks);
	like($row->{said}, qr/starts again from the first chunk, because the dump does not record/, "$name ... one with a failed chunk begins again");
	same_in($database, 'large', 'raw.broken');
	is((call_in($database, 'SELECT tablesync.drop_hidden_tables()'))[0], 1, "$name a loader's table is known as such");
	next if $database eq 'schema';

	my ($out, $said) = call_in($database, pivot_of(''));
	like($out, qr/^\d+\|S1\|wide\.\S+\|300\|0\|0\|0\|0\|/, "$name a pivot finds its columns, whatever they are called") or diag($said);
	($out, $said) = call_in($database, $begun_pivot);
	like($said, qr/starts again from the first chunk, because the dump does not record/, "$name a pivot that was begun begins again");
	is(admin_in($database, 'SELECT count(*), count(velocity) FROM wide.tbl_data_timeseries_s1'), admin_in($database, 'SELECT count(*), count(speed) FROM wide.begun_s1'), "$name ... and is complete");
	is((call_in($database, q(SELECT ship_id, server, source, run_id FROM tablesync.failed_chunk)))[0], 'S1|src|public.readings|', "$name failed chunks");
	is((call_in($database, q(SELECT DISTINCT made_here FROM tablesync.pivot_table)))[0], 't', "$name what was made here");
}

# ---- Rows that are not those of the dump ------------------------------------------------------------------------

foreach my $name (qw(by_time by_xmin))
{
	my ($out, $said) = call_in('other_rows', TablesyncTest::call_of(@{ $call{$name} }));
	like($said, qr/ERROR:  55000: refusing to replace the rows.*its rows are not those of the dump/s, "other rows: $name is refused");
	call_in('other_rows', "SELECT * FROM verify_table('src', 'orders', 'raw.$name', repair => true, options => '{\"adopt\": true}')");
	same_in('other_rows', 'orders', "raw.$name");
	is(row_in('other_rows', 'orders', "raw.$name", q(sync_mode => 'xmin'))->{read}, 0, '... until verify_table() has proven what it has');
}
like((call_in('other_rows', TablesyncTest::call_of('large', 'raw.begun', $chunks)))[1], qr/because the rows are not those of the dump.*ERROR/s, '... nor is a sync in chunks resumed');
like((call_in('partial', TablesyncTest::call_of(@{ $call{parted} })))[1], qr/55000: refusing to replace/, 'a row is missing: refused');
my $row = row_in('partial', 'parted', 'raw.parted', q(sync_mode => 'xmin', options => '{"adopt": true}'));
is($row->{read}, 1003, '... adopt reads everything');
same_in('partial', 'parted', 'raw.parted');
is(row_in('partial', @{ $call{parted} })->{read}, 0, '... once');

# A dump of a database that was restored, before anything was used; and what is here already stays.
admin_in('postgres', 'CREATE DATABASE again TEMPLATE template0');
ok(run_tool('pg_dump', '-d', $target->connstr('partial'), '-f', "$dir/again.sql"), 'a dump of what was restored');
psql_file('again', "$dir/again.sql");
is(admin_in('again', q(SELECT value FROM tablesync.cascade WHERE target_oid = 'raw.by_time'::regclass)), '', '... what is not proven yet proves nothing to who reads it in turn');
like((call_in('again', q(SELECT * FROM explain_row('raw.by_time', '7'))))[0], qr/^restored\|from a dump/m, '... which explain_row() says');
is(row_in('again', @{ $call{by_time} })->{read}, 16, '... keeps what was to be proven');
isnt(admin_in('again', q(SELECT value FROM tablesync.cascade WHERE target_oid = 'raw.by_time'::regclass)), '', '... until it is');
is(row_in('again', @{ $call{by_xmin} })->{read}, 15, '... of each table');
psql_file('again', "$dir/data.sql");
is(row_in('again', @{ $call{by_xmin} })->{read}, 0, 'data that cannot be restored does not bring its state');

# ---- Without the extension's state --------------------------------------------------------------------------------

foreach my $database (qw(plain))
{
	my $server = "CREATE SERVER src FOREIGN DATA WRAPPER tablesync OPTIONS (host '127.0.0.1', port '@{[ $proxy->port ]}', dbname 'postgres');
		GRANT USAGE ON FOREIGN SERVER src TO loader; CREATE USER MAPPING FOR loader SERVER src OPTIONS ($TablesyncTest::login);";
	admin_in($database, qq(SET log_statement = none; SET client_min_messages = error; DROP EXTENSION pg_tablesync CASCADE; CREATE EXTENSION pg_tablesync; SELECT tablesync.grant_to('loader'); $server));
	my ($out, $said) = call_in($database, TablesyncTest::call_of(@{ $call{by_xmin} }));
	like($said, qr/55000: refusing to replace.*SELECT \* FROM verify_table\('src', 'orders', 'raw.by_xmin', repair => true/s, 'DROP EXTENSION: a sync says how to go on');
	($out, $said) = call_in($database, q(SELECT * FROM verify_table('src', 'orders', 'raw.by_xmin', repair => true, options => '{"adopt": true}')));
	like($said, qr/0 missing, 0 different, 0 extra/, '... by a comparison');
	$pair->source_sql(q(INSERT INTO orders VALUES (3000, 'after', 0, now())));
	is(row_in($database, @{ $call{by_xmin} })->{read}, 1, '... then it reads what is new');
	same_in($database, 'orders', 'raw.by_xmin');
	is(row_in($database, 'orders', 'raw.by_time', q(sync_mode => 'incremental', incremental_field => 'changed', options => '{"adopt": true}'))->{read}, 2011, '... or everything, where it is to adopt');
	($out, $said) = call_in($database, pivot_of(''));
	like($out, qr/\|300\|0\|0\|0\|0\|/, '... a pivot knows its columns by their comments') or diag($said);
	is((call_in($database, q(SELECT string_agg(channel || ' ' || column_name, ', ' ORDER BY channel COLLATE "C") FROM tablesync.pivot_column)))[0],
		"$channel " . substr($channel, 0, 54) . (admin_in($database, q(SELECT right(attname, 9) FROM pg_attribute WHERE attrelid = 'wide.tbl_data_timeseries_s1'::regclass AND attname LIKE '/engine%'))) . ', speed velocity, xmin '
		  . admin_in($database, q(SELECT attname FROM pg_attribute WHERE attrelid = 'wide.tbl_data_timeseries_s1'::regclass AND attname LIKE 'xmin\_%')), '... each of them');
	is((call_in($database, q(SELECT made_here FROM tablesync.pivot_table)))[0], 'f', '... and will not drop what it found');
}

# ---- What a dump can give a role -----------------------------------------------------------------------------------

# Whoever may not write the state by hand may not by way of this table, or its functions.
foreach my $statement (
	q(INSERT INTO tablesync.dumped_state VALUES (1, 'watermark', 'loader', 'raw', 'by_xmin', '{}')),
	'CREATE TEMP TABLE mine (LIKE tablesync.dumped_state); CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION tablesync.take_dumped_state()')
{
	like((call_in('custom', $statement))[1], qr/ERROR:  42501: permission denied/, 'denied: ' . substr $statement, 0, 50);
}

# He sees his own.
$pair->admin('CREATE ROLE nobody LOGIN');
is((call_in('custom', 'SELECT count(*) FROM tablesync.state_to_dump()', 'nobody'))[0], 0, 'a role without rights dumps no state');
is((call_in('custom', q(SELECT string_agg(DISTINCT owner, ' ') FROM tablesync.state_to_dump())))[0], 'loader', '... others their own');
admin_in('custom', q(UPDATE tablesync.watermark SET owner = current_user::regrole WHERE target = 'raw.by_time'));
is((call_in('custom', q(SELECT count(*) FROM tablesync.state_to_dump() WHERE table_name = 'by_time')))[0], 0, '... and not those of a stranger');

done_testing();
