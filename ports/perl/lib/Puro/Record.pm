package Puro::Record;
# Chapters 6 and 7 of format.md: records and control records, to bytes and back.
# A record is a hash: topic; key, value, headers (a list of pairs) where it has them; control.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use Puro::Block qw(RECORDS);
use Puro::Crc 'crc32c';
use Puro::Error 'fail';
use Puro::Varint qw(varint_encode varint_decode);
our @EXPORT_OK = qw(record_encode body_decode controls_decode control MAX_TOPIC);

use constant {MAX_TOPIC => 1024, MAX_KEY => 1024, MAX_HEADERS => 65_536, MAX_VALUE => 10_485_760};
use constant {KEY => 1, VALUE => 2, HEADERS => 4, CONTROL => 8};    # Table: attributes

# A control record: an entry of the state where it has a key (F-31).
sub control ($kind, $key, $value) {
    return {control => 1, topic => $kind, defined $key ? (key => $key) : (), defined $value ? (value => $value) : ()};
}

# F-30: whatever exceeds a limit is refused.
sub record_encode ($r) {
    my ($topic, $key, $value) = @$r{qw(topic key value)};
    my $headers = $r->{headers} // [];
    fail refused => 'a topic has 1 to 1024 bytes' if !defined $topic || $topic eq '' || length $topic > MAX_TOPIC;
    fail refused => 'a key has at most 1024 bytes' if defined $key && length $key > MAX_KEY;
    fail refused => 'a value has at most 10 MiB' if defined $value && length $value > MAX_VALUE;
    fail refused => 'a delete marker needs a key' if !defined $value && !defined $key;    # F-27
    my $attributes = (defined $key ? KEY : 0) | (defined $value ? VALUE : 0) | (@$headers ? HEADERS : 0)
        | ($r->{control} ? CONTROL : 0);
    my $rest = chr($attributes) . varint_encode(length $topic) . $topic;
    $rest .= varint_encode(length $key) . $key if defined $key;
    if (@$headers) {
        my $list = varint_encode(scalar @$headers);
        for my $header (@$headers) {
            fail refused => 'a header needs a name' if $header->[0] eq '';    # F-26
            $list .= varint_encode(length $_) . $_ for @$header[0, 1];
        }
        fail refused => 'headers have at most 65536 bytes' if length $list > MAX_HEADERS;
        $rest .= $list;
    }
    $rest .= $value if defined $value;
    $rest = varint_encode(length $rest) . $rest;
    return pack('V', crc32c($rest)) . $rest;
}

# Bytes with their length before them; at most $most, at least $least (F-30: before anything is taken).
sub _bytes ($body, $at, $end, $least, $most, $what) {
    my $n;
    ($n, $at) = varint_decode($body, $at, $end);
    fail damaged => "$what of $n bytes" if $n < $least || $n > $most;
    fail damaged => "$what goes beyond its record" if $n > $end - $at;    # F-28
    return (substr($$body, $at, $n), $at + $n);
}

# The record at $at of the body, and the place behind it.
sub _record ($body, $at) {
    fail damaged => 'a record is cut off' if $at + 4 > length $$body;
    my $crc = unpack 'V', substr $$body, $at, 4;
    my ($length, $from) = varint_decode($body, $at + 4);
    fail damaged => 'a record goes beyond the body' if $length > length($$body) - $from;    # F-28
    my $end = $from + $length;
    fail damaged => 'the crc of a record is wrong' if $crc != crc32c(substr $$body, $at + 4, $end - $at - 4);
    fail damaged => 'a record without attributes' if $length == 0;
    my $attributes = ord substr $$body, $from, 1;
    fail damaged => 'unknown attributes' if $attributes > 15;    # F-27
    my %r;
    $r{control} = 1 if $attributes & CONTROL;
    ($r{topic}, $at) = _bytes($body, $from + 1, $end, 1, MAX_TOPIC, 'a topic');
    ($r{key}, $at) = _bytes($body, $at, $end, 0, MAX_KEY, 'a key') if $attributes & KEY;
    if ($attributes & HEADERS) {
        fail damaged => 'a control record with headers' if $r{control};    # F-31
        my ($begin, $count) = ($at);
        ($count, $at) = varint_decode($body, $at, $end);
        fail damaged => "$count headers" if $count == 0 || $count > MAX_HEADERS / 3;
        for (1 .. $count) {
            my ($name, $value);
            ($name, $at) = _bytes($body, $at, $end, 1, MAX_HEADERS, "a header's name");
            ($value, $at) = _bytes($body, $at, $end, 0, MAX_HEADERS, "a header's value");
            fail damaged => 'too many bytes of headers' if $at - $begin > MAX_HEADERS;
            push @{$r{headers}}, [$name, $value];
        }
    }
    if ($attributes & VALUE) {
        fail damaged => 'a value of more than 10 MiB' if $end - $at > MAX_VALUE;
        $r{value} = substr $$body, $at, $end - $at;
    } elsif ($at != $end || !($attributes & KEY)) {
        fail damaged => 'a delete marker with a value, or without a key';    # F-27
    }
    return (\%r, $end);
}

# All records of a body: those of users with their offsets (F-29), and control records.
# $b has body, kind, flags, record_count, first_offset; $generation is the segment's.
sub body_decode ($b, $generation) {
    my ($at, $count, $controls, $gap_before, @records) = (0, 0, 0, 0);
    while ($at < length $b->{body}) {
        my $r;
        ($r, $at) = _record(\$b->{body}, $at);
        push @records, $r;
        my $gap = 0;
        if (!$r->{control}) {
            fail damaged => 'a record in a block of another kind' if $b->{kind} != RECORDS;
            $r->{offset} = $b->{first_offset} + $count++;
        } else {
            $controls++;
            if ($r->{topic} eq 'gap' && !defined $r->{key}) {    # F-33: it spans offsets
                fail damaged => 'a gap where none may be' if $b->{kind} != RECORDS || !$generation;
                fail damaged => 'two gaps side by side' if $gap_before;
                my ($n, $end) = varint_decode(\$r->{value});
                fail damaged => 'a gap of nothing' if $n == 0 || $end != length $r->{value};
                fail damaged => 'more offsets than record_count' if $n > $b->{record_count} - $count;
                $count += $n;
                $gap = 1;
            }
        }
        $gap_before = $gap;
        fail damaged => 'more offsets than record_count' if $count > $b->{record_count};
    }
    fail damaged => 'fewer offsets than record_count' if $count != $b->{record_count};                       # F-18
    fail damaged => 'the flag of control records is wrong' if ($controls ? 1 : 0) != ($b->{flags} & 1);      # F-17
    return \@records;
}

# The control records of a block, for whoever folds them: flag and record_count are not judged (F-24).
sub controls_decode ($b) {
    return [] if !($b->{flags} & 1);
    my ($at, @records) = (0);
    while ($at < length $b->{body}) {
        (my $r, $at) = _record(\$b->{body}, $at);
        push @records, $r if $r->{control};
    }
    return \@records;
}

1;
