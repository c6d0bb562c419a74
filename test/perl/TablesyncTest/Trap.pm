# A schema of a stranger on somebody's search_path, before pg_catalog: for each operator and function of the server that
# takes and returns plain values it has one by the same name, which says who runs it and then does what the server's does;
# also aggregates, and types and relations that are easily named without their schema. Whoever looks up a name with such a
# path runs the stranger's code.
#
#   TablesyncTest::Trap::set($node, 'victim');                 makes the schema trap; the role's path leads there first
#   my @names = TablesyncTest::Trap::sprung($node);            "victim: operator >= (...)", from the log, since last time
#
# It is the log that tells: a transaction that is read only, or ends in an error, leaves nothing else.

package TablesyncTest::Trap;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

our $path = 'trap, pg_catalog, public';
my %log_read;

sub set
{
	my ($node, $role) = @_;
	$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN; CREATE SCHEMA trap; GRANT ALL ON SCHEMA trap TO stranger; GRANT USAGE ON SCHEMA trap TO PUBLIC');
	$node->safe_psql('postgres', make(), extra_params => [ '-U', 'stranger' ]);
	$node->safe_psql('postgres', "ALTER ROLE $role SET search_path = $path");
	sprung($node);
	return;
}

sub sprung
{
	my ($node) = @_;
	my $log = slurp_file($node->logfile, $log_read{ $node->logfile } // 0);
	$log_read{ $node->logfile } += length $log;
	my %names;
	$names{$1} = 1 while $log =~ /LOG:  the trap was sprung by (.*)/g;
	my @sorted = sort keys %names;
	return @sorted;
}

# Everything in it is qualified, so that it does not spring itself.
sub make
{
	return <<'SQL';
CREATE FUNCTION trap.spring(pg_catalog.text) RETURNS pg_catalog.bool LANGUAGE plpgsql AS $$
BEGIN
	RAISE LOG 'the trap was sprung by %: %', current_user, $1;
	RETURN true;
END $$;

CREATE FUNCTION pg_temp.catalog_name(oid) RETURNS text LANGUAGE sql AS 'SELECT quote_ident(typname) FROM pg_catalog.pg_type WHERE oid = $1';
DO $$
DECLARE
	-- Of plain values, by which the server itself does not work.
	plain oid[] := ARRAY(SELECT oid FROM pg_catalog.pg_type WHERE typtype = 'b' AND typnamespace = 'pg_catalog'::regnamespace AND typcategory <> 'Z' AND typelem = 0
		AND typname NOT IN ('cstring', 'pg_node_tree', 'gtsvector', 'aclitem', 'refcursor', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary'))
		|| ARRAY['record'::regtype, 'anyarray'::regtype, 'name'::regtype]::oid[];
	made record;
BEGIN
	FOR made IN SELECT o.oprname AS name, o.oprleft::regtype AS of_left, o.oprright::regtype AS of_right, o.oprresult::regtype AS result
		FROM pg_catalog.pg_operator o WHERE o.oprkind = 'b' AND o.oprleft = ANY (plain) AND o.oprright = ANY (plain) AND o.oprresult = ANY (plain)
	LOOP
		EXECUTE format('CREATE FUNCTION trap.%I(pg_catalog.%s, pg_catalog.%s) RETURNS pg_catalog.%s LANGUAGE plpgsql AS %L',
			'operator ' || made.name, pg_temp.catalog_name(made.of_left), pg_temp.catalog_name(made.of_right), pg_temp.catalog_name(made.result),
			format('BEGIN PERFORM trap.spring(%L); RETURN $1 OPERATOR(pg_catalog.%s) $2; END', format('operator %s (%s, %s)', made.name, made.of_left, made.of_right), made.name));
		EXECUTE format('CREATE OPERATOR trap.%s (LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%s, FUNCTION = trap.%I)',
			made.name, pg_temp.catalog_name(made.of_left), pg_temp.catalog_name(made.of_right), 'operator ' || made.name);
	END LOOP;
	FOR made IN SELECT p.proname AS name, p.proretset, p.prorettype::regtype AS result, p.proargtypes::oid[] AS types
		FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provariadic = 0 AND p.prorettype = ANY (plain)
			AND p.proargtypes::oid[] <@ plain AND p.proname !~ 'send$|^pg_(read|ls|terminate|cancel|reload|rotate|promote|switch|create|drop|start|stop|backup|wal_replay)|lo_|^like_escape$'
	LOOP
		EXECUTE format('CREATE FUNCTION trap.%I(%s) RETURNS pg_catalog.%s LANGUAGE plpgsql AS %L', made.name,
			(SELECT coalesce(string_agg('pg_catalog.' || pg_temp.catalog_name(t), ', ' ORDER BY n), '') FROM unnest(made.types) WITH ORDINALITY AS a (t, n)), pg_temp.catalog_name(made.result),
			format('BEGIN PERFORM trap.spring(%L); RETURN pg_catalog.%I(%s); END', 'function ' || made.name, made.name,
				(SELECT coalesce(string_agg('$' || n, ', ' ORDER BY n), '') FROM generate_series(1, cardinality(made.types)) n)));
	END LOOP;
	FOR made IN SELECT * FROM unnest(ARRAY['max', 'min', 'sum', 'bool_and', 'bool_or', 'array_agg', 'string_agg']) AS name, unnest(plain) AS type WHERE type <> ALL (ARRAY['record'::regtype, 'anyarray'::regtype]::oid[])
	LOOP
		EXECUTE format('CREATE FUNCTION trap.%1$I(pg_catalog.%2$s, pg_catalog.%2$s) RETURNS pg_catalog.%2$s LANGUAGE plpgsql AS %3$L', 'step of ' || made.name, pg_temp.catalog_name(made.type),
			format('BEGIN PERFORM trap.spring(%L); RETURN $2; END', 'aggregate ' || made.name));
		EXECUTE format('CREATE AGGREGATE trap.%1$I(pg_catalog.%2$s) (SFUNC = trap.%3$I, STYPE = pg_catalog.%2$s)', made.name, pg_temp.catalog_name(made.type), 'step of ' || made.name);
	END LOOP;
	FOR made IN SELECT unnest(ARRAY['text', 'name', 'oid', 'date', 'timestamptz', 'int2', 'int4', 'int8', 'bool', 'float8', 'json', 'jsonb', 'uuid', 'bytea', 'regclass', 'xid', 'tid']) AS name
	LOOP
		EXECUTE format('CREATE DOMAIN trap.%1$I AS pg_catalog.%1$I CHECK (trap.spring(%2$L))', made.name, 'type ' || made.name);
	END LOOP;
	FOR made IN SELECT unnest(ARRAY['pg_class', 'pg_namespace', 'pg_type', 'pg_roles', 'pg_index', 'pg_stat_activity', 'pg_locks', 'pg_inherits', 'pg_database', 'pg_sequence']) AS name
	LOOP
		EXECUTE format('CREATE VIEW trap.%1$I AS SELECT * FROM pg_catalog.%1$I WHERE trap.spring(%2$L)', made.name, 'relation ' || made.name);
	END LOOP;
END $$;
CREATE FUNCTION trap."step of count"(pg_catalog.int8) RETURNS pg_catalog.int8 LANGUAGE plpgsql AS 'BEGIN PERFORM trap.spring(''aggregate count''); RETURN $1 OPERATOR(pg_catalog.+) 1; END';
CREATE AGGREGATE trap.count(*) (SFUNC = trap."step of count", STYPE = pg_catalog.int8, INITCOND = '0');
GRANT SELECT ON ALL TABLES IN SCHEMA trap TO PUBLIC;
SQL
}

1;
