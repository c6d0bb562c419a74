# A relation that is reloaded in one transaction (TRUNCATE and INSERT, REFRESH, ALTER TYPE) while a sync begins: its
# rows are never seen as gone, whatever reads it.

use strict;
use warnings;

use Test::More;
use TablesyncTest;

my $pair   = TablesyncTest->new;
my $source = $pair->source;

# What reads b beside a: the name of the source, and arguments.
my %reader = (
	'custom_where'  => [ 'a', q(custom_where => 'id > 300 OR EXISTS (SELECT FROM b WHERE b.id = a.id)') ],
	'custom_select' => [ 'a', q(custom_select => 'SELECT a.id, a.x, b.y FROM a LEFT JOIN b USING (id)') ],
	'custom_count'  => [ 'a', q(custom_count => 'SELECT count(*) FROM a WHERE id > 300 OR EXISTS (SELECT FROM b WHERE b.id = a.id)') ],
	'partitions'    => [ 'a', q(custom_select => 'SELECT a.id, a.x, p.y FROM a LEFT JOIN p USING (id)') ],
	'a view'        => [ 'joined',  q(primary_key => '{id}') ],
	'a view over a materialized view' => [ 'over_kept', q(primary_key => '{id}') ],
	'a materialized view'             => [ 'kept',      q(primary_key => '{id}') ]);

$pair->source_sql(q(
	CREATE TABLE a (id int PRIMARY KEY, x text);
	INSERT INTO a SELECT g, 'x' || g FROM generate_series(1, 1000) g;
	CREATE TABLE b (id int PRIMARY KEY, y text);
	CREATE TABLE p (id int PRIMARY KEY, y text) PARTITION BY RANGE (id);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (101);
	CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (101) TO (1001);
	INSERT INTO b SELECT g, 'y' || g FROM generate_series(1, 300) g;
	INSERT INTO p SELECT g, 'y' || g FROM generate_series(1, 300) g;
	CREATE VIEW joined AS SELECT a.id, a.x, b.y FROM a LEFT JOIN b USING (id);
	CREATE MATERIALIZED VIEW kept AS SELECT * FROM joined;
	CREATE VIEW over_kept AS SELECT a.id, k.y FROM a LEFT JOIN kept k USING (id);
	-- The reader of a view has no right to what is below it.
	REVOKE SELECT ON p1 FROM reader;));

# What a transaction does with b, and with what is made of it.
my %reload = (
	'TRUNCATE and INSERT' => q(TRUNCATE b, p; INSERT INTO b SELECT g, 'y' || g FROM generate_series(1, 300) g; INSERT INTO p TABLE b;
		REFRESH MATERIALIZED VIEW kept;),
	'ALTER TYPE' => q(ALTER TABLE p ALTER y TYPE text USING y || ' ';),
	'DROP and CREATE' => q(DROP TABLE c; CREATE TABLE c AS TABLE b;),
	'UPDATE and REFRESH' => q(UPDATE a SET x = x || '!' WHERE id <= 300; REFRESH MATERIALIZED VIEW kept;));

# Begins the reload, then the call; the reload ends when the call waits for it.
my $writer = $source->background_psql('postgres');
sub during_reload
{
	my ($reload, $call) = @_;
	$writer->query_safe("BEGIN; $reload{$reload}");
	my $begun = $call->();
	$pair->wait_until($source, q(SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE application_name = 'pg_tablesync' AND wait_event_type = 'Lock')));
	$writer->query_safe('COMMIT;');
	return $begun->finish;
}

sub rows_of { return $pair->sql("SELECT count(*), count(*) FILTER (WHERE t::text ~ 'y') FROM raw.$_[0] t") }

# ---- Full syncs ---------------------------------------------------------------------------------------------

my $target = 0;
foreach my $reader (sort keys %reader)
{
	my ($name, $arguments) = @{ $reader{$reader} };
	++$target;
	$pair->sync($name, "raw.t$target", $arguments);
	my $before = rows_of("t$target");
	my $said = during_reload('TRUNCATE and INSERT', sub { $pair->start_sync($name, "raw.t$target", $arguments) });
	is($said->{sqlstate}, '', "$reader: a sync while it is reloaded succeeds") or diag($said->{text});
	is(rows_of("t$target"), $before, "$reader: no row and no cell is lost");
	my $row = TablesyncTest::row_of($said->{out});
	is("$row->{deleted} $row->{updated} $row->{consistent}", '0 0 t', "$reader: nothing was written") if !$said->{sqlstate};
}

# ---- Other ways to read -------------------------------------------------------------------------------------

