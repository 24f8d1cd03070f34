package Puro::Verify;
# Chapter 11 of protocol.md: are the files of a stream as they must be? Changes nothing (K-1).
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use Puro::Directory;
use Puro::Error qw(fail word_of);
use Puro::Segment;
use Puro::Stream;
use Puro::Verify::Walk;
our @EXPORT_OK = qw(verify);

# Gives the verdict and the findings: weight (damage, unreadable, repairable, note), file, text.
# $boot decides over the end (K-12); $deep asks for K-14.
sub verify ($path, $boot, $deep = 0) {
    my $self = bless {stream => bless({directory => Puro::Directory->open_path($path)}, 'Puro::Stream'), boot => $boot,
        deep => $deep, findings => []}, __PACKAGE__;
    my @numbers = $self->{stream}->numbers or fail not_a_stream => 'there is no segment';    # K-3
    my @mine = $self->whose(@numbers);
    $self->names(\@numbers, @mine);
    $self->segments(@mine);
    my %weights = map { $_->{weight} => 1 } @{$self->{findings}};
    my $verdict = $weights{damage} ? 'damaged' : $weights{unreadable} ? 'unreadable' : $weights{repairable} ? 'repairable' : 'sound';
    return ($verdict, $self->{findings});
}

sub found ($self, $weight, $file, $text) { push @{$self->{findings}}, {weight => $weight, file => $file, text => $text} }

# K-5: a number that is missing between two others (strays, and what cannot be opened, prove nothing of those before
# them); names that have no place in a stream.
sub names ($self, $listed, @mine) {
    my %there = map { $_ => 1 } @$listed;
    for my $i (1 .. $#mine) {
        my $number = $mine[$i - 1] + 1;
        $number++ while $there{$number} && $number < $mine[$i];
        $self->found(damage => Puro::Segment::name_of($number), 'is missing') if $number < $mine[$i];
    }
    for my $name (sort $self->{stream}{directory}->list) {
        next if defined Puro::Segment::sequence_of($name);
        next if $name =~ /\A(?:writer\.lock|steward\.lock|consumers|lost|lost\+found)\z/;
        $self->found(note => $name, $name =~ /\A[0-9]{10}\.puro\.(?:new|compact)\z/ ? 'a temporary file' : 'no name of a stream');
    }
}

# K-5 to K-7, F-9: opens each, and finds the stream's id. Gives the numbers that are looked at further.
sub whose ($self, @numbers) {
    my $stream = $self->{stream};
    my (@there, %says);
    for my $number (@numbers) {
        my $segment = eval { Puro::Segment->open($stream->{directory}, $number) };
        if ($@) {
            die $@ if !word_of($@);
            $self->found(unreadable => Puro::Segment::name_of($number), $@->{text});
            next;
        }
        next if !$segment;    # deleted meanwhile
        die $segment->{bad} if $segment->{bad} && $segment->{bad}{word} eq 'newer';    # K-3
        my $h = $segment->{header};
        push @there, [$number, $segment->{bad} ? undef : $h->{sequence} == $number ? $h->{stream_id} : ''];
        $says{$number} = $h->{stream_id} if !$segment->{bad} && $h->{sequence} == $number;
    }
    my @saying = sort { $a <=> $b } keys %says;
    if (!@saying) {
        $self->found(damage => '', 'no file says which stream it is of') if @there;
    } elsif ($says{$saying[0]} eq $says{$saying[-1]}) {
        $stream->{id} = $says{$saying[0]};
    } else {
        my %votes;
        $votes{$_}++ for values %says;
        my @most = sort { $votes{$b} <=> $votes{$a} } keys %votes;
        fail not_a_stream => 'the segments are of two streams, and as many of each' if $votes{$most[0]} == $votes{$most[1]};
        $stream->{id} = $most[0];
    }
    my @mine;
    for (@there) {
        my ($number, $id) = @$_;
        if (defined $id && $id ne ($stream->{id} // '-')) { $self->found(note => Puro::Segment::name_of($number), 'a stray') }
        else { push @mine, $number }
    }
    return @mine;
}

# K-4: from the lowest to the highest; what was added meanwhile follows.
sub segments ($self, @numbers) {
    my $stream = $self->{stream};
    my $before;    # what is known at the end of the segment before; undef where that was not sound
    my $lowest = 1;
    while (@numbers) {
        my $number = shift @numbers;
        my $name = Puro::Segment::name_of($number);
        my $segment = eval { Puro::Segment->open($stream->{directory}, $number) };
        next if !$segment && !$@;    # deleted meanwhile, from the lowest up
        if (my $error = $@ || $segment->{bad}) {
            die $error if !word_of($error);
            $self->found($error->{word} eq 'damaged' ? 'damage' : 'unreadable', $name, $error->{text});
            ($before, $lowest) = (undef, 0);
            next;
        }
        $segment->{file}->try_lock(0);    # R-2; where a steward has it, this one goes on without
        my $walk = Puro::Verify::Walk->new($self, $segment, $before, $lowest);
        $lowest = 0;
        $before = eval { $walk->run(@numbers > 0) };
        if (my $error = $@) {
            die $error if !word_of($error);
            $self->found($error->{word} eq 'system' ? 'unreadable' : 'damage', $name, $error->{text});
            next;
        }
        # Sealed, and no later one was listed: one that was made meanwhile follows; else K-13.
        next if @numbers || !$walk->{sealed};
        my $there = $number < 4294967295 && $stream->{directory}->look(Puro::Segment::name_of($number + 1));
        if (!$there) { $self->found(repairable => $name, 'sealed, and the next segment is not made') }
        else {
            my $next = eval { Puro::Segment->open($stream->{directory}, $number + 1) };
            if ($next && !$next->{bad} && $stream->is_stray($next)) { $self->found(damage => $next->{name}, 'a stray has the next name') }
            elsif ($next) { push @numbers, $number + 1 }
        }
    }
}

1;
