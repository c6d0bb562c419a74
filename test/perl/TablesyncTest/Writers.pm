# Tables on the source, and people who write to them in every way that has ever made a copy lose rows.
#
# Every table has the columns that TablesyncTest::Witness asks for, and fields that a sync can go by. They are set to
# the time of the transaction, whenever that commits. No writer waits for another: each takes rows that are free.

package TablesyncTest::Writers;

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;

my @tables = qw(orders parted counters days);

# $pair: a TablesyncTest. Options: watch: a sub that is called with each table's name before there are rows in it.
# zone_of_day, zone_of_clock: time zones of those who write to days.
sub new
{
	my ($class, $pair, %options) = @_;
	my $self = bless { pair => $pair }, $class;
	$self->make_tables(%options);
	$self->make_tools;
	$self->make_changes($_) foreach @tables;
	$self->make_work;
	$options{watch}->($_) foreach @tables;
	$pair->source_sql('SELECT setseed(0.5); SELECT torture.change_everything() FROM generate_series(1, 50)');
	return $self;
}

# ---- Tables -------------------------------------------------------------------------------------------------

sub make_tables
{
	my ($self, %options) = @_;
	my $common = 'note float, version bigint NOT NULL, touched_by bigint';
	my $today  = "timezone('$options{zone_of_day}', now())";
	my $clock  = "timezone('$options{zone_of_clock}', now())";
	$self->{pair}->source_sql(qq(
		CREATE TABLE orders (id bigint PRIMARY KEY, seat bigint UNIQUE, $common,
			updated_at timestamptz NOT NULL DEFAULT now(), written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
			second timestamptz(0) NOT NULL DEFAULT now());

		-- Not every row has a time.
		CREATE TABLE parted (id bigint, region text, $common, updated_at timestamptz DEFAULT now(),
			PRIMARY KEY (region, id)) PARTITION BY LIST (region);
		CREATE INDEX ON parted (id);
		CREATE TABLE parted_north PARTITION OF parted FOR VALUES IN ('north');
		CREATE TABLE parted_east PARTITION OF parted FOR VALUES IN ('east');
		CREATE TABLE parted_rest PARTITION OF parted DEFAULT;

		CREATE TABLE counters (id bigint PRIMARY KEY, $common, revision bigserial);

		CREATE TABLE days (id bigint PRIMARY KEY, $common, day date DEFAULT $today,
			code text DEFAULT to_char($today, 'YYYYMMDD'), number int DEFAULT to_char($today, 'YYYYMMDD')::int,
			local timestamp DEFAULT $clock);));
	return;
}

# ---- Changes ------------------------------------------------------------------------------------------------

