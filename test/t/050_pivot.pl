# pivot_ship against an oracle (TablesyncTest::Pivot): whatever the readings are, from this database or another, and in
# whatever way they are read, the wide tables hold what they say, and what no column can hold is on record.
#
# TABLESYNC_TEST_LONG: 20 seeds instead of 3.

use strict;
use warnings;

use Test::More;
use TablesyncTest;
use TablesyncTest::Pivot;

my $pair   = TablesyncTest->new(target_conf => ['max_worker_processes = 12']);
my $pivot  = TablesyncTest::Pivot->new($pair);
my $prefix = $TablesyncTest::Pivot::prefix;
my @ships  = ('SHIP1', 'ship-2', 'Ünïcø "3"');

# All that a plain role has: it makes its schemas.
sub schema
{
	my ($name) = @_;
	$pair->sql("CREATE SCHEMA $name");
	return (target_schema => "'$name'");
}

# ---- From here and from there, whatever it is -----------------------------------------------------------------

foreach my $seed (1 .. ($ENV{TABLESYNC_TEST_LONG} ? 20 : 3))
{
	my $table = "readings_$seed";
	$pivot->make($table, seed => $seed, mixed => 1, nulls => 0.01, far => 1, step => '10 min');
	foreach my $from ('here', 'there')
	{
		my $schema = "${from}_$seed";
		my $first = $pivot->next_run;
		my @rows = $pivot->run($from eq 'there' ? 'src' : undef, $table, schema($schema), memory_limit_mb => 16, chunk_interval => "'6 hours'");
		$pivot->assert_oracle($table, $schema, first_run => $first, name => "seed $seed, from $from: what the readings say");
		is(scalar(grep { $_->{run_id} < $first } @rows), 0, '... the rows are of a new run');
		# There may be one of no ship, for what was rejected.
		is(join(' ', sort grep { $_ ne '' } map { $_->{ship} } @rows), join(' ', sort @ships), '... a row for each ship');
		is(TablesyncTest::Pivot::total('columns_added', @rows), $pair->admin("SELECT count(*) FROM tablesync.pivot_column c JOIN tablesync.pivot_table t USING (table_oid) WHERE target_schema = '$schema'"),
			'... all columns were counted');
		cmp_ok(TablesyncTest::Pivot::total('cells_written', @rows), '>=', $pivot->cells($schema), '... and all cells');
	}
	$pivot->assert_same("here_$seed", "there_$seed", name => "seed $seed: both are the same, types of columns too");
}
is($pair->admin(q(SELECT string_agg(DISTINCT format_type(atttypid, atttypmod), ', ') FROM pg_attribute a JOIN pg_constraint c ON c.conrelid = a.attrelid AND c.contype = 'p' AND c.conkey = ARRAY[a.attnum]
		WHERE attrelid IN (SELECT table_oid FROM tablesync.pivot_table) AND attname = 'created_time')), 'timestamp with time zone', 'the time is the primary key');
is($pair->admin(q(SELECT count(*) FROM tablesync.pivot_table t WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = t.table_oid AND c.contype = 'p'))), 0, '... of each table');
is($pair->admin(q(SELECT count(*) FROM tablesync.pivot_table WHERE NOT made_here)), 0, '... all of which were made here');
is($pair->admin(q(SELECT string_agg(DISTINCT command || ' ' || status, ', ') FROM tablesync.run)), 'pivot_ship succeeded', 'the runs are on record');
is($pair->admin(qq(SELECT count(*) FROM tablesync.reject WHERE message = '' OR row_key IS NULL OR row_key NOT LIKE 'ship %' OR owner <> '$TablesyncTest::caller'::regrole)), 0, 'every reject has a reason and a key');
is($pair->admin(q(SELECT count(*) FROM tablesync.reject WHERE column_name IS DISTINCT FROM "row"->>'data_channel_id')), 0, '... and the channel');

# ---- What is there already ------------------------------------------------------------------------------------

# The cells of these do not depend on the order in which they are read.
$pivot->make('readings', seed => 40);
my $all = $pair->admin('SELECT count(*) FROM readings');
my @again = (schema('again'), chunk_interval => "'1 hour'");
my $first = $pivot->next_run;
my @rows = $pivot->run('src', 'readings', @again);
$pivot->assert_oracle('readings', 'again', first_run => $first, name => 'readings of one type per channel');
is(TablesyncTest::Pivot::total('rows_read', @rows), $all, '... all were read');
is(TablesyncTest::Pivot::total('rows_rejected', @rows), $pair->admin("SELECT count(*) FROM tablesync.reject WHERE run_id >= $first"), '... the rejected ones were counted');
my $state = $pivot->state_of('again');
@rows = $pivot->run('src', 'readings', @again);
is(TablesyncTest::Pivot::total($_, @rows), 0, "a run again: nothing in $_") foreach qw(rows_written cells_written columns_added);
is(TablesyncTest::Pivot::total('rows_read', @rows), $all, '... all were read again');
is($pivot->state_of('again'), $state, '... no row was touched');
# With several types to a channel, too, where what was rejected is rejected again.
$state = $pivot->state_of('there_1');
@rows = $pivot->run('src', 'readings_1', target_schema => "'there_1'", chunk_interval => "'6 hours'");
is(TablesyncTest::Pivot::total($_, @rows), 0, "several types, a run again: nothing in $_") foreach qw(rows_written cells_written columns_added);
is($pivot->state_of('there_1'), $state, '... no row was touched');

