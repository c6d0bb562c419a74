# report.pl TIMES [JSON]: prints the tables of script/bench from its lines (part, name, microseconds, ticks of CPU).
use strict;
use warnings;
use JSON::PP;
use List::Util qw(min max);

my %first = (
    sync_table   => 'sync_table, 1 worker',
    sync_table_2 => 'sync_table, 2 workers',
    sync_table_4 => 'sync_table, 4 workers',
    binary_pipe  => 'psql COPY binary, piped',
    text_pipe    => 'psql COPY text, piped',
    postgres_fdw => 'postgres_fdw, INSERT .. SELECT, fetch_size 10000',
    dblink       => 'dblink, INSERT .. SELECT',
    pgcopydb     => 'pgcopydb clone, 1 table job, 1 index job',
);
my @first = qw(sync_table sync_table_2 sync_table_4 binary_pipe text_pipe postgres_fdw dblink pgcopydb);
my %again = (
    sync_table    => 'sync_table, 1 worker',
    merge_staged  => 'postgres_fdw into a temporary table, MERGE, DELETE',
    merge_foreign => 'postgres_fdw, MERGE from the foreign table, DELETE',
    copy_out      => "the source's COPY OUT alone (binary, dropped)",
);
my @again = qw(sync_table merge_staged merge_foreign copy_out);
my %incremental = (
    sync_table    => 'sync_table, 1 worker',
    with_lookback => 'postgres_fdw, INSERT .. ON CONFLICT, from the highest value in the target less a lookback',
    from_highest  => 'the same without lookback, so that late commits are lost',
    from_known    => 'the same from a value that is given, so that the target need not be searched for it',
    local         => 'INSERT .. ON CONFLICT of these rows from a local table: what the target has to do anyway',
);
my @incremental = qw(sync_table with_lookback from_highest from_known local);

my ($times, $json) = @ARGV;
my (%seconds, %ticks, %fact);
open my $in, '<', $times or die "$times: $!\n";
while (<$in>) {
    chomp;
    my ($part, $name, $value, $ticks) = split /\t/;
    if ($part eq 'fact') {
        $fact{$name} = $value;
        next;
    }
    push @{ $seconds{$part}{$name} }, $value / 1e6;
    push @{ $ticks{$part}{$name} }, $ticks if defined $ticks;
}

print_machine();
print_first_load()  if $seconds{first};
print_again()       if $seconds{unchanged};
print_incremental() if $seconds{incremental};
print_rest();
print_sizes();
write_json($json) if defined $json;

sub median {
    my @sorted = sort { $a <=> $b } @_;
    my $middle = int(@sorted / 2);
    return @sorted % 2 ? $sorted[$middle] : ($sorted[$middle - 1] + $sorted[$middle]) / 2;
}

sub with_commas {
    my $text = reverse sprintf '%.0f', shift;
    $text =~ s/(\d{3})(?=\d)/$1,/g;
    return scalar reverse $text;
}

sub cpu_seconds {
    return median(@{ $ticks{ $_[0] }{ $_[1] } }) / $fact{ticks_per_second};
}

# How many times as long as the median of sync_table (or of another one).
sub ratio {
    my ($part, $name, $of) = (@_, 'sync_table');
    my $ours = $seconds{$part}{$of} or return '-';
    return sprintf '%.2f', median(@{ $seconds{$part}{$name} }) / median(@$ours);
}

sub range {
    my ($part, $name, $digits) = (@_, 2);
    my @all = @{ $seconds{$part}{$name} };
    return sprintf '%.*f..%.*f', $digits, min(@all), $digits, max(@all);
}

sub print_machine {
    printf "\n%d cores, %.1f GB of memory (load average %s at the start), PostgreSQL %s, pg_tablesync %s;"
        . " %s rows, %.0f MB, %d runs\n\n",
        $fact{cores}, $fact{memory_kb} / 1024**2, @fact{qw(load_average server_version extension_version)},
        with_commas($fact{rows}), $fact{table_bytes} / 1e6, $fact{runs};
    print "Both servers: $fact{settings}; all else is PostgreSQL's default.\n"
        . "CPU s: of both servers and all client programs together.\n"
        . "Rows go over TCP on 127.0.0.1, by password and without TLS. sync_table is called by a plain role"
        . " with its default memory_limit_mb.\n";
    print "$fact{disturbed} timings began while other programs kept the machine busy.\n" if $fact{disturbed};
}