sub make_tools
{
	my ($self) = @_;
	$self->{pair}->source_sql(q(
		CREATE SCHEMA torture;
		CREATE SEQUENCE torture.id;

		-- Keys of deleted rows: they may come back, but not before the delete is committed.
		CREATE TABLE torture.grave (place text, id bigint);

		CREATE FUNCTION torture.me() RETURNS bigint LANGUAGE sql AS $$ SELECT pg_current_xact_id()::text::bigint $$;

		CREATE FUNCTION torture.region() RETURNS text LANGUAGE sql AS $$
			SELECT (ARRAY['north', 'east', 'south'])[1 + floor(3 * random())] $$;

		-- One to three rows that nobody has locked.
		CREATE FUNCTION torture.pick(place text) RETURNS bigint[] LANGUAGE plpgsql AS $$
		DECLARE
			ids bigint[];
		BEGIN
			EXECUTE format('SELECT array_agg(id) FROM
				(SELECT id FROM %I ORDER BY random() LIMIT $1 FOR UPDATE SKIP LOCKED) picked', place)
				INTO ids USING ceil(random() * 3);
			RETURN coalesce(ids, '{}');
		END $$;));
	return;
}

# What an update sets: always; and where it touches the fields. Fields are at times what another has, or no time at all.
my $mine  = q(note = random(), version = nextval('witness.version'));
my %touch = (
	orders => q(written_at = clock_timestamp(), second = now(), updated_at = CASE WHEN random() < 0.8 THEN now()
		ELSE (SELECT greatest(now(), max(updated_at)) FROM orders) END),
	parted => q(updated_at = CASE WHEN random() < 0.9 THEN now()
		ELSE (ARRAY[NULL, 'infinity', '-infinity'])[1 + floor(3 * random())]::timestamptz END),
	counters => q(revision = DEFAULT),
	days     => q(day = DEFAULT, code = DEFAULT, number = DEFAULT, local = DEFAULT));
my %touched = map { $_ => "$mine, touched_by = torture.me(), $touch{$_}" } @tables;

# What an insert gives to columns: to those that every table has, and to others.
my @new   = ('note, version, touched_by', q(random(), nextval('witness.version'), torture.me()));
my %other = (orders => [ 'seat', q(nextval('torture.id')) ], parted => [ 'region', 'torture.region()' ]);

# What is done to some tables only, and how far the dice may go for it.
my %more = (
	orders => qq(
		WHEN dice < 0.75 THEN    -- keys move
			INSERT INTO torture.grave SELECT 'orders', unnest(ids);
			UPDATE orders SET id = nextval('torture.id'), $touched{orders} WHERE id = ANY (ids);
		WHEN dice < 0.8 THEN
			INSERT INTO torture.grave SELECT 'orders', unnest(ids);
			UPDATE orders SET id = nextval('torture.id'), $mine WHERE id = ANY (ids);
		WHEN dice < 0.85 THEN    -- unique values pass around
			seats := ARRAY(SELECT o.seat FROM unnest(ids) WITH ORDINALITY i (id, n) JOIN orders o USING (id) ORDER BY n);
			UPDATE orders SET seat = NULL WHERE id = ANY (ids);
			FOR n IN 1 .. cardinality(ids) LOOP
				UPDATE orders SET seat = seats[n % cardinality(ids) + 1], $touched{orders} WHERE id = ids[n];
			END LOOP;
		WHEN dice < 0.9 THEN    -- from rows that go to rows that come
			INSERT INTO torture.grave SELECT 'orders', unnest(ids);
			WITH gone AS (DELETE FROM orders WHERE id = ANY (ids) RETURNING seat)
			SELECT array_agg(seat) INTO seats FROM gone;
			INSERT INTO orders (id, seat, $new[0]) SELECT nextval('torture.id'), unnest(seats), $new[1];),
	parted => qq(
		WHEN dice < 0.8 THEN    -- from partition to partition
			UPDATE parted SET region = torture.region(), $touched{parted} WHERE id = ANY (ids);
		WHEN dice < 0.85 THEN
			UPDATE parted SET region = torture.region(), $mine WHERE id = ANY (ids);));

# Makes the function that does something to a table, whatever.
sub make_changes
{
	my ($self, $table) = @_;
	my ($columns, $values) = map { $other{$table} ? ", $_" : '' } @{ $other{$table} // [ '', '' ] };
	my $insert = "INSERT INTO $table (id, $new[0]$columns) SELECT id, $new[1]$values";
	my $more   = $more{$table} // '';
	$self->{pair}->source_sql(qq(
		CREATE FUNCTION torture.change_$table() RETURNS void LANGUAGE plpgsql AS \$\$
		DECLARE
			dice float := random();
			ids bigint[] := torture.pick('$table');
			seats bigint[];
		BEGIN
			IF dice < 0.35 AND (SELECT count(*) > 800 FROM $table) THEN
				dice := 0.99;    -- it has grown enough
			END IF;
			CASE
			WHEN dice < 0.3 THEN
				$insert FROM (SELECT nextval('torture.id') AS id FROM generate_series(0, (2 * random())::int)) i;
			WHEN dice < 0.35 THEN    -- who was deleted comes back
				WITH back AS (DELETE FROM torture.grave WHERE ctid = (SELECT ctid FROM torture.grave
					WHERE place = '$table' LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id)
				$insert FROM back;
			WHEN dice < 0.6 THEN
				UPDATE $table SET $touched{$table} WHERE id = ANY (ids);
			WHEN dice < 0.7 THEN    -- nobody who goes by the field is told
				UPDATE $table SET $mine WHERE id = ANY (ids);
			$more
			WHEN dice < 0.9 THEN
				UPDATE $table SET $touched{$table} WHERE id = ANY (ids);
			ELSE
				INSERT INTO torture.grave SELECT '$table', unnest(ids);
				DELETE FROM $table WHERE id = ANY (ids);
			END CASE;
		END \$\$));
	return;
}

sub make_work
{
	my ($self) = @_;
	my $everything = join ', ', map { "torture.change_$_()" } @tables;
	$self->{pair}->source_sql(qq(
		CREATE FUNCTION torture.change_everything() RETURNS void LANGUAGE plpgsql AS \$\$
		BEGIN
			FOR n IN 1 .. 3 LOOP
				PERFORM $everything;
			END LOOP;
		END \$\$;

		-- Any one change. What it is follows from the seed.
		CREATE FUNCTION torture.change(seed float) RETURNS void LANGUAGE plpgsql AS \$\$
		BEGIN
			PERFORM setseed(seed);
			CASE floor(6 * random())
			WHEN 0 THEN PERFORM torture.change_parted();
			WHEN 1 THEN PERFORM torture.change_counters();
			WHEN 2 THEN PERFORM torture.change_days();
			ELSE PERFORM torture.change_orders();
			END CASE;
		END \$\$;

		-- Several transactions in one call, with changes that are undone.
		CREATE PROCEDURE torture.work(seed float) LANGUAGE plpgsql AS \$\$
		BEGIN
			PERFORM setseed(seed);
			FOR n IN 1 .. 5 LOOP
				PERFORM torture.change(random());
				BEGIN
					PERFORM torture.change(random());
					RAISE division_by_zero;
				EXCEPTION WHEN division_by_zero THEN
					PERFORM torture.change(random());
				END;
				PERFORM pg_sleep(0.2 * random());
				IF random() < 0.9 THEN COMMIT; ELSE ROLLBACK; END IF;
			END LOOP;
		END \$\$));
	return;
}

# ---- At work ------------------------------------------------------------------------------------------------

# What the writers run, as scripts of pgbench. Their sleeps are the load (transactions that last, pauses between them):
# no test waits by them.
my %scripts = (
	quick => q(
		\set pause random(0, 60)
		SELECT torture.change(:seed1);
		\sleep :pause ms),

	# Stamped now, committed some time after.
	slow => q(
		\set early random(0, 300)
		\set late random(0, 1200)
		\set fate random(1, 10)
		BEGIN;
		\sleep :early ms
		SELECT torture.change(:seed1);
		\sleep :late ms
		SELECT torture.change(:seed2);
		\if :fate = 1
		ROLLBACK;
		\else
		COMMIT;
		\endif),

	# There is always one that is older than the margin for a session's start. So when the oldest ends, the watermark
	# goes past it.
	long => q(
		\set wait random(2300, 3500)
		BEGIN;
		SELECT setseed(:seed1);
		SELECT torture.change_everything();
		\sleep :wait ms
		SELECT torture.change_everything();
		COMMIT;),

	savepoints => q(
		\set pause random(0, 500)
		\set fate random(1, 2)
		BEGIN;
		SAVEPOINT one;
		SELECT torture.change(:seed1);
		SAVEPOINT two;
		SELECT torture.change(:seed2);
		\sleep :pause ms
		\if :fate = 1
		ROLLBACK TO one;
		\else
		RELEASE two;
		\endif
		SELECT torture.change(:seed3);
		COMMIT;),

	procedure => q(
		CALL torture.work(:seed1);),

	# From here on: older than any that shows itself, and then a time in which everything can be seen.
	prepared => q(
		\set wait random(4000, 5000)
		BEGIN;
		SELECT setseed(:seed1);
		SELECT torture.change_everything();
		PREPARE TRANSACTION 'torture';
		\sleep :wait ms
		COMMIT PREPARED 'torture';
		\sleep 15 s),

	untracked => q(
		\set wait random(4000, 5000)
		\sleep 10 s
		SET track_activities = off;
		BEGIN;
		SELECT setseed(:seed1);
		SELECT torture.change_everything();
		\sleep :wait ms
		COMMIT;
		SET track_activities = on;
		\sleep 5 s),

	# A session that shows itself again, but not when its transaction began.
	handed_over => q(
		\set wait random(2300, 3500)
		BEGIN;
		SELECT setseed(:seed1);
		SELECT torture.change_everything();
		\sleep :wait ms
		PREPARE TRANSACTION 'handed over by :client_id';
		\sleep 150 ms
		COMMIT PREPARED 'handed over by :client_id';),

	veiled => q(
		\set wait random(4000, 5000)
		\sleep 5 s
		SET track_activities = off;
		BEGIN;
		SET track_activities = on;
		SELECT setseed(:seed1);
		SELECT torture.change_everything();
		\sleep :wait ms
		COMMIT;
		\sleep 10 s));

my $seeds = join '', map { "\\set random$_ random(0, 1000000)\n\\set seed$_ :random$_ / 1000000.0\n" } 1 .. 3;

# All begin. $seconds: how long they work; then each ends what it is at. @more: further scripts that take turns.
sub start
{
	my ($self, $seconds, $seed, @more) = @_;
	my $turns = int($seconds / 20) || 1;
	my @groups = (
		[ [qw(quick slow slow slow savepoints procedure)], '-c', 6, '-T', $seconds ],
		[ ['quick'], '-c', 2, '-T', $seconds ],
		[ [qw(long handed_over)], '-c', 6, '-T', $seconds ],
		map { [ [$_], '-c', 1, '-t', $turns ] } 'prepared', 'untracked', @more);
	foreach my $group (@groups)
	{
		my ($names, @options) = @$group;
		push @{ $self->{at_work} }, bench($self->{pair}->source, $seconds,
			[ map { $seeds . $scripts{$_} } @$names ], '--random-seed', $seed++, @options);
	}
	return;
}

# Waits for all to end; returns what they complained of.
sub finish
{
	my ($self) = @_;
	return join '', map { ended($_) } @{ $self->{at_work} };
}

# A running pgbench that is to take so many seconds.
sub bench
{
	my ($node, $seconds, $scripts, @options) = @_;
	my $dir  = PostgreSQL::Test::Utils::tempdir();
	my @files = map { "$dir/script$_.sql" } 1 .. @$scripts;
	append_to_file($files[$_], $scripts->[$_] =~ s/^\s+//gmr) foreach 0 .. $#files;
	my $self = { out => "$dir/out" };
	local $ENV{PGOPTIONS} = '-c client_min_messages=warning';
	$self->{run} = IPC::Run::start(
		[ 'pgbench', '-n', @options, (map { ('-f', $_) } @files), $node->connstr('postgres') ],
		'<', \undef, '>&', $self->{out}, IPC::Run::timeout($seconds + $PostgreSQL::Test::Utils::timeout_default));
	return $self;
}

sub ended
{
	my ($bench) = @_;
	return $bench->{run}->finish ? '' : slurp_file($bench->{out});
}

1;
