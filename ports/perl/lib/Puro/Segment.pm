package Puro::Segment;
# One segment's file, open: its header, and what its blocks are.
use v5.36;
use warnings FATAL => 'all';
use Fcntl qw(O_RDONLY O_RDWR);
use Puro::Block qw(block_judge start_stands);
use Puro::Error qw(fail word_of);
use Puro::Header qw(header_decode HEADER_BYTES);

sub name_of ($sequence) { return sprintf '%010d.puro', $sequence }

# F-7: the sequence that a name says; undef for what is no segment's name.
sub sequence_of ($name) {
    return $name =~ /\A([0-9]{10})\.puro\z/ && $1 <= 4294967295 ? 0 + $1 : undef;
}

# Opens the file under a segment's name (F-8 may be told). undef where the name is not there. What is wrong with the
# header is kept in `bad` (a Puro::Error), for to F-9 it only says nothing.
sub open ($class, $directory, $sequence, $write = 0) {
    my $name = name_of($sequence);
    my $file = $directory->open_regular($name, $write ? O_RDWR : O_RDONLY) or return undef;
    my $self = bless {directory => $directory, sequence => $sequence, name => $name, file => $file}, $class;
    $self->{header} = eval { header_decode($file->pread(0, HEADER_BYTES), $write) };
    if (my $error = $@) {
        die $error if !word_of($error) || word_of($error) eq 'system';    # X-1: a read error is not damage
        $error->{word} = 'damaged' if $error->{word} eq 'foreign';
        $self->{bad} = $error;
    }
    return $self;
}

# Does its name still lead to the file that is open? The answer is what stands there, or undef.
sub has_name ($self) { return $self->{directory}->leads($self->{name}, $self->{file}) }

# F-24, for a block at a position behind $previous (crc, next_offset).
sub judge ($self, $position, $previous) {
    my $h = $self->{header};
    return block_judge(sub ($at, $n) { $self->{file}->pread($at, $n) }, $h->{crc}, $position,
        {crc => $previous->{crc}, next_offset => $previous->{next_offset}, generation => $h->{generation}});
}

# Is what stands at a place valid (F-24)? The chain is not asked.
sub judge_alone ($self, $position) {
    return $self->judge($position, {crc => -1, next_offset => 0});
}

# Are all bytes from a place to the end of the file zero, or not there (F-56)?
sub zeros_from ($self, $at) {
    while ((my $bytes = $self->{file}->pread($at, 262_144)) ne '') {
        return 0 if $bytes =~ tr/\0//c;
        $at += length $bytes;
    }
    return 1;
}

# The starts that stand at multiples of 64 from a place on (F-43): each is given to $each->($position, $start).
sub each_start ($self, $from, $each) {
    my ($at, $crc) = ($from, $self->{header}{crc});
    while ((my $bytes = $self->{file}->pread($at, 1_048_576)) ne '') {
        for (my $i = 0; $i + 48 <= length $bytes; $i += 64) {
            my $kind = ord substr $bytes, $i + 1, 1;
            next if $kind == 0 || $kind > 3;
            my $start = start_stands(substr($bytes, $i, 48), $crc, $at + $i);
            $each->($at + $i, $start) if $start;
        }
        $at += length $bytes;
    }
}

1;
