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
$first{"${_}_empty"} = "$first{$_}, into an empty table with its key" foreach qw(sync_table sync_table_2 sync_table_4);
my @first = (qw(sync_table sync_table_empty sync_table_2 sync_table_2_empty sync_table_4 sync_table_4_empty),
    qw(binary_pipe text_pipe postgres_fdw dblink pgcopydb));
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
my %verify = (
    verify_table => 'verify_table, both sides at the same time',
    source_sums  => "the sum of hash_record_extended() of the source's rows",
    target_sums  => 'the same of the target',
    source_texts => "the sum of md5 of the source's rows as text",
);
my @verify = qw(verify_table source_sums target_sums source_texts);
my @shapes = qw(two_integers wide texts toasted arrays small_jsonb numbers text_key random_order parts no_key);
my @incremental = qw(sync_table with_lookback from_highest from_known local);
my %pivot = (
    pivot_local => {
        pivot_ship => 'pivot_ship, 1 worker',
        one_of_two => 'the same of one of two ships in a table of twice as many rows',
        crosstab   => 'crosstab of tablefunc, all text',
        max_filter => 'max() FILTER for each channel, one run',
        plain_scan => 'a plain scan that reads every column of these rows',
    },
    pivot_remote => {
        pivot_ship => 'pivot_ship, 1 worker',
        copy_out   => "the source's COPY OUT alone (binary, dropped)",
        old_method => 'a Python program: psycopg2, rows kept in a dict, COPY into text columns',
    },
    pivot_ships => {
        one_ship       => 'one ship',
        all_ships      => '100 ships in one call',
        tables         => 'CREATE TABLE and ADD PRIMARY KEY of these 100 tables by hand, and nothing else',
        one_ship_made  => 'one ship, its table there and empty',
        all_ships_made => '100 ships in one call, their tables there and empty',
    },
);
my %pivot_order = (
    pivot_local  => [qw(pivot_ship one_of_two crosstab max_filter plain_scan)],
    pivot_remote => [qw(pivot_ship copy_out old_method)],
    pivot_ships  => [qw(one_ship all_ships tables one_ship_made all_ships_made)],
);

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
print_shapes() if $seconds{shape_two_integers};
print_verify() if $seconds{verify};
print_rest();
print_sizes();
print_pivot() if $seconds{pivot_local};
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

sub print_shapes {
    print "\n### Shapes\n\n"
        . "A first load beside a binary pipe into a table of the same shape, whose key is built after it; a full sync of"
        . " the unchanged table beside the source's COPY OUT. Checked after each load: count and checksum.\n\n"
        . "| table | first load: s | the pipe: s | x | unchanged: s | COPY OUT: s | x |\n|---|---|---|---|---|---|---|\n";
    for my $shape (@shapes) {
        my %median = map { $_ => median(@{ $seconds{"shape_$shape"}{$_} }) } qw(load_sync load_pipe sync copy_out);
        printf "| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |\n", $shape =~ tr/_/ /r, @median{qw(load_sync load_pipe)},
            $median{load_sync} / $median{load_pipe}, @median{qw(sync copy_out)}, $median{sync} / $median{copy_out};
    }
}

