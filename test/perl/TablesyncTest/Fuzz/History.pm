# What happens to a random table between two syncs, or during one. Each function draws one event and returns its actions, or
# none where the table is not of a kind to which it could happen:
#
#   {on => 'source' | 'far' | 'late' | 'late_far' | 'target', sql => ...}
#
# "late" is a second session on the source, whose transaction may stay open over several syncs; "late_far" is one in the
# database where the far ends of foreign tables are.

package TablesyncTest::Fuzz::History;

use strict;
use warnings;

sub source { return map { { on => 'source', sql => $_ } } @_ }
sub late   { return map { { on => 'late',   sql => $_ } } @_ }
sub target { return map { { on => 'target', sql => $_ } } @_ }

# Events and how often they are drawn: each is a function below.
my @events = (
	insert => 6, update => 6, remove => 3, swap => 2, reload => 1, silent => 1, begin_late => 2, mark => 2, rewrite => 1,
	other => 2, attach => 1, detach => 1, column => 1, exchange => 1, label => 1, new_label => 1, replace_view => 1, widen => 1, add_column => 1,
	odd_days => 3, twice => 3, empty_target => 1, restore_target => 1, rewrite_target => 1);

# One event: its name and its actions.
sub draw
{
	my ($case) = @_;
	# A transaction that is open ends sooner or later.
	return (end_late => end_late($case)) if $case->{late} && $case->{dice}->chance(0.3);
	while (1)
	{
		my $name = $case->{dice}->pick_weighted(@events);
		my @actions = __PACKAGE__->can($name)->($case) or next;
		push @actions, $case->{table}->after_write if $actions[0]{on} eq 'source';
		return ($name => @actions);
	}
}

# ---- Rows -----------------------------------------------------------------------------------------------------

# Numbers below this are left to the late session: it may have locked them.
my $reserved = 4;

sub some_rows
{
	my ($case) = @_;
	my ($dice, $last) = ($case->{dice}, $case->{table}{next});
	return $dice->chance(0.3) ? "i > $reserved AND i % 5 = " . $dice->between(0, 4)
	  : "i > $reserved AND i IN (" . join(', ', map { $dice->between(1, $last) } 1 .. $dice->between(1, 8)) . ')';
}

sub next_rows
{
	my ($case, $count) = @_;
	my $from = $case->{table}{next} + 1;
	$case->{table}{next} += $count;
	return ($from, $case->{table}{next});
}

sub insert
{
	my ($case) = @_;
	return source($case->{table}->insert(next_rows($case, $case->{dice}->between(1, 20)), stamped => 1));
}

sub update { my ($case) = @_; return source($case->{table}->update(some_rows($case))) }
sub remove { my ($case) = @_; return source("DELETE FROM $case->{table}{name} WHERE " . some_rows($case)) }

# An update that does not set the field.
sub silent
{
	my ($case) = @_;
	my $table = $case->{table};
	return () unless @{ $table->{key} } && $case->{mode} eq 'incremental';
	# A verification would find them.
	$case->{silent} = 1;
	return source($table->update(some_rows($case), silent => 1));
}

# Two rows swap their keys, or their values of a unique column.
sub swap
{
	my ($case) = @_;
	my ($table, $dice) = ($case->{table}, $case->{dice});
	return () unless @{ $table->{key} } && $table->{kind} ne 'foreign';
	my ($x, $y) = map { $dice->between($reserved + 1, $table->{next}) } 1, 2;
	return () if $x == $y;
	my $unique = $table->{unique} && $dice->chance(0.5);
	my @columns = $unique ? ('u') : grep { $_ ne '"p"' } @{ $table->{key} };
	my %value = map { $_->{q} => $_->{value} =~ s/\bi\b/(-99)/gr } @{ $table->{columns} };
	my $row = join ', ', map { "$_ = " . ($unique ? '-99' : $value{$_}) } @columns;
	# Where the key is the number itself, a row is found under its new number.
	my ($find_a, $find_b) = $columns[0] eq '"i"' ? ('i = -99', "i = $y") : ("i = $x", "i = $y");
	my $set = sub { my ($from) = @_; return join ', ', map { "$_ = $from.$_" } @columns };
	return source(<<"SQL");
DO \$do\$ DECLARE a record; b record;
BEGIN
	SELECT * INTO a FROM $table->{name} WHERE i = $x;
	SELECT * INTO b FROM $table->{name} WHERE i = $y;
	IF a.i IS NOT NULL AND b.i IS NOT NULL AND NOT EXISTS (SELECT FROM $table->{name} WHERE i = -99)@{[ grep({ $_ eq '"p"' } @{ $table->{key} }) ? ' AND a.p = b.p' : '' ]} THEN
		UPDATE $table->{name} SET $row, at = $table->{stamp} WHERE i = $x;
		UPDATE $table->{name} SET @{[ $set->('a') ]}, at = $table->{stamp} WHERE $find_b;
		UPDATE $table->{name} SET @{[ $set->('b') ]}, at = $table->{stamp} WHERE $find_a;
	END IF;
END \$do\$
SQL
}

