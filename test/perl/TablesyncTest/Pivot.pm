# Readings for pivot_ship, at random, and what the wide tables must hold in the end: an oracle in SQL that shares nothing
# with the extension.
#
#   my $pivot = TablesyncTest::Pivot->new($pair);
#   $pivot->make('readings', seed => 7, channels => 60, mixed => 1);        the same table on the source and on the target
#   my @rows = $pivot->run('src', 'readings', target_schema => "'wide'");   dies where it fails
#   $pivot->assert_oracle('readings', 'wide');
#
# The oracle takes the types of the columns as the wide tables have them, and says for each reading whether its column can
# hold it. So a value that was changed, a cell that was lost or made up, and a reading that was rejected though its column
# could hold it are all found; which type a column got is up to the extension, as long as nothing is lost.

package TablesyncTest::Pivot;

use strict;
use warnings;

use Test::More;
use TablesyncTest;
use TablesyncTest::Readings qw(readings sql_array generator);

our $prefix = 'tbl_data_timeseries_';

sub new
{
	my ($class, $pair) = @_;
	my $self = bless { pair => $pair }, $class;
	my ($generator, $oracle) = (generator(), oracle());
	$pair->source_sql($generator);
	$pair->admin($generator);
	$pair->admin($oracle);
	return $self;
}

# ---- Readings -----------------------------------------------------------------------------------------------

# Makes a table with readings, the same on both clusters. Options: see TablesyncTest::Readings::readings(); and select:
# expressions over ship_id, data_channel_id, created_time, value_format, bool_v, str_v, long_v, double_v instead of all.
sub make
{
	my ($self, $table, %options) = @_;
	my $select = $options{select} // '*';
	my $sql = "CREATE TABLE $table AS SELECT $select FROM " . readings(%options);
	$self->{pair}->source_sql($sql);
	$self->{pair}->admin("$sql; GRANT SELECT ON $table TO $TablesyncTest::caller");
	return;
}

# Further readings for such a table. Without a seed of their own they are those that it has.
sub add
{
	my ($self, $table, %options) = @_;
	my $sql = "INSERT INTO $table SELECT * FROM " . readings(%options);
	$self->{pair}->source_sql($sql);
	$self->{pair}->admin($sql);
	return;
}

# ---- Calls --------------------------------------------------------------------------------------------------

# The text of a call of pivot_ship. $server: undef for the target itself. %arguments: names and SQL.
sub call
{
	my ($self, $server, $source, %arguments) = @_;
	# A failure is to be seen, not tried again.
	$arguments{max_retries} //= 0;
	return sprintf 'SELECT * FROM pivot_ship(%s)', join ', ', (defined $server ? "'$server'" : 'NULL'),
	  TablesyncTest::quote($source), map { "$_ => $arguments{$_}" } sort keys %arguments;
}

my @row = qw(run_id ship target_table rows_read rows_written cells_written columns_added rows_rejected duration);

# A call that must succeed: its rows.
sub run
{
	my ($self, @call) = @_;
	my $said = $self->{pair}->try($self->call(@call));
	die 'pivot_ship failed: ' . $said->{text} if $said->{sqlstate};
	$self->{said} = $said;
	return map { my %row; @row{@row} = split /\|/, $_, -1; \%row } split /\n/, $said->{out};
}

# What they add up to.
sub total
{
	my ($column, @rows) = @_;
	my $sum = 0;
	$sum += $_->{$column} foreach @rows;
	return $sum;
}

# Where the next run's record will be: what was rejected before is not looked at.
sub next_run { return 1 + $_[0]{pair}->admin('SELECT coalesce(max(run_id), 0) FROM tablesync.run') }

# ---- The oracle ---------------------------------------------------------------------------------------------

