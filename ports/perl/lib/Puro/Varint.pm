package Puro::Varint;
# F-2: unsigned LEB128, at most 64 bits in at most 10 bytes, the shortest form only.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use Puro::Error 'fail';
our @EXPORT_OK = qw(varint_encode varint_decode);

sub varint_encode ($value) {
    my $bytes = '';
    while ($value > 127) {
        $bytes .= chr($value & 127 | 128);
        $value >>= 7;
    }
    return $bytes . chr $value;
}

# The value at $at of $bytes, which end at $end; and the place behind it.
# $bytes is a reference, so that a body of 16 MiB is not copied for each number.
sub varint_decode ($bytes, $at = 0, $end = length $$bytes) {
    my ($value, $shift) = (0, 0);
    while ($at < $end) {
        my $byte = ord substr $$bytes, $at++, 1;
        fail damaged => 'a varint of more than 64 bits' if $shift == 63 && $byte > 1;
        $value |= ($byte & 127) << $shift;
        if ($byte < 128) {
            fail damaged => 'a varint that is longer than it must be' if $byte == 0 && $shift > 0;
            return ($value, $at);
        }
        $shift += 7;
    }
    fail damaged => 'a varint is cut off';
}

1;
