# What a source can do that writes no row, or that this server cannot see: read again, or refused, and never passed
# over. And verify_table(repair => true) deletes nothing that the source has.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest;

my $pair = TablesyncTest->new(source_conf => ['max_prepared_transactions = 2']);
my $source = $pair->source;

sub verify
{
	my ($table, $target, $more) = @_;
	return $pair->sql("SELECT kind, row_key FROM verify_table('src', '$table', '$target'"
		  . ($more ? ", $more" : '') . ') ORDER BY row_key::int');
}

# ---- Repair where a column is converted ---------------------------------------------------------------------

# tsvector is converted here, since its binary form depends on the server; and a text that becomes a date.
$pair->source_sql(q(
	GRANT pg_read_all_stats TO reader;
	CREATE TABLE doc (id int PRIMARY KEY, body text, fts tsvector, at timestamptz NOT NULL);
	INSERT INTO doc SELECT g, 'old', 'old', '2024-01-01'::timestamptz + g * interval '1 min' FROM generate_series(1, 100) g;
	INSERT INTO doc SELECT g, 'new', 'new', now() FROM generate_series(101, 120) g;
	CREATE TABLE day (id int PRIMARY KEY, day text, v int);
	INSERT INTO day SELECT g, '2024-01-01', g FROM generate_series(1, 20) g;));
my $by_field = q(sync_mode => 'incremental', incremental_field => 'at');
$pair->sync('doc', 'raw.doc', $by_field);
is(verify('doc', 'raw.doc'), '', 'rows that the next sync reads are no extra ones');
is(verify('doc', 'raw.doc', 'repair => true'), '', 'nothing is to be repaired');
$pair->assert_identical('doc', 'raw.doc', 'and repair has deleted nothing');

$pair->sql('CREATE TABLE raw.day (id int PRIMARY KEY, day date, v int);
	CREATE TABLE raw.line (day int REFERENCES raw.day ON DELETE CASCADE)');
$pair->sync('day', 'raw.day', q(sync_mode => 'xmin'));
$pair->sql('INSERT INTO raw.line SELECT generate_series(1, 20)');
$pair->source_sql(q(UPDATE day SET v = -v WHERE id <= 5; DELETE FROM day WHERE id = 20; INSERT INTO day VALUES (21, '2024-02-02', 21)));
is(verify('day', 'raw.day'), 'extra|20', 'in xmin mode, what was written since is pending, and what is gone is extra');
is(verify('day', 'raw.day', 'repair => true'), 'extra|20', 'which is repaired');
is($pair->sql('SELECT count(*), (SELECT count(*) FROM raw.line) FROM raw.day'), '19|19', 'and nothing else');
is($pair->sync('day', 'raw.day', q(sync_mode => 'xmin'))->{updated}, 5, 'the next sync brings what was written');
is(verify('day', 'raw.day'), '', 'then all is the same');

# A row whose key or value is bad is there all the same.
$pair->source_sql(q(INSERT INTO day VALUES (22, 'no day', 22)));
is(verify('day', 'raw.day', 'repair => true'), '', 'a pending row that cannot be converted is none that is gone');

# One that was there before, and cannot be converted any more, only seems to be gone.
$pair->source_sql(q(CREATE TABLE spoiled (id int PRIMARY KEY, day text); INSERT INTO spoiled SELECT g, '2024-01-01' FROM generate_series(1, 20) g));
$pair->sql('CREATE TABLE raw.spoiled (id int PRIMARY KEY, day date)');
$pair->sync('spoiled', 'raw.spoiled');
$pair->source_sql(q(UPDATE spoiled SET day = 'no day' WHERE id = 7));
$pair->assert_failed($pair->try(q(SELECT * FROM verify_table('src', 'spoiled', 'raw.spoiled', repair => true))), '55000',
	qr/^refusing to delete rows of "raw.spoiled" that may still be on the source$/, 'repair deletes no row that cannot be converted');
is($pair->sql('SELECT count(*) FROM raw.spoiled'), 20, '... it is still there');

# Keys that are equal, and written in another way.
$pair->source_sql(q(CREATE TABLE price (id numeric PRIMARY KEY, v int); INSERT INTO price VALUES (1.0, 1), (2.00, 2), (3, 3)));
$pair->sync('price', 'raw.price');
$pair->sql('CREATE TABLE raw.part (price numeric REFERENCES raw.price ON DELETE CASCADE); INSERT INTO raw.part SELECT id FROM raw.price');
$pair->source_sql('UPDATE price SET id = 1.000 WHERE id = 1');
is($pair->sql(q(SELECT kind, columns FROM verify_table('src', 'price', 'raw.price', repair => true))), 'different|',
	'a key that is written in another way is a difference of one row');
is($pair->sql('SELECT count(*) FROM raw.part'), 3, 'whose repair deletes nothing');
$pair->assert_identical('price', 'raw.price', 'and the key is as the source writes it');

# ---- Rows without a history of transactions -----------------------------------------------------------------

my $port = $source->port;
my $host = $source->host;
$source->safe_psql('postgres', 'CREATE DATABASE far');
$source->safe_psql('far', q(CREATE TABLE far (id int NOT NULL, y int NOT NULL, v text, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, y));
	INSERT INTO far SELECT g, 2023, 'far' FROM generate_series(1, 50) g));
