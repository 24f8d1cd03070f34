package Puro::Writer::Sync;
# Durability (A-11, A-14, V-7, E-4): what a writer knows to be on disk, and what becomes of a sync that fails.
use v5.36;
use warnings FATAL => 'all';
use Puro::End;
use Puro::Error 'fail';

# V-7: before the first append in a segment that this writer did not make, the directory is synced.
sub sync_names ($self) {
    my $sequence = $self->{end}{segment}{sequence};
    return if $self->{names_synced} == $sequence;
    $self->{stream}{directory}->fsync;
    $self->{names_synced} = $sequence;
}

# A-11: syncs the active segment; all up to the remembered end is known to be on disk then.
# $counts: false where the sync may not be counted (X-5).
sub sync ($self, $counts = 1) {
    my $end = $self->{end};
    $self->mend_all if @{$self->{unmended}};    # A-14: before a later sync is believed
    my $position = $end->{position};
    if (!eval { $end->{segment}{file}->fdatasync; 1 }) {
        push @{$self->{unmended}}, [$end->{segment}, $self->known];
        $self->mend_all;
    }
    $self->{synced} = $position if $counts && $position > $self->{synced};
}

# A-14: what is told of a segment is remembered when it is left, and mended there and then.
sub leave ($self, $next) {
    $self->mend_all if @{$self->{unmended}} && $self->{holding};
}

# Mends all segments of which a failed sync was told, under the lock.
sub mend_all ($self) {
    return $self->locked(sub { $self->mend_all; 1 }) if !$self->{holding};
    while (my $failed = $self->{unmended}[0]) {
        $self->mend(@$failed);
        shift @{$self->{unmended}};
    }
    return 1;
}

# Rewrites in place, with the bytes that the file gives now, all blocks not known durable; then syncs. Its end now
# counts, for others may have appended. If that fails, too: appended, not durable.
sub mend ($self, $segment, $known) {
    my $file = $segment->{file};
    my $to = Puro::End->scan($segment)->{position};
    $known = 0 if $known > $to;
    for (my $at = $known; $at < $to; $at += 1_048_576) {
        my $n = $to - $at > 1_048_576 ? 1_048_576 : $to - $at;
        $file->pwrite($at, $file->pread($at, $n));
    }
    eval { $file->fdatasync; 1 } or fail system => "a sync failed, and failed again: it may not be durable ($@)";
}

1;
