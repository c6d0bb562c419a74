# Random tables with random histories, each with two targets that should always be equal: one is synced by the filter, one by
# staging every row. Both have the same rows of others, the same triggers of foreign keys, and the same form, which often is
# not that of the source.
#
#   my $twins = TablesyncTest::Twins->new($pair, $seed);
#   my @faults = $twins->run(50, 20);        50 tables, 20 changes of each

package TablesyncTest::Twins;

use strict;
use warnings;

use POSIX ();

use TablesyncTest;
use TablesyncTest::Fuzz::Session;
use TablesyncTest::Values qw(%values);

# Keys, from a number g that is not negative. `again`: an expression that leaves the key equal.
my %keys = (
	int         => { type => 'int',         value => 'g' },
	bigint      => { type => 'bigint',      value => 'g * 3000000000' },
	text        => { type => 'text',        value => q('key ' || g) },
	uuid        => { type => 'uuid',        value => 'md5(g::text)::uuid' },
	date        => { type => 'date',        value => q('2000-01-01'::date + g) },
	bytea       => { type => 'bytea',       value => q(decode(md5(g::text), 'hex')) },
	bpchar      => { type => 'char(8)',     value => 'g::text' },
	numeric     => { type => 'numeric',     value => 'g::numeric', again => 'CASE WHEN scale(k) = 0 THEN k::numeric(20,2) ELSE trunc(k) END' },
	float8      => { type => 'float8',      value => 'g::float8', again => '-k', which => 'k = 0' },
	timestamptz => { type => 'timestamptz', value => q('2000-01-01Z'::timestamptz + g * interval '1 min') });

# Values that are stored out of line, or compressed.
my @long = (q(repeat('long ', 2000)), q((SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 150))), q(repeat('x', 200)), q('short'));

sub new
{
	my ($class, $pair, $seed) = @_;
	srand $seed;
	my $self = bless { pair => $pair, seed => $seed, tables => 0, faults => [] }, $class;
	$self->{source} = TablesyncTest::Fuzz::Session->new($pair->source, 'postgres', 'postgres');
	$self->{$_} = TablesyncTest::Fuzz::Session->new($pair->target, 'postgres', $TablesyncTest::caller) foreach qw(filter stage);
	$self->{target} = $self->{filter};
	$self->{source}->must("SET client_min_messages = error; SELECT setseed(" . ($seed % 1000) / 1000 . ')');
	$self->{$_}->must('SET client_min_messages = error') foreach qw(filter stage);
	return $self;
}

sub one_of { return $_[ rand @_ ] }
sub chance { return rand() < $_[0] }

sub any_value
{
	my ($column) = @_;
	return '(ARRAY[' . join(', ', map { "($_)" } @{ $column->{values} }) . "])[1 + floor(random() * $column->{count})::int]";
}

sub random_columns
{
	my @columns;
	foreach my $n (1 .. 1 + int rand 6)
	{
		my $name = one_of(grep { !/^reg|^xid$|^cid$|^aclitem$|^refcursor$/ } sort keys %values);
		my $type = $name eq 'char' ? '"char"' : $name;
		my @texts = chance(0.15) ? () : map { TablesyncTest::quote($_) . "::$type" } @{ $values{$name} };
		($type, @texts) = ('text', @long) unless @texts;
		if (chance(0.15))
		{
			@texts = ("'{}'::$type\[]", 'ARRAY[' . join(', ', @texts) . ", NULL]::$type\[]") if $type ne 'text';
			$type .= '[]' if $type ne 'text';
			push @columns, { name => "c$n", type => $type, values => [ map { "($_)::text" } @texts ], count => scalar @texts, cast => 1 };
			next;
		}
		push @texts, "NULL::$type";
		push @columns, { name => "c$n", type => $type, values => \@texts, count => scalar @texts };
	}
	return @columns;
}

sub value_of { my ($column) = @_; return any_value($column) . ($column->{cast} ? "::$column->{type}" : '') }