# All rows are others, in one transaction.
sub reload_sql
{
	my ($case) = @_;
	return "TRUNCATE $case->{table}{name}; " . $case->{table}->insert(next_rows($case, $case->{dice}->pick(5, 60)), stamped => 1);
}

sub reload
{
	my ($case) = @_;
	return () if $case->{late};
	return source('BEGIN', reload_sql($case), 'COMMIT');
}

sub mark
{
	my ($case) = @_;
	my ($table, $dice) = ($case->{table}, $case->{dice});
	return () unless $table->{mark};
	return source($table->update(some_rows($case), set => { gone => $table->{mark}[ $dice->chance(0.7) ? 1 : 2 ] }));
}

# ---- Late commits ---------------------------------------------------------------------------------------------

# A transaction that writes now, and commits after one sync or more.
sub begin_late
{
	my ($case) = @_;
	my ($table, $dice) = ($case->{table}, $case->{dice});
	return () if $case->{late};
	return begin_late_far($case) if $table->{kind} =~ /foreign/;
	$case->{late} = $dice->chance(0.2) ? 'prepared' : 'open';
	my @write = ($table->insert(next_rows($case, $dice->between(1, 5)), stamped => 1));
	push @write, $table->update('i = ' . $dice->between(1, $reserved)) if $dice->chance(0.5);
	push @write, "DELETE FROM $table->{name} WHERE i = " . $dice->between(1, $reserved) if $dice->chance(0.3);
	return late('BEGIN', @write, $case->{late} eq 'prepared' ? "PREPARE TRANSACTION '$table->{schema}'" : ());
}

# It writes to the far end of a foreign table: the source's database does not see that it is open.
sub begin_late_far
{
	my ($case) = @_;
	my $table = $case->{table};
	return () if $table->{numbered};
	my $only = $table->{kind} eq 'foreign' ? 'true' : $table->{kind} eq 'foreign_part' ? 'abs(i) % 3 = 1' : 'i % 2 <> 0';
	$case->{late} = 'far';
	return map { { on => 'late_far', sql => $_ } } 'BEGIN', $table->insert(next_rows($case, 6), stamped => 1, only => [ "$table->{schema}.far", $only ]);
}

sub end_late
{
	my ($case) = @_;
	my $late = delete $case->{late};
	my $end  = $case->{dice}->chance(0.85) ? 'COMMIT' : 'ROLLBACK';
	return { on => 'late_far', sql => $end } if $late eq 'far';
	my @end = late($late eq 'prepared' ? "$end PREPARED '$case->{table}{schema}'" : $end);
	return @end unless my $refresh = $case->{table}->after_write;
	# A view that is refreshed later than the transaction commits.
	push @end, TablesyncTest::Fuzz::Calls::rest(), TablesyncTest::Fuzz::Calls::sync($case) if $case->{mode} eq 'incremental' && $case->{dice}->chance(0.7);
	return (@end, $refresh);
}

# ---- DDL ------------------------------------------------------------------------------------------------------

# Whether columns of the table may be altered now.
sub is_alterable
{
	my ($case) = @_;
	return $case->{table}->is_plain && !$case->{late};
}

sub rewrite
{
	my ($case) = @_;
	my $table = $case->{table};
	return () if $case->{late} || $table->{kind} !~ /^(?:plain|where|select)$/;
	return source("VACUUM FULL $table->{name}") if $case->{dice}->chance(0.5);
	return source("CREATE INDEX IF NOT EXISTS by_number ON $table->{name} (i)", "CLUSTER $table->{name} USING by_number");
}