# Late readings, at times that are there and at others; and channels that are new.
$pivot->add('readings', seed => 40, readings => 6000, channels => 70, first => '2024-03-01 00:10Z', step => '15 s');
$pivot->run('src', 'readings', @again);
$pivot->assert_oracle('readings', 'again', name => 'late readings and new channels');

# A cell without a reading stays; one with a reading is mended.
$pair->sql(qq(UPDATE again.${prefix}ship1 SET "rpm" = NULL, "RPM" = coalesce("RPM"::text, '0')::@{[ type_of('again', 'SHIP1', 'RPM') ]}));
my $lonely = $pair->sql(qq(INSERT INTO again.${prefix}ship1 (created_time, "/hs4sd_v1/ae/channel_40") SELECT '2024-03-01 00:00:00.5Z', "/hs4sd_v1/ae/channel_40" FROM again.${prefix}ship1
	WHERE "/hs4sd_v1/ae/channel_40" IS NOT NULL LIMIT 1 RETURNING created_time));
$pivot->remember_cells('again', 'before');
$pivot->run('src', 'readings', @again);
$pivot->assert_oracle('readings', 'again', before => 'before', name => 'a NULL overwrites nothing');
is($pair->admin(qq(SELECT count(*) FROM again.${prefix}ship1 WHERE created_time = '$lonely')), 1, '... and a row without readings stays');

sub type_of
{
	my ($schema, $ship, $channel) = @_;
	return $pair->admin("SELECT type FROM oracle.columns('$schema', '$prefix') WHERE ship = '$ship' AND channel = '$channel'");
}

# ---- Which ships, which times, which channels -----------------------------------------------------------------

$pivot->run('src', 'readings', schema('one'), ship_id => "'SHIP1'");
$pivot->assert_oracle('readings', 'one', ships => ['SHIP1'], name => 'one ship');
$pivot->run('src', 'readings', schema('two'), ship_ids => TablesyncTest::Pivot::sql_array(@ships[ 1, 2 ]));
$pivot->assert_oracle('readings', 'two', ships => [ @ships[ 1, 2 ] ], name => 'two ships');

my @range = ('2024-03-01 00:40:00Z', '2024-03-01 01:33:20Z');
$pivot->run('src', 'readings', schema('range'), from_time => "'$range[0]'", cutoff_time => "'$range[1]'", chunk_interval => "'7 minutes'");
$pivot->assert_oracle('readings', 'range', from_time => $range[0], cutoff_time => $range[1], name => 'a range of times: its end does not belong to it');

my @channels = ('xmin', "two\nlines", 'RPM', 'größe_速度_😀', '/hs4sd_v1/me/channel_33');
$first = $pivot->next_run;
$pivot->run('src', 'readings', schema('chosen'), channels => TablesyncTest::Pivot::sql_array(@channels));
$pivot->assert_oracle('readings', 'chosen', channels => \@channels, first_run => $first, name => 'some channels');
is($pair->admin(q(SELECT to_jsonb(array_agg(DISTINCT channels)) FROM (SELECT array_agg(channel ORDER BY attnum) AS channels FROM tablesync.pivot_table JOIN tablesync.pivot_column USING (table_oid)
	WHERE target_schema = 'chosen' GROUP BY table_oid) x)), $pair->admin('SELECT to_jsonb(ARRAY[' . TablesyncTest::Pivot::sql_array(@channels) . '])'), '... in the order in which they were given');

$pair->sql('CREATE TABLE chosen.listed AS SELECT unnest(' . TablesyncTest::Pivot::sql_array(@channels) . ') AS channel');
$pivot->run('src', 'readings', schema('listed'), options => q('{"channels_table": "chosen.listed"}'));
$pivot->assert_oracle('readings', 'listed', channels => \@channels, name => 'channels of a table');

# ---- How they are read ----------------------------------------------------------------------------------------

my %ways = (
	oldest   => [ options => q('{"order": "oldest_first"}'), chunk_interval => "'20 minutes'" ],
	parallel => [ parallel_workers => 2, chunk_interval => "'20 minutes'" ],
	one_go   => [ chunk_interval => "'36500 days'" ],
	batches  => [ batch_size => 7 ]);
$pivot->run('src', 'readings', schema('newest'), options => q('{"order": "newest_first"}'), chunk_interval => "'20 minutes'");
$pivot->assert_oracle('readings', 'newest', name => 'newest first');
foreach my $way (sort keys %ways)
{
	$pivot->run('src', 'readings', schema($way), @{ $ways{$way} });
	$pivot->assert_oracle('readings', $way, name => "$way: what the readings say");
	$pivot->assert_same('newest', $way, any_type => 1, name => '... the same as newest first');
}

