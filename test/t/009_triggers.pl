# Triggers on the target are other people's code: what they refuse or swallow makes the run fail, what they are not
# allowed to do they cannot do through a run, and the record of runs is out of their reach.

use strict;
use warnings;

use Test::More;
use TablesyncTest qw(call_of);

my $pair  = TablesyncTest->new;
my $super = $pair->admin('SELECT current_user');

$pair->source_sql(q(
	CREATE TABLE items (id int PRIMARY KEY, name text);
	INSERT INTO items SELECT g, 'item ' || g FROM generate_series(1, 100) g;));
$pair->sync('items', 'raw.items');
$pair->sql('CREATE TABLE raw.fresh (id int PRIMARY KEY, name text); CREATE TABLE raw.keyless (id int, name text)');
$pair->source_sql('CREATE TABLE keyless AS SELECT * FROM items');
$pair->sync('keyless', 'raw.keyless');
foreach my $table ('items', 'keyless')
{
	$pair->source_sql(qq(UPDATE $table SET name = 'changed' WHERE id > 90; DELETE FROM $table WHERE id <= 5;
		INSERT INTO $table SELECT g, 'new' FROM generate_series(101, 110) g));
}
$pair->remember($_) foreach 'raw.items', 'raw.fresh', 'raw.keyless';

# Puts a trigger on a table, calls sync_table, and takes the trigger away. Its function belongs to somebody else.
$pair->admin('CREATE ROLE mallory; CREATE SCHEMA theirs AUTHORIZATION mallory; GRANT USAGE ON SCHEMA theirs TO PUBLIC');

sub with_trigger
{
	my ($table, $kind, $body, %options) = @_;
	$body = "BEGIN $body END" unless $body =~ /\bBEGIN\b/;
	my $source = $table eq 'raw.keyless' ? 'keyless' : 'items';
	$pair->admin(qq(SET ROLE mallory;
		CREATE OR REPLACE FUNCTION theirs.trigger() RETURNS trigger LANGUAGE plpgsql AS \$body\$ $body \$body\$));
	my $deferred = $kind =~ s/^DEFERRED // ? 'DEFERRABLE INITIALLY DEFERRED' : '';
	my $constraint = $deferred ? 'CONSTRAINT' : '';
	$pair->sql(qq(CREATE $constraint TRIGGER theirs $kind ON $table $deferred
		FOR EACH ROW EXECUTE FUNCTION theirs.trigger()));
	my $call = call_of($source, $table, $options{more});
	# As a superuser who has taken on the caller's role: then there is something to be gained by RESET ROLE.
	my $said = $options{by_superuser} ? $pair->try("SET ROLE loader; $call", user => $super) : $pair->try($call);
	$pair->sql("DROP TRIGGER theirs ON $table");
	return $said;
}

sub assert_fails
{
	my ($what, $sqlstate, $like, $table, @trigger) = @_;
	my $said = with_trigger($table, @trigger);
	$pair->assert_failed($said, $sqlstate, $like, "$table: $what: $sqlstate");
	is($pair->last_run($table), "failed $said->{sqlstate}", '... so the run says');
	$pair->assert_unchanged($table, '... nothing was changed');
	return $said;
}

# ---- They raise ---------------------------------------------------------------------------------------------

my $raise = q(RAISE EXCEPTION 'no % here', 'entry: é'
	USING ERRCODE = 'ZZ001', DETAIL = 'because', HINT = 'go away', TABLE = 'items';);
foreach my $table ('raw.items', 'raw.fresh', 'raw.keyless')
{
	foreach my $kind ('BEFORE INSERT', 'AFTER INSERT', 'DEFERRED AFTER INSERT')
	{
		my $said = assert_fails("a trigger raises $kind", 'ZZ001', qr/^no entry: é here$/, $table, $kind, $raise);
		is("$said->{detail}, $said->{hint}", 'because, go away', '... its detail and hint arrive');
		like($said->{context}, qr/function theirs\.trigger\(\) line 1 at RAISE/, '... and its place');
		like($said->{context}, qr/run \d+ of sync_table src: \w+ -> \Q$table\E\z/, '... and the run, at the end');
	}
}
assert_fails('a trigger raises BEFORE UPDATE', 'ZZ001', undef, 'raw.items', 'BEFORE UPDATE', $raise);
assert_fails('a trigger raises AFTER DELETE',  'ZZ001', undef, 'raw.items', 'AFTER DELETE',  $raise);

