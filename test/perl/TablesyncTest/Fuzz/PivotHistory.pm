# What happens between two calls of pivot_ship: to the readings, and to the wide tables, by their user. Each function draws one
# event and returns its actions, or none; see TablesyncTest::Fuzz::History.

package TablesyncTest::Fuzz::PivotHistory;

use strict;
use warnings;

sub both   { return map { { on => 'both',   sql => $_ } } @_ }
sub target { return map { { on => 'target', sql => $_ } } @_ }

my @events = (insert => 6, remove => 2, update => 2, vacuum => 2, recycle => 2, rename_column => 1, drop_column => 1, add_column => 1, rename_table => 1,
	index_table => 1, comment => 1, trigger => 1, set_schema => 2, swallow => 2, widen => 1, delete_cells => 1);

sub draw
{
	my ($case) = @_;
	while (1)
	{
		my $name = $case->{dice}->pick_weighted(@events);
		my @actions = __PACKAGE__->can($name)->($case) or next;
		return ($name => @actions, $actions[0]{on} eq 'both' ? $case->{source}->after_write : ());
	}
}

# ---- Readings -------------------------------------------------------------------------------------------------

sub insert { my ($case) = @_; return both($case->{source}->insert($case->{dice}->pick(2, 60, 200))) }
sub remove { my ($case) = @_; return both($case->{source}->remove) }
sub update { my ($case) = @_; return $case->{mixed} ? () : both($case->{source}->update) }
sub vacuum { my ($case) = @_; return both(($case->{dice}->chance(0.5) ? 'VACUUM FULL ' : 'VACUUM ') . $case->{source}{base}) }

# A11: later readings take the place of earlier ones.
sub recycle
{
	my ($case) = @_;
	my $source = $case->{source};
	return () unless $source->{duplicates};
	return both($source->remove, $source->remove, "VACUUM $source->{base}", $source->insert(150));
}

# ---- Wide tables ----------------------------------------------------------------------------------------------

# For one wide table of the case, if there is one: $command is a format for its name (%1$s), for a column of a channel (%2$I),
# for a number that is new (%3$s), and for its name without the schema (%4$s).
sub on_a_table
{
	my ($case, $command) = @_;
	my $die = $case->{dice}->between(0, 999);
	my $number = ++$case->{numbers};
	return target(<<"SQL");
DO \$do\$ DECLARE t record; c name;
BEGIN
	SELECT DISTINCT table_oid::regclass AS name, table_oid INTO t FROM tablesync.pivot_table WHERE target_schema = '$case->{wide}'
		AND to_regclass(table_oid::regclass::text) IS NOT NULL ORDER BY table_oid OFFSET $die % greatest((SELECT count(DISTINCT table_oid) FROM tablesync.pivot_table
		WHERE target_schema = '$case->{wide}'), 1) LIMIT 1;
	SELECT a.attname INTO c FROM pg_attribute a WHERE attrelid = t.table_oid AND attnum > 0 AND NOT attisdropped AND attname <> 'created_time' ORDER BY hashtext(attname || '$die') LIMIT 1;
	IF c IS NOT NULL THEN EXECUTE format(\$f\$$command\$f\$, t.name, c, $number, (SELECT quote_ident(relname) FROM pg_class WHERE oid = t.table_oid)); END IF;
END \$do\$
SQL
}

sub rename_column { my ($case) = @_; return on_a_table($case, 'ALTER TABLE %1$s RENAME COLUMN %2$I TO "renamed %3$s"') }
sub drop_column   { my ($case) = @_; return $case->{grouped} ? () : on_a_table($case, 'ALTER TABLE %1$s DROP COLUMN %2$I') }
# Another source takes over every column of a table that it finds, this one too.
sub add_column    { my ($case) = @_; return $case->{source}{second} ? () : on_a_table($case, q(ALTER TABLE %1$s ADD COLUMN "user %3$s" text DEFAULT 'mine')) }
sub index_table   { my ($case) = @_; return on_a_table($case, 'CREATE INDEX ON %1$s (created_time, left(%2$I::text, 20))') }
sub comment       { my ($case) = @_; return on_a_table($case, q(COMMENT ON COLUMN %1$s.%2$I IS 'what it is')) }
sub delete_cells  { my ($case) = @_; return on_a_table($case, 'DELETE FROM %1$s WHERE extract(epoch FROM created_time)::bigint %% 3 = 0') }

sub rename_table
{
	my ($case) = @_;
	return $case->{grouped} || $case->{source}{second} ? () : on_a_table($case, 'ALTER TABLE %1$s RENAME TO "moved %3$s"');
}

# Harmless: it fires after rows.
sub trigger
{
	my ($case) = @_;
	my $function = "$case->{wide}.look_" . ++$case->{numbers};
	return (target("CREATE FUNCTION $function() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RETURN NULL; END \$\$"),
		on_a_table($case, "CREATE TRIGGER look_%3\$s AFTER INSERT OR UPDATE ON %1\$s FOR EACH ROW EXECUTE FUNCTION $function()"));
}

# A user's column type that holds the same.
sub widen
{
	my ($case) = @_;
	# The view of all tables of a ship reads the column.
	return () if $case->{grouped};
	return target(<<"SQL");
DO \$do\$ DECLARE c record;
BEGIN
	FOR c IN SELECT DISTINCT p.table_oid::regclass AS place, a.attname FROM tablesync.pivot_table p JOIN pg_attribute a ON a.attrelid = p.table_oid
		WHERE p.target_schema = '$case->{wide}' AND a.atttypid = 'boolean'::regtype AND NOT a.attisdropped ORDER BY 2 LIMIT 1
	LOOP
		EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE text', c.place, c.attname);
	END LOOP;
END \$do\$
SQL
}

# A table is elsewhere now, and perhaps there is another one in its place.
sub set_schema
{
	my ($case) = @_;
	# Another source would fill what stands in its place.
	return () if $case->{grouped} || $case->{source}{second} || $case->{moved}++;
	return (target("CREATE SCHEMA $case->{wide}_archive"), on_a_table($case, "ALTER TABLE %1\$s SET SCHEMA $case->{wide}_archive"
		  . ($case->{dice}->chance(0.5) ? "; CREATE TABLE %1\$s (LIKE $case->{wide}_archive.%4\$s INCLUDING ALL)" : '')));
}

# A trigger that swallows rows.
sub swallow
{
	my ($case) = @_;
	return () if $case->{swallows}++;
	$case->{may_fail}{$_} = 1 foreach qw(08P01 55000);
	my $function = "$case->{wide}.swallow";
	return (target("CREATE FUNCTION $function() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RETURN CASE WHEN extract(epoch FROM NEW.created_time)::bigint % 2 = 0 THEN NEW END; END \$\$"),
		on_a_table($case, "CREATE TRIGGER swallow BEFORE INSERT OR UPDATE ON %1\$s FOR EACH ROW EXECUTE FUNCTION $function()"));
}

1;
