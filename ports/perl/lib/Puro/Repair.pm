package Puro::Repair;
# Chapter 5 of protocol.md: the recovery table, and what is done by it. Nothing here takes a lock.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use Fcntl qw(O_RDWR O_CREAT O_EXCL);
use Puro::Block qw(block_length start_stands HIGH);
use Puro::Crc 'crc32c';
use Puro::Error qw(fail word_of);
our @EXPORT_OK = qw(classify save_tail);

use constant CHUNK => 1_048_576;

# The row of the recovery table for what stands behind this end (which was scanned from the header), and the file's
# length. $own: up to where the caller knows bytes to be on disk. A read error dies as `system`: unreadable (X-1).
sub classify ($end, $boot, $own = 0) {
    my $segment = $end->{segment};
    my ($p, $length) = ($end->{position}, $segment->{file}->size);
    return ('damaged', $length) if !$end->begins_well;
    my $known = $own > $end->{durable_to} ? $own : $end->{durable_to};
    return ('damaged', $length) if $known > $p;
    return ('clean', $length) if $segment->zeros_from($p);
    # X-9: what stands within the extent of the block at P is that block's body.
    my $extent = 64;
    my $at_p = start_stands($segment->{file}->pread($p, 48), $segment->{header}{crc}, $p);
    $extent = block_length($at_p->{body_len}) if $at_p;
    my ($behind, $whole_high, $invalid_to) = (0, 0, 0);
    my @nested = (0, 0);    # X-10: a body is read for one block that is valid, and for blocks within it, and no more
    $segment->each_start($p + $extent, sub ($at, $start) {
        $behind++;
        $known = $start->{durable_to} if $start->{durable_to} > $known;
        return if $start->{signal} != HIGH || $at < $invalid_to || $at < $nested[1];
        my $within = $at < $nested[0];
        my $to = $at + block_length($start->{body_len});
        my ($is) = $segment->judge_alone($at);
        $whole_high ||= $is eq 'valid';
        if ($within) { $nested[1] = $to }
        elsif ($is eq 'valid') { $nested[0] = $to }
        else { $invalid_to = $to }
    });
    my $this_boot = $end->{state}->of_boot($boot);
    return ('damaged', $length) if $known > $p || $this_boot && $whole_high;
    return ('unseen', $length) if !$behind && $this_boot && $segment->{file}->pread($p, 1) eq "\0";
    return ('lost', $length);
}

# X-4, F-41: the bytes from P up to the end of the file go to `lost/`; synced, with the directories.
sub save_tail ($stream, $end) {
    my ($segment, $p) = ($end->{segment}, $end->{position});
    my $file = $segment->{file};
    my ($crc, $room, $length) = (0, 0, 0);
    while ((my $bytes = $file->pread($p + $length, CHUNK)) ne '') {
        $crc = crc32c($bytes, $crc);
        $room += length $bytes if $bytes =~ tr/\0//c;
        $length += length $bytes;
    }
    fail system => 'no space for a saved tail' if $file->file_system->{free} < $room;
    my $lost = $stream->{directory}->subdirectory('lost');
    my $name = sprintf '%010d-%020d-%08x', $segment->{sequence}, $p, $crc;
    my $saved;
    for (my $try = 0; !$saved; $try++) {
        $saved = _tail_file($lost, $name . ($try ? "-$try" : '') . '.tail', $file, $p, $length);
        fail system => 'too many saved tails of one name' if !$saved && $try > 10_000;
    }
    for (my $at = 0; $at < $length; $at += CHUNK) {    # all anew, for a sync of those that are there may have failed
        my $n = $length - $at > CHUNK ? CHUNK : $length - $at;
        my $bytes = $file->pread($p + $at, $n);
        $saved->pwrite($at, $bytes) if $bytes =~ tr/\0//c;    # zeros are holes
    }
    $saved->truncate($length);
    $saved->fdatasync;
    $lost->fsync;
    $stream->{directory}->fsync;
}

# The file of that name, if it is new or holds a beginning of the bytes; else undef.
sub _tail_file ($lost, $name, $file, $p, $length) {
    my $new = $lost->open_regular_or_undef($name, O_RDWR | O_CREAT | O_EXCL);
    if ($new) { $new->be_like($file); return $new }
    my $old = $lost->open_regular_or_undef($name, O_RDWR) or return undef;
    my $stat = $old->stat;
    return undef if $stat->{nlink} != 1 || $stat->{size} > $length;
    for (my $at = 0; $at < $stat->{size}; $at += CHUNK) {
        my $bytes = $old->pread($at, CHUNK);
        return undef if $bytes ne $file->pread($p + $at, length $bytes);
    }
    return $old;
}

1;
