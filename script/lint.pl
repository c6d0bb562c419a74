# What no compiler and no other tool holds: rules on the text of src/pg, on rooms, names, documents, and on the statements
# that a run of the tests has listed. script/lint runs it.
#
#   perl script/lint.pl rules              prints what breaks a rule, and fails
#   perl script/lint.pl statements FILE    as script/lint --statements FILE
#   perl script/lint.pl places FILE        as script/lint --places FILE
use strict;
use warnings;

my ($mode, $list) = @ARGV;

# File and text of what may break a rule, and why.
my @allowed = (
	[ 'cpp', qr/^SELECT \* FROM/, 'a hint: the user runs it; no statement of ours selects *' ],
	[ 'pivot/reprocess.cpp', qr/UPDATE tablesync\.failed_chunk SET/, 'a hint: the user runs it' ],
	[ 'pivot/wide_writer.cpp', qr/SPI_/, 'rows that SPI must know by a name for one statement' ],
	[ 'sync/sync_table.cpp', qr/SPI_/, 'a commit in the midst of a procedure' ]);

# Places whose statement no TAP test comes to.
my @unreached = ();

sub slurp { my ($file) = @_; open my $handle, '<', $file or die "$file: $!"; local $/; return <$handle> }

# Without comments, with raw literals as ordinary ones (their lines end with \f) and with literals joined that stand
# side by side; lines stay where they are.
sub source_of
{
	my ($file) = @_;
	my $text = slurp($file);
	$text =~ s{R"(\w*)\((.*?)\)\g1"|("(?:[^"\\\n]|\\.)*")|//[^\n]*}{defined $2 ? '"' . ordinary($2) . '"' : $3 // ''}gse;
	1 while $text =~ s{"((?:[^"\\\n]|\\.)*)"((?:\s*\n\s*)+)"}{'"' . $1 . ("\0" x ($2 =~ tr/\n//))}ge;
	return $text;
}

sub ordinary { my ($raw) = @_; return $raw =~ s/(["\\])/\\$1/gr =~ tr/\n/\f/r }

sub line_of { my ($text, $at) = @_; return 1 + (substr($text, 0, $at) =~ tr/\n\0\f//) }

my %source = map { $_ => source_of($_) } sort(glob('src/pg/*.cpp src/pg/*/*.cpp src/pg/*/*.h'));
my $faults = 0;

sub find
{
	my ($what, $pattern, $exempt) = @_;
	foreach my $file (sort keys %source)
	{
		next if $file =~ $exempt;
		while ($source{$file} =~ /$pattern/g)
		{
			my ($found, $at) = ($&, $-[0]);
			next if grep { $file =~ /\Q$_->[0]\E$/ && $found =~ $_->[1] } @allowed;
			printf "%s:%d: %s: %s\n", $file, line_of($source{$file}, $at), $what, $found =~ tr/\n\0\f/   /r;
			$faults++;
		}
	}
}

# A room includes itself and those of lines above its own.
my @order = (
	['core/base'], ['core/spec'], ['core/table'], ['core/sql'], [ 'core/range', 'core/pivot' ],
	['remote'],
	['pg/server'], ['pg/worker'], ['pg/record'], ['pg/run'], ['pg/chunk'], ['pg/source'], ['pg/rows'], ['pg/filter'],
	['pg/target'], ['pg/pair'], ['pg/changes'], ['pg/parallel'], [ 'pg/sync', 'pg/pivot' ], ['pg/verify'], ['pg/launcher'], ['pg']);
my $most_files = 30;

sub check_order
{
	my (%place, %files);
	foreach my $n (0 .. $#order) { $place{$_} = $n foreach @{ $order[$n] } }
	foreach my $file (sort map { glob } 'src/*/*.{h,cpp}', 'src/*/*/*.{h,cpp}')
	{
		my ($room) = $file =~ m{^src/(.+)/};
		$files{$room}++;
		break_rule("$file: its room is not in the order of rooms") unless exists $place{$room};
		foreach my $header (slurp($file) =~ /^#include "(\S+\.h)"/mg)
		{
			my ($other) = $header =~ m{(.+)/};
			next if !defined $other || !exists $place{$other} || $other eq $room || $place{$other} < $place{$room};
			break_rule("$file: includes $header of a room that is not below its own");
		}
	}
	foreach my $room (grep { !/^core/ && $files{$_} > $most_files } sort keys %files) { break_rule("src/$room: has more than $most_files files") }
	return;
}

# What the documents call a test, such as 034, is one file.
sub check_numbers
{
	my %files;
	foreach my $file (glob 'test/t/*.pl')
	{
		my ($number) = $file =~ m{^test/t/(\d{3})_\w+\.pl$};
		if (defined $number) { push @{ $files{$number} }, $file }
		else { break_rule("$file: its name does not begin with a number of three digits") }
	}
	break_rule("the number $_ is used more than once: @{ $files{$_} }") foreach grep { @{ $files{$_} } > 1 } sort keys %files;
	return;
}

sub break_rule { my ($what) = @_; print "$what\n"; $faults++; return }

# Longest of src, in lines. A statement of SQL is one line of its function, however long it is.
my $longest_file = 460;
my $longest_function = 60;

sub check_lengths
{
	foreach my $file (sort map { glob } 'src/{*,*/*}/*.{h,cpp}')
	{
		my $lines = () = slurp($file) =~ /\n/g;
		break_rule("$file: has $lines lines, and may have $longest_file") if $lines > $longest_file;
		# What is long within a class or a function has a line of its own at its beginning and at its end.
		my $text = source_of($file);
		while ($text =~ /^((?:  )?)(\S[^\n]*\)(?: const| noexcept| override| mutable| -> [^\n]+)* \{)\n(.*?)\n\1\}/gms)
		{
			my ($head, $at, $length) = ($2, $-[2], 1 + ($3 =~ tr/\n//));
			break_rule("$file:" . line_of($text, $at) . ": has $length lines, and may have $longest_function: $head")
			  if $length > $longest_function;
		}
	}
	return;
}

# ---- the documents ----------------------------------------------------------------------------------------------

my $widest_prose = 100;

# Lines of a document outside of blocks of code: [number, text].
sub lines_of
{
	my ($file) = @_;
	my $text = slurp($file);
	utf8::decode($text);
	my ($n, $in_code, @lines) = (0, 0);
	foreach my $line (split /\n/, $text)
	{
		$n++;
		if ($line =~ /^\s*```/) { $in_code = !$in_code }
		elsif (!$in_code) { push @lines, [ $n, $line ] }
	}
	return @lines;
}

# The anchors of a document: its headings as GitHub names them, and those that it sets itself.
sub anchors_of
{
	my ($file) = @_;
	my %anchors;
	foreach my $line (map { $_->[1] } lines_of($file))
	{
		$anchors{$_} = 1 foreach $line =~ /<a (?:id|name)="([^"]+)"/g;
		next unless $line =~ /^#+ (.+?)\s*$/;
		my $anchor = lc($1 =~ s/\[([^\]]*)\]\([^)]*\)/$1/gr) =~ s/[^\w -]//gr =~ tr/ /-/r;
		my $again = 0;
		$again++ while exists $anchors{ $again ? "$anchor-$again" : $anchor };
		$anchors{ $again ? "$anchor-$again" : $anchor } = 1;
	}
	return \%anchors;
}

# Prose has at most 100 columns; tables, code and lines that are long because of a URL may have more. Links inside of the
# repository lead somewhere.
sub check_documents
{
	my %anchors;
	foreach my $file (sort map { glob } '*.md', '{doc,demo,bench}/*.md', 'src/{*,*/*}/*.md')
	{
		my $folder = $file =~ s{[^/]*$}{}r;
		foreach my $line (lines_of($file))
		{
			my ($n, $text) = @$line;
			break_rule("$file:$n: has more than $widest_prose columns")
			  if $text !~ /^\s*\|/ && length($text =~ s{https?://[^\s)]+}{}gr) > $widest_prose;
			# A link may be broken after a blank, but not in its address.
			foreach my $link ($text =~ s/`[^`]*`//gr =~ /\]\(([^)\s]+)\)/g, $text =~ /\b(?:src|srcset|href)="([^"]+)"/g)
			{
				next if $link =~ /^\w+:/;
				my ($path, $anchor) = split /#/, $link, 2;
				my $target = $path eq '' ? $file : $folder . $path;
				1 while $target =~ s{[^/]+/\.\./}{};
				if (!-e $target) { break_rule("$file:$n: $link does not exist") }
				elsif (defined $anchor && $target =~ /\.md$/ && !($anchors{$target} //= anchors_of($target))->{$anchor})
				{
					break_rule("$file:$n: $link has no such heading");
				}
			}
		}
	}
	return;
}

sub check_rules
{
	my @tables = slurp(glob 'pg_tablesync--*.sql') =~ /^CREATE (?:UNLOGGED )?(?:TABLE|VIEW) tablesync\.(\w+)/mg;
	my $table = join '|', sort { length $b <=> length $a } @tables;
	find('a state table outside of the state module',
		qr/(?:SELECT \* )?\b(?:FROM|INTO|UPDATE|JOIN|USING|TABLE|,)\s+(?:ONLY\s+)?tablesync\.(?:$table)\b[^"]{0,20}/,
		qr{^src/pg/record/});
	check_order();
	check_lengths();
	check_documents();
	check_numbers();
	find('SPI is used in spi.cpp alone', qr/\bSPI_\w+\(/, qr/server\/spi\.cpp/);
	find('longjmp and throw are converted in the airlock alone', qr/\b(?:PG_TRY|PG_CATCH|PG_FINALLY|sigsetjmp)\b|catch\s*\(\.\.\.\)/,
		qr/server\/airlock\./);
	find('a column is read by its number: see core/base/record.h',
		qr/\b(?:row|rows|run|attribute|found|known|chunk|record)(?:\[\d+\]|\.(?:at\(\d+\)|front\(\)\.front\(\)))/, qr/^$/);
	find('the text of a cell becomes a number in core/base/cell.cpp alone', qr/\b(?:strto(?:u?ll?|d)|ato(?:i|ll?|f))\(/,
		qr/server\/latch_host\.cpp/);
	printf "%d breaks of the rules\n", $faults if $faults;
	return;
}

# ---- the list -------------------------------------------------------------------------------------------------

sub statements
{
	my (%seen, %statement);
	foreach my $entry (split /\n/, slurp($list))
	{
		my ($place, $path, $sql) = split /\t/, $entry, 3;
		next unless defined $sql;
		$seen{$place} = 1;
		# Names and values are those of the tests.
		$sql =~ s/E?'(?:[^'\\]|\\.|'')*'/'?'/g;
		$sql =~ s/"(?:[^"]|"")*"/"?"/g;
		$sql =~ s/\b\d+\b/?/g;
		$sql =~ s/\s+/ /g;
		1 while $sql =~ s/([^,(]*[?][^,(]*), \1(?=[,)]| FROM| WHERE)/$1/;
		$statement{ join "\t", $path, $sql =~ s/^ //r }{ $place =~ s/.*pg\///r } = 1;
	}
	return (\%seen, \%statement);
}

# Calls in src/pg that give a statement to this server, or to a Target: [file, first line, last line, text].
sub places
{
	my $names = 'query|query_latest|execute|modify|each_row|own_state|latest_own_state|each_own_state|state_of_all';
	my @places;
	foreach my $file (grep { /\.cpp$/ && !/server\/spi\.cpp$|record\/state\.cpp$|target\/local_target\.cpp$/ } sort keys %source)
	{
		my $text = $source{$file};
		# A function of the file by such a name is not the one that is meant.
		my %own = map { $_ => 1 } $text =~ /^[\w:<> ]+ \b($names)\(const [^;]*\{$/mg;
		while ($text =~ /(?<![\w.>])((?:pg::|(?:\w+(?:\.|->))?(?:the_)?target_?(?:\.|->))?($names))\(/g)
		{
			my ($at, $end, $depth, $name) = ($-[0], pos $text, 1, $2);
			next if $own{$name};
			while ($depth && $end < length $text)
			{
				pos($text) = $end;
				$text =~ /\G(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'|.)/gs;
				$end = pos $text;
				$depth += $& eq '(' ? 1 : $& eq ')' ? -1 : 0;
			}
			push @places, [ $file, line_of($text, $at), line_of($text, $end), substr $text, $at, $end - $at ];
		}
	}
	return @places;
}

sub check_places
{
	my ($seen, $statement) = statements();
	my @places = places();
	foreach my $place (@places)
	{
		my ($file, $first, $last, $text) = @$place;
		next if grep { $seen->{"$file:$_"} } $first .. $last;
		next if grep { $file =~ /\Q$_->[0]\E$/ && $text =~ $_->[1] } @unreached;
		printf "%s:%d: no test came here: %s\n", $file, $first, substr $text =~ tr/\n\0\f/   /r, 0, 80;
		$faults++;
	}
	printf "statements: %d distinct, from %d places\n", scalar keys %$statement, @places - $faults;
	return;
}

if ($mode eq 'rules') { check_rules() }
elsif ($mode eq 'places') { check_places() }
else
{
	my (undef, $statement) = statements();
	print map { "$_\t" . join(' ', sort keys %{ $statement->{$_} }) . "\n" } sort keys %$statement;
}
exit($faults ? 1 : 0);