sub print_first_load {
    print "\n### First full load into an absent table\n\n"
        . "From nothing to a table with its primary key built and statistics gathered, for all. Checked after each"
        . " run: count and checksum.\n\n"
        . "| contestant | median s | min..max | rows/s | sync_table is x times as fast | with 2 workers | CPU s |\n|---|---|---|---|---|---|---|\n";
    for my $name (grep { $seconds{first}{$_} } @first) {
        my $median = median(@{ $seconds{first}{$name} });
        printf "| %s | %.2f | %s | %s | %s | %s | %.1f |\n", $first{$name}, $median, range('first', $name),
            with_commas($fact{rows} / $median), ratio('first', $name), ratio('first', $name, 'sync_table_2'), cpu_seconds('first', $name);
    }
}

sub print_again {
    print "\n### Full sync again\n\n"
        . "Nothing changed; 1 % changed (of 100 such rows, 90 updated, 5 deleted, 5 inserted).\n\n"
        . "| contestant | unchanged: median s | min..max | x | CPU s | 1 % changed: median s | min..max | x | CPU s |\n"
        . "|---|---|---|---|---|---|---|---|---|\n";
    for my $name (@again) {
        printf "| %s | %s |\n", $again{$name}, join ' | ', map {
            (sprintf('%.2f', median(@{ $seconds{$_}{$name} })), range($_, $name), ratio($_, $name),
                sprintf('%.1f', cpu_seconds($_, $name)))
        } qw(unchanged changed);
    }
}

sub print_incremental {
    print "\n### Incremental, 1 % changed, indexed field\n\n"
        . "Of 100 such rows, 95 updated, 5 inserted; each reads "
        . with_commas($fact{incremental_rows_read}) . " rows (in the last round). fetch_size is 10000; the lookback is as long as the time of two rounds. Checked after each run: count and checksum.\n\n"
        . "| contestant | median s | min..max | x | CPU s |\n|---|---|---|---|---|\n";
    for my $name (@incremental) {
        printf "| %s | %.3f | %s | %s | %.2f |\n", $incremental{$name}, median(@{ $seconds{incremental}{$name} }),
            range('incremental', $name, 3), ratio('incremental', $name), cpu_seconds('incremental', $name);
    }
}

sub print_fixed_cost {
    my ($what, $name) = @_;
    my @all = map { 1000 * $_ } @{ $seconds{fixed}{$name} // return };
    printf "%s: median %.1f ms of %d (%.1f..%.1f)\n", $what, median(@all), scalar @all, min(@all), max(@all);
}

sub print_rest {
    print "\n";
    print_fixed_cost('A sync of an unchanged table of one row', 'sync_table');
    print_fixed_cost('An incremental sync of that table, which finds nothing', 'incremental');
    print_fixed_cost('An incremental sync of the ' . with_commas($fact{rows}) . ' rows that finds nothing',
        'incremental_orders');
    printf "Most private memory of the worker: first load %.1f MB, merge of 1 %% changed %.1f MB\n",
        $fact{peak_memory_first_load_kb} / 1024, $fact{peak_memory_merge_kb} / 1024
        if $fact{peak_memory_merge_kb};
}

# Against the number of rows: what grows with it, and what must not.
sub print_sizes {
    my @counts = sort { $a <=> $b } map { /^sized_at_once_(\d+)$/ } keys %fact;
    return unless @counts;
    print "\n### Size of the table\n\n"
        . "First load of narrow rows (bigint key, integer, 32 characters), one run each.\n\n"
        . "| rows | at once: s | rows/s | private memory, MB | in chunks: s | rows/s | private memory, MB |\n"
        . "|---|---|---|---|---|---|---|\n";
    for my $count (@counts) {
        printf "| %s | %s |\n", with_commas($count), join ' | ', map {
            my $seconds = $fact{"sized_${_}_$count"} / 1e6;
            (sprintf('%.2f', $seconds), with_commas($count / $seconds),
                sprintf('%.1f', $fact{"peak_memory_sized_${_}_${count}_kb"} / 1024))
        } qw(at_once in_chunks);
    }
}

sub write_json {
    my ($file) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print $out JSON::PP->new->pretty->canonical->encode({ facts => \%fact, seconds => \%seconds, cpu_ticks => \%ticks });
    close $out or die "$file: $!\n";
}