# The same name and type, with another content.
sub column
{
	my ($case) = @_;
	my $table = $case->{table};
	my ($column) = $case->{dice}->some(1, $table->free, grep { $_->{generated} } @{ $table->{columns} });
	return () unless is_alterable($case) && $column;
	return source("ALTER TABLE $table->{name} DROP COLUMN g", "ALTER TABLE $table->{name} ADD COLUMN g int4 GENERATED ALWAYS AS (i * 3) STORED")
	  if $column->{generated};
	my $default = $case->{table}->value({ %$column, nulls => 0 }, $case->{dice}->between(1, 99), 7) =~ s/\bi\b/5/gr;
	return source("ALTER TABLE $table->{name} DROP COLUMN $column->{q}", "ALTER TABLE $table->{name} ADD COLUMN $column->{q} $column->{type} DEFAULT $default");
}

# Two columns of one type swap their names.
sub exchange
{
	my ($case) = @_;
	my $table = $case->{table};
	return () unless is_alterable($case);
	my %by_type;
	push @{ $by_type{ "$_->{type} " . ($_->{target} // '') . $_->{seen} } }, $_ foreach $table->free;
	my ($pair) = grep { @$_ > 1 } map { $by_type{$_} } sort keys %by_type;
	return () unless $pair;
	my ($a, $b) = map { $_->{q} } @$pair;
	return source(map { "ALTER TABLE $table->{name} RENAME $_" } "$a TO other_name", "$b TO $a", "other_name TO $b");
}

# A label of an enum gets another name. The target's type has it, too.
sub label
{
	my ($case) = @_;
	my $table = $case->{table};
	return () unless is_alterable($case) && $table->{own_types} && grep { $_->{type} =~ /mood/ } $table->free;
	return () if $table->{relabelled}++;
	return (source("ALTER TYPE $table->{schema}.mood RENAME VALUE 'ok' TO 'fine'"),
		target("ALTER TYPE $table->{schema}.mood RENAME VALUE 'ok' TO 'old ok'", "ALTER TYPE $table->{schema}.mood ADD VALUE 'fine' AFTER 'sad'"))
	  if forget_label($table);
	return ();
}

# Later writes must not use the old one.
sub forget_label
{
	my ($table) = @_;
	$_->{value} =~ s/'ok'/'fine'/g foreach grep { $_->{type} =~ /mood/ } $table->free;
	return 1;
}

# A further label, and rows that have it.
sub new_label
{
	my ($case) = @_;
	my $table = $case->{table};
	my @moods = grep { $_->{type} =~ /mood/ } $table->free;
	return () unless @moods && !$case->{late} && !$table->{labelled}++;
	$_->{value} =~ s/'happy'/'calm'/g foreach @moods;
	my $add = "ALTER TYPE $table->{schema}.mood ADD VALUE 'calm' BEFORE 'sad'";
	return (source($add, $table->update(some_rows($case))), $table->{own_types} ? target($add) : ());
}

sub replace_view
{
	my ($case) = @_;
	my $table = $case->{table};
	return () unless $table->{kind} eq 'view' && !$case->{late};
	my $query = $table->{query} =~ s/o\.label/upper(o.label) || ' new' AS label/r;
	return source("CREATE OR REPLACE VIEW $table->{schema}.v AS $query");
}

# A column becomes wider, and the target's with it.
sub widen
{
	my ($case) = @_;
	my $table = $case->{table};
	my ($column) = grep { $_->{type} =~ /^(?:int2|int4|varchar\(20\))$/ && !$_->{target} } $table->free;
	return () unless is_alterable($case) && $column && ($case->{schema_change} // '') eq 'add';
	$column->{type} = $column->{type} =~ /^int/ ? 'int8' : 'varchar(40)';
	return source("ALTER TABLE $table->{name} ALTER $column->{q} TYPE $column->{type}");
}

sub add_column
{
	my ($case) = @_;
	my $table = $case->{table};
	return () unless is_alterable($case) && ($case->{schema_change} // '') eq 'add' && $table->{kind} ne 'inherited';
	my $column = $table->add('added ' . ++$table->{added}, 'int4', 'N % 9', nulls => 1);
	return source("ALTER TABLE $table->{name} ADD COLUMN $column->{q} int4 DEFAULT " . $case->{dice}->pick('7', 'NULL', '(random() * 100)::int'));
}

# ---- Partitions -----------------------------------------------------------------------------------------------

sub detach
{
	my ($case) = @_;
	my $table = $case->{table};
	return () if $table->{kind} ne 'partitioned' || $case->{late} || $table->{detached} || !@{ $table->{key} };
	$table->{detached} = 1;
	return source("ALTER TABLE $table->{name} DETACH PARTITION $table->{schema}.part_1");
}

# Back, with rows that were written meanwhile.
sub attach
{
	my ($case) = @_;
	my $table = $case->{table};
	return () if !$table->{detached} || $case->{late};
	$table->{detached} = 0;
	my ($schema, $dice) = ($table->{schema}, $case->{dice});
	# While it was away, such rows went to the default partition.
	return source("DELETE FROM $schema.part_x WHERE p = 1", $table->insert(next_rows($case, 6), stamped => 1, only => [ "$schema.part_1", 'abs(i) % 3 = 1' ]),
		"UPDATE $schema.part_1 SET at = $table->{stamp}", "ALTER TABLE $table->{name} ATTACH PARTITION $schema.part_1 FOR VALUES IN (1)");
}

# ---- Other tables ---------------------------------------------------------------------------------------------

# Who goes by the rows of one table alone sees nothing of this.
sub other
{
	my ($case) = @_;
	my ($table, $dice) = ($case->{table}, $case->{dice});
	return () unless $table->{kind} =~ /view|select|where/ && $case->{mode} eq 'full';
	return source("UPDATE $table->{schema}.other SET label = 'new ' || fuzz.n(id, " . $dice->between(1, 99) . ') WHERE id % 3 = 0',
		"DELETE FROM $table->{schema}.other WHERE id = " . $dice->between(0, 8));
}

# The reload of another table, in one transaction.
sub reload_other_sql
{
	my ($case) = @_;
	return "TRUNCATE $case->{table}{schema}.other; " . $case->{table}->fill_other($case->{dice}->between(1, 99));
}

# ---- Faults of part A that need rows of their own -------------------------------------------------------------

# A9: fields that are no days.
sub odd_days
{
	my ($case) = @_;
	my ($table, $dice) = ($case->{table}, $case->{dice});
	return () unless $table->{days} && $case->{mode} eq 'incremental';
	my ($at) = grep { $_->{name} eq 'at' } @{ $table->{columns} };
	my $day = $at->{type} eq 'text' ? $dice->pick(q(''), q('00000000'), q('20240230'), q('n/a')) : $dice->pick(0, 20240230, -1);
	return source($table->insert(next_rows($case, 2), set => { at => $day }));
}

# A key that a child has, too; a key that is another in the source alone.
sub twice
{
	my ($case) = @_;
	my $table = $case->{table};
	return () unless @{ $table->{key} };
	my $number = $case->{dice}->between(1, $table->{next});
	# A column that was added to both has another place in the child.
	my $columns = join ', ', map { $_->{q} } grep { !$_->{generated} } @{ $table->{columns} };
	return source("INSERT INTO $table->{schema}.child ($columns) SELECT $columns FROM ONLY $table->{name} WHERE i = $number",
		"UPDATE $table->{schema}.child SET v = 77, at = $table->{stamp} WHERE i = $number") if $table->{kind} eq 'inherited';
	my ($k) = grep { $_->{name} eq 'k' && ($_->{target} // '') =~ /coarse/ } @{ $table->{columns} };
	return () unless $k;
	my ($from, $to) = next_rows($case, 1);
	return source("UPDATE $table->{name} SET k = upper(k) || 'Q' WHERE i = $number", $table->insert($from, $to, stamped => 1),
		"UPDATE $table->{name} SET k = (SELECT lower(k) FROM $table->{name} WHERE i = $number) WHERE i = $from");
}

# ---- The target -----------------------------------------------------------------------------------------------

# Somebody empties the target: the next run reads everything.
sub empty_target
{
	my ($case) = @_;
	$case->{emptied} = $case->{mode} ne 'full';
	return target("TRUNCATE $case->{table}{target}");
}

# A8: and fills it again, from an old dump.
sub restore_target
{
	my ($case) = @_;
	my $table = $case->{table};
	return target("CREATE TABLE $table->{schema}.dump AS SELECT * FROM $table->{target}") unless $table->{dumped}++;
	return target('BEGIN', "TRUNCATE $table->{target}", "INSERT INTO $table->{target} SELECT * FROM $table->{schema}.dump", 'COMMIT');
}

sub rewrite_target { my ($case) = @_; return target("VACUUM FULL $case->{table}{target}") }

# Rows of the target are lost, or changed, by somebody else: a full sync, or a repair, brings them back.
sub damage
{
	my ($case) = @_;
	my ($dice, $table) = ($case->{dice}, $case->{table});
	my $rows = 'i % 4 = ' . $dice->between(0, 3);
	return target("DELETE FROM $table->{target} WHERE $rows") if $dice->chance(0.5);
	return target("UPDATE $table->{target} SET v = v - 1000 WHERE $rows");
}


1;
