package Puro::Writer::Blocks;
# What a writer writes: blocks (A-8, A-9), epochs (E-3), rollovers (V-3 to V-6), repairs (chapter 5).
use v5.36;
use warnings FATAL => 'all';
use Puro::Block qw(block_encode block_length RECORDS CHECKPOINT SEGMENT_END LOW HIGH);
use Puro::Error qw(fail word_of);
use Puro::Make qw(make_bytes make_file pad_body);
use Puro::Record qw(record_encode control);
use Puro::Repair qw(classify save_tail);

# F-43: the body as it can stand at the end, with a `pad` where one must be.
sub padded ($self, $body) {
    my $end = $self->{end};
    return pad_body($body, $end->{segment}{header}{crc}, $end->{position});
}

# V-1: does a block with this body go into the active segment?
sub fits ($self, $body) {
    my $end = $self->{end};
    return 1 if $end->{opening};    # no block follows the opening checkpoints
    return $end->{position} + block_length(length $body) - $end->{opening_end}
        <= $end->{state}->setting('segment_bytes');
}

# Writes one block at the committed end, low, and commits it. Fields: kind, body, control, record_count, timestamp, epoch.
sub write_block ($self, %f) {
    my $end = $self->{end};
    my $segment = $end->{segment};
    my ($file, $p, $header_crc) = ($segment->{file}, $end->{position}, $segment->{header}{crc});
    my $body = $self->padded($f{body});
    my $n = block_length(length $body);
    # Z-7: nothing may be in the way. `again`: look at all behind, repair, and begin anew (Writer::append).
    fail again => 'something is in the way' if $file->pread($p, $n + 64) =~ tr/\0//c;
    my %fields = (%f, body => $body, control => $f{control} || $body ne $f{body}, prev_crc => $end->{crc},
        first_offset => $end->{next_offset}, durable_to => $self->known, signal => LOW);
    my ($bytes, $crc) = block_encode($header_crc, $p, \%fields);
    my $written = eval {
        # A-8: to reserve is a favour, unless room is lacking indeed.
        if (!$file->reserve($p, $n) && $file->file_system->{free} < $n) { fail system => 'no space' }
        $file->pwrite($p, $bytes);
        1;
    };
    if (!$written) {    # A-12: not appended
        my $error = $@;
        eval { $file->truncate($p) };
        die $error;
    }
    $self->commit($file, $p);
    $end->take({
        %fields, signal => HIGH, flags => $fields{control} ? 1 : 0, crc => $crc, position => $p, end => $p + $n,
        last8 => substr($bytes, -8),
    });
}

# A-9, A-13: the signal. Where its write fails, the byte itself says what became of it.
sub commit ($self, $file, $p) {
    return if eval { $file->pwrite($p, chr HIGH); 1 };
    my $error = $@;
    my $byte = eval { $file->pread($p, 1) } // fail system => 'unknown: whether it was appended cannot be read';
    return if $byte eq chr HIGH;
    eval { $file->truncate($p) };
    die $error;
}

# E-2: is the epoch to be raised before records are appended?
sub must_raise ($self) {
    return 0 if $self->{end}{state}->of_boot($self->{boot});
    return !($self->{raised} && $self->{boot} eq "\0" x 16);
}

# E-3: raises the epoch, and syncs.
sub raise ($self) {
    my $end = $self->{end};
    my $number = $end->{state}{newest} + 1;
    fail refused => 'no epoch is left' if $number > 0xFFFFFFFF;
    my $time = $self->clock;
    my $entry = control('epoch', pack('V', $number), pack 'Q< a16 Q<', $end->{next_offset}, $self->{boot}, $time);
    $self->write_block(kind => RECORDS, body => record_encode($entry), control => 1, record_count => 0,
        timestamp => $time, epoch => $number);
    $self->{raised} = 1;
    $self->sync;
}

# V-3 to V-5; where the segment is sealed already, the rest of it (V-6). $more: bytes of the body that is to follow.
sub roll ($self, $more = 0) {
    my ($end, $stream) = @$self{qw(end stream)};
    my $segment = $end->{segment};
    my $number = $segment->{sequence} + 1;
    my $directory = $stream->{directory};
    fail refused => 'there is no segment behind that one' if $number > 4294967295;    # F-7
    fail refused => 'the name of the next segment is taken' if $directory->look(Puro::Segment::name_of($number));    # V-10
    my $header = {
        stream_id => $stream->{id}, base_offset => $end->{next_offset}, created => $self->clock, sequence => $number,
        generation => 0, epoch => $end->{state}{newest},
    };
    my $bytes = make_bytes($header, $end->{state}, $end->{time});
    fail system => 'no space' if $segment->{file}->file_system->{free} < length($bytes) + $more + 4096 + 256;    # V-2
    $self->write_block(kind => SEGMENT_END, body => '', control => 0, record_count => 0, timestamp => $end->{time},
        epoch => $end->{state}{newest}) if !$end->is_sealed;
    $segment->{file}->truncate($end->{position});    # V-3: no zeros are left, nor room that was reserved
    $self->sync;
    make_file($directory, $number, $bytes, $segment->{file});
    my $made = $stream->segment($number, 1) or fail removed => 'the segment that was made is gone';
    $self->enter($made);
    $self->{names_synced} = $number;
    $self->{look_at_all} = 0;    # this writer made it, and holds the lock since
}

# A-5 and chapter 5. Behind it the caller looks again.
sub repair ($self) {
    my $stream = $self->{stream};
    my $segment = $self->{end}{segment};
    if (defined $stream->later_than($segment->{sequence})) {    # A-5, 1: nothing is changed here
        $self->enter($stream->active(1));
        return;
    }
    $self->scan_again;    # A-5, 2
    my $end = $self->{end};
    my ($label) = classify($end, $self->{boot}, $self->known_once);
    if ($label eq 'clean') { $self->{look_at_all} = 0; return }
    fail damaged => "$segment->{name} is damaged behind $end->{position}" if $label eq 'damaged';    # X-2
    save_tail($stream, $end) if $label eq 'lost';                                                    # X-4
    $segment->{file}->truncate($end->{position});                                                    # X-5
    $self->sync(0);
    push @{$self->{repairs}}, {label => $label, position => $end->{position}};                       # X-8
    return if $label ne 'lost' || $end->is_sealed;
    $self->{names_synced} = $segment->{sequence};    # X-6: X-4 has synced the directory
    $self->raise;
}

1;