sub oracle
{
	return <<'SQL';
-- The value of a reading by the rules, as the name of its type and its text; NULL where it has none.
CREATE FUNCTION oracle.value_of(value_format text, bool_v boolean, str_v text, long_v bigint, double_v float8, OUT type text, OUT value text)
IMMUTABLE LANGUAGE plpgsql SET extra_float_digits = 1 AS $$
DECLARE
	named text := CASE lower(value_format) WHEN 'boolean' THEN 'boolean' WHEN 'integer' THEN 'bigint' WHEN 'decimal' THEN 'double precision' WHEN 'string' THEN 'text' END;
BEGIN
	SELECT t, v INTO type, value FROM (VALUES ('boolean', bool_v::text), ('text', str_v), ('bigint', long_v::text), ('double precision', double_v::text)) x (t, v)
	WHERE v IS NOT NULL AND (t = named OR num_nonnulls(bool_v, str_v, long_v, double_v) = 1) ORDER BY t = named DESC LIMIT 1;
	IF type <> named THEN
		value := oracle.convert(type, value, named);
		type := CASE WHEN value IS NOT NULL THEN named END;
	END IF;
END $$;

-- A value as another type, without loss; NULL where that cannot be.
CREATE FUNCTION oracle.convert(type text, value text, other text) RETURNS text IMMUTABLE LANGUAGE plpgsql SET extra_float_digits = 1 AS $$
DECLARE
	number float8;
BEGIN
	IF type = other OR other = 'text' THEN
		RETURN value;
	END IF;
	CASE other
	WHEN 'smallint', 'integer' THEN
		RETURN (SELECT n FROM oracle.convert(type, value, 'bigint') n WHERE abs(n::numeric + 0.5) < CASE other WHEN 'integer' THEN 2147483648 ELSE 32768 END);
	WHEN 'boolean' THEN
		RETURN CASE WHEN type = 'bigint' AND value = '0' OR type = 'text' AND value = 'false' THEN 'false'
			WHEN type = 'bigint' AND value = '1' OR type = 'text' AND value = 'true' THEN 'true' END;
	WHEN 'bigint' THEN
		CASE type
		WHEN 'boolean' THEN RETURN value::boolean::int;
		WHEN 'double precision' THEN
			IF value IN ('-0', 'NaN', 'Infinity', '-Infinity') OR floor(value::float8) <> value::float8 THEN RETURN NULL; END IF;
		ELSE
			IF value !~ '\A(0|-?[1-9][0-9]{0,30})\Z' THEN RETURN NULL; END IF;
		END CASE;
		RETURN (SELECT n FROM (SELECT CASE type WHEN 'text' THEN value::numeric ELSE oracle.exact(value::float8) END) x (n)
			WHERE n BETWEEN -9223372036854775808 AND 9223372036854775807);
	WHEN 'double precision' THEN
		CASE type
		WHEN 'boolean' THEN RETURN value::boolean::int;
		WHEN 'bigint' THEN RETURN CASE WHEN abs(value::numeric) <= 9007199254740992 THEN value::float8::text END;
		ELSE
			IF value NOT IN ('NaN', 'Infinity', '-Infinity') AND value !~ '\A-?[0-9]+([.][0-9]+)?(e[+-][0-9]+)?\Z' THEN RETURN NULL; END IF;
			BEGIN
				number := value;
			EXCEPTION WHEN numeric_value_out_of_range THEN
				RETURN NULL;
			END;
			RETURN CASE WHEN number::text = value THEN value END;
		END CASE;
	END CASE;
	RETURN NULL;
END $$;

-- A whole number of float8 with all of its digits: a cast takes 15.
CREATE FUNCTION oracle.exact(number float8) RETURNS numeric IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	times int := 0;
BEGIN
	WHILE abs(number) >= 9007199254740992 LOOP
		number := number / 2;
		times := times + 1;
	END LOOP;
	RETURN trunc(number::bigint * 2::numeric ^ times);
END $$;

-- The columns of a schema's wide tables, as they are.
CREATE FUNCTION oracle.columns(schema text, prefix text) RETURNS TABLE (place regclass, ship text, channel text, name text, type text) LANGUAGE sql AS $$
	SELECT DISTINCT t.table_oid::regclass, t.ship, c.channel, a.attname::text, format_type(a.atttypid, a.atttypmod)
	FROM tablesync.pivot_table t JOIN tablesync.pivot_column c USING (table_oid)
	JOIN pg_attribute a ON a.attrelid = t.table_oid AND a.attnum = c.attnum AND NOT a.attisdropped
	WHERE t.target_schema::text = schema AND t.table_prefix::text = prefix $$;

-- The cells of a schema's wide tables. Their times are given as time_type; a time without a zone is one of the zone.
CREATE FUNCTION oracle.cells(schema text, prefix text, time_type regtype, zone text) RETURNS TABLE (ship text, channel text, at text, value text)
LANGUAGE plpgsql SET extra_float_digits = 1 SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT c.place, c.ship, a.atttypid = time_type AS same, string_agg(format('(%L, t.%I::text)', c.channel, c.name), ', ') AS list
		FROM oracle.columns(schema, prefix) c JOIN pg_attribute a ON a.attrelid = c.place AND a.attname = 'created_time' GROUP BY 1, 2, 3
	LOOP
		RETURN QUERY EXECUTE format('SELECT %L::text, v.channel, (%s)::text, v.value FROM %s t CROSS JOIN LATERAL (VALUES %s) v (channel, value) WHERE v.value IS NOT NULL',
			t.ship, CASE WHEN t.same THEN 't.created_time' ELSE format('timezone(%L, t.created_time)', zone) END, t.place, t.list);
	END LOOP;
END $$;

-- What tablesync.pivot_table and pivot_column say that is not so.
CREATE FUNCTION oracle.wrong_columns(schema text, prefix text) RETURNS TABLE (what text, ship text, channel text, at text, value text) LANGUAGE sql AS $$
	WITH t AS (SELECT DISTINCT p.table_oid, p.ship, p.target_schema, p.table_name, p.made_here FROM tablesync.pivot_table p WHERE p.target_schema::text = schema AND p.table_prefix::text = prefix)
	SELECT 'a table that is not there', t.ship, NULL, NULL, t.table_name::text FROM t
		WHERE to_regclass(format('%I.%I', t.target_schema, t.table_name)) IS DISTINCT FROM t.table_oid::regclass
	UNION ALL
	SELECT 'a column that is not so', t.ship, c.channel, NULL, format('%s %s, but %s %s', c.column_name, c.column_type, a.attname, format_type(a.atttypid, a.atttypmod))
		FROM t JOIN tablesync.pivot_column c USING (table_oid) LEFT JOIN pg_attribute a ON a.attrelid = t.table_oid AND a.attnum = c.attnum AND NOT a.attisdropped
		WHERE (c.column_name::text, c.column_type::text) IS DISTINCT FROM (a.attname::text, format_type(a.atttypid, a.atttypmod))
	UNION ALL
	SELECT 'a column of no channel', t.ship, NULL, NULL, a.attname FROM t JOIN pg_attribute a ON a.attrelid = t.table_oid
		WHERE t.made_here AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'created_time'
		AND NOT EXISTS (SELECT FROM tablesync.pivot_column c WHERE c.table_oid = t.table_oid AND c.attnum = a.attnum)
	UNION ALL
	-- Several sources can fill one column.
	SELECT 'a channel with several columns', t.ship, c.channel, NULL, count(DISTINCT (c.table_oid, c.attnum))::text
		FROM t JOIN tablesync.pivot_column c USING (table_oid) GROUP BY t.ship, c.channel HAVING count(DISTINCT (c.table_oid, c.attnum)) > 1 $$;

-- What the wide tables of a schema have that they should not have, and lack. readings: a query with the columns of a narrow
-- table and their order, place. before: cells that were there before; they stay where there is no reading. first_run: of those
-- whose rejects are compared, too. once: each reading is rejected once in these runs.
CREATE FUNCTION oracle.differences(readings text, schema text, prefix text, zone text, from_time timestamptz, cutoff timestamptz, ships text[], channels text[],
	before text, first_run bigint, once boolean) RETURNS TABLE (what text, ship text, channel text, at text, value text)
LANGUAGE plpgsql SET extra_float_digits = 1 SET timezone = 'UTC' SET datestyle = 'ISO' SET search_path = public, oracle AS $$
DECLARE
	time_type regtype;
	every text := CASE WHEN once THEN 'ALL' ELSE '' END;
BEGIN
	EXECUTE format('CREATE TEMP TABLE reading AS SELECT * FROM (%s) r', readings);
	SELECT atttypid INTO time_type FROM pg_attribute WHERE attrelid = 'reading'::regclass AND attname = 'created_time';
	-- Those of the call. One without a time is in no range, but in all of the table.
	EXECUTE format('DELETE FROM reading WHERE NOT coalesce(CASE WHEN created_time IS NULL THEN $1 IS NULL
		ELSE %1$s >= coalesce($1, ''-infinity'') AND %1$s < coalesce($2, now()) END
		AND ($3 IS NULL OR ship_id = ANY ($3)) AND ($4 IS NULL OR data_channel_id = ANY ($4)), false)',
		CASE WHEN time_type = 'timestamptz'::regtype THEN 'created_time' ELSE format('timezone(%L, created_time)', zone) END)
		USING from_time, cutoff, ships, channels;
	-- What each is stored as: NULL where it is to be rejected. A channel without a column should have one that holds it.
	CREATE TEMP TABLE judged AS
		SELECT r.*, r.created_time::text AS at, CASE WHEN num_nulls(r.ship_id, r.data_channel_id, r.created_time) = 0 AND '' NOT IN (r.ship_id, r.data_channel_id)
			THEN oracle.convert(v.type, v.value, coalesce(c.type, 'text')) END AS stored
		FROM reading r CROSS JOIN LATERAL oracle.value_of(value_format, bool_v, str_v, long_v, double_v) v
		LEFT JOIN oracle.columns(schema, prefix) c ON c.ship = r.ship_id AND c.channel = r.data_channel_id;
	CREATE TEMP TABLE expected AS SELECT DISTINCT ON (j.ship_id, j.data_channel_id, j.at) j.ship_id AS ship, j.data_channel_id AS channel, j.at, j.stored AS value
		FROM judged j WHERE stored IS NOT NULL ORDER BY j.ship_id, j.data_channel_id, j.at, j.place DESC;
	IF before IS NOT NULL THEN
		EXECUTE format('INSERT INTO expected SELECT b.ship, b.channel, b.at, b.value FROM %s b WHERE NOT EXISTS
			(SELECT FROM expected e WHERE (e.ship, e.channel, e.at) = (b.ship, b.channel, b.at))', before);
	END IF;
	CREATE TEMP TABLE found AS SELECT * FROM oracle.cells(schema, prefix, time_type, zone);
	RETURN QUERY SELECT * FROM oracle.wrong_columns(schema, prefix);
	RETURN QUERY (SELECT 'a cell is missing', * FROM (TABLE expected EXCEPT ALL TABLE found) x)
		UNION ALL (SELECT 'a cell is too many', * FROM (TABLE found EXCEPT ALL TABLE expected) x) ORDER BY 2, 3, 4, 1;

	IF first_run IS NULL THEN RETURN; END IF;
	-- jsonb knows no negative zero.
	CREATE TEMP TABLE expected_reject AS SELECT ship_id, data_channel_id, j.at, value_format, bool_v, str_v, long_v, (double_v + 0)::text AS double_v
		FROM judged j WHERE stored IS NULL;
	UPDATE expected_reject SET double_v = '0' WHERE double_v = '-0';
	EXECUTE format('CREATE TEMP TABLE found_reject AS SELECT "row"->>''ship_id'' AS ship_id, "row"->>''data_channel_id'' AS data_channel_id,
		("row"->>''created_time'')::%s::text AS at, "row"->>''value_format'' AS value_format, ("row"->>''bool_v'')::boolean AS bool_v, "row"->>''str_v'' AS str_v,
		("row"->>''long_v'')::bigint AS long_v, ("row"->>''double_v'')::float8::text AS double_v FROM tablesync.reject
		WHERE run_id >= $1 AND target = $2', time_type) USING first_run, format('%s.%s', schema, prefix);
	UPDATE found_reject SET double_v = '0' WHERE double_v = '-0';
	RETURN QUERY EXECUTE format('SELECT ''a reading vanished'', x.ship_id, x.data_channel_id, x.at, to_jsonb(x)::text FROM (TABLE expected_reject EXCEPT %1$s TABLE found_reject) x
		UNION ALL SELECT ''a reading was rejected without reason'', x.ship_id, x.data_channel_id, x.at, to_jsonb(x)::text
		FROM (TABLE found_reject EXCEPT %1$s TABLE expected_reject) x ORDER BY 2, 3, 4, 1', every);
END $$;
SQL
}

# The wide tables of a schema hold what they must. Options: of the call: prefix, zone, from_time, cutoff_time, ships, channels;
#
#   readings    a query for what is not a plain narrow table: place (their order), ship_id, ..., double_v
#   before      a table of cells that were there before: remember_cells()
#   first_run   next_run() before the call: its rejects are compared, too
#   repeated    the same reading may be on record as rejected by several of these runs
sub assert_oracle
{
	my ($self, $source, $schema, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $name = $options{name} // "$schema holds what $source says";
	my $readings = $options{readings}
	  // "SELECT ctid AS place, ship_id, data_channel_id, created_time, value_format, bool_v, str_v, long_v, double_v FROM $source";
	my $query = sprintf 'oracle.differences(%s)', join ', ', TablesyncTest::quote($readings), TablesyncTest::quote($schema),
	  TablesyncTest::quote($options{prefix} // $prefix), TablesyncTest::quote($options{zone} // 'UTC'),
	  (map { defined $options{$_} ? TablesyncTest::quote($options{$_}) : 'NULL' } qw(from_time cutoff_time)),
	  (map { $options{$_} ? sql_array(@{ $options{$_} }) : 'NULL' } qw(ships channels)),
	  (map { defined $options{$_} ? TablesyncTest::quote($options{$_}) : 'NULL' } qw(before first_run)),
	  $options{repeated} ? 'false' : 'true';
	return $self->assert_no_rows("SELECT * FROM $query", $name);
}

# Two schemas have the same cells, of columns of the same types.
sub assert_same
{
	my ($self, $schema, $other, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($a, $b) = map { sprintf 'SELECT c.*, t.type FROM oracle.cells(%1$s, %2$s, %3$s, %4$s) c JOIN oracle.columns(%1$s, %2$s) t USING (ship, channel)',
		  map { TablesyncTest::quote($_) } $_, $prefix, 'timestamptz', 'UTC' } $schema, $other;
	($a, $b) = map { "SELECT c.* FROM oracle.cells('$_', '$prefix', 'timestamptz', 'UTC') c" } $schema, $other if $options{any_type};
	return $self->assert_no_rows("SELECT 'only in $schema', * FROM ($a EXCEPT ALL $b) x UNION ALL SELECT 'only in $other', * FROM ($b EXCEPT ALL $a) x",
		$options{name} // "$schema and $other hold the same");
}

sub assert_no_rows
{
	my ($self, $query, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# Values may hold new lines.
	my @rows = split /\n/, $self->{pair}->admin("SET client_min_messages = error; SELECT to_json(x) FROM ($query) x");
	my %rows;
	foreach my $row (@rows)
	{
		my ($what) = $row =~ /^\{"[^"]*":"([^"]*)"/;
		push @{ $rows{$what} }, $row;
	}
	ok(!@rows, $name);
	foreach my $what (sort keys %rows)
	{
		diag(scalar(@{ $rows{$what} }) . " times: $what");
		diag(substr $_, 0, 400) foreach splice @{ $rows{$what} }, 0, 5;
	}
	return !@rows;
}

# ---- What is there ------------------------------------------------------------------------------------------

# Keeps the cells of a schema in a table, for `before`.
sub remember_cells
{
	my ($self, $schema, $table, $time_type) = @_;
	$time_type //= 'timestamptz';
	$self->{pair}->admin("DROP TABLE IF EXISTS $table; CREATE TABLE $table AS SELECT * FROM oracle.cells('$schema', '$prefix', '$time_type', 'UTC')");
	return;
}

# How many cells a schema has.
sub cells
{
	my ($self, $schema) = @_;
	return $self->{pair}->admin("SELECT count(*) FROM oracle.cells('$schema', '$prefix', 'timestamptz', 'UTC')");
}

# All rows of the wide tables of a schema, their places, and who wrote them: different when anything was written.
sub state_of
{
	my ($self, $schema) = @_;
	my $tables = $self->{pair}->admin(qq(SELECT string_agg(format('SELECT %L, t.ctid::text, t.xmin::text, (t.*)::text FROM %s t', table_oid, table_oid::regclass), ' UNION ALL '
		ORDER BY table_oid) FROM tablesync.pivot_table WHERE target_schema::text = '$schema'));
	return 'no tables' if $tables eq '';
	return $self->{pair}->admin("SELECT count(*), md5(string_agg(md5(x::text), '' ORDER BY md5(x::text))) FROM ($tables) x");
}

# The tables of a schema, with their numbers of columns.
sub tables
{
	my ($self, $schema) = @_;
	return split /\n/, $self->{pair}->admin(qq(SELECT t.table_name, (SELECT count(*) FROM tablesync.pivot_column c WHERE c.table_oid = t.table_oid)
		FROM tablesync.pivot_table t WHERE target_schema::text = '$schema' ORDER BY t.table_name::text COLLATE "C"));
}

1;
