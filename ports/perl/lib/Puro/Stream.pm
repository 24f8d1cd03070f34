package Puro::Stream;
# The files of a stream's directory: which are its segments (F-7 to F-10, V-11), and which is the active one.
use v5.36;
use warnings FATAL => 'all';
use Puro::Directory;
use Puro::Error 'fail';
use Puro::Segment;
use Time::HiRes ();

# O-3, first half: opens the directory, lists, and finds the stream's id. $write: it is to be written.
sub open ($class, $path, $world = {}) {
    my $self = bless {directory => Puro::Directory->open_path($path), world => $world}, $class;
    $self->find_id;
    return $self;
}

# The sequence numbers that are there, ascending. V-11: a listing is completed by a look at each hole.
sub numbers ($self) {
    my %listed = map { $_ => 1 } grep { defined } map { Puro::Segment::sequence_of($_) } $self->{directory}->list;
    for my $number (sort { $a <=> $b } keys %listed) {
        next if !%listed;
        for (my $next = $number + 1; !$listed{$next}; $next++) {
            last if !grep { $_ > $next } keys %listed;    # behind the highest there is no hole
            last if !$self->{directory}->look(Puro::Segment::name_of($next));
            $listed{$next} = 1;
        }
    }
    return sort { $a <=> $b } keys %listed;
}

# F-9: the id that the lowest and the highest say that say one; else what most say.
sub find_id ($self) {
    my @numbers = $self->numbers or fail not_a_stream => 'there is no segment';
    my (%open, $lowest, $highest);
    my $says = sub ($number) {
        my $segment = $open{$number} //= Puro::Segment->open($self->{directory}, $number) // return undef;
        die $segment->{bad} if $segment->{bad} && $segment->{bad}{word} eq 'newer';    # F-50
        return undef if $segment->{bad} || $segment->{header}{sequence} != $number;
        return $segment->{header}{stream_id};
    };
    for (@numbers) { defined($lowest = $says->($_)) and last }
    fail damaged => 'no file says which stream it is of' if !defined $lowest;
    for (reverse @numbers) { defined($highest = $says->($_)) and last }
    if (defined $highest && $lowest eq $highest) { $self->{id} = $lowest }
    else {
        my %votes;
        for (@numbers) { my $id = $says->($_); $votes{$id}++ if defined $id }
        my @by_votes = sort { $votes{$b} <=> $votes{$a} } keys %votes;
        fail not_a_stream => 'the segments are of two streams, and as many of each'
            if @by_votes > 1 && $votes{$by_votes[0]} == $votes{$by_votes[1]};
        $self->{id} = $by_votes[0];
    }
}

# The segment of a number; undef where there is none, or a stray (F-9). Damaged and newer headers are told (R-5).
sub segment ($self, $number, $write = 0) {
    my $segment = Puro::Segment->open($self->{directory}, $number, $write) or return undef;
    die $segment->{bad} if $segment->{bad};
    return undef if $self->is_stray($segment);
    return $segment;
}

sub is_stray ($self, $segment) {
    return $segment->{header}{stream_id} ne $self->{id} || $segment->{header}{sequence} != $segment->{sequence};
}

# The active segment: the highest that is no stray.
sub active ($self, $write = 0) {
    for my $number (reverse $self->numbers) {
        my $segment = $self->segment($number, $write);
        return $segment if $segment;
    }
    fail not_a_stream => 'there is no segment any more';
}

# The lowest segment.
sub lowest ($self) {
    for my $number ($self->numbers) {
        my $segment = $self->pin($number);
        return $segment if $segment;
    }
    fail not_a_stream => 'there is no segment any more';
}

# R-5: a later segment of the stream than this one; by the next name, then by a listing. undef where there is none.
sub later_than ($self, $number) {
    for my $later ($number + 1, grep { $_ > $number + 1 } $self->numbers) {
        next if $later > 4294967295;
        return $later if $self->segment($later);
    }
    return undef;
}

# R-2: opens a segment, locks it shared, and sees that its name still leads to it. undef where it is not there.
sub pin ($self, $number) {
    for (1 .. 100) {    # R-14, R-18
        my $segment = $self->segment($number) or return undef;
        my $deadline = Time::HiRes::time() + 60;
        until ($segment->{file}->try_lock(0)) {    # the steward holds it for a moment (L-6)
            fail busy => "$segment->{name} is locked" if Time::HiRes::time() > $deadline;
            Time::HiRes::sleep(0.002);
        }
        return $segment if $segment->has_name;
    }
    fail system => 'started over too often';
}

1;
