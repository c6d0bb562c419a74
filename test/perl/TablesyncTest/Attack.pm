# What the security tests share: an attacker, her victims, and traps that show whose rights their code got.
#
#   my $attack = TablesyncTest::Attack->new($pair);
#   $attack->alice('CREATE SCHEMA evil');                  as the attacker; also bob() and super(), the victims
#   $attack->make_traps('evil');                           evil.row_trap(), evil.text_trap(text), ... of alice
#   $attack->row('row 2: ...', sub { ... });               a subtest: also fails if the server crashed in it
#   $attack->assert_no_trap('... no trap was sprung');     nobody but alice has run a trap since the row began

package TablesyncTest::Attack;

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TablesyncTest;

# The attacker and the victim on the target, both plain roles, each with a user mapping to the reader. The superuser's
# mapping leads to a superuser of the source.
our ($attacker, $victim, $powerful) = ('alice', 'bob', 'powerful');

sub new
{
	my ($class, $pair) = @_;
	my $self = bless { pair => $pair, sessions => [] }, $class;
	$self->{super} = $pair->admin('SELECT current_user');
	$self->make_roles;
	$self->make_readings;
	return $self;
}

# ---- Roles, servers, readings ---------------------------------------------------------------------------------

sub make_roles
{
	my ($self) = @_;
	my $pair = $self->{pair};
	$pair->source_sql(qq(
		SET log_statement = none;
		CREATE ROLE $powerful LOGIN SUPERUSER PASSWORD 'powerful';
		-- Anybody may call it; only a session that is not the reader's springs it.
		CREATE FUNCTION source_trap(value text) RETURNS text VOLATILE LANGUAGE plpgsql AS \$\$
		BEGIN
			IF session_user <> '$TablesyncTest::reader' THEN RAISE LOG 'sprung on the source by %', session_user; END IF;
			RETURN value;
		END \$\$;));
	# The trap's record is written whatever becomes of its transaction.
	$pair->admin(qq(
		SET log_statement = none;
		CREATE ROLE $attacker LOGIN;
		CREATE ROLE $victim LOGIN;
		GRANT CREATE ON DATABASE postgres TO $attacker, $victim;
		GRANT USAGE ON FOREIGN SERVER src TO $attacker, $victim;
		SELECT tablesync.grant_to(r) FROM unnest('{$attacker,$victim}'::regrole[]) r;
		CREATE USER MAPPING FOR $attacker SERVER src OPTIONS ($TablesyncTest::login);
		CREATE USER MAPPING FOR $victim SERVER src OPTIONS ($TablesyncTest::login);
		CREATE USER MAPPING FOR CURRENT_USER SERVER src OPTIONS (user '$powerful', password 'powerful');
		CREATE TABLE public.pwned (who text DEFAULT current_user, super bool, how text);
		GRANT INSERT ON public.pwned TO PUBLIC;));
	return;
}

# A narrow table that everybody may read, the same on both clusters.
sub make_readings
{
	my ($self) = @_;
	my $readings = q(
		CREATE TABLE public.readings (ship_id varchar, data_channel_id varchar, created_time timestamptz, value_format text, bool_v bool, str_v text, long_v int8, double_v float8);
		INSERT INTO public.readings SELECT 'HS' || g % 3, 'ch' || g % 5, '2024-01-01 00:00Z'::timestamptz + g * interval '1 min', 'Integer', NULL, NULL, g, NULL
			FROM generate_series(1, 500) g;
		GRANT SELECT ON public.readings TO PUBLIC;);
	$self->{pair}->source_sql($readings);
	$self->{pair}->admin($readings);
	return;
}

sub as
{
	my ($self, $role, $sql) = @_;
	my $said = $self->{pair}->try("SET client_min_messages = warning; $sql", user => $role);
	die "$role: $said->{text}" if $said->{sqlstate};
	return $said->{out} =~ s/\n\z//r;
}

sub alice { return $_[0]->as($attacker,    $_[1]) }
sub bob   { return $_[0]->as($victim,      $_[1]) }
sub super { return $_[0]->as($_[0]{super}, $_[1]) }

# A call whose end matters: see TablesyncTest::Call.
sub try_as
{
	my ($self, $role, $sql) = @_;
	return $self->{pair}->try($sql, user => $role eq 'super' ? $self->{super} : $role);
}

sub start_as
{
	my ($self, $role, $sql) = @_;
	return $self->{pair}->start($sql, user => $role eq 'super' ? $self->{super} : $role);
}

# A session that holds locks; it ends with the row.
sub session
{
	my ($self, $role) = @_;
	my $session = $self->{pair}->session($role eq 'super' ? $self->{super} : $role);
	push @{ $self->{sessions} }, $session;
	return $session;
}

# ---- Traps ----------------------------------------------------------------------------------------------------

