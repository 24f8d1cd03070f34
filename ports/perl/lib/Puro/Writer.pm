package Puro::Writer;
# A producer (chapters 4 to 7 of protocol.md): what it remembers, looking before each append, appending.
# Its syncs stand in Puro::Writer::Sync, its blocks, rollovers and repairs in Puro::Writer::Blocks.
use v5.36;
use warnings FATAL => 'all';
use parent -norequire, qw(Puro::Writer::Blocks Puro::Writer::Sync);
use Puro::Block qw(block_length RECORDS MAX_BODY);
use Puro::End;
use Puro::Error qw(fail word_of);
use Puro::Lock;
use Puro::Record qw(record_encode control);
use Puro::Repair 'classify';
use Puro::State qw(name_check setting_fits);
use Puro::Stream;
use Puro::System 'now';
use Puro::Writer::Blocks;
use Puro::Writer::Duplicates 'is_same_batch';
use Puro::Writer::Sync;

# O-3: the active segment, read from its header on. $world: clock, boot, lock_ms.
sub open ($class, $path, $world) {
    my $self = bless {
        stream => Puro::Stream->open($path), world => $world, boot => $world->{boot}, pid => $$,
        raised => 0,       # E-2: did this writer raise since it opened? (Asked where the boot is unknown.)
        names_synced => -1,    # V-7: the segment in which it appended or which it made, its name synced
        unmended => [],    # A-14: segments of which a failed sync was told
        repairs => [],     # X-8
    }, $class;
    $self->enter($self->{stream}->active(1));
    return $self;
}