$pair->source_sql(qq(
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'far');
	CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'postgres', password_required 'false');
	CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler;
	CREATE TABLE ev (id int NOT NULL, y int NOT NULL, v text, at timestamptz NOT NULL DEFAULT now()) PARTITION BY LIST (y);
	CREATE TABLE ev24 PARTITION OF ev FOR VALUES IN (2024);
	INSERT INTO ev SELECT g, 2024, 'near' FROM generate_series(1, 50) g;
	CREATE FOREIGN TABLE ev23 PARTITION OF ev FOR VALUES IN (2023) SERVER far OPTIONS (schema_name 'public', table_name 'far');
	CREATE TABLE par (id int PRIMARY KEY, v text);
	CREATE FOREIGN TABLE chi (id int NOT NULL, v text) INHERITS (par) SERVER far OPTIONS (schema_name 'public', table_name 'far');
	CREATE FOREIGN TABLE ft (id int NOT NULL, y int, v text, at timestamptz NOT NULL) SERVER far OPTIONS (schema_name 'public', table_name 'far');
	CREATE VIEW over_ft AS SELECT * FROM ft;
	CREATE MATERIALIZED VIEW kept AS SELECT * FROM ft;
	CREATE TABLE odd (id int PRIMARY KEY, v text) USING other;
	INSERT INTO odd SELECT g, 'odd' FROM generate_series(1, 50) g;
	CREATE TABLE wanted (id int PRIMARY KEY);
	CREATE TABLE plain (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
	INSERT INTO plain SELECT generate_series(1, 20);));

foreach my $case (
	[ 'ev',  q(primary_key => '{id,y}'), 'public.ev23' ],
	[ 'par', '', 'public.chi' ],
	[ 'odd', '', 'public.odd' ],
	[ 'ft',  q(primary_key => '{id}'), 'public.ft' ],
	[ 'over_ft', q(primary_key => '{id}'), 'public.over_ft' ])
{
	my ($table, $key, $why) = @$case;
	my $said = $pair->try_sync($table, "raw.x_$table", join ', ', q(sync_mode => 'xmin'), grep { $_ } $key);
	$pair->assert_failed($said, '0A000', qr/heaps/, "xmin mode refuses $table");
	like($said->{detail}, qr/^\Q$why\E has no usable xmin: /, '... and says which of its tables');
	is($pair->sync($table, "raw.c_$table", join ', ', 'chunk_mode => true, batch_size => 20', grep { $_ } $key)->{consistent}, 'f',
		"chunks of $table are not said to be consistent");
	next if $table eq 'par';    # its key is only the parent's
	is($pair->sync($table, "raw.c_$table", $key)->{consistent}, 't', "one transaction of $table is");
}

# Attached later.
$pair->source_sql(q(
	CREATE TABLE late (id int NOT NULL, y int NOT NULL, v text, at timestamptz NOT NULL DEFAULT now()) PARTITION BY LIST (y);
	CREATE TABLE late24 PARTITION OF late FOR VALUES IN (2024);
	INSERT INTO late SELECT g, 2024, 'near' FROM generate_series(1, 50) g;));