# Whatever the caller's session has for an encoding.
$pair->admin(q(ALTER ROLE loader SET client_encoding = 'LATIN1'));
my $said = with_trigger('raw.items', 'BEFORE INSERT', $raise);
$pair->assert_failed($said, 'ZZ001', qr/^no entry: \xe9 here$/, 'the message in LATIN1');
is($pair->admin('SELECT message FROM tablesync.run ORDER BY run_id DESC LIMIT 1'), 'no entry: é here',
	'... and in the record');
$pair->admin(q(ALTER ROLE loader RESET client_encoding));

# ---- They swallow -------------------------------------------------------------------------------------------

my $swallow_new = 'IF NEW.id NOT IN (95, 105) THEN RETURN NEW; END IF; RETURN NULL;';
my $swallow_old = 'IF OLD.id <> 3 THEN RETURN OLD; END IF; RETURN NULL;';
foreach my $case ([ 'raw.items', 'INSERT', $swallow_new ], [ 'raw.items', 'UPDATE', $swallow_new ],
	[ 'raw.items', 'DELETE', $swallow_old ], [ 'raw.keyless', 'INSERT', $swallow_new ],
	[ 'raw.keyless', 'DELETE', $swallow_old ], [ 'raw.fresh', 'INSERT', $swallow_new ])
{
	my ($table, $event, $swallow) = @$case;
	$said = assert_fails("a trigger swallows an $event", '08P01',
		qr/did not accept every row: of \d+ rows?, \d+ were (?:inserted|updated|deleted|replaced|stored|inserted or updated)/, $table, "BEFORE $event", $swallow);
	like($said->{detail}, qr/\btheirs\b/, '... the trigger is named');
}

# A trigger that keeps rows out of the table by way of another statement.
assert_fails('a trigger deletes what comes in', '08P01', qr/the source has 105 rows, the target has 104/, 'raw.items',
	'AFTER INSERT', 'DELETE FROM raw.items WHERE id = 105 AND NEW.id = 105; RETURN NULL;');

# ---- They try what they may not -----------------------------------------------------------------------------

# Each with the SQLSTATE that it must end with.
my @attempts = (
	[ '42501', 'ALTER ROLE mallory SUPERUSER' ],
	[ '42501', 'SET SESSION AUTHORIZATION DEFAULT; ALTER ROLE mallory SUPERUSER' ],
	[ '42501', 'RESET ROLE; ALTER ROLE mallory SUPERUSER' ],
	[ '42501', "SET ROLE $super" ],
	[ '42501', "SET SESSION AUTHORIZATION $super" ],
	[ '42501', q(COPY (SELECT 1) TO PROGRAM 'true') ],
	[ '55000', q(SELECT sync_table('src', 'items', 'raw.nested')) ],
	[ '55000', q(CALL run_sync('src', 'items', 'raw.nested')) ],
	[ '55000', q(SELECT test_connection('src')) ],
	[ '42501', q(UPDATE tablesync.watermark SET source = 'forged') ],
	[ '42501', 'DELETE FROM tablesync.watermark' ],
	[ '42501', q(UPDATE tablesync.run SET status = 'succeeded') ],
	[ '42501', q(INSERT INTO tablesync.run_step (run_id, step_no, step, started_at, finished_at)
		VALUES (1, 99, 'forged', now(), now())) ],
	[ '42501', 'TRUNCATE tablesync.run CASCADE' ],
	[ '42501', 'ALTER TABLE tablesync.run DISABLE ROW LEVEL SECURITY' ],
	[ '42501', 'DROP POLICY own_rows ON tablesync.run' ],
	[ '42501', 'CREATE TABLE tablesync.mine ()' ],
	[ '42501', 'SET session_replication_role = replica' ]);

