package Puro::Make;
# Making a segment (V-4, V-5), for a rollover and for a new stream.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use Fcntl qw(O_RDWR O_CREAT O_EXCL);
use Puro::Block qw(block_encode block_length starts_within CHECKPOINT MAX_BODY);
use Puro::Error 'fail';
use Puro::Header 'header_encode';
use Puro::Record qw(record_encode control);
use Puro::Segment;
our @EXPORT_OK = qw(make_bytes make_file pad_body);

# F-43, F-46: the body itself where no start stands within the block; else behind a `pad` that helps.
# Eight shifts that can be foretold, and sixteen that cannot.
sub pad_body ($body, $header_crc, $position) {
    return $body if !starts_within($body, $header_crc, $position);
    for my $n (0 .. 7, map { int rand 4096 } 1 .. 16) {
        my $padded = record_encode(control('pad', undef, "\0" x $n)) . $body;
        next if length $padded > MAX_BODY;
        return $padded if !starts_within($padded, $header_crc, $position);
    }
    fail refused => 'no shift keeps a start out of the block';
}

# The bytes of a segment with this header: the opening checkpoints behind it, all signals high (F-25, F-37).
sub make_bytes ($header, $state, $time) {
    my $bytes = header_encode($header);
    my $crc = my $header_crc = unpack 'V', substr $bytes, -4;
    my $end = my $position = length $bytes;
    my @bodies;
    for my $body ($state->checkpoint_bodies) {
        push @bodies, [$end, pad_body($body, $header_crc, $end), $body ne ''];
        $end += block_length(length $bodies[-1][1]);
    }
    for (@bodies) {
        my ($at, $body, $control) = @$_;
        (my $block, $crc) = block_encode($header_crc, $at, {
            kind => CHECKPOINT, body => $body, control => $control, record_count => 0, prev_crc => $crc,
            first_offset => $header->{base_offset}, timestamp => $time, epoch => $header->{epoch},
            durable_to => $end,    # F-23: header and all opening checkpoints
        });
        $bytes .= $block;
    }
    return $bytes;
}

# V-4, V-5: under the temporary name, synced; then the name, synced. $like: whose mode it gets (O-9).
sub make_file ($directory, $sequence, $bytes, $like = undef) {
    my $name = Puro::Segment::name_of($sequence);
    my $made = eval {
        $directory->remove("$name.new");    # F-45
        my $file = $directory->open_regular("$name.new", O_RDWR | O_CREAT | O_EXCL)
            or fail system => "make $name.new: $!";
        $file->be_like($like) if $like;
        $file->pwrite(0, $bytes);
        $file->fdatasync;
        fail refused => "the name $name is taken" if $directory->look($name);
        $directory->rename("$name.new", $name);
        1;
    };
    if (!$made) {
        my $error = $@;
        eval { $directory->remove("$name.new") };
        die $error;
    }
    $directory->fsync;
}

1;
