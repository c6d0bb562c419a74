# plaka.pl <plaka.log >plaka.csv: readings from a log of NMEA 0183 sentences, one row each. The instruments say the same 16
# sentences over and over: what is said from VHW to VDR is one tick, of the time that ZDA gives in its middle.
use strict;
use warnings;

my $day  = '2014-06-01';            # The log has times, in UTC, but no date: this one is assumed.
my $knot = 1852 / 3600;             # in metres per second
my $degree = atan2(1, 1) / 45;      # in radians
my %quality = (A => 'GNSS Fix', D => 'DGNSS fix');

# What a sentence says in the names and units of Signal K. Four decimals of m/s and five of radians tell apart what the
# sentences' two decimals of knots and degrees do.
my %read = (
    VHW => sub { 'navigation.speedThroughWater' => speed($_[5]) },
    VPW => sub { 'performance.velocityMadeGood' => speed($_[1]) },
    VTG => sub {
        (
            'navigation.courseOverGroundTrue'     => angle($_[1]),
            'navigation.courseOverGroundMagnetic' => angle($_[3]),
            'navigation.speedOverGround'          => speed($_[5]),
        );
    },
    MWV => sub {
        my $from_bow = $_[1] > 180 ? $_[1] - 360 : $_[1];
        return $_[2] eq 'R'
            ? ('environment.wind.angleApparent'  => angle($from_bow), 'environment.wind.speedApparent' => speed($_[3]))
            : ('environment.wind.angleTrueWater' => angle($from_bow), 'environment.wind.speedTrue'     => speed($_[3]));
    },
    VWT => sub {
        (
            'environment.wind.angleTrueWater' => angle($_[2] eq 'L' ? -$_[1] : $_[1]),
            'environment.wind.speedTrue'      => $_[5] + 0,
        );
    },
    DBT => sub { 'environment.depth.belowTransducer' => $_[3] + 0 },
    GLL => sub {
        (
            'navigation.position.latitude'  => position($_[1], $_[2] eq 'S'),
            'navigation.position.longitude' => position($_[3], $_[4] eq 'W'),
            'navigation.gnss.methodQuality' => $quality{ $_[7] },
        );
    },
);
my %is_text = ('navigation.gnss.methodQuality' => 1);

my (%reading, $time);
print "ship_id,data_channel_id,created_time,value_format,bool_v,str_v,long_v,double_v\n";
while (<STDIN>) {
    my ($type, $fields) = /^\$..(...),(.*)\*/ or next;
    my @field = ($type, split /,/, $fields);
    $time = join ':', $field[1] =~ /../g if $type eq 'ZDA';
    # Without its first field a sentence says nothing, but for VHW, where that is the compass.
    %reading = (%reading, $read{$type}->(@field)) if $read{$type} && ($field[1] ne '' || $type eq 'VHW');
    end_tick() if $type eq 'VDR';
}

sub speed {
    return sprintf('%.4f', $_[0] * $knot) + 0;
}

sub angle {
    return sprintf('%.5f', $_[0] * $degree) + 0;
}

# Degrees and minutes, as in 02332.346, in degrees.
sub position {
    my ($degrees, $minutes) = $_[0] =~ /^(\d+)(\d\d\.\d+)$/ or die "no position: $_[0]\n";
    return sprintf('%.6f', ($_[1] ? -1 : 1) * ($degrees + $minutes / 60)) + 0;
}

# Where several sentences of a tick say the same quantity, the last one stands.
sub end_tick {
    for my $channel (sort keys %reading) {
        my @value = $is_text{$channel} ? ('String', '', $reading{$channel}, '', '') : ('Decimal', '', '', '', $reading{$channel});
        print join(',', 'plaka', $channel, "$day $time+00", @value), "\n";
    }
    %reading = ();
}
