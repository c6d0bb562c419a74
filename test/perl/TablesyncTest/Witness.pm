# Sees what was committed on the source and what the targets showed after every sync, and tells where a target did not
# have what its watermark claimed.
#
#   On the source, triggers write down every change, in the changing transaction: key, version, the row, the
#   transaction. A version is a number that grows with each change of a key. Of the versions that a transaction gave to
#   a key, the last is the one that others can see.
#   On the target, after every sync, a photo is taken: the watermark, and how the target differs from the photo before.
#
# A watermark claims: the target has every row below it, and below it no row can appear any more. So the first photo
# whose watermark is above a row's field must show that version of the row or a later one, whenever it was committed.
#
# A watched table has the columns id, version (nextval('witness.version') in every change) and touched_by: the
# transaction that last set the fields that syncs go by. An update that does not set them leaves it as it is.

package TablesyncTest::Witness;

use strict;
use warnings;

use IPC::Run;

# $pair: a TablesyncTest.
sub new
{
	my ($class, $pair) = @_;
	my $self = bless { pair => $pair, lanes => [] }, $class;
	$self->write_down;
	$self->prepare_photos;
	return $self;
}

# ---- On the source ------------------------------------------------------------------------------------------

sub write_down
{
	my ($self) = @_;
	$self->{pair}->source_sql(q(
		CREATE SCHEMA witness;
		CREATE SEQUENCE witness.version;
		CREATE TABLE witness.change (source text, key text, version bigint, deleted bool, row jsonb,
			xid bigint DEFAULT pg_current_xact_id()::text::bigint, at timestamptz DEFAULT clock_timestamp());
		CREATE FUNCTION witness.write_down() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND OLD.id <> NEW.id THEN
				INSERT INTO witness.change VALUES (TG_ARGV[0], OLD.id, OLD.version, true);
			END IF;
			IF TG_OP <> 'DELETE' THEN
				INSERT INTO witness.change VALUES (TG_ARGV[0], NEW.id, NEW.version, false, to_jsonb(NEW));
			END IF;
			RETURN NULL;
		END $$;));
	return;
}

sub watch
{
	my ($self, $table) = @_;
	$self->{pair}->source_sql(qq(CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON $table
		FOR EACH ROW EXECUTE FUNCTION witness.write_down('$table')));
	return;
}

# ---- On the target ------------------------------------------------------------------------------------------

