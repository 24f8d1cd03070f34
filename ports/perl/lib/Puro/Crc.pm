package Puro::Crc;
# F-3: CRC-32C, by four tables (four bytes in a step; Perl counts each operation).
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
our @EXPORT_OK = qw(crc32c);

my (@T0, @T1, @T2, @T3);
for my $i (0 .. 255) {
    my $c = $i;
    $c = $c & 1 ? 0x82F63B78 ^ $c >> 1 : $c >> 1 for 1 .. 8;
    $T0[$i] = $c;
}
for my $i (0 .. 255) {
    $T1[$i] = $T0[$i] >> 8 ^ $T0[$T0[$i] & 255];
    $T2[$i] = $T1[$i] >> 8 ^ $T0[$T1[$i] & 255];
    $T3[$i] = $T2[$i] >> 8 ^ $T0[$T2[$i] & 255];
}

# The CRC of $bytes, or that of what has the CRC $crc with $bytes behind it.
sub crc32c ($bytes, $crc = 0) {
    use integer;    # all values are below 2**32: faster, and the same
    my $c = $crc ^ 0xFFFFFFFF;
    my $at = 0;
    my $whole = length($bytes) & ~3;
    while ($at < $whole) {
        my $n = $whole - $at;
        $n = 65536 if $n > 65536;    # unpack makes a list: not of 16 MiB at once
        for my $word (unpack 'V*', substr $bytes, $at, $n) {
            $c ^= $word;
            $c = $T3[$c & 255] ^ $T2[$c >> 8 & 255] ^ $T1[$c >> 16 & 255] ^ $T0[$c >> 24];
        }
        $at += $n;
    }
    $c = $c >> 8 ^ $T0[($c ^ $_) & 255] for unpack 'C*', substr $bytes, $at;
    return $c ^ 0xFFFFFFFF;
}

1;
