# A sync in chunks: what changes between two chunks is not lost, and what was done is not done again.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

# Chunks stay small, so that something can happen between them.
my $pair = TablesyncTest->new(target_conf => [ "tablesync.max_source_transaction = '1s'" ]);
my $rows = 12_000;

# Keys that are not in the order of the pages, nor of their text.
$pair->source_sql(qq(
	CREATE FUNCTION fill(name regclass) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		EXECUTE format('INSERT INTO %s SELECT ''r'' || g %% 3, (g * 7919) %% $rows, repeat(''x'', 500), g %% 10 = 0
			FROM generate_series(1, $rows) g', name);
	END \$\$;
	CREATE TABLE by_ctid (region text, id int, note text, old bool, PRIMARY KEY (region, id)) WITH (autovacuum_enabled = false);
	CREATE TABLE by_key (LIKE by_ctid INCLUDING ALL) WITH (autovacuum_enabled = false);
	CREATE TABLE leaves (LIKE by_ctid INCLUDING ALL) PARTITION BY LIST (region);
	CREATE TABLE leaf_0 PARTITION OF leaves FOR VALUES IN ('r0') WITH (autovacuum_enabled = false);
	CREATE TABLE leaf_1 PARTITION OF leaves FOR VALUES IN ('r1') WITH (autovacuum_enabled = false);
	CREATE TABLE leaf_2 PARTITION OF leaves DEFAULT WITH (autovacuum_enabled = false);
	SELECT fill(t) FROM unnest('{by_ctid,by_key,leaves}'::regclass[]) t;
	CREATE VIEW seen AS SELECT * FROM by_key WHERE id % 2 = 0;
	ANALYZE;));

my $chunked = q(chunk_mode => true, batch_size => 500);

# A call that takes its time.
sub slow
{
	my ($more, $options) = @_;
	return join ', ', $chunked, ($more || ()), 'options => ' . TablesyncTest::quote('{"max_rate": "4 MB"' . ($options ? ", $options" : '') . '}');
}

sub number { return $pair->admin($_[0]) }

sub last_run_id { return number('SELECT max(run_id) FROM tablesync.run') }

# Lets a call come to a stop between two chunks: the target is locked when so many are done.
sub hold
{
	my ($call, $target, $chunks) = @_;
	$pair->wait_until($pair->target, qq(SELECT count(*) >= $chunks FROM tablesync.chunk k JOIN tablesync.run r USING (run_id)
		WHERE r.target = '$target' AND r.status = 'running'));
	my $holder = $pair->session('postgres');
	$holder->query_safe("BEGIN; LOCK TABLE $target IN SHARE ROW EXCLUSIVE MODE;");
	$pair->wait_for_lock_wait;
	return $holder;
}

sub release
{
	my ($holder) = @_;
	$holder->query_safe('COMMIT;');
	$holder->quit;
	return;
}

sub chunks_of { return number("SELECT count(*) FROM tablesync.chunk WHERE run_id = $_[0]") }

# ---- What changes meanwhile -----------------------------------------------------------------------------------

# Rows come, go, change, get other keys, and move: to pages that were read, and from pages that were not.
sub change
{
	my ($table) = @_;
	$pair->source_sql(qq(
		DELETE FROM $table WHERE id % 1000 = 1;
		UPDATE $table SET note = 'changed' WHERE id % 100 = 2;
		UPDATE $table SET id = id + 10 * $rows WHERE id % 1000 = 3;
		UPDATE $table SET id = -id WHERE id % 1000 = 4;
		INSERT INTO $table SELECT region, id + 20 * $rows, 'new', old FROM $table WHERE id % 1000 = 5 ON CONFLICT DO NOTHING;));
	# The space of the deleted rows is used by those that move.
	$pair->source_sql("VACUUM $table");
	$pair->source_sql("UPDATE $table SET note = note || 'moved' WHERE id % 50 = 6");
	return;
}

my %ways = (
	by_ctid => [ 'by_ctid', '' ],
	by_key  => [ 'by_key', '"chunk_by": "key"' ],
	leaves  => [ 'leaves', '' ]);
foreach my $table (sort keys %ways)
{
	my ($source, $options) = @{ $ways{$table} };
	foreach my $what ('first', 'next')
	{
		my $target = "raw.$table";
		my $call = $pair->start_sync($source, $target, slow('', $options));
		my $holder = hold($call, $target, 2);
		change($source);
		release($holder);
		my $said = $call->finish;
		is($said->{sqlstate}, '', "$table: the $what sync succeeds while its rows change") or diag($said->{text});
		my $row = TablesyncTest::row_of($said->{out});
		is($row->{consistent}, 't', '... and is consistent');
		cmp_ok(chunks_of($row->{run_id}), '>', 3, '... in several chunks');
		$pair->assert_identical($source, $target);
		is(number('SELECT count(*) FROM tablesync.checkpoint'), 0, '... and leaves no checkpoint');
	}
	like(number("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'raw.$table'::regclass AND contype = 'p'"),
		qr/^PRIMARY KEY \(region, id\)$/, "$table: the target has the key");
	$pair->assert_clean;
}

like($pair->sql(q(SELECT value FROM explain_row('raw.by_ctid', (SELECT region FROM raw.by_ctid WHERE id = 30), '30') WHERE item = 'written by')),
	qr/^chunk \d+ of run \d+ of sync_table, which ended /, 'a row is known to be of its chunk');

# Again, with nothing to be done: nothing is written.
$pair->remember('raw.by_ctid');
my $row = $pair->sync('by_ctid', 'raw.by_ctid', $chunked);
is(TablesyncTest::counts($row), '0 0 0 ' . number('SELECT count(*) FROM raw.by_ctid'), 'an unchanged table: nothing is written');
$pair->assert_unchanged('raw.by_ctid');

# Other modes go on from what chunks have read.
foreach my $mode (q(sync_mode => 'xmin'), q(sync_mode => 'incremental', incremental_field => 'id', delete_missing => true))
{
	my $said = $pair->try_sync('by_ctid', 'raw.modes', slow($mode));
	is($said->{sqlstate}, '', "$mode: the first sync in chunks") or diag($said->{text});
	change('by_ctid');
	$said = $pair->try_sync('by_ctid', 'raw.modes', q(sync_mode => 'xmin', delete_missing => true));
	is($said->{sqlstate}, '', '... the next one without');
	$pair->assert_identical('by_ctid', 'raw.modes');
	$pair->admin('DROP TABLE raw.modes');
}

# Rows that are marked as deleted stay away, in every chunk.
$pair->source_sql(q(
	CREATE TABLE marked (id int PRIMARY KEY, gone bool, pad text);
	INSERT INTO marked SELECT g, g % 10 = 0, repeat('x', 200) FROM generate_series(1, 5000) g;
	ANALYZE marked;));
foreach my $mode ('full', 'xmin')
{
	my $said = $pair->try_sync('marked', "raw.marked_$mode",
		qq($chunked, sync_mode => '$mode', options => '{"soft_delete_column": "gone"}'));
	is($said->{sqlstate}, '', "$mode: rows that are marked as deleted") or diag($said->{text});
	cmp_ok(chunks_of(last_run_id()), '>', 1, '... in several chunks');
	is($pair->digest_of($pair->target, "raw.marked_$mode"),
		$pair->digest_of($pair->source, '(SELECT * FROM marked WHERE gone IS NOT TRUE)'), '... are not copied');
}

# A view does not tell what was written since; the keys tell what came and went.
{
	my $call = $pair->start_sync('seen', 'raw.seen', slow(q(primary_key => ARRAY['region', 'id'])));
	my $holder = hold($call, 'raw.seen', 2);
	$pair->source_sql(qq(DELETE FROM by_key WHERE id IN (20, 12000); UPDATE by_key SET id = 50 * $rows WHERE id = 40;));
	release($holder);
	my $said = $call->finish;
	is($said->{sqlstate}, '', 'a view, read by its key') or diag($said->{text});
	is(TablesyncTest::row_of($said->{out})->{consistent}, 'f', '... is not said to be consistent');
	like($said->{text}, qr/rows that changed during the run may be older than others/, '... and the caller is told');
	$pair->assert_identical('seen', 'raw.seen');
}

# ---- Interrupted ----------------------------------------------------------------------------------------------

foreach my $way (sort keys %ways)
{
	my ($source, $options) = @{ $ways{$way} };
	my $target = "raw.killed_$way";
	my $call = $pair->start_sync($source, $target, slow('', $options));
	my $holder = hold($call, $target, 3);
	my $done = number("SELECT chunks FROM tablesync.checkpoint WHERE target = '$target'");
	$pair->admin('SELECT pg_terminate_backend(' . $pair->worker_pid . ')');
	$pair->assert_failed($call->finish, '57P01', qr/terminated/, "$way: the worker is terminated");
	release($holder);
	change($source);

	my $said = $pair->try(TablesyncTest::call_of($source, $target,
			slow(q(custom_where => 'id >= 0'), $options)));
	$pair->assert_failed($said, '55000', qr/^run \d+ of "$target" is not complete and was started with a different definition$/,
		'... another definition is refused');
	like($said->{detail}, qr/^This call has custom_where: 'id >= 0'; the earlier call did not\.$/, '... and told');

	$pair->assert_failed($pair->try_sync($source, $target, q(sync_mode => 'xmin')), '55000', qr/different definition$/, '... or another mode');

	$said = $pair->try_sync($source, $target, slow('', $options));
	is($said->{sqlstate}, '', '... the same call resumes it') or diag($said->{text});
	my $row = TablesyncTest::row_of($said->{out});
	like($said->{notices}[0], qr/: resumes run \d+ after $done chunks/, '... and says so');
	is(number("SELECT min(chunk_no) FROM tablesync.chunk WHERE run_id = $row->{run_id}"), $done + 1, '... after the last one that was done');
	is($row->{consistent}, 't', '... it is consistent');
	$pair->assert_identical($source, $target);
}

# What was begun in chunks can be completed at once, or given up.
foreach my $way ('chunk_mode => false', qq($chunked, custom_where => 'id >= 0', options => '{"restart": true}'))
{
	my $call   = $pair->start_sync('by_key', 'raw.given_up', slow());
	my $holder = hold($call, 'raw.given_up', 1);
	$pair->admin('SELECT pg_terminate_backend(' . $pair->worker_pid . ')');
	$call->finish;
	release($holder);
	$pair->sync('by_key', 'raw.given_up', $way);
	is(number(q(SELECT count(*) FROM tablesync.checkpoint)), 0, "$way: what was begun is done with");
	is(number(q(SELECT count(*) FROM pg_index WHERE indrelid = 'raw.given_up'::regclass AND indisprimary)), 1, '... the target has its key');
	is($pair->digest_of($pair->target, 'raw.given_up'),
		$pair->digest_of($pair->source, $way =~ /where/ ? '(SELECT * FROM by_key WHERE id >= 0)' : 'by_key'), '... and all rows');
	$pair->admin('DROP TABLE raw.given_up');
}

# Files that were rewritten, and columns that changed, have nothing to do with what was read.
my %breaks = (
	'VACUUM FULL by_ctid'                     => qr/its rows were moved to other files/,
	'ALTER TABLE by_ctid ADD more int DEFAULT 7' => qr/the columns of the source have changed/);
foreach my $break (sort { $b cmp $a } keys %breaks)
{
	my $call = $pair->start_sync('by_ctid', 'raw.broken', slow('', '"on_schema_change": "add"'));
	my $holder = hold($call, 'raw.broken', 2);
	$pair->source_sql($break);
	release($holder);
	my $said = $call->finish;
	is($said->{sqlstate}, '', "$break between two chunks") or diag($said->{text});
	like($said->{text}, qr/starts again from the first chunk, because $breaks{$break}/, '... starts again, and says why');
	$pair->assert_identical('by_ctid', 'raw.broken');
	$pair->admin('DROP TABLE raw.broken');
}

# ---- Chunks that fail -----------------------------------------------------------------------------------------

$pair->admin('CREATE TABLE raw.strict (LIKE raw.by_key INCLUDING ALL, CHECK (note <> $$bad$$)); ALTER TABLE raw.strict OWNER TO loader');
$pair->source_sql(q(UPDATE by_key SET note = 'bad' WHERE id IN (700, 15000)));
{
	my $call = slow('', '"chunk_by": "key"');
	my $said = $pair->try_sync('by_key', 'raw.strict', $call);
	$pair->assert_failed($said, '23514', qr/^\d of \d+ chunks of "raw.strict" failed: new row for relation "strict" violates check/,
		'rows that the target does not take fail their chunks');
	my $run = last_run_id();
	like($said->{hint}, qr/SELECT \* FROM retry_chunks\($run\)/, '... the hint says how to go on');
	my $there = number('SELECT count(*) FROM raw.strict');
	is($there, number("SELECT sum(rows_read) FROM tablesync.chunk WHERE run_id = $run AND status = 'succeeded'"), '... all other chunks are there');
	cmp_ok($there, '>', 0, '... of which there are some');

	my @dry = split /\n/, $pair->sql("SELECT status, sqlstate FROM retry_chunks($run, dry_run => true)");
	like($_, qr/^failed\|23514$/, '... a dry run lists them') foreach @dry;
	is(number('SELECT count(*) FROM raw.strict'), $there, '... and does nothing');

	is($pair->admin(q(SELECT request - 'settings' FROM tablesync.checkpoint WHERE target = 'raw.strict')),
		'{"server": "src", "source": "by_key", "target": ["raw", "strict"], "command": "sync_table", "options": {"chunk_by": "key", "max_rate": "4096 kB"}, "batch_size": 500, "chunk_mode": true, "max_retries": 0}',
		'... the call is kept as its parameters');
	$pair->admin(q(UPDATE tablesync.checkpoint SET request = request || '{"row_filter": "id > 7"}' WHERE target = 'raw.strict'));
	$said = $pair->try("SELECT * FROM retry_chunks($run)");
	$pair->assert_failed($said, '55000', qr/^the run was started by another version of pg_tablesync$/, "... a newer version's call is not done again");
	$pair->admin(q(UPDATE tablesync.checkpoint SET request = request - 'row_filter' WHERE target = 'raw.strict'));

	$said = $pair->try("SELECT * FROM retry_chunks($run)");
	$pair->assert_failed($said, '23514', qr/chunks of "raw.strict" failed/, '... they fail again');
	$pair->source_sql(q(UPDATE by_key SET note = 'good' WHERE note = 'bad'));
	$said = $pair->try("SELECT status FROM retry_chunks($run)");
	is($said->{sqlstate}, '', '... and succeed once the cause is mended') or diag($said->{text});
	like($said->{out}, qr/^(?:succeeded\n?)+$/, '... which is listed');
	$pair->assert_identical('by_key', 'raw.strict');
	$pair->assert_failed($pair->try("SELECT * FROM retry_chunks($run)"), '55000', qr/^run $run has no chunks to retry$/,
		'... after that there is nothing to retry');
}
$pair->assert_failed($pair->try('SELECT * FROM retry_chunks(-1)'), '42704', qr/^run -1 does not exist$/, 'a run that does not exist');

# ---- Limits ---------------------------------------------------------------------------------------------------

# A chunk that takes longer than a transaction on the source may, is made smaller.
$pair->source_sql(q(
	CREATE VIEW sleepy AS SELECT 1 AS id, pg_sleep(2) IS NULL AS slept;
	CREATE TABLE numbers (id int PRIMARY KEY, pad text);
	INSERT INTO numbers SELECT g, repeat('x', 400) FROM generate_series(1, 600) g;
	ANALYZE numbers;
	CREATE FUNCTION pause(int) RETURNS bool LANGUAGE plpgsql VOLATILE COST 1000000 AS
		'BEGIN PERFORM pg_sleep(0.003); RETURN true; END';
));
{
	my $said = $pair->try(q(SET tablesync.max_source_transaction = '400ms';)
		  . TablesyncTest::call_of('numbers', 'raw.slow', q(chunk_mode => true, batch_size => 1000, custom_where => 'pause(id)', delete_missing => false)));
	is($said->{sqlstate}, '', 'a slow source is read in transactions that are short enough') or diag($said->{text});
	is(number('SELECT count(*) FROM raw.slow'), 600, '... all of it');
	cmp_ok(chunks_of(last_run_id()), '>', 4, '... in smaller chunks than asked for');
	$said = $pair->try(q(SET tablesync.max_source_transaction = '100ms';) . TablesyncTest::call_of('sleepy', 'raw.sleepy', q(chunk_mode => true, primary_key => ARRAY['id'])));
	$pair->assert_failed($said, '54000', qr/^the source took longer than 0\.1 s for chunk 1 of "raw.sleepy"$/, 'a source that takes too long for the least chunk');
	like($said->{hint}, qr/^Raise tablesync.max_source_transaction, or pass chunk_mode => false/, '... says what to do');
}

# What is left at the end too: where one transaction would be too long, it is read in several.
{
	my $limit = q(SET tablesync.max_source_transaction = '500ms';);
	my $call  = TablesyncTest::call_of('numbers', 'raw.ends', q(chunk_mode => true, batch_size => 100, custom_where => 'pause(id)'));
	my $said  = $pair->try($limit . $call);
	is($said->{sqlstate}, '', 'an end that takes long') or diag($said->{text});
	like($said->{text}, qr/ends: the end is read in several transactions, because one would take longer than 0\.5 s on the source/, '... is read in several transactions');
	like($said->{text}, qr/ends: rows that changed during the run may be older than others/, '... which is told');
	is(TablesyncTest::row_of($said->{out})->{consistent}, 'f', '... also by the result');
	$pair->assert_identical('numbers', 'raw.ends');

	# What is written meanwhile, before and behind the chunk that is being read.
	foreach my $kill (0, 1)
	{
		$pair->source_sql(q(DELETE FROM numbers WHERE id % 100 = 3));
		my $sync = $pair->start($limit . $call);
		TablesyncTest::poll(sub { number(q(SELECT coalesce(max(chunks), 0) FROM tablesync.checkpoint WHERE target = 'raw.ends')) > 2 });
		$pair->source_sql(q(UPDATE numbers SET pad = pad || 'y' WHERE id % 90 = 0; DELETE FROM numbers WHERE id % 100 = 7;
			INSERT INTO numbers SELECT max(id) + 1, 'new' FROM numbers; UPDATE numbers SET id = -id WHERE id % 200 = 0 AND id > 0;));
		TablesyncTest::poll(sub { number(q(SELECT count(*) FROM tablesync.checkpoint WHERE target = 'raw.ends' AND next_xmin IS NOT NULL)) > 0 });
		if ($kill)
		{
			ok(TablesyncTest::kill_and_start($pair->target), 'the server is killed at the end');
			$sync->finish;
			$sync = $pair->start($limit . $call);
		}
		$said = $sync->finish;
		is($said->{sqlstate}, '', '... rows that come meanwhile') or diag($said->{text});
		like($said->{text}, qr/resumes run \d+ after/, '... it goes on with the end') if $kill;
		$pair->assert_identical('numbers', 'raw.ends');
	}
	$pair->source_sql(q(DELETE FROM numbers));
	$pair->assert_failed($pair->try($limit . $call), '55000', qr/^refusing to delete all [\d,]+ rows of "raw.ends"$/, 'a source that is empty is still refused');
}

# Size decides where the call does not.
{
	my $said = $pair->try(q(SET tablesync.chunk_threshold = '1MB';) . TablesyncTest::call_of('by_ctid', 'raw.large'));
	like($said->{text}, qr/large: is read in chunks, because it has \d+\.\d MB/, 'a large table is read in chunks');
	$pair->assert_identical('by_ctid', 'raw.large');
	$said = $pair->try(q(SET tablesync.chunk_threshold = '1MB';) . TablesyncTest::call_of('by_ctid', 'raw.large', 'chunk_mode => false'));
	unlike($said->{text}, qr/chunk/, '... but not where the call forbids it');
}

$pair->assert_clean;
done_testing;