# A lane is one sync that is repeated: {server, source, target, mode, key, field, type, deletes, options}: arguments of
# sync_table, in SQL; what is left out is NULL.
sub prepare_photos
{
	my ($self) = @_;
	$self->{pair}->sql(q(
		CREATE SCHEMA witness;
		CREATE TABLE witness.lane (lane int PRIMARY KEY, server name, source text, target text, mode text,
			key text[], field text, type text, deletes bool, options jsonb);

		-- bounds: all that the target claims to hold every row below, and the highest field that it shows.
		CREATE TABLE witness.photo (lane int, no int, run bigint, below_field numeric, below_xid numeric,
			highest numeric, at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (lane, no));

		-- A row as it was in the photos from the one to before the other.
		CREATE TABLE witness.seen (lane int, key text, version bigint, row jsonb, xid bigint, since int, until int);
		CREATE INDEX ON witness.seen (lane, key, version);
		CREATE INDEX ON witness.seen (lane) WHERE until IS NULL;

		-- Fields of all kinds, and watermarks, as numbers of the same order; NULL where they have none.
		CREATE FUNCTION witness.number(value text, type regtype) RETURNS numeric IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN
			RETURN CASE
				WHEN value IN ('infinity', '-infinity') THEN NULL
				WHEN type = 'date'::regtype THEN extract(epoch FROM value::date)
				WHEN type = 'timestamp'::regtype THEN extract(epoch FROM value::timestamp)
				WHEN type = 'timestamptz'::regtype THEN extract(epoch FROM value::timestamptz)
				ELSE value::numeric END;
		END $$;

		-- The type of the field of a lane.
		CREATE FUNCTION witness.type_of(l witness.lane) RETURNS regtype LANGUAGE sql AS $$
			SELECT atttypid FROM pg_attribute WHERE attrelid = l.target::regclass AND attname = l.field $$;

		CREATE FUNCTION witness.photograph(the_lane int, the_run bigint) RETURNS void LANGUAGE plpgsql AS $$
		DECLARE
			l witness.lane := (SELECT w FROM witness.lane w WHERE w.lane = the_lane);
			type regtype := witness.type_of(l);
			the_no int := (SELECT coalesce(max(no), 0) + 1 FROM witness.photo WHERE lane = the_lane);
		BEGIN
			INSERT INTO witness.photo
				SELECT the_lane, the_no, w.run_id, witness.number(w.value, type), w.snapshot_xmin
				FROM tablesync.watermark w WHERE w.target_oid = l.target::regclass;
			IF NOT FOUND THEN
				RAISE 'lane %: there is no watermark', the_lane;
			END IF;
			EXECUTE format($photo$
				WITH now AS (
					SELECT t.id::text AS key, t.version, to_jsonb(t) AS row, t.xmin::text::bigint AS xid FROM %s t
				), gone AS (
					UPDATE witness.seen s SET until = $2 WHERE s.lane = $1 AND s.until IS NULL
					AND NOT EXISTS (SELECT FROM now WHERE (now.key, now.row) = (s.key, s.row))
				), come AS (
					INSERT INTO witness.seen
					SELECT $1, now.*, $2 FROM now WHERE NOT EXISTS (SELECT FROM witness.seen s
						WHERE s.lane = $1 AND s.until IS NULL AND (s.key, s.row) = (now.key, now.row))
				)
				UPDATE witness.photo SET highest =
					(SELECT max(witness.number(now.row ->> $3, $4)) FROM now)
				WHERE lane = $1 AND no = $2 $photo$, l.target)
				USING the_lane, the_no, l.field, type;
			PERFORM 1 FROM witness.photo WHERE lane = the_lane AND no = the_no AND run = the_run;
			IF NOT FOUND THEN
				RAISE 'lane %: the watermark is not of run %', the_lane, the_run;
			END IF;
		END $$;

		CREATE FUNCTION witness.sync(the_lane int) RETURNS void LANGUAGE plpgsql AS $$
		DECLARE
			l witness.lane := (SELECT w FROM witness.lane w WHERE w.lane = the_lane);
			the_run bigint;
		BEGIN
			SELECT s.run_id INTO the_run FROM sync_table(l.server, l.source, l.target, sync_mode => l.mode,
				primary_key => l.key, incremental_field => l.field, incremental_field_type => l.type,
				delete_missing => l.deletes, options => l.options) s;
			PERFORM witness.photograph(the_lane, the_run);
		END $$;));
	return;
}

# Adds a lane, and syncs it for the first time.
sub add_lane
{
	my ($self, %lane) = @_;
	my $no = @{ $self->{lanes} };
	my @names = sort keys %lane;
	my @values = map { TablesyncTest::quote($lane{$_}) } @names;
	$self->{pair}->sql("INSERT INTO witness.lane (" . join(', ', 'lane', @names) . ") VALUES (" . join(', ', $no, @values)
		  . "); SELECT witness.sync($no)");
	push @{ $self->{lanes} }, \%lane;
	return;
}

sub lanes { return @{ $_[0]{lanes} } }

# Syncs every lane once; returns what failed.
sub sync_all
{
	my ($self) = @_;
	my @said = map { $self->{pair}->try("SELECT witness.sync($_)") } 0 .. $#{ $self->{lanes} };
	return join '', map { $_->{sqlstate} ? $_->{text} : '' } @said;
}

# ---- The judgement ------------------------------------------------------------------------------------------