# A table here that is read whole is read from its pages: with rows that are gone, or never came to be, columns that were
# dropped, or added later, and texts that are kept elsewhere.
$pair->admin(q(CREATE TABLE paged (gone integer, ship_id text, data_channel_id text, also_gone text, created_time timestamptz, bool_v boolean, str_v text, long_v bigint, double_v double precision)));
$pair->admin(q(INSERT INTO paged SELECT 1, ship_id, data_channel_id, 'x', created_time, bool_v, str_v, long_v, double_v FROM readings));
$pair->admin(q(ALTER TABLE paged DROP COLUMN gone, DROP COLUMN also_gone, ADD COLUMN value_format text DEFAULT 'Decimal'));
$pair->admin(q(INSERT INTO paged (ship_id, data_channel_id, created_time, str_v, value_format)
	SELECT 'SHIP1', 'long/' || n, '2024-01-01 UTC', CASE n WHEN 1 THEN repeat('long ', 10000) WHEN 2 THEN (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i) ELSE '' END, 'String' FROM generate_series(1, 3) n));
$pair->admin(q(BEGIN; UPDATE paged SET double_v = -1; INSERT INTO paged (ship_id, data_channel_id, created_time, long_v) SELECT 'SHIP1', 'never', now(), 1 FROM generate_series(1, 1000); ROLLBACK));
$pair->admin(q(DELETE FROM paged WHERE ctid IN (SELECT ctid FROM paged WHERE value_format = 'Decimal' LIMIT 500)));
$pair->admin(q(UPDATE paged SET double_v = double_v + 1 WHERE data_channel_id = (SELECT min(data_channel_id) FROM paged WHERE double_v < 1e6)));
$pair->admin("GRANT SELECT ON paged TO $TablesyncTest::caller");
$first = $pivot->next_run;
$pivot->run(undef, 'paged', schema('paged_wide'), chunk_interval => "'36500 days'");
$pivot->assert_oracle('paged', 'paged_wide', first_run => $first, name => 'from its pages: what the readings say');
is($pair->admin(q(SELECT max(length("long/1")) || ' ' || max(md5("long/2")) || ' ' || max("long/3") FROM paged_wide.) . "${prefix}ship1"),
	'50000 ' . $pair->admin(q(SELECT md5(string_agg(md5(i::text), '')) FROM generate_series(1, 2000) i)) . ' ', '... long texts too');
is($pair->admin(q(SELECT count(*) FROM tablesync.pivot_column WHERE channel = 'never')), 0, '... and nothing that never was');
$pair->admin(q(VACUUM paged));
$first = $pivot->next_run;
$pivot->run(undef, 'paged', schema('paged_again'), ship_id => "'ship-2'", chunk_interval => "'36500 days'");
$pivot->assert_oracle('paged', 'paged_again', first_run => $first, ships => ['ship-2'], name => 'from pages that are visible to all, of one ship');

# Whatever the types are, two workers lose nothing.
$first = $pivot->next_run;
$pivot->run('src', 'readings_1', schema('parallel_mixed'), parallel_workers => 2, chunk_interval => "'2 hours'", memory_limit_mb => 16);
$pivot->assert_oracle('readings_1', 'parallel_mixed', first_run => $first, name => 'two workers, several types');
$pivot->run(undef, 'readings_2', schema('oldest_mixed'), options => q('{"order": "oldest_first"}'), chunk_interval => "'2 hours'");
$pivot->assert_oracle('readings_2', 'oldest_mixed', name => 'oldest first, several types');

# ---- Types ----------------------------------------------------------------------------------------------------

$first = $pivot->next_run;
$pivot->run('src', 'readings_1', schema('texts'), value_type => "'text'");
$pivot->assert_oracle('readings_1', 'texts', first_run => $first, name => 'all columns are text');
is($pair->admin("SELECT string_agg(DISTINCT type, ', ') FROM oracle.columns('texts', '$prefix')"), 'text', '... they are');

# ---- Groups, and more channels than there is room for ---------------------------------------------------------

my $groups = q('{"engine": "^/hs4sd_v1/me/", "all_of_hs4": "^/hs4sd_v1/", "rest": "^/OTHER/"}');
$pivot->run('src', 'readings', schema('grouped'), table_groups => $groups);
$pivot->assert_oracle('readings', 'grouped', name => 'groups of channels');
# In the order of jsonb, shorter keys come first.
is($pair->admin(qq(SELECT string_agg(DISTINCT format('%s %s', group_name, CASE WHEN channel ~ '^/hs4sd_v1/me/' THEN 'me' WHEN channel ~ '^/hs4sd_v1/' THEN 'hs4' ELSE 'other' END), ', ')
	FROM tablesync.pivot_table JOIN tablesync.pivot_column USING (table_oid) WHERE target_schema = 'grouped')), 'all_of_hs4 hs4, default other, engine me', '... the first match wins; the pattern minds case');