# Functions of the attacker in a schema of hers. Each leaves a record where anybody else runs it.
sub make_traps
{
	my ($self, $schema) = @_;
	my $spring = qq(
		IF current_user <> '$attacker' THEN
			RAISE LOG 'sprung by %: %', current_user, what;
			INSERT INTO public.pwned (super, how) SELECT rolsuper, what FROM pg_catalog.pg_roles WHERE rolname = current_user;
		END IF;);
	$self->alice(qq(
		GRANT USAGE ON SCHEMA $schema TO PUBLIC;
		CREATE FUNCTION $schema.spring(what text) RETURNS void VOLATILE LANGUAGE plpgsql AS \$\$ BEGIN $spring END \$\$;
		CREATE FUNCTION $schema.row_trap() RETURNS trigger VOLATILE LANGUAGE plpgsql AS \$\$
			BEGIN PERFORM $schema.spring('trigger of ' || TG_TABLE_NAME); RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END \$\$;
		CREATE FUNCTION $schema.text_trap(value text) RETURNS text VOLATILE LANGUAGE plpgsql AS \$\$
			BEGIN PERFORM $schema.spring('function of a view'); RETURN value; END \$\$;
		CREATE FUNCTION $schema.check_trap(value text) RETURNS bool VOLATILE LANGUAGE plpgsql AS \$\$
			BEGIN PERFORM $schema.spring('check'); RETURN true; END \$\$;));
	return;
}

sub set_trap
{
	my ($self, $schema, $table) = @_;
	$self->alice("CREATE TRIGGER trap BEFORE INSERT OR UPDATE OR DELETE ON $table FOR EACH ROW EXECUTE FUNCTION $schema.row_trap()");
	return;
}

# A view of the readings, all of it through a trap.
sub make_trap_view
{
	my ($self, $view) = @_;
	my ($schema) = split /\./, $view;
	$self->alice("CREATE VIEW $view AS SELECT $schema.text_trap(ship_id::text) AS ship_id, data_channel_id, created_time, value_format, bool_v, str_v, long_v, double_v FROM public.readings");
	return;
}

# Who sprang traps since the row began, on either cluster: "who: what".
sub sprung
{
	my ($self) = @_;
	my %seen;
	foreach my $node ($self->{pair}->source, $self->{pair}->target)
	{
		my $log = slurp_file($node->logfile, $self->{log_from}{ $node->name });
		$seen{$1}++ while $log =~ /LOG:  (?:00000: )?sprung (.*)/g;
	}
	$seen{"$_, and it is committed"}++ foreach split /\n/, $self->{pair}->admin('SELECT who || $$: $$ || how FROM public.pwned');
	return join '; ', sort keys %seen;
}

sub assert_no_trap
{
	my ($self, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($self->sprung, '', $name // '... no trap was sprung');
}

# ---- Rows -----------------------------------------------------------------------------------------------------

# What the target's server must never say, since the row began.
sub crashes
{
	my ($self) = @_;
	my $log = slurp_file($self->{pair}->target->logfile, $self->{log_from}{target});
	return join "\n", $log =~ /^.*(?:was terminated by signal|PANIC:|TRAP:|XX00\d).*$/mg;
}

# One row of the list of holes, or a variant. Whatever happens in it, the next one finds the server up, and its own state.
sub row
{
	my ($self, $name, $code) = @_;
	my $pair = $self->{pair};
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$self->{log_from}{ $_->name } = -s $_->logfile foreach $pair->source, $pair->target;
	$pair->admin('TRUNCATE public.pwned');
	return subtest $name => sub {
		eval { $code->(); 1 } or fail('the row was done to its end') or diag($@);
		$self->calm_down;
		is($self->crashes, '', '... nothing has crashed');
	};
}

# Ends what the row has left, after waiting for a server that restarts.
sub calm_down
{
	my ($self) = @_;
	my $pair = $self->{pair};
	$_->{run}->kill_kill foreach splice @{ $self->{sessions} };
	$pair->wait_until($pair->target, 'SELECT true');
	$pair->wait_until($_, q(SELECT count(pg_terminate_backend(pid)) = 0 FROM pg_stat_activity
		WHERE pid <> pg_backend_pid() AND (backend_type = 'client backend' OR backend_type LIKE 'pg\_tablesync%') AND backend_type <> 'pg_tablesync launcher'))
	  foreach $pair->target, $pair->source;
	return;
}

# ---- States ---------------------------------------------------------------------------------------------------

# Waits until a call has ended or waits for a lock of the server.
sub wait_until_stuck
{
	my ($self, $call) = @_;
	return $self->{pair}->wait_until($self->{pair}->target, 
		'SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type IS DISTINCT FROM $$Lock$$ AND pid = ' . $call->pid . ')');
}

# Waits until a call has ended, or one of its processes stands at a fault point.
sub wait_until_paused
{
	my ($self, $point, $call) = @_;
	return $self->{pair}->wait_until($self->{pair}->target, 'SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ' . $call->pid . ')
		OR EXISTS (SELECT FROM pg_stat_activity WHERE application_name = $$fault point ' . $point . '$$)');
}

1;
