package Puro::Kit::Bytes;
# The requests of spec/kit.md, chapter "Bytes": no directory, no system call.
use v5.36;
use warnings FATAL => 'all';
use Puro::Block qw(start_stands block_judge block_encode);
use Puro::Crc 'crc32c';
use Puro::Error 'fail';
use Puro::Header qw(header_encode header_decode);
use Puro::Record qw(record_encode body_decode);
use Puro::State qw(setting_holds name_check);
use Puro::Token qw(token_text token_read);
use Puro::Varint qw(varint_encode varint_decode);

my @HEADER = qw(base_offset created sequence generation epoch);
my @START = qw(kind flags body_len record_count prev_crc first_offset timestamp durable_to epoch);

sub hex_of ($bytes) { return unpack 'H*', $bytes }
sub bytes_of ($hex) {
    fail refused => "no hexadecimal digits" if length($hex) % 2 || $hex =~ tr/0-9a-fA-F//c;
    return pack 'H*', $hex;
}

# A record of the kit as one of Record.pm, and back.
sub record_in ($r) {
    my %record;
    for (qw(topic key value)) { $record{$_} = bytes_of($r->{$_}) if defined $r->{$_} }
    $record{headers} = [map { [map { bytes_of($_) } @$_] } @{$r->{headers}}] if $r->{headers} && @{$r->{headers}};
    return \%record;
}

sub record_out ($r) {
    my %out = (topic => hex_of($r->{topic}));
    for (qw(key value)) { $out{$_} = hex_of($r->{$_}) if defined $r->{$_} }
    for (qw(offset time)) { $out{$_} = $r->{$_} if defined $r->{$_} }
    $out{headers} = [map { [map { hex_of($_) } @$_] } @{$r->{headers}}] if $r->{headers};
    return \%out;
}

our %REQUESTS = (
    crc => sub ($q) { return {crc => crc32c(bytes_of($q->{bytes}))} },
    varint => sub ($q) {
        my $bytes = bytes_of($q->{bytes});
        my ($value, $length) = varint_decode(\$bytes);
        return {value => $value, length => $length};
    },
    to_varint => sub ($q) { return {bytes => hex_of(varint_encode($q->{value}))} },
    header => sub ($q) {
        my $h = header_decode(bytes_of($q->{bytes}), $q->{write});
        return {stream_id => hex_of($h->{stream_id}), map { $_ => $h->{$_} } @HEADER};
    },
    to_header => sub ($q) { return {bytes => hex_of(header_encode({%$q, stream_id => bytes_of($q->{stream_id})}))} },
    start => sub ($q) {
        my $s = start_stands(bytes_of($q->{bytes}), $q->{header_crc}, $q->{position})
            or fail damaged => 'no start stands there';
        return {map { $_ => $s->{$_} } @START};
    },
    block => sub ($q) {
        my $bytes = bytes_of($q->{bytes});
        my $fetch = sub ($at, $n) {
            $at -= $q->{position};
            return $at > length $bytes ? '' : substr $bytes, $at, $n;
        };
        my ($is, $b) = block_judge($fetch, $q->{header_crc}, $q->{position},
            {crc => $q->{prev_crc}, next_offset => $q->{next_offset}, generation => $q->{generation}});
        return {is => $is, $b ? (crc => $b->{crc}, start => {map { $_ => $b->{$_} } @START}) : ()};
    },
    to_block => sub ($q) {
        my ($bytes) = block_encode($q->{header_crc}, $q->{position}, {%$q, body => bytes_of($q->{body})});
        return {bytes => hex_of($bytes)};
    },
    records => sub ($q) {
        my %block = (%$q, body => bytes_of($q->{body}), flags => $q->{control} ? 1 : 0);
        my $records = body_decode(\%block, $q->{generation});
        return {records => [map { record_out($_) } grep { !$_->{control} } @$records]};
    },
    to_record => sub ($q) { return {bytes => hex_of(record_encode(record_in($q)))} },
    setting => sub ($q) { my $holds = setting_holds(bytes_of($q->{name}), defined $q->{value} ? bytes_of($q->{value}) : undef);
        return {value => defined $holds ? "$holds" : undef}; },
    name => sub ($q) { name_check($q->{name}); return {} },
    token => sub ($q) {
        my $t = token_read($q->{text});
        return {stream_id => hex_of($t->{stream_id}), epoch => $t->{epoch}, offset => $t->{offset}, text => token_text($t)};
    },
);

1;
