package Puro::Reader;
# Chapter 8 of protocol.md: a place in a stream, pinned; going on from it; seeking.
use v5.36;
use warnings FATAL => 'all';
use Puro::Block qw(RECORDS SEGMENT_END);
use Puro::End;
use Puro::Error 'fail';
use Puro::Record 'body_decode';
use Puro::Stream;
use Puro::Token qw(token_text token_read);

# A reader that has no place yet: `seek` gives it one.
sub new ($class, $stream) { return bless {stream => $stream, least => 0}, $class }

# Stands behind the header of a segment.
sub enter ($self, $segment) {
    my $h = $segment->{header};
    @$self{qw(segment position crc next_offset epoch)} = ($segment, 64, @$h{qw(crc base_offset epoch)});
    $self->{sealed} = 0;    # is the block before a segment end?
    $self->{anchor} = [64, $h->{crc}];    # R-11: where the last block that took offsets ends, and its crc
}

sub place ($self) { return {map { $_ => $self->{$_} } qw(segment position crc next_offset epoch sealed least anchor)} }
sub return_to ($self, $place) { @$self{keys %$place} = values %$place }

# E-7: the next offset to read, and the epoch of the block before it, or of the block that it is in.
sub token ($self) {
    my $offset = $self->{least} > $self->{next_offset} ? $self->{least} : $self->{next_offset};
    return {stream_id => $self->{stream}{id}, epoch => $self->{epoch}, offset => $offset};
}

# The next committed block that is no segment end; undef at the end, where a later call looks again (R-4).
# The place stays before the block until `pass` (R-3).
sub peek ($self) {
    $self->{segment}{file}->check_process;    # L-3
    my $looked = 0;
    while (1) {
        if ($self->{sealed}) {
            $self->hop or return undef;
            $looked = 0;
            next;
        }
        my ($is, $block) = $self->{segment}->judge($self->{position}, $self);
        if ($is eq 'committed') {
            return $block if $block->{kind} != SEGMENT_END;
            $self->pass($block);
            $self->{sealed} = 1;
            next;
        }
        # R-5: is this the end, or damage in a sealed segment? Once more where a later segment is there.
        fail damaged => "no committed block in $self->{segment}{name} at $self->{position}" if $looked++;
        defined $self->{stream}->later_than($self->{segment}{sequence}) or return undef;
    }
}

# Goes behind a block.
sub pass ($self, $block) {
    @$self{qw(position crc epoch)} = @$block{qw(end crc epoch)};
    $self->{anchor} = [@$block{qw(end crc)}] if $block->{record_count};
    $self->{next_offset} = $block->{first_offset} + $block->{record_count};
}

# V-8: from a segment end to the next segment, hand over hand. False where there is none yet (V-6 is for a writer).
sub hop ($self) {
    my ($stream, $old) = @$self{qw(stream segment)};
    my $number = $old->{sequence} + 1;
    my $there = $number <= 4294967295 && $stream->{directory}->look(Puro::Segment::name_of($number));
    my $new = $there && $stream->pin($number);
    if (!$new) {
        fail damaged => "the segment behind $old->{name} is of another stream"
            if $there && $stream->{directory}->look(Puro::Segment::name_of($number));
        # V-9: a hole, if a later one is there. Only then the own name is looked up.
        defined $stream->later_than($old->{sequence}) or return 0;
        return 1 if $stream->segment($number);    # it came in between: once more
        fail out_of_range => 'the segments behind were deleted' if !$old->has_name;
        fail damaged => "segment $number is missing";
    }
    fail damaged => "$new->{name} does not continue the segment before"    # F-49
        if $new->{header}{base_offset} != $self->{next_offset};
    fail out_of_range => "$old->{name} was deleted" if !$old->has_name;
    my $least = $self->{least};
    $self->enter($new);
    $self->{least} = $least;
    return 1;
}