# A table of the source and its two targets.
sub make_table
{
	my ($self) = @_;
	my $n     = "$self->{seed}_" . $self->{tables}++;
	my $name  = one_of(sort keys %keys);
	my $table = { source => "twin_$n", columns => [ random_columns() ], key => chance(0.85) ? $keys{$name} : undef, next => 0 };
	$table->{pair} = $table->{key} && chance(0.3);    # a key of two columns
	my @columns = map { "$_->{name} $_->{type}" } @{ $table->{columns} };
	unshift @columns, "k $keys{$name}{type}", 'k2 int';
	$table->{kind} = $keys{$name};
	my $pair    = chance(0.5) ? 'k, k2' : 'k2, k';
	my $primary = !$table->{key} ? '' : $table->{pair} ? ", PRIMARY KEY ($pair)" : ', PRIMARY KEY (k)';
	my $proven  = chance(0.8);
	$self->{source}->must("CREATE TABLE $table->{source} (" . join(', ', @columns) . ($proven ? $primary : '') . ')');
	$table->{arguments} = $table->{key} && !$proven ? ($table->{pair} ? (chance(0.5) ? q(, primary_key => ARRAY['k', 'k2']) : q(, primary_key => ARRAY['k2', 'k'])) : q(, primary_key => ARRAY['k'])) : '';

	# The form of the targets.
	@columns = sort { $a cmp $b } @columns if chance(0.3);
	push @columns, q(extra text DEFAULT 'ours') if chance(0.2);
	push @columns, 'length int GENERATED ALWAYS AS (k2 + 1) STORED' if chance(0.15);
	splice @columns, rand @columns, 0, 'gone int' if chance(0.25);
	my ($drops) = grep { $_ eq 'gone int' } @columns;
	my $is_parted = !$primary || $table->{pair} || chance(0.3) ? chance(0.25) : 0;
	foreach my $which (qw(filter stage))
	{
		my $target = $table->{$which} = "raw.${which}_$n";
		my $parts = $is_parted ? ' PARTITION BY HASH (k)' : '';
		$self->{target}->must("CREATE TABLE $target (" . join(', ', @columns) . "$primary)$parts");
		if ($is_parted)
		{
			$self->{target}->must("CREATE TABLE ${target}_0 PARTITION OF $target FOR VALUES WITH (MODULUS 2, REMAINDER 0)");
			# Its columns are in another order.
			my @other = reverse grep { !/^gone/ } @columns;
			$self->{target}->must("CREATE TABLE ${target}_1 (" . join(', ', map { s/^(k|k2) (.*)/$primary && ($1 eq 'k' || $table->{pair}) ? "$1 $2 NOT NULL" : $_/er } @other) . ')');
		}
		$self->{target}->must("ALTER TABLE $target DROP COLUMN gone") if $drops;
		$self->{target}->must("ALTER TABLE $target ATTACH PARTITION ${target}_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)") if $is_parted;
	}
	$table->{storage} = one_of(undef, undef, 'EXTERNAL', 'MAIN', 'PLAIN');
	$self->insert($table, int rand 150);
	$table->{has_child} = $table->{key} && !$table->{pair} && chance(0.3);
	return $table;
}

sub insert
{
	my ($self, $table, $rows) = @_;
	my $from = $table->{next};
	$table->{next} += $rows;
	my @values = ($table->{kind}{value}, 'g % 7', map { value_of($_) } @{ $table->{columns} });
	$self->{source}->must("INSERT INTO $table->{source} SELECT " . join(', ', @values) . " FROM generate_series($from, $table->{next} - 1) g") if $rows;
	return;
}

# ---- changes ----------------------------------------------------------------------------------------------------