# Brings together what was written down on the source and what was seen on the target. The history of a table of the
# target that is a source itself is what the photos of it have shown.
sub collect
{
	my ($self) = @_;
	my $pair = $self->{pair};
	$pair->sql('CREATE TABLE witness.change (source text, key text, version bigint, deleted bool, row jsonb,
		xid bigint, at timestamptz)');
	my ($from, $to) = map { [ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $_->connstr('postgres'), '-c' ] }
	  $pair->source, $pair->target;
	IPC::Run::run([ @$from, 'COPY witness.change TO STDOUT' ], '|', [ @$to, '\\copy witness.change FROM STDIN' ])
	  or die 'could not copy the history';
	$pair->sql(q(
		CREATE TABLE witness.version AS
			SELECT DISTINCT ON (source, key, xid) source, key, version, deleted, row, xid, at,
				NOT deleted AND (row ->> 'touched_by')::bigint = xid AS touched
			FROM witness.change ORDER BY source, key, xid, version DESC, deleted DESC;
		INSERT INTO witness.version
			SELECT l.target, s.key, s.version, false, s.row, s.xid, NULL,
				(s.row -> 'touched_by') IS DISTINCT FROM lag(s.row -> 'touched_by') OVER (PARTITION BY s.lane, s.key ORDER BY s.since)
				AND EXISTS (SELECT FROM witness.version v WHERE (v.source, v.key, v.touched) = (l.source, s.key, true)
					AND v.xid = (s.row ->> 'touched_by')::bigint)
			FROM witness.lane l JOIN witness.seen s USING (lane)
			WHERE l.target IN (SELECT source FROM witness.lane);
		INSERT INTO witness.version
			SELECT l.target, s.key, s.version, true, NULL, NULL, p.at, false
			FROM witness.lane l JOIN witness.seen s USING (lane) JOIN witness.photo p ON (p.lane, p.no) = (s.lane, s.until - 1)
			WHERE l.target IN (SELECT source FROM witness.lane) AND s.until IS NOT NULL AND NOT EXISTS
				(SELECT FROM witness.seen next WHERE (next.lane, next.key, next.since) = (s.lane, s.key, s.until));
		CREATE INDEX ON witness.version (source, key, version);

		-- Which photo was the first to claim as much.
		CREATE TABLE witness.claim AS
			SELECT lane, kind, max(bound) OVER (PARTITION BY lane, kind ORDER BY no) AS bound, no, at
			FROM witness.photo, LATERAL (VALUES ('field', below_field), ('xid', below_xid), ('highest', highest))
				AS claimed (kind, bound)
			WHERE bound IS NOT NULL;
		CREATE INDEX ON witness.claim (lane, kind, bound, no);
		ANALYZE witness.version, witness.claim, witness.seen;

		-- Versions that the first photo with a bound above them lacks, although their row was not deleted before that.
		CREATE FUNCTION witness.lacking(the_lane int, the_kind text)
			RETURNS TABLE (key text, version bigint, value numeric, bound numeric, no int)
		LANGUAGE sql SET enable_mergejoin = off SET enable_hashjoin = off AS $$
			SELECT v.key, v.version, v.value, c.bound, c.no
			FROM witness.lane l, LATERAL (
				SELECT v.*, CASE WHEN the_kind = 'xid' THEN v.xid
					ELSE witness.number(v.row ->> l.field, witness.type_of(l)) END AS value
				FROM witness.version v WHERE v.source = l.source AND NOT v.deleted AND (v.touched OR the_kind = 'xid')) v,
				LATERAL (SELECT * FROM witness.claim c WHERE c.lane = the_lane AND c.kind = the_kind AND c.bound > v.value
					ORDER BY c.bound, c.no LIMIT 1) c
			WHERE l.lane = the_lane
				AND NOT EXISTS (SELECT FROM witness.seen s WHERE s.lane = the_lane AND s.key = v.key
					AND s.version >= v.version AND s.since <= c.no AND coalesce(s.until > c.no, true))
				AND NOT EXISTS (SELECT FROM witness.version d WHERE d.source = v.source AND d.key = v.key
					AND d.deleted AND d.version >= v.version AND d.at < c.at) $$;));
	return;
}