# The next block's records of users, from the place on; undef at the end. The block is passed.
sub next_records ($self) {
    my $block = $self->peek or return undef;
    return [] if !$self->pass_other($block);
    my $records = body_decode($block, $self->{segment}{header}{generation});    # R-3: all, before the first is given
    $self->pass($block);
    return [
        map { { %$_, time => $block->{timestamp} } } grep { !$_->{control} && $_->{offset} >= $self->{least} } @$records
    ];
}

# Checkpoints are passed without a look at their bodies.
sub pass_other ($self, $block) {
    return 1 if $block->{kind} == RECORDS;
    $self->pass($block);
    return 0;
}

# R-9: to an offset. The segment is the one with the highest base_offset at or below it.
sub seek_offset ($self, $offset) {
    my $stream = $self->{stream};
    my ($best, @numbers) = (undef, $stream->numbers);
    for my $number (@numbers) {
        my $segment = Puro::Segment->open($stream->{directory}, $number) or next;
        next if $segment->{bad} || $stream->is_stray($segment);    # told by whoever gets there
        last if $segment->{header}{base_offset} > $offset;
        $best = $number;
    }
    fail out_of_range => "offset $offset is below the lowest" if !defined $best;
    $self->enter($stream->pin($best) // return $self->seek_offset($offset));    # R-14: deleted meanwhile
    fail out_of_range => "offset $offset is below the lowest" if $self->{next_offset} > $offset;
    $self->{least} = $offset;
    while ($self->{next_offset} < $offset) {
        my $block = $self->peek or fail out_of_range => "offset $offset is above the next one";
        if ($block->{first_offset} + $block->{record_count} > $offset) {
            $self->{epoch} = $block->{epoch} if $block->{first_offset} < $offset;    # E-7: in the middle of it
            return;
        }
        $self->pass($block);
    }
}

# E-7, E-8: to the place of a token, if its history is still the stream's.
sub seek_token ($self, $token) {
    fail refused => 'a token of another stream' if $token->{stream_id} ne $self->{stream}{id};
    my $end = Puro::End->scan($self->{stream}->active);
    fail diverged => 'the history of the token was lost' if $end->{state}->diverged($token, $end->{next_offset});
    $self->seek_offset($token->{offset});
}

sub seek_end ($self) { $self->seek_offset(Puro::End->scan($self->{stream}->active)->{next_offset}) }

# R-10, F-22: the first records block at which the running maximum is at least $time.
# R-17: with a time that is not ahead of the own clock ($now), timestamps that are count as the next one that is not.
sub seek_time ($self, $time, $now) {
    my $stream = $self->{stream};
    for my $number (reverse $stream->numbers) {
        my $segment = eval { $stream->pin($number) } or next;
        my ($is, $block) = $segment->judge(64, {crc => $segment->{header}{crc}, next_offset => $segment->{header}{base_offset}});
        next if $is ne 'committed' || $block->{timestamp} >= $time;    # damage: whoever reads there is told
        $self->enter($segment);
        last;
    }
    $self->enter($stream->lowest) if !$self->{segment};
    my $limit = $time <= $now ? $now : ~0;
    my ($maximum, $pending) = (0);
    while (my $block = $self->peek) {
        my $stamp = $block->{timestamp};
        if ($block->{kind} == RECORDS && $stamp > $limit) { $pending //= $self->place }
        elsif ($stamp <= $limit) {
            $maximum = $stamp if $stamp > $maximum;
            if ($block->{kind} == RECORDS) {
                last if $maximum >= $time;
                $pending = undef;
            }
        }
        $self->pass($block);
    }
    $self->return_to($pending) if $pending;
}

# From what a caller says: `beginning`, `end`, a token, an offset, or `@` and a time.
sub seek ($self, $from, $now) {
    return $self->enter($self->{stream}->lowest) if $from eq 'beginning';
    return $self->seek_end if $from eq 'end';
    return $self->seek_offset(0 + $from) if $from =~ /\A[0-9]+\z/;
    return $self->seek_time(0 + $1, $now) if $from =~ /\A@([0-9]+)\z/;
    return $self->seek_token(token_read($from));
}

1;