sub change_source
{
	my ($self, $table) = @_;
	my ($t, $share) = ($table->{source}, one_of(0.01, 0.1, 0.5, 1));
	my $column = one_of(@{ $table->{columns} });
	my %changes = (
		nothing => sub { },
		update  => sub { $self->{source}->must("UPDATE $t SET $column->{name} = " . value_of($column) . " WHERE random() < $share") },
		touch   => sub { $self->{source}->must("UPDATE $t SET k = k WHERE random() < $share") },
		delete  => sub { $self->{source}->must("DELETE FROM $t WHERE random() < $share / 2") },
		insert  => sub { $self->insert($table, int rand 60) },
		again   => sub {
			my $again = $table->{kind}{again} // 'k';
			my $which = $table->{kind}{which} // 'true';
			$self->{source}->must("UPDATE $t SET k = $again WHERE $which AND random() < 0.5");
		},
		twice => sub { $self->{source}->must("INSERT INTO $t SELECT * FROM $t WHERE random() < 0.2") unless $table->{key} });
	my @all = sort keys %changes;
	$changes{ one_of(@all) }->() foreach 1 .. 1 + int rand 2;
	return;
}

# Whoever else writes the targets does the same to both.
sub change_targets
{
	my ($self, $table) = @_;
	my $salt   = int rand 1000;
	my $which  = "hashtextextended(coalesce(k::text, '') || k2, $salt) % 10 = 0";
	my $column = one_of(@{ $table->{columns} });
	my $values = $column->{values}[ rand @{ $column->{values} } ];
	my $change = one_of(
		'DELETE FROM %s WHERE ' . $which,
		"UPDATE %s SET $column->{name} = " . ($values =~ /random/ ? "'other'" : "($values)::$column->{type}") . " WHERE $which",
		"UPDATE %s SET k2 = k2 WHERE $which",
		'ANALYZE %s',
		'VACUUM FULL %s',
		'TRUNCATE %s CASCADE',
		"ALTER TABLE %s ALTER $column->{name} SET STORAGE " . one_of(qw(PLAIN EXTERNAL EXTENDED MAIN)),
		($table->{key} ? () : ("INSERT INTO %s (k, k2) SELECT k, k2 FROM %s WHERE $which")));
	$change = 'ANALYZE %s' if $change =~ /TRUNCATE/ && chance(0.7);
	foreach my $target (@$table{qw(filter stage)})
	{
		my $said = $self->{target}->ask($change =~ s/%s/$target/gr);
		die $said->{text} if $said->{sqlstate} !~ /^(0A000|22026|54000|)$/;    # a type that cannot be stored so, a value that is too large for it
	}
	return;
}

# A column that both sides get, whose older rows have it without being rewritten.
sub add_column
{
	my ($self, $table) = @_;
	return if $table->{added}++;
	$self->{source}->must("ALTER TABLE $table->{source} ADD COLUMN added text DEFAULT 'added'");
	$self->{target}->must("ALTER TABLE $_ ADD COLUMN added text DEFAULT 'added'") foreach @$table{qw(filter stage)};
	push @{ $table->{columns} }, { name => 'added', type => 'text', values => [ q('added'), q('other'), 'NULL' ], count => 3 };
	return;
}

# ---- comparison -------------------------------------------------------------------------------------------------