my ($name, $where) = @{ $reader{custom_where} };
my $repair = sub { $pair->start("SELECT count(*) FROM verify_table('src', 'a', 'raw.v', custom_where => "
	  . $where =~ s/custom_where => //r . ', repair => ' . $_[0] . ')') };
$pair->sync($name, 'raw.v', $where);
foreach my $repairs ('false', 'true')
{
	my $said = during_reload('TRUNCATE and INSERT', sub { $repair->($repairs) });
	is($said->{sqlstate} . $said->{out}, "0\n", "verify_table(repair => $repairs) finds nothing wrong");
}
is(rows_of('v'), '1000|0', 'and no row is gone');

foreach my $more (
	[ 'a first load',          '' ],
	[ 'a first load by two',   'parallel_workers => 2' ],
	[ 'chunks',                'chunk_mode => true, batch_size => 400' ],
	[ 'chunks by two workers', 'chunk_mode => true, batch_size => 100, parallel_workers => 2' ])
{
	++$target;
	my ($title, $arguments) = @$more;
	my $said = during_reload('TRUNCATE and INSERT',
		sub { $pair->start_sync($name, "raw.t$target", join ', ', $where, grep { $_ } $arguments) });
	is($said->{sqlstate}, '', "$title succeeds") or diag($said->{text});
	is(rows_of("t$target"), '1000|0', "$title: no row is lost");
}

{
	my $select = q(custom_select => 'SELECT a.id, a.x, b.y, now() - interval ''1 day'' AS at FROM a LEFT JOIN b USING (id)');
	my $arguments = "sync_mode => 'incremental', incremental_field => 'at', $select";
	$pair->sync('a', 'raw.i', $arguments);
	my $said = during_reload('TRUNCATE and INSERT', sub { $pair->start_sync('a', 'raw.i', $arguments) });
	is($said->{sqlstate}, '', 'an incremental sync succeeds') or diag($said->{text});
	is($pair->sql('SELECT count(*) FROM raw.i WHERE y IS NOT NULL'), '300', 'no cell is lost');
}

# Another type of a column that the query makes a text of.
{
	my $select = q(custom_select => 'SELECT a.id, p.y FROM a JOIN p USING (id)');
	$pair->sync('a', 'raw.c', $select);
	my $said = during_reload('ALTER TYPE', sub { $pair->start_sync('a', 'raw.c', $select) });
	is($said->{sqlstate}, '', 'a sync while a type is changed succeeds') or diag($said->{text});
	is(rows_of('c'), '300|300', 'no row is lost');
}

# Another table of that name; and a materialized view, whose new rows are seen by those who began before it was refreshed.
{
	my $select = q(custom_select => 'SELECT a.id, c.y FROM a LEFT JOIN c USING (id)');
	$pair->source_sql('CREATE TABLE c AS TABLE b');
	$pair->sync('a', 'raw.d', $select);
	my $said = during_reload('DROP and CREATE', sub { $pair->start_sync('a', 'raw.d', $select) });
	is($said->{sqlstate}, '', 'a sync while a table is replaced by another one succeeds') or diag($said->{text});
	is(rows_of('d'), '1000|300', 'no cell is lost');
}
{
	my $select = q(custom_select => 'SELECT a.id, a.x, k.x AS kept FROM a JOIN kept k USING (id)');
	$pair->sync('a', 'raw.k', $select);
	my $said = during_reload('UPDATE and REFRESH', sub { $pair->start_sync('a', 'raw.k', $select) });
	is($said->{sqlstate}, '', 'a sync while a materialized view is refreshed succeeds') or diag($said->{text});
	is($pair->sql('SELECT count(*), count(*) FILTER (WHERE x <> kept) FROM raw.k'), '1000|0', 'all that is read is of one moment');
}

# A run that is being read holds them off: whoever comes later waits for it.
{
	my $call = $pair->start_sync('a', 'raw.late', "$where, options => '{\"max_rate\": \"1000 rows\"}'");
	$pair->wait_until($source, q(SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE application_name = 'pg_tablesync' AND query LIKE 'COPY%')));
	my $reload = $source->background_psql('postgres');
	$reload->query_until(qr/begun/, qq(\\echo begun\nBEGIN; $reload{'TRUNCATE and INSERT'} COMMIT;\n));
	$pair->wait_until($source, q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%TRUNCATE%' AND wait_event_type = 'Lock')));
	is($call->finish->{sqlstate}, '', 'a reload waits for a sync that reads');
	is(rows_of('late'), '1000|0', 'which is not disturbed');
	$reload->quit;
}

$writer->quit;
$pair->assert_clean;
done_testing();
