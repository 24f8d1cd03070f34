package Puro::End;
# What is remembered of a segment's committed end (O-3), and the state up to it (F-37). `advance` steps on (A-3);
# from a new one that is a scan from the header.
use v5.36;
use warnings FATAL => 'all';
use Puro::Block qw(RECORDS CHECKPOINT SEGMENT_END);
use Puro::Record 'controls_decode';
use Puro::State;

sub new ($class, $segment) {
    my $h = $segment->{header};
    return bless {
        segment => $segment, position => 64, crc => $h->{crc}, last8 => $h->{last8}, next_offset => $h->{base_offset},
        last_kind => 0, blocks => 0, state => Puro::State->new,
        opening => 1, opening_end => 64, opening_time => undef,    # F-25: the opening checkpoints
        time => 0,          # F-22: the highest timestamp of records blocks before, carried on by the opening checkpoints
        durable_to => 0,    # the highest durable_to read
        epoch_end => 0,     # E-4: the end of the block that raised the newest epoch; 0: known to be on disk
    }, $class;
}

sub scan ($class, $segment) {
    my $end = $class->new($segment);
    $end->advance;
    return $end;
}

# Steps over every committed block behind the end.
sub advance ($self) {
    while ($self->{last_kind} != SEGMENT_END) {    # nothing follows a segment end (F-25)
        my ($is, $block) = $self->{segment}->judge($self->{position}, $self);
        return if $is ne 'committed';
        $self->take($block);
    }
}

# Goes behind one block, which is committed.
sub take ($self, $block) {
    my $state = $self->{state};
    my $kind = $block->{kind};
    my $opening = $self->{opening} && $kind == CHECKPOINT;
    $self->{first_kind} = $kind if !$self->{blocks}++;
    if ($opening) {
        $self->{opening_end} = $block->{end};
        $self->{opening_time} //= $block->{timestamp};
        $self->{time} = $block->{timestamp} if $block->{timestamp} > $self->{time};
    } else {
        $self->{opening} = 0;
        $self->{time} = $block->{timestamp} if $kind == RECORDS && $block->{timestamp} > $self->{time};
        $self->{epoch_end} = 0 if $kind == CHECKPOINT;    # E-4: a checkpoint stands behind that block (O-7)
    }
    if ($opening || $kind != CHECKPOINT) {    # F-37: a checkpoint elsewhere changes nothing
        my $newest = $state->{newest};
        $state->fold($_, $block->{first_offset}) for @{controls_decode($block)};
        $self->{epoch_end} = $block->{end} if !$opening && $state->{newest} > $newest;
    }
    $self->{durable_to} = $block->{durable_to} if $block->{durable_to} > $self->{durable_to};
    @$self{qw(position crc last8 last_kind)} = @$block{qw(end crc last8 kind)};
    $self->{next_offset} = $block->{first_offset} + $block->{record_count};
}

sub begins_well ($self) { return $self->{blocks} && $self->{first_kind} == CHECKPOINT }
sub is_sealed ($self) { return $self->{last_kind} == SEGMENT_END }

# C-5: when the active segment began: the lower of the header's created and its opening checkpoint's timestamp.
sub began ($self) {
    my ($created, $opening) = ($self->{segment}{header}{created}, $self->{opening_time} // 0);
    return $created < $opening ? $created : $opening;
}

1;