my $by_xmin = q(sync_mode => 'xmin', primary_key => '{id,y}');
$pair->sync('late', 'raw.late', $by_xmin);
$pair->source_sql(q(ALTER TABLE ev DETACH PARTITION ev23; ALTER TABLE late ATTACH PARTITION ev23 FOR VALUES IN (2023)));
$pair->assert_failed($pair->try_sync('late', 'raw.late', $by_xmin), '0A000', qr/heaps/, 'xmin mode refuses a foreign partition that was attached');
is($pair->sql(q(SELECT count(*) FROM verify_table('src', 'late', 'raw.late', primary_key => '{id,y}'))), 50, 'and verify_table finds its rows missing');

# Tables that Citus has spread over servers are listed there.
$pair->source_sql(q(
	CREATE TABLE spread (id int PRIMARY KEY, v text);
	INSERT INTO spread SELECT g, 'x' FROM generate_series(1, 10) g;
	SET allow_system_table_mods = on;
	CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
	GRANT SELECT ON pg_catalog.pg_dist_partition TO PUBLIC;
	INSERT INTO pg_catalog.pg_dist_partition VALUES ('spread');));
$pair->assert_failed($pair->try_sync('spread', 'raw.spread', q(sync_mode => 'xmin')), '0A000', qr/heaps/, 'xmin mode refuses a distributed table');
is($pair->sync('spread', 'raw.spread', 'chunk_mode => true, batch_size => 3')->{consistent}, 'f', 'its chunks are not consistent');
is($pair->sync('plain', 'raw.plain', q(sync_mode => 'xmin'))->{read}, 20, 'a plain table beside it is none');
$pair->source_sql('SET allow_system_table_mods = on; DROP TABLE pg_catalog.pg_dist_partition');

# A condition over another table: what changes there writes nothing here.
my $where = q(custom_where => 'id IN (SELECT id FROM wanted)');
my $said = $pair->try_sync('plain', 'raw.some', "sync_mode => 'xmin', $where");
$pair->assert_failed($said, '0A000', qr/custom_where that reads other relations/, 'xmin mode refuses a condition over another table');
like($said->{detail}, qr/^It reads public\.wanted, /, '... and names it');
is($pair->sync('plain', 'raw.some', "$where, chunk_mode => true, batch_size => 5")->{consistent}, 'f', 'chunks of it are not said to be consistent');
is($pair->sync('plain', 'raw.some2', q(sync_mode => 'xmin', custom_where => 'id < 10'))->{read}, 9, 'a condition over the table itself is fine');

# ---- Writers that the source cannot see ---------------------------------------------------------------------

foreach my $case ([ 'ft', 'public.ft' ], [ 'over_ft', 'public.ft' ], [ 'kept', 'public.kept' ],
	[ 'late', 'public.ev23' ], [ 'plain', 'public.ft', q(custom_select => 'SELECT p.id, p.at, f.v FROM plain p JOIN ft f USING (id)') ])
{
	my ($table, $reads, $select) = @$case;
	my $key = $table eq 'late' ? q(primary_key => '{id,y}') : q(primary_key => '{id}');
	my $arguments = join ', ', grep { $_ } $by_field, $key, $select;
	my $refused = $pair->try_sync($table, "raw.i_$table", $arguments);
	$pair->assert_failed($refused, '0A000', qr/needs the option "lookback"/, "incremental mode needs a lookback for $table" . ($select ? ' and a query' : ''));
	like($refused->{detail}, qr/^It reads \Q$reads\E: /, '... and says why');
	is($pair->sync($table, "raw.i_$table", qq($arguments, options => '{"lookback": "1 hour"}'))->{status}, 'succeeded', '... and takes it');
}
{
	my $arguments = qq($by_field, primary_key => '{id}', options => '{"lookback": "1 hour"}');
	my $late = $source->background_psql('far');
	$late->query_safe(q(BEGIN; INSERT INTO far VALUES (1000, 2023, 'late');));
	$source->safe_psql('far', q(INSERT INTO far VALUES (1001, 2023, 'in time')));
	$pair->sync('ft', 'raw.i_ft', $arguments);
	$late->query_safe('COMMIT;');
	$late->quit;
	$pair->sync('ft', 'raw.i_ft', $arguments);
	$pair->assert_identical('ft', 'raw.i_ft', 'a row that is committed late in another database is read within the lookback');
}

# ---- What changes rows without writing one ------------------------------------------------------------------

