# Bytes: CRC, varints, headers, blocks, records, tokens.
use v5.36;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Puro::Block qw(block_encode block_judge starts_within start_stands);
use Puro::Crc 'crc32c';
use Puro::Error 'word_of';
use Puro::Header qw(header_encode header_decode);
use Puro::Make 'pad_body';
use Puro::Record qw(record_encode body_decode control);
use Puro::State qw(setting_holds);
use Puro::Token qw(token_text token_read);
use Puro::Varint qw(varint_encode varint_decode);

sub word ($do) { eval { $do->(); 1 } ? '' : word_of($@) // $@ }

is crc32c('123456789'), 0xE3069283, 'F-3';
is crc32c('6789', crc32c('12345')), 0xE3069283, 'a CRC goes on';
for my $n (0, 1, 127, 128, 2**32, ~0) {
    my $bytes = varint_encode($n) . 'x';
    is_deeply [varint_decode(\$bytes)], [$n, length($bytes) - 1], "F-2: $n";
}
for ("\x80\x00", "\xFF" x 9 . "\x02", "\x80") { my $b = $_; is word(sub { varint_decode(\$b) }), 'damaged', 'F-2: refused' }

my %header = (stream_id => 'i' x 16, base_offset => 5, created => 6, sequence => 7, generation => 0, epoch => 1);
my $header = header_encode(\%header);
is header_decode($header)->{base_offset}, 5, 'F-12';
is word(sub { header_decode('x' . substr $header, 1) }), 'foreign', 'F-12: magic';
is word(sub { header_decode(substr($header, 0, 63)) }), 'damaged', 'F-12: short';

my $record = {topic => 't', key => 'k', value => 'v', headers => [['n', '']]};
my $body = record_encode($record);
my %fields = (kind => 1, body => $body, record_count => 1, prev_crc => 9, first_offset => 5, timestamp => 1, durable_to => 0, epoch => 1);
my ($block, $crc) = block_encode(1, 64, \%fields);
is length($block) % 64, 0, 'F-15';
my $judge = sub ($bytes, %previous) {
    return (block_judge(sub ($at, $n) { $at - 64 > length $bytes ? '' : substr $bytes, $at - 64, $n }, 1, 64,
        {crc => 9, next_offset => 5, generation => 0, %previous}))[0];
};
is $judge->($block), 'committed', 'F-24: committed';
is $judge->("\0" . substr $block, 1), 'good', 'low is good';
is $judge->($block, crc => 8), 'valid', 'another chain is valid';
is $judge->(substr $block, 0, -1), 'invalid', 'cut off is invalid';
is $judge->(''), 'nothing', 'the end of the file is nothing';
my ($turned) = grep { my $b = $block; substr($b, $_ / 8, 1) ^.= chr(1 << $_ % 8); $judge->($b) ne 'invalid' } 8 .. 8 * length($block) - 1;
is $turned, undef, 'F-19: each bit but the signal\'s counts';

my ($read) = @{body_decode({%fields, flags => 0}, 0)};
is_deeply $read, {%$record, offset => 5}, 'a record there and back';
is word(sub { record_encode({topic => 't'}) }), 'refused', 'F-27';
is word(sub { record_encode({topic => ''}) }), 'refused', 'F-30';

# F-43: a value that holds a start where it would stand.
my $inner = substr((block_encode(1, 128, {%fields}))[0], 0, 48);
my $value = 'v' x 200;
my $evil = record_encode({topic => 't', value => $value});
my $at = 64 - 48;    # the place in the body that is position 128
substr($value, $at - (length($evil) - 200), 48) = $inner;
$evil = record_encode({topic => 't', value => $value});
ok starts_within($evil, 1, 64), 'a start stands within';
ok !starts_within(pad_body($evil, 1, 64), 1, 64), 'a pad helps';

is setting_holds('segment_bytes', '100'), 67108864, 'F-53';
is setting_holds('segment_bytes', '4096'), 4096, 'F-53';
my $text = '101112131415161718191a1b1c1d1e1f:1:18446744073709551615';
is token_text(token_read($text)), $text, 'E-9';
is word(sub { token_read($text . '0') }), 'refused', 'E-9: 64 bits';
done_testing;
