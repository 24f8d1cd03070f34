package Puro::Consumer;
# A named consumer (chapter 9 of protocol.md): it owns a name, goes on where its last run was, and commits.
use v5.36;
use warnings FATAL => 'all';
use Puro::End;
use Puro::Error 'fail';
use Puro::Lock;
use Puro::Follow;
use Puro::Record 'control';
use Puro::State 'name_check';
use Puro::Stream;
use Puro::Writer;

# $name_wait_ms: how long the lock of the name is waited for; it is only tried where that is not given (L-10).
sub open ($class, $path, $name, $world, $name_wait_ms = 0) {
    name_check($name);
    my $stream = Puro::Stream->open($path);
    my $active = $stream->active;
    my $consumers = $stream->{directory}->subdirectory('consumers');
    my $lock = Puro::Lock->take($consumers, "$name.lock", $name_wait_ms, $active->{file});
    $lock->hint;    # F-40
    my $self = bless {path => $path, name => $name, world => $world, stream => $stream, lock => $lock, queue => []}, $class;
    my $state = Puro::End->scan($stream->active)->{state};    # under the lock
    $self->{owned} = _value($state, $name);
    $self->{reader} = Puro::Follow->new($stream);
    if (my $position = $state->position($name)) {
        $self->{reader}->seek_token({stream_id => $stream->{id}, epoch => $position->{epoch}, offset => $position->{offset}});
        $self->{epoch_before} = $position->{epoch};
    } else { $self->{reader}->seek('beginning', 0) }
    return $self;
}

# C-2: the whole value is compared; what is no position counts as none.
sub _value ($state, $name) { return $state->position($name) ? $state->entry(position => $name) : undef }

# Up to $most records (undef: all that are there).
sub take ($self, $most = undef) {
    my @taken;
    while (!defined $most || @taken < $most) {
        if (!@{$self->{queue}}) {
            my $records = $self->{reader}->next_or_look // last;
            $self->{queue} = [@$records];
            $self->{read} = 1;
            delete $self->{behind};
            next;
        }
        my $record = shift @{$self->{queue}};
        $self->{behind} = $record->{offset} + 1 if @{$self->{queue}};
        delete $self->{behind} if !@{$self->{queue}};
        push @taken, $record;
    }
    return \@taken;
}

# The place that is read next (E-7): in the middle of a block, that is the block it is in.
sub token ($self) {
    my $token = $self->{reader}->token;
    $token->{offset} = $self->{behind} if defined $self->{behind};
    return $token;
}

# C-2, C-3: commits the place, alone or with records, both or neither.
sub commit ($self, $records = [], %o) {
    my $token = $self->token;
    my $epoch = $self->{read} ? $token->{epoch} : $self->{epoch_before} // 0;    # F-36: 0 where nothing was read
    my $owned = $self->{owned};
    if (defined $owned && !@$records) {    # not moved: answered, and nothing is appended
        my (undef, $offset) = unpack 'V Q<', $owned;
        return if $offset == $token->{offset};
    }
    my $value;
    $self->{writer} //= Puro::Writer->open($self->{path}, $self->{world});
    $self->{writer}{world} = $self->{world};
    my $done = eval { $self->{writer}->append($records, %o,
        check => sub ($state) {
            my $now = _value($state, $self->{name});
            fail conflict => 'the position was changed by another one' if ($now // '') ne ($owned // '');
            my $place = {%$token, epoch => $epoch};
            fail diverged => 'the history of the position was lost'
                if $state->diverged($place, $self->{writer}{end}{next_offset});
        },
        controls => sub ($time) {
            $value = pack 'V Q< Q<', $epoch, $token->{offset}, $time;
            return control('position', $self->{name}, $value);
        },
    ) };
    my $error = $@;
    $self->{owned} = $value if $done || ref $error && $error->{appended};    # C-2: what is not durable counts as written
    die $error if !$done;
}

1;