sub clock ($self) { return $self->{world}{clock} // now() }

# Begins in a segment: nothing is known of it but what it says itself.
sub enter ($self, $segment) {
    $self->leave($segment);    # A-14
    $self->{synced} = 0;       # up to where this writer synced the segment, its bytes as remembered (A-11)
    $self->{recalled} = 0;     # A-20: what it once knew, and counts for the recovery table only
    $self->{look_at_all} = 1;  # Z-6
    $self->{end} = Puro::End->scan($segment);
}

# F-23: up to where the segment is known to be on disk.
sub known ($self) {
    my ($said, $own) = ($self->{end}{durable_to}, $self->{synced});
    return $said > $own ? $said : $own;
}

sub known_once ($self) { return $self->{recalled} > $self->known ? $self->{recalled} : $self->known }

# A-4: read again from the header. Where the memory was wrong, what was known counts only for the table (A-20).
sub scan_again ($self) {
    my ($old, $segment) = ($self->{end}, $self->{end}{segment});
    my $new = Puro::End->scan($segment);
    my $as_remembered = $new->{position} >= $old->{position}
        && $segment->{file}->pread($old->{position} - 8, 8) eq $old->{last8};
    if (!$as_remembered) {
        # Not where others have raised the epoch since, below what was remembered: they have told of the loss.
        my $told = $new->{state}->overtaken({epoch => $old->{state}{newest}, offset => $old->{next_offset}});
        $self->{recalled} = $told ? 0 : $self->known_once;
        $self->{synced} = 0;
    }
    $self->{end} = $new;
    $self->{look_at_all} = 1;    # Z-6
}

# What is done under writer.lock (A-1, A-10).
sub locked ($self, $do) {
    fail refused => 'a handle in a forked child' if $self->{pid} != $$;    # L-3
    my $lock = Puro::Lock->take($self->{stream}{directory}, 'writer.lock', $self->{world}{lock_ms} // 60_000,
        $self->{end}{segment}{file});
    $self->{holding} = 1;
    my $answer = eval { $do->() };
    my $error = $@;
    $self->{holding} = 0;
    $lock->release;
    die $error if !defined $answer;
    return $answer;
}

# A-2 to A-6: behind this, under the lock, the remembered end is the committed end, and clean.
sub catch_up ($self) {
    my ($stream, $scanned) = ($self->{stream}, 0);
    my $directory = $stream->{directory};
    for (1 .. 1000) {
        my $end = $self->{end};
        my $segment = $end->{segment};
        my $there = $segment->has_name;
        my $p = $end->{position};
        my $bytes = $segment->{file}->pread($p - 8, 72);
        if (substr($bytes, 0, 8) ne $end->{last8}) {    # A-2, 1
            fail damaged => "$segment->{name} changes while it is read" if $scanned++ > 100;
            $self->scan_again;
            next;
        }
        my $zeros = substr($bytes, 8) !~ tr/\0//c;
        my $at_end = $zeros && !$end->is_sealed && $end->begins_well && $self->known_once <= $p;
        $end->advance if !$there || !$at_end;    # A-3, A-22
        if ($end->is_sealed) {
            my $number = $segment->{sequence} + 1;
            if (my $next = $number <= 4294967295 && $stream->segment($number, 1)) {
                fail damaged => "$next->{name} does not continue $segment->{name}"    # F-49
                    if $next->{header}{base_offset} != $end->{next_offset};
                $self->enter($next);
                next;
            }
            if (defined $stream->later_than($segment->{sequence})) {    # V-11
                $self->enter($stream->active(1));
                next;
            }
        }
        fail removed => "$segment->{name} was removed, moved or replaced" if !$there;
        $self->check_links($segment, $there->{nlink});
        my $clean = $end->begins_well && $self->known_once <= $end->{position};
        if ($clean && ($self->{look_at_all} || !$at_end)) { $clean = $segment->zeros_from($end->{position}) }
        if (!$clean) { $self->repair; next }
        $self->{look_at_all} = 0;
        return if !$end->is_sealed;
        $self->roll;    # A-6, V-6: somebody else's rollover is finished
    }
    fail system => 'the end of the stream does not come to rest';
}

# A-19: one name, but for the segment's own temporary one.
sub check_links ($self, $segment, $links) {
    return if $links <= 1;
    my $directory = $self->{stream}{directory};
    my $temporary = "$segment->{name}.new";
    if ($links == 2 && $directory->leads($temporary, $segment->{file})) {
        $directory->remove($temporary);
        return;
    }
    fail refused => "$segment->{name} has more than one name";
}

# Appends records (a list as in Record.pm), and control records, as one block (A-15). Options:
#   controls: called behind A-5, gives control records; check: called there, too, dies to append nothing;
#   if_end: a token (A-16); identity, sequence (C-4); durable (A-11; undef: as the setting says).
# Answer: first_offset, count, duplicate.
sub append ($self, $records, %o) {
    my $body = join '', map { record_encode($_) } @$records;
    fail refused => 'a block has at most 16 MiB' if length $body > MAX_BODY;
    fail refused => 'nothing to append' if $body eq '' && !$o{controls};
    if (defined $o{identity}) {
        name_check($o{identity});
        fail refused => 'an identity needs a sequence' if !defined $o{sequence};
    }
    fail refused => 'a token of another stream' if $o{if_end} && $o{if_end}{stream_id} ne $self->{stream}{id};    # E-8
    my $answer = $self->locked(sub {
        for (1 .. 100) {
            $self->catch_up;
            my $answer = eval { $self->append_at_end($records, $body, \%o) };
            return $answer if $answer;
            die $@ if (word_of($@) // '') ne 'again';
            $self->{look_at_all} = 1;    # Z-7: something was in the way
        }
        fail system => 'something is in the way again and again';
    });
    if ($answer->{duplicate}) {
        # The comparison needs no lock.
        fail old_sequence => 'this sequence was used for other records'
            if !is_same_batch($self->{stream}, $answer, $records);
    }
    my $durable = $o{durable} // ($self->{end}{state}->setting('durable') eq 'true');
    if ($durable && $self->known < $self->{end}{position}) {    # A-11
        eval { $self->sync; 1 } or fail system => "appended, not durable: $@", appended => 1;    # A-12
    }
    return $answer;
}

# Behind A-5, under the lock.
sub append_at_end ($self, $records, $body, $o) {
    my $end = $self->{end};
    my $state = $end->{state};
    my ($identity, $sequence) = @$o{qw(identity sequence)};
    if (defined $identity and my $last = $state->producer($identity)) {    # C-4
        fail old_sequence => "the newest sequence is $last->{sequence}" if $last->{sequence} > $sequence;
        if ($last->{sequence} == $sequence) {
            fail old_sequence => 'this sequence had another number of records' if $last->{record_count} != @$records;
            return {first_offset => $last->{first_offset}, count => $last->{record_count}, duplicate => 1};
        }
    }
    $o->{check}->($state) if $o->{check};
    if (my $token = $o->{if_end}) {    # A-16
        fail diverged => 'the history of the token was lost' if $state->diverged($token, $end->{next_offset});
        fail conflict => 'others were faster' if $token->{offset} != $end->{next_offset};
    }
    my $time = $self->clock;
    my $renewed = $time > $end->began ? $time : $end->began;    # C-5
    $self->sync_names;                                          # A-7, V-7
    $self->raise if $self->must_raise;                          # A-7, E-2
    $self->sync if $end->{epoch_end} > $self->known;            # E-4
    my @controls = $o->{controls} ? $o->{controls}->($renewed) : ();
    push @controls, control('producer', $identity,
        pack 'Q< Q< V V Q<', $sequence, $end->{next_offset}, scalar @$records, $state->{newest}, $renewed)
        if defined $identity;
    $body .= record_encode($_) for @controls;    # C-3: behind the records
    fail refused => 'a block has at most 16 MiB' if length $body > MAX_BODY;
    fail refused => 'no offset is left' if $end->{next_offset} > ~0 - @$records;    # F-18
    $self->roll(length $body) if !$self->fits($self->padded($body));                # V-1
    my $first = $self->{end}{next_offset};
    $self->write_block(kind => RECORDS, body => $body, control => @controls > 0, record_count => scalar @$records,
        timestamp => $time, epoch => $self->{end}{state}{newest});
    return {first_offset => $first, count => scalar @$records};
}

# C-6, F-53: sets, or unsets, a setting.
sub set ($self, $name, $value) {
    fail refused => 'a setting needs a name' if !defined $name || $name eq '';
    if (defined $value) {
        my $fits = setting_fits($name, $value);
        fail refused => "the setting $name cannot be that" if defined $fits && !$fits;
        fail refused => "there is no setting $name" if !defined $fits;
    }
    return $self->append([], controls => sub ($time) { control('setting', $name, $value) });
}

# A repair that is asked for: what catch_up does, and what it did.
sub repair_now ($self) {
    $self->{repairs} = [];
    my $end = Puro::End->scan($self->{end}{segment});
    return [] if !$self->{stream}{directory}->look('writer.lock') && !$end->is_sealed    # O-9: nothing to do, no file
        && (classify($end, $self->{boot}))[0] eq 'clean';
    $self->locked(sub { $self->catch_up; 1 });
    return $self->{repairs};
}

1;
