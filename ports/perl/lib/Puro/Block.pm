package Puro::Block;
# Chapter 5 of format.md: starts, blocks, checksums, and what keeps a block out of a block.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use Puro::Crc 'crc32c';
our @EXPORT_OK = qw(start_decode start_stands block_length block_judge block_encode starts_within
    RECORDS CHECKPOINT SEGMENT_END MAX_BODY LOW HIGH);

use constant {RECORDS => 1, CHECKPOINT => 2, SEGMENT_END => 3, MAX_BODY => 16_777_216, LOW => 0x00, HIGH => 0xA5};
my @FIELDS = qw(signal kind flags body_len record_count prev_crc first_offset timestamp durable_to epoch start_crc);

# F-19: the seed of a block's checksums is the header's crc and the block's position.
sub seed ($header_crc, $position) { return pack 'V Q<', $header_crc, $position }

# F-15: 48 + body_len + 8, rounded up to a multiple of 64.
sub block_length ($body_len) { return $body_len + 56 + 63 & ~63 }

sub start_decode ($bytes) {
    my %start;
    @start{@FIELDS} = unpack 'C C v V3 Q<3 V2', $bytes;
    return \%start;
}

# F-16 to F-18: can these fields be? The signal is asked for apart (F-43: it may be anything).
sub fields_fit ($s) {
    return $s->{kind} >= 1 && $s->{kind} <= 3
        && $s->{flags} <= 1                                                                   # F-17
        && $s->{body_len} <= MAX_BODY                                                         # F-16
        && ($s->{kind} == RECORDS ? $s->{body_len} > 0 : $s->{record_count} == 0)
        && $s->{first_offset} <= ~0 - $s->{record_count};    # F-18: the sum itself could be a float
}

# F-43: the start that stands at $position, of which $bytes are the first 48 bytes; else undef.
sub start_stands ($bytes, $header_crc, $position) {
    return undef if length $bytes < 48;
    my $kind = ord substr $bytes, 1, 1;
    return undef if $kind == 0 || $kind > 3;    # what most places fail by, before the dear CRC
    my $s = start_decode($bytes);
    return undef if !fields_fit($s) || $s->{start_crc} != crc32c(seed($header_crc, $position) . substr $bytes, 1, 43);
    return $s;
}

# F-24: what is at $position? $fetch->($at, $n) gives up to $n bytes of the file. $previous is what the block is
# to continue: crc, next_offset, generation. Answer: the word, and from `valid` on the block.
sub block_judge ($fetch, $header_crc, $position, $previous) {
    my $head = $fetch->($position, 48);
    return 'nothing' if length $head < 48;
    my $s = start_decode($head);
    my $start_crc = crc32c(seed($header_crc, $position) . substr $head, 1, 43);
    return 'invalid' if $s->{start_crc} != $start_crc;                        # F-20: before any length is believed
    return 'invalid' if !fields_fit($s) || $s->{signal} != LOW && $s->{signal} != HIGH;
    my $length = block_length($s->{body_len});
    my $rest = $fetch->($position + 48, $length - 48);
    return 'invalid' if length $rest < $length - 48;                          # the file ends within it
    my ($end_len, $crc) = unpack 'V2', substr $rest, -8;
    return 'invalid' if $end_len != $s->{body_len};
    my $pad = substr $rest, $s->{body_len}, $length - 56 - $s->{body_len};
    return 'invalid' if $pad =~ tr/\0//c;                                     # F-15
    return 'invalid' if $crc != crc32c(substr($rest, 0, -4), $start_crc);     # F-19
    my $block = {
        %$s, crc => $crc, position => $position, end => $position + $length,
        body => substr($rest, 0, $s->{body_len}), last8 => substr($rest, -8),
    };
    # F-21: the chain; offsets may jump in compacted segments only.
    return ('valid', $block) if $s->{prev_crc} != $previous->{crc};
    return ('valid', $block)
        if $previous->{generation} ? $s->{first_offset} < $previous->{next_offset} : $s->{first_offset} != $previous->{next_offset};
    return ($s->{signal} == HIGH ? 'committed' : 'good', $block);
}

# The bytes of a block of these fields at $position, and its crc.
sub block_encode ($header_crc, $position, $f) {
    my $middle = pack 'C v V3 Q<3 V', $f->{kind}, $f->{control} ? 1 : 0, length $f->{body},
        @$f{qw(record_count prev_crc first_offset timestamp durable_to epoch)};
    my $start_crc = crc32c(seed($header_crc, $position) . $middle);
    my $n = length $f->{body};
    my $rest = $f->{body} . "\0" x (block_length($n) - 56 - $n) . pack 'V', $n;
    my $crc = crc32c($rest, $start_crc);
    return (chr($f->{signal} // HIGH) . $middle . pack('V', $start_crc) . $rest . pack('V', $crc), $crc);
}

# F-43: does a start stand within a block at $position with this body? The last unit's end is out of the question:
# 48 bytes from a multiple of 64 never reach it.
sub starts_within ($body, $header_crc, $position) {
    my $length = block_length(length $body);
    for (my $at = 64; $at < $length; $at += 64) {
        my $kind = $at - 47 < length $body ? ord substr $body, $at - 47, 1 : 0;
        next if $kind == 0 || $kind > 3;
        my $bytes = substr $body, $at - 48, 48;
        $bytes .= "\0" x (48 - length $bytes);
        return 1 if start_stands($bytes, $header_crc, $position + $at);
    }
    return 0;
}

1;