is($pair->admin(qq(SELECT count(*) FROM tablesync.pivot_table WHERE target_schema = 'grouped' AND table_name::text <> '$prefix' || lower(ship) || '_' || group_name AND ship <> '$ships[2]')), 0, '... and its name is at the end of the table\'s');
assert_view('grouped', 'ship1', 'SHIP1', 'the view of the groups');

# A view of a ship's tables has all cells of the ship.
sub assert_view
{
	my ($schema, $view, $ship, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($pair->sql(qq(SELECT count(*), count(DISTINCT created_time), sum((SELECT count(*) FROM jsonb_object_keys(jsonb_strip_nulls(to_jsonb(v) - 'created_time')))) FROM $schema.$prefix${view}_all v)),
		$pair->admin("SELECT count(DISTINCT at), count(DISTINCT at), count(*) FROM oracle.cells('$schema', '$prefix', 'timestamptz', 'UTC') WHERE ship = '$ship'"), "$name: a row for each time, all cells");
	return;
}

# A row has room for about a thousand numbers.
$pivot->make('wide', ships => ['WIDE'], channels => 1300, readings => 5200, at_once => 1300, kinds => [ 'decimal', 'integer' ]);
$pivot->run('src', 'wide', schema('wide_1300'));
$pivot->assert_oracle('wide', 'wide_1300', name => '1,300 channels');
cmp_ok(scalar($pivot->tables('wide_1300')), '==', 2, '... are two tables') or diag(join ' ', $pivot->tables('wide_1300'));
is(join(' ', map { s/\|.*//r } $pivot->tables('wide_1300')), "${prefix}wide ${prefix}wide_2", '... the second is numbered');
assert_view('wide_1300', 'wide', 'WIDE', '... the view');
$state = $pivot->state_of('wide_1300');
@rows = $pivot->run('src', 'wide', target_schema => "'wide_1300'");
is($pivot->state_of('wide_1300'), $state, '... a run again touches nothing');

$pivot->make('wider', ships => ['WIDER'], channels => 3000, readings => 12000, at_once => 3000);
foreach my $limit (16, 64)
{
	$pivot->run('src', 'wider', schema("wide_3000_$limit"), memory_limit_mb => $limit);
	$pivot->assert_oracle('wider', "wide_3000_$limit", name => "3,000 channels in $limit MB");
	cmp_ok(scalar($pivot->tables("wide_3000_$limit")), '>', 1, '... are several tables');
}
$pivot->assert_same('wide_3000_16', 'wide_3000_64');

# ---- Tables that others have made -----------------------------------------------------------------------------

schema('adopted');
$pair->sql(qq(
	CREATE TABLE adopted."${prefix}SHIP1" (created_time timestamp PRIMARY KEY, "rpm" text, "xmin_is_not_mine" text, "RPM" text, "/hs4sd_v1/ae/channel_40" text);
	INSERT INTO adopted."${prefix}SHIP1" VALUES ('2020-01-01 00:00', 'old', 'older', NULL, 'oldest'), ('2024-03-01 00:00', NULL, 'kept', NULL, NULL);
	CREATE TABLE adopted."${prefix}ship-2" ("RPM" text, created_time timestamp PRIMARY KEY, gone int, "select" text);
	ALTER TABLE adopted."${prefix}ship-2" DROP gone;));
@rows = $pivot->run('src', 'readings', target_schema => "'adopted'");
my $old = q(VALUES ('SHIP1', 'rpm', '2020-01-01 00:00:00+00', 'old'), ('SHIP1', '/hs4sd_v1/ae/channel_40', '2020-01-01 00:00:00+00', 'oldest'));
# The columns of channels that nobody sends may be known, or not.
$pair->admin("CREATE TABLE old (ship, channel, at, value) AS $old; INSERT INTO old SELECT ship, 'xmin_is_not_mine', v.at, v.value
	FROM oracle.columns('adopted', '$prefix') c, (VALUES ('2020-01-01 00:00:00+00', 'older'), ('2024-03-01 00:00:00+00', 'kept')) v (at, value) WHERE c.channel = 'xmin_is_not_mine'");
$pivot->assert_oracle('readings', 'adopted', before => 'old', name => 'tables of text that were there, in both spellings');
is($pair->admin(q(SELECT string_agg(table_name || ' ' || made_here, ', ' ORDER BY table_name::text COLLATE "C") FROM tablesync.pivot_table WHERE target_schema = 'adopted')),
	qq(${prefix}SHIP1 false, ${prefix}ship-2 false, ${prefix}Ünïcø "3" true), '... were taken as they are');
is($pair->admin("SELECT count(*) FROM pg_class WHERE relnamespace = 'adopted'::regnamespace AND relkind = 'r'"), 3, '... and no others were made');
is(join(' ', map { type_of('adopted', 'SHIP1', $_) } 'rpm', 'RPM', '/hs4sd_v1/ae/channel_40'), 'text text text', '... their columns keep their types');
is($pair->sql(qq(SELECT string_agg(xmin_is_not_mine, ' ' ORDER BY created_time) FROM adopted."${prefix}SHIP1")), 'older kept', '... and what no channel has stays');
is($pair->sql(qq(SELECT data_type FROM information_schema.columns WHERE table_schema = 'adopted' AND table_name = '${prefix}SHIP1' AND column_name = 'created_time')), 'timestamp without time zone', '... their times, too');
$state = $pivot->state_of('adopted');
$pivot->run('src', 'readings', target_schema => "'adopted'");
is($pivot->state_of('adopted'), $state, '... a run again touches nothing');

# Only ours are dropped.
$pair->sql(qq(INSERT INTO adopted."${prefix}Ünïcø ""3""" (created_time) VALUES ('1999-01-01 00:00Z'); CREATE TABLE adopted.${prefix}other (created_time timestamptz PRIMARY KEY)));
my $adopted = $pair->admin(qq(SELECT 'adopted."${prefix}SHIP1"'::regclass::oid, 'adopted."${prefix}ship-2"'::regclass::oid, 'adopted.${prefix}other'::regclass::oid));
my $ours = $pair->admin(qq(SELECT 'adopted."${prefix}Ünïcø ""3"""'::regclass::oid));
$pivot->run('src', 'readings', target_schema => "'adopted'", drop_tables => 'true');
is($pair->admin(qq(SELECT 'adopted."${prefix}SHIP1"'::regclass::oid, 'adopted."${prefix}ship-2"'::regclass::oid, 'adopted.${prefix}other'::regclass::oid)), $adopted, 'drop_tables: tables of others stay');
isnt($pair->admin(qq(SELECT 'adopted."${prefix}Ünïcø ""3"""'::regclass::oid)), $ours, '... ours is made anew');
is($pair->admin(q(SELECT count(*) FROM tablesync.pivot_table t WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.table_oid))), 0, '... the old one is forgotten');
is($pair->sql(qq(SELECT count(*) FROM adopted."${prefix}Ünïcø ""3""" WHERE created_time < '2000-01-01')), 0, '... with what was in it');
$pivot->assert_oracle('readings', 'adopted', before => 'old', name => '... and all is there again');
# Of the ships of the call.
$pair->sql(qq(INSERT INTO one.${prefix}ship1 (created_time) VALUES ('1999-01-01 00:00Z')));
$pivot->run('src', 'readings', target_schema => "'one'", drop_tables => 'true', ship_id => "'ship-2'");
is($pair->sql(qq(SELECT count(*) FROM one.${prefix}ship1 WHERE created_time < '2000-01-01')), 1, 'drop_tables: tables of other ships stay');
$pivot->assert_oracle('readings', 'one', ships => [ @ships[ 0, 1 ] ]);

# ---- Other names, other times ---------------------------------------------------------------------------------

$pivot->make('signals', ships => ['ONLY'], kinds => ['decimal'], select => q(data_channel_id AS "the Signal", created_time AS ts, double_v AS value));
$pivot->run('src', 'signals', schema('renamed'), ship_id => "'ONLY'",
	options => q('{"columns": {"data_channel_id": "the Signal", "created_time": "ts", "double_v": "value", "ship_id": null, "value_format": null, "bool_v": null, "str_v": null, "long_v": null}}'));
$pivot->assert_oracle('signals', 'renamed', name => 'a source with other columns, of one ship',
	readings => q(SELECT ctid AS place, 'ONLY' AS ship_id, "the Signal" AS data_channel_id, ts AS created_time, NULL AS value_format, NULL::boolean AS bool_v, NULL AS str_v, NULL::bigint AS long_v, value AS double_v FROM signals));

# Over the nights in which clocks change: an hour that is not there in spring, one that comes twice in autumn.
my %nights = (
	spring => [ '2024-03-31 00:00Z', '2024-03-31 00:30:00Z', '2024-03-31 02:10:00Z' ],
	autumn => [ '2024-10-26 23:00Z', '2024-10-26 22:30:00Z', '2024-10-27 02:10:00Z' ]);
foreach my $night (sort keys %nights)
{
	my ($begin, $from, $to) = @{ $nights{$night} };
	my $of_berlin = q('{"time_zone": "Europe/Berlin"}');
	$pivot->make($night, first => $begin, readings => 2000, at_once => 5,
		select => q(ship_id, data_channel_id, timezone('UTC', created_time) AS created_time, value_format, bool_v, str_v, long_v, double_v));
	$first = $pivot->next_run;
	$pivot->run('src', $night, schema("berlin_$night"), options => $of_berlin, chunk_interval => "'1 hour'");
	$pivot->assert_oracle($night, "berlin_$night", zone => 'Europe/Berlin', first_run => $first, name => "$night: times without a zone stay as they are");
	$pivot->run(undef, $night, schema("berlin_part_of_$night"), options => $of_berlin, from_time => "'$from'", cutoff_time => "'$to'", chunk_interval => "'30 minutes'");
	$pivot->assert_oracle($night, "berlin_part_of_$night", zone => 'Europe/Berlin', from_time => $from, cutoff_time => $to, name => '... a range of them');
}
is($pair->admin("SELECT string_agg(DISTINCT format_type(atttypid, atttypmod), ' ') FROM pg_attribute JOIN tablesync.pivot_table ON attrelid = table_oid WHERE target_schema LIKE 'berlin%' AND attname = 'created_time'"),
	'timestamp without time zone', '... of the type that they have on the source');

# ---- Step by step ---------------------------------------------------------------------------------------------

my @sample = (sample_interval => "'1 day'", cutoff_time => "'2024-03-02 00:00Z'");
schema('steps');
@rows = $pivot->run('src', 'readings', target_schema => "'steps'", mode => "'schema-only'", @sample);
is($pair->admin("SELECT count(*) FROM pg_class WHERE relnamespace = 'steps'::regnamespace"), 0, 'schema_only makes nothing');
my $would = TablesyncTest::Pivot::total('columns_added', @rows);
@rows = $pivot->run('src', 'readings', target_schema => "'steps'", mode => "'tables-only'", @sample);
is(TablesyncTest::Pivot::total('columns_added', @rows), $would, '... and says what tables_only makes');
cmp_ok($would, '>=', 3 * 60, '... which are all channels that were seen');
is($pivot->cells('steps'), 0, '... without rows');
@rows = $pivot->run('src', 'readings', target_schema => "'steps'", mode => "'migration_only'");
$pivot->assert_oracle('readings', 'steps', name => 'migration_only fills them');
# Of a sample of no time nothing is known; channels are found on the way.
$pivot->run('src', 'readings', schema('unseen'), sample_interval => "'1 second'");
$pivot->assert_oracle('readings', 'unseen', name => 'channels that the sample did not have');

# ---- Chunks that failed ---------------------------------------------------------------------------------------

schema('failing');
my @failing = (target_schema => "'failing'", chunk_interval => "'20 minutes'", @sample);
$pivot->run('src', 'readings', @failing, mode => "'tables_only'");
$pair->sql(qq(ALTER TABLE failing.${prefix}ship1 ADD CONSTRAINT not_now CHECK (created_time NOT BETWEEN '2024-03-01 01:02Z' AND '2024-03-01 01:04Z')));
my $said = $pair->try($pivot->call('src', 'readings', @failing));
$pair->assert_failed($said, '23514', undef, 'a chunk that fails');
my ($failed) = $pair->sql(q(SELECT string_agg(format('%s %s %s %s %s', ship_id, start_time <= '2024-03-01 01:02Z' AND end_time > '2024-03-01 01:04Z', target_schema, sqlstate, attempts > 0), ', ') FROM tablesync.failed_chunk));
like($failed, qr/^(?:SHIP1|) t failing 23514 t$/, '... is kept') or diag($failed);
cmp_ok($pivot->cells('failing'), '>', 0, '... the others are done');
is($pair->sql(q(SELECT string_agg(status, ' ') FROM reprocess_failed_chunks(dry_run => true))), 'would run', '... and would be done again');
is($pair->sql(q(SELECT string_agg(status || ' ' || sqlstate, ', ') FROM reprocess_failed_chunks())), 'failed 23514', '... fails as long as nothing was done');
$pair->sql("ALTER TABLE failing.${prefix}ship1 DROP CONSTRAINT not_now");
is($pair->sql(q(SELECT string_agg(status, ' ') FROM reprocess_failed_chunks())), 'succeeded', '... then it succeeds');
$pivot->assert_oracle('readings', 'failing', name => '... and nothing is missing');
is($pair->sql(q(SELECT count(*) FROM reprocess_failed_chunks())), 0, '... and is done');

# Started again: what failed before is no part of it, also where the first chunk meets a channel that has no column, and
# is rolled back.
schema('restarted');
$pivot->make('restarted_readings', seed => 40);
my @restarted = (target_schema => "'restarted'", chunk_interval => "'20 minutes'", @sample);
$pivot->run('src', 'restarted_readings', @restarted, mode => "'tables_only'");
$pair->sql(qq(ALTER TABLE restarted.${prefix}ship1 ADD CONSTRAINT not_now CHECK (created_time NOT BETWEEN '2024-03-01 01:02Z' AND '2024-03-01 01:04Z')));
$pair->assert_failed($pair->try($pivot->call('src', 'restarted_readings', @restarted)), '23514', undef, 'a chunk that fails before a restart');
$pair->sql("ALTER TABLE restarted.${prefix}ship1 DROP CONSTRAINT not_now");
my $newest = q(INSERT INTO restarted_readings (ship_id, data_channel_id, created_time, value_format, bool_v, str_v, long_v, double_v)
	SELECT ship_id, '/brand/new', created_time, value_format, bool_v, str_v, long_v, double_v FROM restarted_readings
	WHERE ship_id = 'SHIP1' AND isfinite(created_time) ORDER BY created_time DESC LIMIT 1);
$pair->source_sql($newest);
$pair->admin($newest);
$pivot->run('src', 'restarted_readings', @restarted, options => q('{"restart": true}'));
$pivot->assert_oracle('restarted_readings', 'restarted', name => 'a restart whose first chunk meets a new channel');
# What failed before the restart is still on the list, and of any ship.
$pair->sql('SELECT count(*) FROM reprocess_failed_chunks()');

# From a file: where server and source cannot be told, they must be given.
$pair->sql(qq(DELETE FROM renamed.${prefix}only WHERE created_time BETWEEN '2024-03-01 00:30Z' AND '2024-03-01 01:00Z'));
my $file = $pair->target->basedir . '/failed.csv';
PostgreSQL::Test::Utils::append_to_file($file, "ONLY,2024-03-01 00:30:00+00,2024-03-01 01:00:01+00\n");
$pair->sql("\\copy tablesync.failed_chunk (ship_id, start_time, end_time) FROM '$file' CSV");
is($pair->sql(q(SELECT ship || ' ' || status FROM reprocess_failed_chunks(ship_id => 'ONLY'))), 'ONLY succeeded', 'a chunk from a file');
$pivot->assert_oracle('signals', 'renamed', name => '... of a source with other columns',
	readings => q(SELECT ctid AS place, 'ONLY' AS ship_id, "the Signal" AS data_channel_id, ts AS created_time, NULL AS value_format, NULL::boolean AS bool_v, NULL AS str_v, NULL::bigint AS long_v, value AS double_v FROM signals));
$pair->sql(q(INSERT INTO tablesync.failed_chunk (ship_id, start_time, end_time) VALUES ('SHIP1', '2024-03-01 00:30Z', '2024-03-01 01:00Z')));
$pair->assert_failed($pair->try(q(SELECT * FROM reprocess_failed_chunks(ship_id => 'SHIP1'))), '42725', undef, 'a ship of several pivots');
$pair->admin(q(UPDATE tablesync.failed_chunk SET server = 'src', source = 'readings', target_schema = 'one' WHERE ship_id = 'SHIP1'));
is($pair->sql(q(SELECT status FROM reprocess_failed_chunks(ship_id => 'SHIP1'))), 'succeeded', '... which is named');

# ---- Compared -------------------------------------------------------------------------------------------------

sub verified
{
	my (%arguments) = @_;
	return $pair->try('SELECT ship, channel, extract(epoch FROM reading_time), kind, expected, found FROM verify_pivot(' . join(', ', "'src'", "'readings'", map { "$_ => $arguments{$_}" } sort keys %arguments) . ')');
}
$said = verified(target_schema => "'again'");
is($said->{sqlstate} . $said->{out}, '', 'verify_pivot finds nothing wrong') or diag($said->{text});
like(join('', @{ $said->{notices} }), qr/\d/, '... and says how much it has compared');
my $type = type_of('again', 'ship-2', '/other/channel_32');
my ($at, $was) = split /\|/, $pair->sql(qq(SELECT extract(epoch FROM created_time), "/other/channel_32" FROM again."${prefix}ship-2" WHERE "/other/channel_32" IS NOT NULL ORDER BY created_time LIMIT 1));
my $other = $was eq 't' ? 'false' : $was eq 'f' ? 'true' : '987654';
$was = { t => 'true', f => 'false' }->{$was} // $was;
$pair->sql(qq(UPDATE again."${prefix}ship-2" SET "/other/channel_32" = '$other' WHERE extract(epoch FROM created_time) = $at));
is(verified(target_schema => "'again'")->{out}, "ship-2|/other/channel_32|$at|different|$was|$other\n", '... but a cell that somebody changed');
is(verified(target_schema => "'again'", ship_id => "'SHIP1'")->{out}, '', '... not where another ship is asked for');
$pair->sql(qq(UPDATE again."${prefix}ship-2" SET "/other/channel_32" = NULL WHERE extract(epoch FROM created_time) = $at));
is(verified(target_schema => "'again'", channels => "ARRAY['/other/channel_32']")->{out}, "ship-2|/other/channel_32|$at|missing|$was|\n", '... and one that is gone');
$pair->sql(qq(DELETE FROM again."${prefix}ship-2" WHERE extract(epoch FROM created_time) = $at));
like(verified(target_schema => "'again'", memory_limit_mb => 16)->{out}, qr/^ship-2\|\/other\/channel_32\|\Q$at\E\|missing\|\Q$was\E\|$/m, '... and a row that is gone');
is(verified(target_schema => "'again'", from_time => 'to_timestamp(' . ($at + 1) . ')')->{out}, '', '... not at other times');
$pivot->run('src', 'readings', @again);
is(verified(target_schema => "'again'")->{out}, '', '... until the next run');

# ---- Who may, and who waits -----------------------------------------------------------------------------------

$pair->admin('CREATE TABLE closed AS TABLE readings');
$pair->assert_failed($pair->try($pivot->call(undef, 'closed', target_schema => "'one'")), '42501', undef, 'a source here that the caller may not read');
$pair->source_sql('CREATE TABLE closed AS TABLE readings; REVOKE ALL ON closed FROM reader');
$pair->assert_failed($pair->try($pivot->call('src', 'closed', target_schema => "'one'")), '42501', undef, '... and one there');
$pair->admin('CREATE SCHEMA not_mine');
$pair->assert_failed($pair->try($pivot->call('src', 'readings', target_schema => "'not_mine'")), '42501', undef, 'a schema that the caller may not make tables in');

# What is done to wide tables beside the runs: columns are known by their number, whatever their name becomes.
$pair->source_sql(q(CREATE TABLE beside (LIKE readings); GRANT SELECT ON beside TO reader;
	INSERT INTO beside VALUES ('ONE', 'speed', '2024-03-01 00:00Z', 'Integer', NULL, NULL, 1, NULL), ('ONE', 'depth', '2024-03-01 00:00Z', 'Decimal', NULL, NULL, NULL, 1.5)));
my @beside = ('src', 'beside', target_schema => "'beside'", max_retries => 0);
$pivot->run(@beside);
$pair->sql(qq(ALTER TABLE beside.${prefix}one RENAME COLUMN speed TO "speed over ground"; ALTER TABLE beside.${prefix}one DROP COLUMN depth));
$pair->source_sql(q(INSERT INTO beside VALUES ('ONE', 'speed', '2024-03-02 00:00Z', 'Integer', NULL, NULL, 2, NULL), ('ONE', 'depth', '2024-03-02 00:00Z', 'Decimal', NULL, NULL, NULL, 2.5)));
$pivot->run(@beside);
is($pair->sql(qq(SELECT string_agg(format('%s %s', "speed over ground", depth), ', ' ORDER BY created_time) FROM beside.${prefix}one)), '1 1.5, 2 2.5', 'a column that was renamed goes on, one that was dropped is made anew');

# A reader is waited for, and nobody has to wait behind the one who waits.
$pair->source_sql(q(INSERT INTO beside VALUES ('ONE', 'wind', '2024-03-03 00:00Z', 'Integer', NULL, NULL, 7, NULL)));
my $reader = $pair->session($TablesyncTest::caller);
$reader->query_safe("BEGIN; SELECT count(*) FROM beside.${prefix}one;");
my $waiting = $pair->start($pivot->call(@beside));
TablesyncTest::poll(sub { $pair->admin(q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_tablesync' AND wait_event_type = 'Lock'))) eq 't' });
is($pair->sql(qq(SET statement_timeout = '3s'; SELECT count(*) FROM beside.${prefix}one)), 2, 'another reader gets in while a column waits to be added');
$reader->query_safe('COMMIT;');
is($waiting->finish->{sqlstate}, '', '... which is added in the end');
is($pair->sql(qq(SELECT wind FROM beside.${prefix}one WHERE wind IS NOT NULL)), 7, '... with its readings');
$reader->quit;

# The rows go in with the rights of the caller, whichever way they take.
$pair->admin(qq(ALTER TABLE beside.${prefix}one OWNER TO CURRENT_USER; GRANT SELECT ON beside.${prefix}one TO $TablesyncTest::caller));
$pair->source_sql(q(INSERT INTO beside VALUES ('ONE', 'speed', '2024-03-04 00:00Z', 'Integer', NULL, NULL, 3, NULL)));
$pair->assert_failed($pair->try($pivot->call(@beside, chunk_interval => "'1 hour'")), '42501', undef, 'a wide table that the caller may only read');
is($pair->admin(qq(SELECT count(*) FROM beside.${prefix}one)), 3, '... is not written');

my $slow = $pair->start($pivot->call('src', 'readings', @again, batch_size => 100, options => q('{"max_rate": "500 rows"}')));
$pair->wait_until($pair->target, q(SELECT EXISTS (SELECT FROM tablesync.chunk JOIN tablesync.run r USING (run_id) WHERE r.status = 'running')));
$pair->assert_failed($pair->try($pivot->call('src', 'readings', @again)), '55P03', undef, 'a second run while one is going on');
$pair->assert_failed($pair->try($pivot->call('src', 'readings', target_schema => "'again'", ship_id => "'ship-2'")), '55P03', undef, '... of one of its ships, too');
$said = $pair->try($pivot->call('src', 'readings_1', target_schema => "'there_1'"));
is($said->{sqlstate}, '', '... one into other tables is not kept from it') or diag($said->{text});
is($pair->sql(q(SELECT cancel_run(run_id) FROM tablesync.run WHERE status = 'running')), 't', 'the first is canceled');
$pair->assert_failed($slow->finish, '57014', undef, '... and hears of it');
$pivot->run('src', 'readings', @again);
$pivot->assert_oracle('readings', 'again', before => 'before', name => '... the next one does it all');

$pair->assert_clean;
done_testing;
