package Puro::Header;
# Chapter 4 of format.md: the first 64 bytes of a segment.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use Puro::Crc 'crc32c';
use Puro::Error 'fail';
our @EXPORT_OK = qw(header_encode header_decode HEADER_BYTES);

use constant HEADER_BYTES => 64;
use constant MAGIC => "\x8BPURO\r\n\x1A";

sub header_encode ($h) {
    my $bytes = MAGIC . pack 'v4 a16 Q<2 V3', 1, 0, 0, 0,    # F-13: no feature bits
        @$h{qw(stream_id base_offset created sequence generation epoch)};
    return $bytes . pack 'V', crc32c($bytes);
}

# F-12: magic, crc, version, features, in this order. $write: is it to be written behind?
sub header_decode ($bytes, $write = 0) {
    fail foreign => 'not a segment: the magic is wrong' if substr($bytes, 0, 8) ne MAGIC;
    fail damaged => 'the header is cut off' if length $bytes < HEADER_BYTES;
    my ($version, $compatible, $read_compatible, $incompatible, $id, $base, $created, $sequence, $generation, $epoch, $crc) =
        unpack 'x8 v4 a16 Q<2 V4', $bytes;
    fail damaged => 'the crc of the header is wrong' if $crc != crc32c(substr $bytes, 0, 60);
    fail newer => "version $version" if $version != 1;
    fail newer => 'unknown features: not to be read' if $incompatible;
    fail newer => 'unknown features: not to be written' if $write && $read_compatible;
    return {
        stream_id => $id, base_offset => $base, created => $created, sequence => $sequence,
        generation => $generation, epoch => $epoch, crc => $crc, read_only => $read_compatible != 0,
        last8 => substr($bytes, 56, 8),    # A-2: the eight bytes before an end right behind the header
    };
}

1;