sub show
{
	my ($self, $query) = @_;
	return $self->{pair}->sql("SELECT t::text FROM ($query) t");
}

# How often the target lacked what it claimed to have. $kind: "field" or "xid"; "highest": if it claimed to have all
# below the highest field that it shows.
sub lacking
{
	my ($self, $lane, $kind) = @_;
	return $self->show("SELECT * FROM witness.lacking($lane, '$kind')");
}

# Keys that were deleted before what the target claims to know, and that it shows all the same.
sub undead
{
	my ($self, $lane) = @_;
	return $self->show(qq(
		SELECT v.key, v.version, v.xid, c.bound, c.no
		FROM witness.lane l JOIN witness.version v ON v.source = l.source AND v.deleted,
			LATERAL (SELECT * FROM witness.claim c WHERE c.lane = l.lane AND c.kind = 'xid' AND c.bound > v.xid
				ORDER BY c.bound, c.no LIMIT 1) c
		WHERE l.lane = $lane AND EXISTS (SELECT FROM witness.seen s WHERE s.lane = l.lane AND s.key = v.key
			AND s.version <= v.version AND s.since <= c.no AND coalesce(s.until > c.no, true))));
}

# Rows that nobody had committed on the source as they were seen, and rows that went back to an earlier version.
sub untrue
{
	my ($self, $lane) = @_;
	return $self->show(qq(
		SELECT s.* FROM (SELECT s.*, lag(s.version) OVER (PARTITION BY s.key ORDER BY s.since) AS before
			FROM witness.seen s WHERE s.lane = $lane) s JOIN witness.lane l USING (lane)
		WHERE s.version <= s.before OR NOT EXISTS (SELECT FROM witness.version v WHERE v.source = l.source
			AND (v.key, v.version, v.deleted, v.row) = (s.key, s.version, false, s.row))));
}

# How the last photo differs from what the sync promises: "lost", "stale" and "surplus" rows. $exact: every update is
# promised, not only those that touched the field. $deletes: so are deletes.
sub wrong_at_last
{
	my ($self, $lane, $exact, $deletes) = @_;
	my $wanted = $exact ? 'NOT v.deleted' : 'v.touched';
	my $there = $deletes ? 'true' : 'wanted IS NOT NULL';
	my $surplus = $deletes ? 'OR s.key IS NOT NULL AND deleted IS DISTINCT FROM false' : '';
	return $self->show(qq(
		WITH history AS (
			SELECT v.*, max(version) FILTER (WHERE deleted) OVER (PARTITION BY v.key) AS last_death
			FROM witness.lane l JOIN witness.version v USING (source) WHERE lane = $lane
		), final AS (
			SELECT key, (array_agg(v.deleted ORDER BY v.version DESC, v.deleted DESC))[1] AS deleted,
				max(version) FILTER (WHERE $wanted AND version > coalesce(last_death, 0)) AS wanted
			FROM history v GROUP BY key
		), shown AS (
			SELECT * FROM witness.seen WHERE lane = $lane AND until IS NULL
		)
		SELECT key, final.deleted, final.wanted, s.version FROM final FULL JOIN shown s USING (key)
		WHERE NOT deleted AND $there AND s.key IS NULL OR NOT deleted AND s.version < wanted OR final.key IS NULL $surplus));
}

# How far the watermarks came: "photos, advances".
sub advances
{
	my ($self, $lane, $bound) = @_;
	my ($photos, $steps) = split /\|/, $self->{pair}->sql("SELECT count(*), count(DISTINCT $bound) FROM witness.photo
		WHERE lane = $lane");
	return ($photos, $steps);
}

1;