# A trigger that tries all of them, and then raises what became of it.
my $try_all = "DECLARE told text := ''; BEGIN " . join('', map {
		my ($expected, $statement) = @$_;
		my $quoted = TablesyncTest::quote($statement);
		"BEGIN EXECUTE $quoted; told := told || E'\\n' || $quoted || ' worked';
		EXCEPTION WHEN OTHERS THEN
			IF SQLSTATE <> '$expected' THEN told := told || E'\\n' || $quoted || ': ' || SQLSTATE || ' ' || SQLERRM; END IF;
		END; "
	} @attempts) . "RAISE 'tried all:%', told USING ERRCODE = 'ZZ002'; END";

foreach my $kind ('BEFORE INSERT', 'DEFERRED AFTER INSERT')
{
	foreach my $table ('raw.items', 'raw.fresh')
	{
		assert_fails("$kind, nothing that is not allowed works", 'ZZ002', qr/^tried all:$/, $table, $kind, $try_all);
		assert_fails('... nor when a superuser calls as the role', 'ZZ002', qr/^tried all:$/, $table, $kind, $try_all,
			by_superuser => 1);
	}
}
assert_fails('sync_table within a run', '55000', qr/^sync_table\(\) cannot be called from a sync worker$/, 'raw.items',
	'BEFORE INSERT', q(PERFORM sync_table('src', 'items', 'raw.nested'); RETURN NEW;));
assert_fails('RESET ROLE', '42501', undef, 'raw.items', 'DEFERRED AFTER INSERT',
	'RESET ROLE; ALTER ROLE mallory SUPERUSER; RETURN NEW;', by_superuser => 1);
is($pair->admin(q(SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory')), 'f', 'nobody became a superuser');
is($pair->admin(q(SELECT count(*) FROM tablesync.watermark WHERE source = 'forged')), '0', 'nothing was forged');

# The role is the caller's, all the time; the path to what the trigger calls as well.
$pair->sql('CREATE TABLE raw.who (who text, session text, path text)');
foreach my $kind ('BEFORE INSERT', 'DEFERRED AFTER UPDATE')
{
	with_trigger('raw.items', $kind,
		'INSERT INTO raw.who VALUES (current_user, session_user, current_setting($$search_path$$)); RETURN NEW;',
		by_superuser => 1, more => q(options => '{"max_delete_fraction": 1}'));
}
is($pair->sql('SELECT DISTINCT who, session, path FROM raw.who'), 'loader|loader|"$user", public',
	'triggers run as the caller, with his search_path');
$pair->assert_identical('items', 'raw.items');

# ---- They take away the ground ------------------------------------------------------------------------------

$pair->source_sql('UPDATE items SET name = name || $$!$$; UPDATE keyless SET name = name || $$!$$');
$pair->remember('raw.items');
foreach my $attack (
	'DROP TABLE pg_temp.tablesync_stage',
	'DELETE FROM pg_temp.tablesync_stage WHERE id = 50',
	'TRUNCATE pg_temp.tablesync_stage',
	'UPDATE pg_temp.tablesync_stage SET name = $$forged$$ WHERE id = 50')
{
	my $attacked = with_trigger('raw.items', 'BEFORE UPDATE', "$attack; RETURN NEW;");
	if ($attacked->{sqlstate})
	{
		pass("$attack: the run fails");
		$pair->assert_unchanged('raw.items', '... nothing was changed');
	}
	else
	{
		$pair->assert_identical('items', 'raw.items', "$attack: has no effect");
		$pair->source_sql('UPDATE items SET name = name || $$!$$');
		$pair->remember('raw.items');
	}
}

is($pair->sync('items', 'raw.items')->{status}, 'succeeded', 'the next call works');
is($pair->sync('items', 'raw.fresh')->{status}, 'succeeded', '... the first load too');
$pair->sync('keyless', 'raw.keyless', q(options => '{"max_delete_fraction": 1}'));
$pair->assert_identical('items',   $_) foreach 'raw.items', 'raw.fresh';
$pair->assert_identical('keyless', 'raw.keyless');
$pair->assert_clean;
done_testing();