sub print_verify {
    print "\n### Verification of equal tables\n\n| | median s | min..max | rows/s | x |\n|---|---|---|---|---|\n";
    for my $name (@verify) {
        my $median = median(@{ $seconds{verify}{$name} });
        printf "| %s | %.2f | %s | %s | %s |\n", $verify{$name}, $median, range('verify', $name), with_commas($fact{rows} / $median),
            ratio('verify', $name, 'verify_table');
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
    print "\nA full sync of the same table, unchanged, beside the source's COPY OUT.\n\n"
        . "| rows | s | COPY OUT: s | x | private memory, MB |\n|---|---|---|---|---|\n";
    for my $count (@counts) {
        my ($again, $copy) = map { $fact{"sized_${_}_$count"} / 1e6 } qw(again copy_out);
        printf "| %s | %.2f | %.2f | %.2f | %.1f |\n", with_commas($count), $again, $copy, $again / $copy,
            $fact{"peak_memory_sized_again_${count}_kb"} / 1024;
    }
}

sub print_pivot {
    my $readings = with_commas($fact{pivot_readings});
    print "\n### Pivot\n\n"
        . "$readings readings of 300 channels become a table with a column for each and its primary key. Checked after"
        . " each run: count and checksum of the cells. A query has one process, pivot_ship() one worker. Timed in an open session,"
        . " but for the Python program, which is timed with its start.\n\n";
    print_pivot_part('In one database, a table of one ship:', 'pivot_local', 'pivot_ship', 'pivot_ship is x times as fast');
    print_pivot_part('From the other server, one ship of two:', 'pivot_remote', 'pivot_ship', 'pivot_ship is x times as fast');
    print_pivot_part('Every row of a table with as many readings:', 'pivot_ships', 'one_ship', 'x times as long as one ship');
    print_pivot_goals();
    print_pivot_memory();
    print_pivot_engine();
}

sub print_pivot_engine {
    my @cases = sort map { /^pivot_engine_(.+)/ } keys %fact;
    print "\nThe engine alone, nanoseconds for each of 1,500,000 readings of 300 channels: "
        . join('; ', map { "$_ $fact{\"pivot_engine_$_\"}" } @cases) . "\n" if @cases;
}

sub print_pivot_part {
    my ($title, $part, $of, $ratio) = @_;
    print "$title\n\n| contestant | median s | min..max | readings/s | $ratio | CPU s |\n|---|---|---|---|---|---|\n";
    for my $name (grep { $seconds{$part}{$_} } @{ $pivot_order{$part} }) {
        my $median = median(@{ $seconds{$part}{$name} });
        printf "| %s | %.2f | %s | %s | %s | %.1f |\n", $pivot{$part}{$name}, $median, range($part, $name),
            with_commas($fact{pivot_readings} / $median), ratio($part, $name, $of), cpu_seconds($part, $name);
    }
    print "\n";
}

# What was asked for, and what came of it, by the medians.
sub print_pivot_goals {
    my @goals = (
        ['local, x times as fast as crosstab: 5 or more',                  'pivot_local',  'crosstab',       'pivot_ship'],
        ['local, x times as fast as max() FILTER: 80 or more',             'pivot_local',  'max_filter',     'pivot_ship'],
        ['local, x times as long as the plain scan: 1.5 at most',          'pivot_local',  'pivot_ship',     'plain_scan'],
        ['100 ships, their tables there, x times as long as one: 1.3 at most', 'pivot_ships', 'all_ships_made', 'one_ship_made'],
        ['the same with making 100 tables of 300 columns',                 'pivot_ships',  'all_ships',      'one_ship'],
        ["remote, x times the rate of the source's COPY OUT: 0.8 or more", 'pivot_remote', 'copy_out',       'pivot_ship'],
        ['remote, x times as fast as the Python program',                  'pivot_remote', 'old_method',     'pivot_ship'],
    );
    print "| goal | x |\n|---|---|\n";
    for (@goals) {
        my ($goal, $part, $name, $of) = @$_;
        printf "| %s | %s |\n", $goal, $seconds{$part}{$name} ? ratio($part, $name, $of) : '-';
    }
}

# Against the number of days: what grows with it, and what must not.
sub print_pivot_memory {
    my @days = sort { $a <=> $b } map { /^pivot_(\d+)_days_us$/ } keys %fact;
    return unless @days;
    print "\nFrom the other server, one run each:\n\n"
        . "| days of 10 channels | readings | s | private memory of the worker, MB |\n|---|---|---|---|\n";
    for my $days (@days) {
        printf "| %d | %s | %.2f | %.1f |\n", $days, with_commas($fact{"pivot_${days}_days_readings"}),
            $fact{"pivot_${days}_days_us"} / 1e6, $fact{"peak_memory_pivot_${days}_days_kb"} / 1024;
    }
    printf "\nWith 300 channels, %s readings: %.1f MB\n", with_commas($fact{pivot_readings}),
        $fact{peak_memory_pivot_readings_kb} / 1024;
}

sub write_json {
    my ($file) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print $out JSON::PP->new->pretty->canonical->encode({ facts => \%fact, seconds => \%seconds, cpu_ticks => \%ticks });
    close $out or die "$file: $!\n";
}
