# A random table of the source (or a view, a partitioned table, ...), what fills it, and its target.
#
#   my $table = TablesyncTest::Fuzz::Table->new($dice, 'c7', \%on);      %on: see 070_fuzz_sync.pl
#   $table->setup                 [{on => 'source' | 'far' | 'target', sql => ...}, ...]
#   $table->insert(1, 50)         SQL; rows have the numbers 1 to 50 in their column "i"
#   $table->update('i < 10')      SQL that sets random columns, and the field of incremental mode
#   $table->expected              {query, row, key, marked}: what the target must show; see TablesyncTest::Fuzz::Oracle

package TablesyncTest::Fuzz::Table;

use strict;
use warnings;

use TablesyncTest;
use TablesyncTest::Fuzz::Types qw(@types %own_types %conversions @fields @keys @marks);

my @names = ('t', 'Ta Ble', 'select', 'ünï', 'a"b', q(it's), 'a.b', 'x' x 60);

sub quoted { my ($name) = @_; $name =~ s/"/""/g; return qq("$name") }

# What a source may be, and how often.
my @kinds = (plain => 5, partitioned => 3, inherited => 2, view => 2, matview => 2, select => 2, where => 2, foreign => 2, foreign_part => 1, foreign_child => 1);

sub new
{
	my ($class, $dice, $schema, $on) = @_;
	my $self = bless { dice => $dice, schema => $schema, on => $on, columns => [], parts => [], features => {} }, $class;
	$self->{kind}  = $dice->pick_weighted(@kinds);
	$self->{local} = $self->{kind} !~ /^foreign/;
	my $name = $dice->pick(@names);
	$self->{name} = "$schema." . quoted($name);
	# A view, or the far end of a foreign table, has a name of its own.
	$self->{source} = $self->{kind} =~ /view/ ? "$schema.v" : $self->{name};
	$self->{target} = "$schema." . quoted($dice->chance(0.5) ? $name : 'copy');
	$self->draw_key;
	$self->draw_field;
	$self->draw_columns;
	# Without a key, rows are found by all of their columns.
	my %of_key = map { $_ => 1 } @{ $self->{key} };
	$self->{collated} = grep { $_->{type} =~ /COLLATE/ && (!%of_key || $of_key{ $_->{q} }) } @{ $self->{columns} };
	$self->draw_target;
	return $self;
}

# Whether the table can be verified as it is.
sub is_verifiable
{
	my ($self) = @_;
	return !$self->{collated} || $self->{on}{verified_collations};
}

sub is_plain { return $_[0]{kind} =~ /^(?:plain|partitioned|inherited)$/ }

# ---- Columns --------------------------------------------------------------------------------------------------

# One that is the target's too, as it is, unless `target` and `seen` say otherwise.
sub add
{
	my ($self, $name, $type, $value, %more) = @_;
	my $column = { name => $name, q => quoted($name), type => $self->in_schema($type), value => $self->in_schema($value), seen => '%s', %more };
	push @{ $self->{columns} }, $column;
	return $column;
}

sub in_schema { my ($self, $sql) = @_; return $sql =~ s/%s\./$self->{schema}./gr }

sub draw_key
{
	my ($self) = @_;
	my ($dice, $kind) = @$self{qw(dice kind)};
	my $keyless = $kind =~ /^(?:plain|view|select)$/ && $dice->chance(0.1);
	my @key = $keyless ? () : @{ $dice->pick(@keys) };
	$self->add('i', 'int4', 'i', fixed => 1) unless @key && $key[0][0] eq 'i';
	push @key, [ 'p', 'int4', 'abs(i) % 3' ] if $kind =~ /part/ && @key;
	$self->add(@$_, fixed => 1) foreach @key;
	$self->{key} = [ map { quoted($_->[0]) } @key ];
	# A unique index instead of a primary key, or what has neither: the call names the columns.
	$self->{no_primary} = $kind =~ /^foreign(?:_part)?$|view/ || $dice->chance(0.1);
	return;
}

sub draw_field
{
	my ($self) = @_;
	my ($type, $stamp, $declared) = @{ $self->{dice}->pick(@fields) };
	$self->{stamp}    = $self->in_schema($stamp);
	$self->{declared} = $declared;
	$self->{numbered} = $stamp =~ /nextval/;
	$self->{days}     = $declared;
	my $old = $self->{numbered} ? $stamp
	  : $declared ? qq(to_char('2024-01-01'::date + abs(i) / 2, 'YYYYMMDD')::$type)
	  : qq(('2024-01-01'::date + abs(i) / 2 * interval '1 day')::$type);
	$self->add('at', $type, $old, fixed => 1);
	return;
}

sub draw_columns
{
	my ($self) = @_;
	my $dice = $self->{dice};
	my @odd = map { "c$_" } 1 .. 9;
	@odd[ 0 .. 3 ] = ('user', 'C "1"', 'é', q(it's)) if $dice->chance(0.4);
	$self->add('v', 'int4', '0', fixed => 1);
	foreach my $n (1 .. $dice->between(1, 6))
	{
		# The far database has no types of the user; of a query's columns a domain is not known.
		my $not = $self->{local} ? $self->{kind} eq 'select' ? qr/small/ : qr/^$/ : qr/%s/;
		my ($type, $value) = @{ $dice->pick(grep { $_->[0] !~ $not } @types) };
		$self->add($odd[ $n - 1 ], $type, $value, nulls => $dice->chance(0.5), base => $type);
	}
	# Some tables have several pages, a few enough of them for several workers.
	if ($dice->chance(0.25))
	{
		$self->add('pad', 'text', 'repeat(md5(N::text), 30)', base => 'pad');
		$self->{large} = $dice->chance(0.2);
	}
	if ($self->{kind} eq 'plain' && $dice->chance(0.3))
	{
		$self->add('u', 'int4', 'i * 10', fixed => 1);
		$self->{unique} = 1;
	}
	$self->add('g', 'int4', 'i * 2', generated => 'i * 2') if $self->{kind} =~ /^(?:plain|view|partitioned)$/ && $dice->chance(0.2);
	if ($dice->chance(0.2))
	{
		$self->{mark} = $dice->pick(@marks);
		my ($type, $mark, $none) = @{ $self->{mark} };
		$self->add('gone', $type, "CASE WHEN N % 9 = 0 THEN $mark ELSE $none END", fixed => 1);
	}
	return;
}

# Those that a write may set.
sub free { return grep { !$_->{fixed} && !$_->{generated} } @{ $_[0]{columns} } }

# ---- The target -----------------------------------------------------------------------------------------------

sub draw_target
{
	my ($self) = @_;
	my $dice = $self->{dice};
	# A user's type that is missing on the target becomes text there.
	$self->{own_types} = $dice->chance(0.8);
	$self->{made_before} = $dice->chance(0.4) && $self->{own_types};
	# These travel as text.
	$self->{converts} = grep { $_->{base} =~ /^(?:tsvector|regclass|%s)/ } $self->free;
	return unless $self->{made_before};
	foreach my $column ($self->free)
	{
		my @ways = @{ $conversions{ $column->{base} } // [] };
		next unless @ways && $dice->chance(0.4);
		my ($target, $seen, $type, $value) = @{ $dice->pick(@ways) };
		@$column{qw(target seen)} = ($target, $seen);
		@$column{qw(type value)} = ($type, $value) if $type;
		$self->{converts} = 1;
	}
	my ($gone) = grep { $_->{name} eq 'gone' } @{ $self->{columns} };
	@$gone{qw(target seen)} = ('text', '%s::text') if $gone && $dice->chance(0.7);
	$self->{swapped_pair} = $dice->chance(0.3);
	if ($self->{swapped_pair})
	{
		$_->{seen} = 'CASE WHEN %1$s IS NOT NULL THEN ROW((%1$s).b, (%1$s).a) END' foreach grep { ($_->{base} // '') eq '%s.pair' } $self->free;
	}
	# Coarser than the source's: two keys may be one.
	my ($k) = grep { $_->{name} eq 'k' && $_->{type} =~ /^text/ } @{ $self->{columns} };
	if ($k && $dice->chance(0.3))
	{
		$k->{target} = "text COLLATE $self->{schema}.coarse";
		$self->{collated} = 1;
	}
	return;
}

sub target_setup
{
	my ($self) = @_;
	my ($dice, $schema) = @$self{qw(dice schema)};
	my @sql = ("CREATE SCHEMA $schema");
	push @sql, $self->type_statements if $self->{own_types};
	s/\(a text, b text\)/(b text, a text)/ foreach grep { $self->{swapped_pair} } @sql;
	push @sql, "CREATE COLLATION $schema.coarse (provider = icu, locale = 'und-u-ks-level2', deterministic = false)" if $self->{collated};
	if ($self->{made_before})
	{
		my @columns = map { "$_->{q} " . ($_->{target} // $_->{type}) } $dice->chance(0.5) ? $dice->shuffle(@{ $self->{columns} }) : @{ $self->{columns} };
		push @columns, 'label text' if $self->{joined};
		my @key = @{ $self->{key} };
		push @columns, 'PRIMARY KEY (' . join(', ', @key) . ')' if @key;
		push @columns, 'UNIQUE (u)' if $self->{unique};
		my $parted = @key && !$self->{unique} && $dice->chance(0.2);
		push @sql, "CREATE TABLE $self->{target} (" . join(', ', @columns) . ')' . ($parted ? " PARTITION BY HASH ($key[0])" : '');
		push @sql, map { "CREATE TABLE $schema.target_part_$_ PARTITION OF $self->{target} FOR VALUES WITH (MODULUS 2, REMAINDER $_)" } 0, 1 if $parted;
	}
	return map { { on => 'target', sql => $_ } } @sql;
}

sub type_statements { my ($self) = @_; return map { $self->in_schema($own_types{$_}) } sort keys %own_types }

# ---- The source -----------------------------------------------------------------------------------------------

sub setup
{
	my ($self) = @_;
	my ($dice, $schema, $kind, $name) = @$self{qw(dice schema kind name)};
	my @source = ("CREATE SCHEMA $schema; GRANT USAGE ON SCHEMA $schema TO reader",
		"CREATE SEQUENCE $schema.stamp; CREATE TABLE $schema.silent (k text)", $self->type_statements);
	my $primary = @{ $self->{key} } && !$self->{no_primary} ? 'PRIMARY KEY' : @{ $self->{key} } ? 'UNIQUE' : '';
	# A partitioned table with a foreign part has no unique index.
	my $unique = $primary && $kind ne 'foreign_part' ? ", $primary (" . join(', ', @{ $self->{key} }) . ')' : '';
	my $columns = join ', ', map { $self->definition($_) } @{ $self->{columns} };
	my @far;
	$self->{parts} = [ [ $name, 'true' ] ];
	if ($kind eq 'foreign')
	{
		push @far, "CREATE SCHEMA $schema; CREATE TABLE $schema.far ($columns$unique)";
		push @source, $self->foreign_table($name, "($columns)", 'far');
	}
	elsif ($kind =~ /part/)
	{
		push @source, "CREATE TABLE $name ($columns$unique) PARTITION BY LIST (p)";
		push @source, $self->partitions(\@far, $columns, $unique);
	}
	else
	{
		push @source, "CREATE TABLE $name ($columns$unique)";
		push @source, $self->children(\@far) if $kind eq 'inherited' || $kind eq 'foreign_child';
	}
	push @source, "ALTER TABLE $name ADD UNIQUE (u)" if $self->{unique};
	push @source, $self->query_setup;
	return (map({ { on => 'far', sql => $_ } } @far), map({ { on => 'source', sql => $_ } } @source),
		{ on => 'source', sql => $self->insert(1, $self->first_rows) }, $self->after_write, $self->target_setup);
}

sub definition
{
	my ($self, $column) = @_;
	my $is_key = grep { $_ eq $column->{q} } @{ $self->{key} };
	return "$column->{q} $column->{type}"
	  . ($column->{generated} ? " GENERATED ALWAYS AS ($column->{generated}) STORED" : '')
	  . ($is_key || $column->{name} eq 'i' ? ' NOT NULL' : '');
}

sub first_rows { my ($self) = @_; return $self->{next} = $self->{large} ? 1500 : $self->{dice}->pick_weighted(3 => 1, 40 => 4, 150 => 2) }

sub foreign_table
{
	my ($self, $name, $what, $far) = @_;
	return "CREATE FOREIGN TABLE $name $what SERVER far OPTIONS (schema_name '$self->{schema}', table_name '$far')";
}

# One part may have been a table with its columns in another order, and with one that is gone.
sub partitions
{
	my ($self, $far, $columns, $unique) = @_;
	my ($dice, $schema, $name) = @$self{qw(dice schema name)};
	my @sql = ("CREATE TABLE $schema.part_0 PARTITION OF $name FOR VALUES IN (0)");
	if ($self->{kind} eq 'foreign_part')
	{
		push @$far, "CREATE SCHEMA $schema; CREATE TABLE $schema.far ($columns$unique)";
		push @sql, $self->foreign_table("$schema.part_1", "PARTITION OF $name FOR VALUES IN (1)", 'far');
	}
	else
	{
		my $shuffled = join ', ', map { $self->definition($_) } $dice->shuffle(@{ $self->{columns} });
		push @sql, "CREATE TABLE $schema.part_1 (old int, $shuffled)", "ALTER TABLE $schema.part_1 DROP COLUMN old",
		  "ALTER TABLE $name ATTACH PARTITION $schema.part_1 FOR VALUES IN (1)";
	}
	push @sql, "CREATE TABLE $schema.part_x PARTITION OF $name DEFAULT" . ($dice->chance(0.3) ? ' PARTITION BY HASH (p)' : '');
	push @sql, "CREATE TABLE $schema.part_xx PARTITION OF $schema.part_x FOR VALUES WITH (MODULUS 1, REMAINDER 0)" if $sql[-1] =~ /HASH/;
	return @sql;
}

sub children
{
	my ($self, $far) = @_;
	my ($schema, $name) = @$self{qw(schema name)};
	$self->{parts} = [ [ $name, 'i % 2 = 0' ], [ "$schema.child", 'i % 2 <> 0' ] ];
	return "CREATE TABLE $schema.child (extra int DEFAULT 5) INHERITS ($name)" if $self->{kind} eq 'inherited';
	my $columns = join ', ', map { "$_->{q} $_->{type}" } @{ $self->{columns} };
	push @$far, "CREATE SCHEMA $schema; CREATE TABLE $schema.far ($columns)";
	return $self->foreign_table("$schema.child", "() INHERITS ($name)", 'far');
}

# The other table of a query, and the query.
sub query_setup
{
	my ($self) = @_;
	my ($schema, $kind, $name) = @$self{qw(schema kind name)};
	return () unless $kind =~ /view|select|where/;
	my @sql = ("CREATE TABLE $schema.other (id int PRIMARY KEY, label text)", $self->fill_other(1));
	if ($kind eq 'where')
	{
		$self->{where} = "i % 7 <> 3 OR EXISTS (SELECT FROM $schema.other o WHERE o.id = abs(i) % 10)";
		return @sql;
	}
	$self->{joined} = 1;
	$self->{query} = "SELECT t.*, o.label FROM $name t LEFT JOIN $schema.other o ON o.id = abs(t.i) % 10";
	push @sql, "CREATE VIEW $schema.v AS $self->{query}" if $kind eq 'view';
	push @sql, "CREATE MATERIALIZED VIEW $schema.v AS $self->{query}" if $kind eq 'matview';
	return @sql;
}

sub fill_other
{
	my ($self, $salt) = @_;
	return "INSERT INTO $self->{schema}.other SELECT id, 'label ' || fuzz.n(id, $salt) FROM generate_series(0, 8) id";
}

# ---- Writes ---------------------------------------------------------------------------------------------------

sub value
{
	my ($self, $column, $salt, $number) = @_;
	my $sql = $column->{value} =~ s/(?<!\\)\bN\b/fuzz.n(i, $salt$number)/gr;
	return $column->{nulls} ? "CASE WHEN fuzz.n(i, ${salt}9$number) % 6 > 0 THEN $sql END" : $sql;
}

# Options: stamped: the field is that of a writer of now, and not of long ago; set: {column => SQL}; only: [part, condition].
sub insert
{
	my ($self, $from, $to, %options) = @_;
	my $salt = $self->{dice}->between(1, 999);
	my @columns = grep { !$_->{generated} } @{ $self->{columns} };
	my @values;
	foreach my $n (0 .. $#columns)
	{
		my $name = $columns[$n]{name};
		push @values, $options{set}{$name} // ($name eq 'at' && $options{stamped} ? $self->{stamp} : $self->value($columns[$n], $salt, $n));
	}
	my $list = join ', ', map { $_->{q} } @columns;
	my @parts = $options{only} ? $options{only} : @{ $self->{parts} };
	return join '; ', map { "INSERT INTO $_->[0] ($list) SELECT " . join(', ', @values) . " FROM generate_series($from, $to) i WHERE $_->[1]" } @parts;
}

sub update
{
	my ($self, $where, %options) = @_;
	my ($dice, $salt) = ($self->{dice}, $self->{dice}->between(1, 999));
	my @set = map { "$_->{q} = " . $self->value($_, $salt, 1) } $dice->some($dice->between(1, 3), $self->free);
	push @set, map { "$_ = $options{set}{$_}" } sort keys %{ $options{set} // {} };
	push @set, "at = $self->{stamp}" unless $options{silent};
	my $sql = "UPDATE $self->{name} SET " . join(', ', @set) . " WHERE $where";
	# Incremental mode does not promise these.
	return $options{silent} ? "WITH written AS ($sql RETURNING " . $self->key_text . " AS k) INSERT INTO $self->{schema}.silent SELECT k FROM written" : $sql;
}

sub key_text { my ($self) = @_; return 'ROW(' . join(', ', @{ $self->{key} }) . ')::text' }

# What a write must be followed by.
sub after_write
{
	my ($self) = @_;
	return $self->{kind} eq 'matview' ? { on => 'source', sql => "REFRESH MATERIALIZED VIEW $self->{schema}.v" } : ();
}

# ---- What the target must show --------------------------------------------------------------------------------

# query: the source's rows, for a session with the settings of the source's role; row, seen: the text of a row of it, and of
# one of the target; key: of its key; marked: whether its mark deletes it.
sub expected
{
	my ($self) = @_;
	my $query = $self->{kind} eq 'select' ? $self->{query} : "SELECT * FROM $self->{source}";
	$query .= " WHERE $self->{where}" if $self->{where};
	my @columns = @{ $self->{columns} };
	my @row = map { $_->{seen} =~ s/%(?:1\$)?s/$_->{q}/gr } @columns;
	my @names = map { $_->{q} } @columns;
	if ($self->{joined}) { push @row, 'label'; push @names, 'label' }
	return {
		query => $query, target => $self->{target}, row => 'ROW(' . join(', ', @row) . ')::text', seen => 'ROW(' . join(', ', @names) . ')::text',
		key => @{ $self->{key} } ? $self->key_text : undef,
		marked => $self->{mark} && !$self->{keeps_marked} ? $self->{mark}[3] : 'false' };
}

1;