sub make_changing
{
	my ($name) = @_;
	$pair->source_sql(qq(CREATE TABLE $name (id int PRIMARY KEY, a int, b int, s st, at timestamptz NOT NULL DEFAULT '2024-01-01');
		INSERT INTO $name SELECT g, g, -g, 'new' FROM generate_series(1, 50) g));
	return;
}
$pair->source_sql(q(CREATE TYPE st AS ENUM ('new', 'paid')));
$pair->admin(q(CREATE TYPE public.st AS ENUM ('new', 'paid', 'fresh')));
my %change = (
	readd => 'ALTER TABLE %1$s DROP a; ALTER TABLE %1$s ADD a int DEFAULT 7',
	swap  => 'ALTER TABLE %1$s RENAME a TO x; ALTER TABLE %1$s RENAME b TO a; ALTER TABLE %1$s RENAME x TO b',
	using => 'ALTER TABLE %1$s ALTER a TYPE int USING a * 2',
	expression => 'ALTER TABLE %1$s DROP b; ALTER TABLE %1$s ADD b int GENERATED ALWAYS AS (a * 3) STORED');
foreach my $mode (q(sync_mode => 'xmin'), $by_field)
{
	my ($short) = $mode =~ /=> '(\w)/;
	foreach my $change (sort keys %change)
	{
		my $name = "${change}_$short";
		make_changing($name);
		$pair->sync($name, "raw.$name", $mode);
		$pair->source_sql(sprintf $change{$change}, $name);
		$pair->sync($name, "raw.$name", $mode);
		is($pair->sql("SELECT md5(string_agg(ROW(id, a, b)::text, '' ORDER BY id)) FROM raw.$name"),
			$pair->source_sql("SELECT md5(string_agg(ROW(id, a, b)::text, '' ORDER BY id)) FROM $name"), "$mode: $change is seen");
		cmp_ok($pair->sync($name, "raw.$name", $mode)->{read}, '<', 50, '... and then no longer') if $mode =~ /xmin/;
	}
}
make_changing('label');
make_changing('chunked');
$pair->sync('label', 'raw.label', q(sync_mode => 'xmin'));
$pair->source_sql(q(ALTER TYPE st ADD VALUE 'sent'));
is($pair->sync('label', 'raw.label', q(sync_mode => 'xmin'))->{read}, 0, 'a label that is added to an enum changes no row');
my $call = $pair->start_sync('chunked', 'raw.chunked',
	q(chunk_mode => true, batch_size => 10, options => '{"max_rate": "20 rows", "chunk_by": "key"}'));
$pair->wait_until($pair->target, q(SELECT count(*) > 1 FROM tablesync.chunk));
$pair->source_sql(q(ALTER TYPE st RENAME VALUE 'new' TO 'fresh'));
is($call->finish->{sqlstate}, '', 'a label that is renamed while chunks are read begins the sync again');
$pair->sync('label', 'raw.label', q(sync_mode => 'xmin'));
foreach my $table ('label', 'chunked')
{
	is($pair->sql("SELECT DISTINCT s FROM raw.$table"), 'fresh', "every row of $table has the new label");
}

$pair->source_sql(q(
	CREATE TABLE region (id int PRIMARY KEY, region text, at timestamptz NOT NULL);
	INSERT INTO region SELECT g, CASE WHEN g % 2 = 0 THEN 'eu' ELSE 'us' END, '2024-01-01'::timestamptz + g * interval '1 h' FROM generate_series(1, 50) g;
	CREATE VIEW eu AS SELECT * FROM region WHERE region = 'eu';
	CREATE VIEW over_eu AS SELECT * FROM eu;
	CREATE FUNCTION is_wanted(region text) RETURNS bool LANGUAGE sql AS $$ SELECT region = 'eu' $$;
	CREATE FUNCTION is_wanted_too(region text) RETURNS bool RETURN region = 'eu';
	CREATE VIEW by_function AS SELECT * FROM region WHERE is_wanted(region);
	CREATE VIEW by_function_too AS SELECT * FROM region WHERE is_wanted_too(region);));
