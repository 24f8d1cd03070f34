package Puro::Follow;
# A reader that waits at the end (R-4, R-8), and is told when its past changes (R-11, R-16).
use v5.36;
use warnings FATAL => 'all';
use parent -norequire, 'Puro::Reader';
use Puro::End;
use Puro::Error qw(fail word_of);
use Puro::Reader;
use Time::HiRes ();

use constant POLL => 0.1;    # R-18

# The next records, waiting so many seconds at most; undef where none came. Without a notification: it looks once in
# each poll interval (R-8).
sub wait_records ($self, $seconds) {
    my $deadline = Time::HiRes::time() + $seconds;
    while (1) {
        my $records = $self->next_or_look;
        return $records if $records && @$records;
        next if $records;    # a block without records for us was passed
        my $left = $deadline - Time::HiRes::time();
        return undef if $left <= 0;
        Time::HiRes::sleep($left < POLL ? $left : POLL);
    }
}

# The next records; at the end a look around, and undef. Does not wait.
sub next_or_look ($self) {
    die $self->{told} if $self->{told};    # R-16: what no later look can take back
    my $records = eval {
        my $records = $self->{taken_back} ? undef : $self->next_records;
        $records = $self->next_records if !$records && $self->look_around;
        $records;
    };
    if (my $error = $@) {
        $self->{told} = $error if (word_of($error) // '') =~ /\A(?:removed|diverged|out_of_range)\z/;
        die $error;
    }
    return $records;
}

# R-11. True where it sought its place anew, and may go on.
sub look_around ($self) {
    my ($stream, $segment) = @$self{qw(stream segment)};
    my $directory = $stream->{directory};
    my ($here, @there) = ($directory->stat, stat $directory->{path});
    my $same_path = @there && $there[0] == $here->{dev} && $there[1] == $here->{ino};
    if (!$same_path || !$segment->has_name) {
        fail out_of_range => "$segment->{name} was deleted"
            if $same_path && grep { $_ > $segment->{sequence} } $stream->numbers;
        fail removed => 'the stream was removed, moved or replaced';
    }
    # At least the crc before the position must be as remembered.
    $self->{taken_back} = 0;
    return 0 if $segment->{file}->pread($self->{position} - 4, 4) eq pack 'V', $self->{crc};
    $self->{taken_back} = 1;    # nothing is delivered from there on
    my $token = $self->token;
    my $end = Puro::End->scan($stream->active);    # read anew (O-3)
    fail diverged => 'what was read was lost' if $end->{state}->overtaken($token);
    my ($at, $crc) = @{$self->{anchor}};
    if ($segment->{file}->pread($at - 4, 4) eq pack 'V', $crc) {    # only blocks without records were taken back
        return 0 if $end->{next_offset} < $token->{offset};
        $self->seek_offset($token->{offset});
        $self->{taken_back} = 0;
        return 1;
    }
    fail diverged => 'others were appended in place of what was read'
        if Puro::End->scan($segment)->{next_offset} >= $token->{offset};
    return 0;    # nobody has repaired the damage yet: wait
}

1;
