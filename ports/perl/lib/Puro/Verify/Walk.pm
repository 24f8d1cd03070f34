package Puro::Verify::Walk;
# K-7 to K-14 for one segment: block by block from the header on.
use v5.36;
use warnings FATAL => 'all';
use Puro::Block qw(RECORDS CHECKPOINT SEGMENT_END);
use Puro::End;
use Puro::Error qw(fail word_of);
use Puro::Record qw(body_decode controls_decode);
use Puro::Repair 'classify';
use Puro::State;
use Puro::Varint 'varint_decode';

# $before: next_offset, state, time at the end of the segment before (undef: not known); $lowest: there is none before.
sub new ($class, $verify, $segment, $before, $lowest) {
    return bless {
        verify => $verify, segment => $segment, before => $before, deep => $verify->{deep},
        state => Puro::State->new,    # undef from damage on
        time => $before ? $before->{time} : $lowest && $segment->{sequence} == 0 ? 0 : undef,
        opening => 1, checkpoint => [], from => undef, topics => {}, sealed => 0, sound => 1,
    }, $class;
}

sub found ($self, $weight, $at, $text) {
    $self->{verify}->found($weight, $self->{segment}{name}, "at $at: $text");
    $self->{sound} = 0 if $weight eq 'damage';
}

# Gives what is known at the end, for the next segment; undef where this one is not sound.
sub run ($self, $is_sealed) {
    my ($segment, $before) = @$self{qw(segment before)};
    my $h = $segment->{header};
    if ($before) {    # K-7, F-49
        $self->found(damage => 32, 'base_offset does not continue the segment before') if $h->{base_offset} != $before->{next_offset};
        $self->found(damage => 56, 'the epoch is not the newest of the segment before') if $h->{epoch} != $before->{state}{newest};
    }
    my $end = {position => 64, crc => $h->{crc}, next_offset => $h->{base_offset}};
    my $looks = 0;
    while (!$self->{sealed}) {
        my ($is, $block) = $segment->judge($end->{position}, $end);
        if ($is eq 'committed') {
            $self->block($block);
            $end = {position => $block->{end}, crc => $block->{crc}, next_offset => $block->{first_offset} + $block->{record_count}};
            next;
        }
        # K-12: a second look, for a writer may be writing, or have sealed it.
        next if $looks++ < 2;
        $is_sealed ||= defined $self->{verify}{stream}->later_than($segment->{sequence});
        last if !$is_sealed;
        $self->found(damage => $end->{position}, "no committed block ($is)");    # K-11
        $end = $self->go_on_behind($end->{position}) // last;
    }
    $self->end_checkpoint if $self->{sound};
    if ($is_sealed) {
        if ($self->{sealed}) {
            $self->found(damage => $end->{position}, 'bytes behind the segment end') if !$segment->zeros_from($end->{position});
        }
    } else { $self->active_end }
    return undef if !$self->{sound} || !$self->{state};
    return {next_offset => $end->{next_offset}, state => $self->{state}, time => $self->{time} // 0};
}

# K-11: behind damage, at the next start that is right and whose block is whole; what is unknown is not judged.
sub go_on_behind ($self, $position) {
    my ($segment, $next) = ($self->{segment});
    $segment->each_start($position + 64, sub ($at, $start) {
        return if defined $next;
        my ($is, $block) = $segment->judge_alone($at);
        $next = {position => $at, crc => $block->{prev_crc}, next_offset => $block->{first_offset}} if $is eq 'valid';
    });
    $self->{$_} = undef for qw(state time from);
    $self->{opening} = 0;
    $self->{checkpoint} = [];
    return $next;
}

# K-12: the recovery table says what stands at the end of the active segment.
sub active_end ($self) {
    my $segment = $self->{segment};
    my $end = eval { Puro::End->scan($segment) } or return;    # told already
    my ($label) = classify($end, $self->{verify}{boot});
    $self->found(damage => $end->{position}, 'damaged: no repair cuts there') if $label eq 'damaged';
    $self->found(repairable => $end->{position}, $label) if $label eq 'unseen' || $label eq 'lost';
}

# One committed block.
sub block ($self, $b) {
    my ($at, $kind, $h) = ($b->{position}, $b->{kind}, $self->{segment}{header});
    $self->found(damage => $at, 'the first block is no checkpoint') if $at == 64 && $kind != CHECKPOINT;    # K-9, F-25
    my $opening = $self->{opening} && $kind == CHECKPOINT;
    $self->end_checkpoint if $kind != CHECKPOINT;
    $self->{opening} = 0 if $kind != CHECKPOINT;
    # R-15: plain verification finds what makes a reader stop; K-14 wants all bodies.
    my $records = eval { $kind == RECORDS || $self->{deep} ? body_decode($b, $h->{generation}) : controls_decode($b) };
    if ($@) {
        die $@ if !word_of($@);
        $self->found(damage => $at, $@->{text});
        $self->{$_} = undef for qw(state from);
        $records = [];
    }
    my @controls = grep { $_->{control} } @$records;
    if ($kind == CHECKPOINT) { push @{$self->{checkpoint}}, {block => $b, controls => \@controls, opening => $opening} }
    if (($opening || $kind != CHECKPOINT) && $self->{state}) { $self->fold($at, $b->{first_offset}, \@controls) }
    my $epoch = $opening ? $h->{epoch} : $self->{state} ? $self->{state}{newest} : $b->{epoch};
    $self->found(damage => $at, 'the epoch is not the newest') if $b->{epoch} != $epoch;    # K-9, E-5
    $self->found(damage => $at, 'durable_to is beyond the block') if !$opening && $b->{durable_to} > $at;
    if ($kind == RECORDS) {
        $self->{time} = $b->{timestamp} if defined $self->{time} && $b->{timestamp} > $self->{time};
        $self->note_topics($at, $records) if defined $self->{from} && $self->{deep};
    } elsif (!defined $self->{time}) {
        $self->{time} = $b->{timestamp} if $opening;    # the lowest segment: what was before is not there to be asked
    } elsif ($b->{timestamp} != $self->{time}) {
        $self->found(damage => $at, 'the timestamp is not the highest before it');    # K-9, F-22
    }
    if ($kind == SEGMENT_END) {
        $self->{sealed} = 1;
        $self->index($b, \@controls);
        for (@{$self->{opened} // []}) {    # F-38: in a compacted segment durable_to is where the segment end ends
            $self->found(damage => $_->{position}, 'durable_to is not the end of the segment end')
                if $h->{generation} && $_->{durable_to} != $b->{end};
        }
    }
}

# K-10: entries `epoch` fit.
sub fold ($self, $at, $first_offset, $controls) {
    my $state = $self->{state};
    if (!eval { $state->fold($_, $first_offset) for @$controls; 1 }) {
        die $@ if !word_of($@);
        $self->found(damage => $at, $@->{text});
        $self->{state} = undef;
    }
}

# All blocks of a checkpoint were seen (F-51).
sub end_checkpoint ($self) {
    my @blocks = @{$self->{checkpoint}} or return;
    $self->{checkpoint} = [];
    my ($opening, $first, $last) = ($blocks[0]{opening}, $blocks[0]{block}, $blocks[-1]{block});
    if ($opening) {
        $self->{opened} = [map { $_->{block} } @blocks];
        if (!$self->{segment}{header}{generation}) {    # K-9, F-23
            for (map { $_->{block} } @blocks) {
                $self->found(damage => $_->{position}, 'durable_to is not the end of the opening checkpoints')
                    if $_->{durable_to} != $last->{end};
            }
        }
    }
    $self->index($first, $blocks[0]{controls}) if !$opening && @blocks == 1;    # F-42, F-52
    $self->{from} = $last->{end};
    $self->{topics} = {};
    return if !$self->{deep};
    # K-14, F-37: each entry of the state once, in order.
    my @entries = map { [@$_{qw(topic key value)}] } grep { defined $_->{key} } map { @{$_->{controls}} } @blocks;
    my $before;
    for (@entries) {
        if (!defined $_->[2] || $before && ($before->[0] cmp $_->[0] || $before->[1] cmp $_->[1]) >= 0) {
            $self->found(damage => $first->{position}, 'the entries of a checkpoint are not in order, each once');
            return;
        }
        $before = $_;
    }
    my $state = $opening ? $self->{before} && $self->{before}{state} : $self->{state};
    return if !$state;
    my @wanted = $state->sorted;
    my $text = sub (@list) { join '', map { join '', map { pack 'Q< a*', length, $_ } @$_ } @list };
    $self->found(damage => $first->{position}, 'a checkpoint says something else than the state')
        if $text->(@entries) ne $text->(@wanted);
}

sub note_topics ($self, $at, $records) {
    my %seen;
    for (grep { !$_->{control} } @$records) {
        push @{$self->{topics}{$_->{topic}}}, $at if !$seen{$_->{topic}}++;
    }
}

# K-14, F-42, F-47: an index names all blocks that it must, and nothing else; or no topic at all.
sub index ($self, $b, $controls) {
    return if !$self->{deep} || !defined $self->{from} || !@$controls;
    my $r = $controls->[-1];
    return if $r->{topic} ne 'topics' || defined $r->{key};
    my $ok = eval {
        my $value = $r->{value};
        fail damaged => 'an index is too short' if length $value < 8;
        my ($from, $at) = (unpack('Q<', $value), 8);
        fail damaged => 'an index begins elsewhere' if $from != $self->{from};
        my $before;
        my %named;
        while ($at < length $value) {
            (my $n, $at) = varint_decode(\$value, $at);
            fail damaged => 'an index is cut off' if $n > length($value) - $at;
            my $topic = substr $value, $at, $n;
            fail damaged => 'topics of an index are not in order' if defined $before && $topic le $before;
            $before = $topic;
            (my $count, $at) = varint_decode(\$value, $at + $n);
            fail damaged => 'an index counts nothing' if $count == 0 || $count > length $value;
            my $place = $from / 64;
            for (1 .. $count) {
                (my $step, $at) = varint_decode(\$value, $at);
                fail damaged => 'an index goes beyond its block' if $step > $b->{position} / 64;
                push @{$named{$topic}}, 64 * ($place += $step);
            }
        }
        return 1 if !%named;
        my $text = sub ($map) { join ' ', map { unpack('H*', $_) . ":@{$map->{$_}}" } sort keys %$map };
        fail damaged => 'an index names other blocks than it must' if $text->(\%named) ne $text->($self->{topics});
        1;
    };
    return if $ok;
    die $@ if !word_of($@);
    $self->found(damage => $b->{position}, $@->{text});
}

1;
