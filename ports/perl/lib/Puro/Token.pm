package Puro::Token;
# E-7 to E-9: a token is (stream id, epoch, offset), here a hash of these.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use Puro::Error 'fail';
our @EXPORT_OK = qw(token_text token_read);

sub token_text ($t) { return join ':', unpack('H*', $t->{stream_id}), $t->{epoch}, $t->{offset} }

# E-9: upper-case digits and leading zeros are accepted, too.
sub token_read ($text) {
    my ($id, $epoch, $offset) = $text =~ /\A([0-9a-fA-F]{32}):0*([0-9]+):0*([0-9]+)\z/
        or fail refused => 'that is no token';
    fail refused => 'the epoch of a token has 32 bits' if length $epoch > 10 || $epoch > 0xFFFFFFFF;
    # As text: a number above 2**64 - 1 would be a float, and lose digits.
    fail refused => 'the offset of a token has 64 bits'
        if length $offset > 20 || length $offset == 20 && $offset gt '18446744073709551615';
    return {stream_id => pack('H*', $id), epoch => 0 + $epoch, offset => 0 + $offset};
}

1;