# Rows that lose their parent go with it: a deletion that need not have been shows.
sub make_children
{
	my ($self, $table) = @_;
	foreach my $target (@$table{qw(filter stage)})
	{
		my $child = "${target}_child";
		$self->{target}->must("CREATE TABLE $child (k $table->{kind}{type} REFERENCES $target ON DELETE CASCADE ON UPDATE CASCADE);
			INSERT INTO $child SELECT k FROM $target");
	}
	return;
}

# Both at once: they are independent.
sub sync_both
{
	my ($self, $table, $options) = @_;
	foreach my $which (qw(filter stage))
	{
		my $compare = $which eq 'stage' ? ', "compare": "stage"' : chance(0.3) ? ', "compare": "digest"' : '';
		$self->{$which}->send("SELECT rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged FROM sync_table('src', '$table->{source}', '$table->{$which}', max_retries => 0$table->{arguments}$options->{arguments},
			options => '{\"adopt\": true, \"allow_empty\": true, \"max_delete_fraction\": 1$compare}')");
	}
	my %said = map { $_ => $self->{$_}->fetch } qw(filter stage);
	return map { $_ => $said{$_}{sqlstate} eq '' ? $said{$_}{out} : "$said{$_}{sqlstate}: " . ($said{$_}{message} =~ s/(filter|stage)_\d+_\d+/target/gr) } keys %said;
}

sub rows_of
{
	my ($self, $target) = @_;
	my $columns = $self->{target}->must("SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute WHERE attrelid = '$target'::regclass AND attnum > 0 AND NOT attisdropped");
	return $self->{target}->must("SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\")) FROM (SELECT $columns FROM $target) t");
}

sub compare
{
	my ($self, $table, $step) = @_;
	my $options = { arguments => chance(0.15) ? ', delete_missing => false' : chance(0.1) ? q(, verify => 'full') : '' };
	my %counts = $self->sync_both($table, $options);
	my %rows   = map { $_ => $self->rows_of($table->{$_}) } qw(filter stage);
	my %children = $table->{made_children} ? map { $_ => $self->rows_of("$table->{$_}_child") } qw(filter stage) : ();
	my @unequal = grep { $_->[1] ne $_->[2] } map { [ $_->[0], @{ $_->[1] }{qw(filter stage)} ] } [ counts => \%counts ], [ rows => \%rows ], $table->{made_children} ? [ children => \%children ] : ();
	push @{ $self->{faults} }, map { "$table->{source}, step $step: $_->[0] by the filter: $_->[1]; by the stage: $_->[2]" } @unequal;
	$self->{compared}++;
	$self->{failed}++ if $counts{stage} =~ /:/;
	return !@unequal;
}

sub run
{
	my ($self, $tables, $steps) = @_;
	foreach (1 .. $tables)
	{
		last if @{ $self->{faults} };
		my $table = $self->make_table;
		my $good  = 1;
		foreach my $step (0 .. $steps)
		{
			last unless $good &&= $self->compare($table, $step);
			if ($table->{has_child} && !$table->{made_children}++) { $self->make_children($table) }
			$self->change_source($table);
			$self->change_targets($table) if chance(0.5);
			$self->add_column($table) if chance(0.03);
		}
		$self->{target}->must('DROP TABLE IF EXISTS ' . join ', ', map { ("${_}_child", $_) } @$table{qw(filter stage)});
		$self->{source}->must("DROP TABLE $table->{source}");
	}
	return @{ $self->{faults} };
}

# Runs several of them at once, with these seeds, each in a process of its own. Returns the faults, and how many histories were
# compared and refused.
sub run_all
{
	my ($pair, $seeds, $tables, $steps) = @_;
	my %pipes;
	foreach my $seed (@$seeds)
	{
		pipe(my $read, my $write) or die "pipe: $!";
		my $child = fork // die "fork: $!";
		if (!$child)
		{
			my $twins = eval { my $new = __PACKAGE__->new($pair, $seed); $new->run($tables, $steps); $new };
			print $write $twins ? join "\n", $twins->compared, $twins->failed, @{ $twins->{faults} } : "0\n0\n$@";
			close $write;
			POSIX::_exit(0);
		}
		close $write;
		$pipes{$child} = $read;
	}
	my ($compared, $refused, @faults) = (0, 0);
	foreach my $child (keys %pipes)
	{
		my ($all, $failed, @lines) = map { s/\n//r } readline $pipes{$child};
		waitpid $child, 0;
		$compared += $all;
		$refused  += $failed;
		push @faults, @lines;
	}
	return (\@faults, $compared, $refused);
}

sub compared { return $_[0]{compared} }
sub failed   { return $_[0]{failed} // 0 }

sub quit { my ($self) = @_; $self->{$_}->quit foreach qw(source filter stage); return }

1;