my %viewed = (eu => 'eu', over_eu => 'over_eu', by_function => 'by_function', by_function_too => 'by_function_too', query => 'region');
my %select = (query => q(, custom_select => 'SELECT * FROM eu'));
$pair->sync($viewed{$_}, "raw.$_", "$by_field, primary_key => '{id}'" . ($select{$_} // '')) foreach sort keys %viewed;
$pair->source_sql(q(CREATE OR REPLACE VIEW eu AS SELECT * FROM region;
	CREATE OR REPLACE FUNCTION is_wanted(region text) RETURNS bool LANGUAGE sql AS $$ SELECT true $$;
	CREATE OR REPLACE FUNCTION is_wanted_too(region text) RETURNS bool RETURN true;));
foreach my $name (sort keys %viewed)
{
	$pair->sync($viewed{$name}, "raw.$name", "$by_field, primary_key => '{id}'" . ($select{$name} // ''));
	$pair->assert_identical('region', "raw.$name", "a view whose definition, or that of its function, was replaced is read again: $name");
}

# ---- Days that are none -------------------------------------------------------------------------------------

# What SAP and AS/400 write for "no date", and what people write.
my @no_days = ('00000000', '20240230', '', '2026-11-28', '99999999', 'unknown');
my %day_type = (t => 'text', v => 'varchar(10)', i => 'int');
foreach my $index ('', 'CREATE INDEX ON %s (day)')
{
	foreach my $short (sort keys %day_type)
	{
		my $name = ($index ? 'indexed_' : 'days_') . $short;
		my @values = $short eq 'i' ? (0, 20240230, -1, 99999999) : @no_days;
		my $insert = sub {
			my ($id, @days) = @_;
			$pair->source_sql(join '', map { "INSERT INTO $name VALUES (" . $id++ . ", '$_');" } @values, @days);
		};
		$pair->source_sql("CREATE TABLE $name (id int PRIMARY KEY, day $day_type{$short})");
		$pair->source_sql(sprintf $index, $name) if $index;
		$insert->(1, '20240101', '20240229');
		my $days = q(sync_mode => 'incremental', incremental_field => 'day', incremental_field_type => 'yyyymmdd');
		is($pair->sync($name, "raw.$name", $days)->{watermark}, '20240229', "$name: the watermark is a day");
		$insert->(11, '20240301');
		is($pair->sync($name, "raw.$name", $days)->{watermark}, '20240301', '... and goes on');
		$pair->assert_identical($name, "raw.$name", "$name: rows whose field names no day are read each time");
		is($pair->sync($name, "raw.$name", qq($days, options => '{"lookback": "3 days"}'))->{watermark}, '20240301',
			'... with a lookback, too');
	}
}

# An index of a parent knows nothing of its children.
$pair->source_sql(q(
	CREATE TABLE day_parent (id int PRIMARY KEY, day int); CREATE INDEX ON day_parent (day);
	CREATE TABLE day_child () INHERITS (day_parent);
	INSERT INTO day_child VALUES (1, 20240101), (2, 0);));
{
	my $days = q(sync_mode => 'incremental', incremental_field => 'day', incremental_field_type => 'yyyymmdd');
	$pair->sync('day_parent', 'raw.day_parent', $days);
	$pair->source_sql('INSERT INTO day_child VALUES (3, 20240230), (4, 20240102)');
	$pair->sync('day_parent', 'raw.day_parent', $days);
	$pair->assert_identical('day_parent', 'raw.day_parent', 'rows of children whose field names no day are read');
	my $log = slurp_file($source->logfile);
	like($log, qr/WITH RECURSIVE look .* FROM "public"\."indexed_t"/, 'an index is looked at for each day');
	unlike($log, qr/WITH RECURSIVE look .* FROM "public"\."day_parent"/, '... but not that of a parent alone');
}

# The field becomes another type here: what is here says nothing of it.
$pair->source_sql(q(
	CREATE TABLE turned (id int PRIMARY KEY, dayi int NOT NULL, dayt text NOT NULL, tz timestamptz NOT NULL, ts timestamp NOT NULL);
	INSERT INTO turned SELECT g, to_char(d, 'YYYYMMDD')::int, to_char(d, 'YYYYMMDD'), d, d
		FROM generate_series(1, 30) g, LATERAL (SELECT '2024-01-01'::timestamp + g * interval '1 day' AS d) AS x));
foreach my $field ('dayi', 'dayt', 'tz', 'ts')
{
	my $days = qq(sync_mode => 'incremental', incremental_field => '$field')
	  . ($field =~ /day/ ? q(, incremental_field_type => 'yyyymmdd') : '');
	$pair->sql("CREATE TABLE raw.turned_$field (id int PRIMARY KEY, dayi date, dayt date, tz text, ts date)");
	my $first = $pair->sync('turned', "raw.turned_$field", $days);
	my $second = $pair->sync('turned', "raw.turned_$field", $days);
	is("$first->{read} $second->{read} $second->{watermark}",
		'30 1 ' . $pair->source_sql(qq(SET timezone = 'UTC'; SELECT max($field) FROM turned)),
		"a field that becomes another type ($field) has its watermark");
}

# ---- Chunks, and what they go by ----------------------------------------------------------------------------

# A target that was emptied is read as a whole by all chunks, and not by the first of them alone.
$pair->source_sql(q(CREATE TABLE many (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now() - interval '1 day', v int);
	INSERT INTO many (id, v) SELECT g, g FROM generate_series(1, 3000) g;));
my $number = 0;
foreach my $mode (q(sync_mode => 'xmin'), $by_field, q(sync_mode => 'incremental', incremental_field => 'v'))
{
	foreach my $chunks (q(options => '{"chunk_by": "key"}'), q(options => '{"chunk_by": "ctid"}'), 'parallel_workers => 2')
	{
		my $name = 'raw.many' . ++$number;
		$pair->sync('many', $name, $mode);
		$pair->sql("DELETE FROM $name");
		$pair->sync('many', $name, "$mode, chunk_mode => true, batch_size => 500, $chunks");
		$pair->assert_identical('many', $name, "a target that was emptied is filled again: $mode, $chunks");
	}
}

# Rows of a query have no xmin, also where another worker reads them, or another run.
my $query = q(custom_select => 'SELECT * FROM many', primary_key => '{id}', chunk_mode => true, batch_size => 500);
is($pair->sync('many', 'raw.queried', "$query, parallel_workers => 2")->{consistent}, 'f', 'a query is read in chunks by two workers');
$pair->assert_identical('many', 'raw.queried');

# Rows that are marked, and are to stay, are as good as others.
$pair->source_sql(q(CREATE TABLE kept_marks (id int PRIMARY KEY, gone bool); INSERT INTO kept_marks VALUES (1, true), (2, false)));
$pair->sync('kept_marks', 'raw.kept_marks', q(options => '{"soft_delete_column": "gone", "soft_delete_action": "mark"}'));
is($pair->sql(q(SELECT count(*) FROM verify_table('src', 'kept_marks', 'raw.kept_marks', repair => true, options => '{"max_delete_fraction": 1}'))),
	0, 'rows that are kept with their mark are no extra ones');
$pair->assert_identical('kept_marks', 'raw.kept_marks', 'and are not repaired away');

# ---- The zone in which SQL of the user runs -----------------------------------------------------------------

$pair->source_sql(q(
	CREATE TABLE sale (id int PRIMARY KEY, at timestamptz NOT NULL, amount int);
	INSERT INTO sale VALUES (1, '2024-03-01 23:30:00-05', 10), (2, '2024-03-01 12:00:00-05', 20), (3, '2024-03-02 22:00:00-05', 30);
	CREATE VIEW daily AS SELECT at::date AS day, sum(amount) AS total FROM sale GROUP BY 1;
	ALTER ROLE reader SET timezone = 'Asia/Tokyo';));
foreach my $case ([ '', 2, '2024-03-01|20 2024-03-02|10 2024-03-03|30' ], [ 'America/New_York', 1, '2024-03-01|30 2024-03-02|30' ])
{
	my ($zone, $since_march, $days) = @$case;
	my $name = $zone ? 'raw.there' : 'raw.here';
	my $options = q(options => ') . ($zone ? qq({"time_zone": "$zone"}) : '{}') . q(');
	$pair->sync('daily', $name, "primary_key => '{day}', verify => 'full', $options");
	is($pair->sql("SELECT day, total FROM $name ORDER BY day") =~ tr/\n/ /r, $days, 'a view runs in UTC, or in the zone that is given');
	is($pair->sql("SELECT count(*) FROM verify_table('src', 'daily', '$name', primary_key => '{day}', $options)"), 0, '... and is verified in it');
	is($pair->sync('sale', "${name}_some", qq(custom_where => 'at >= ''2024-03-02''', $options))->{read}, $since_march, '... as a condition does');
	$pair->sync('sale', "${name}_local", qq(custom_select => 'SELECT id, at, at::timestamp AS local FROM sale', verify => 'full', $options));
	is($pair->sql("SELECT count(*) FROM ${name}_local WHERE local = at AT TIME ZONE '" . ($zone || 'UTC') . q(')), 3, '... and a query');
}

$pair->assert_clean;
done_testing();
