package Puro::Kit::Directories;
# The requests of spec/kit.md, chapter "Directories".
use v5.36;
use warnings FATAL => 'all';
use JSON::PP ();
use Puro::Consumer;
use Puro::Create 'create_stream';
use Puro::End;
use Puro::Error qw(fail word_of);
use Puro::Kit::Bytes;
use Puro::Reader;
use Puro::Repair 'classify';
use Puro::Stream;
use Puro::System qw(boot_id now);
use Puro::Token qw(token_text token_read);
use Puro::Verify 'verify';
use Puro::Writer;

BEGIN { *hex_of = \&Puro::Kit::Bytes::hex_of; *bytes_of = \&Puro::Kit::Bytes::bytes_of }

# What else decides over the bytes: clock, boot, random bytes; and how long a lock is waited for.
sub world ($q) {
    return {
        clock => $q->{clock},
        boot => defined $q->{boot} ? bytes_of($q->{boot}) : boot_id(),
        random => defined $q->{random} ? bytes_of($q->{random}) : undef,
        lock_ms => $q->{lock_ms} // 10_000,
    };
}

sub info ($q) {
    my $stream = Puro::Stream->open($q->{dir});
    my $end = Puro::End->scan($stream->active);
    return {
        stream_id => hex_of($stream->{id}), segment => $end->{segment}{sequence}, end => $end->{position},
        next_offset => $end->{next_offset}, epoch => $end->{state}{newest},
        state => [map { [map { hex_of($_) } @$_] } $end->{state}->sorted],
    };
}

sub read_all ($q) {
    my $reader = Puro::Reader->new(Puro::Stream->open($q->{dir}));
    $reader->seek($q->{from} // 'beginning', $q->{clock} // now());
    my %wanted = map { bytes_of($_) => 1 } @{$q->{topics} // []};
    my (@records, $then);
    until ($then) {
        my $more = eval { $reader->next_records };
        if ($@) { $then = word_of($@) // die $@ }
        elsif (!$more) { $then = 'end' }
        else { push @records, grep { !%wanted || $wanted{$_->{topic}} } @$more }
    }
    return {records => [map { Puro::Kit::Bytes::record_out($_) } @records], token => token_text($reader->token), then => $then};
}

# A producer, or a consumer: of this request alone, or of a handle. The boot of a handle stays (spec/kit.md).
my %handles;
sub with_handle ($q, $make) {
    my $world = world($q);
    return $make->($world) if !defined $q->{handle};
    my $held = $handles{$q->{handle}} //= $make->($world);
    $held->{world} = {%$world, boot => $held->{world}{boot}};
    return $held;
}

sub writer ($q) { return with_handle($q, sub ($world) { Puro::Writer->open($q->{dir}, $world) }) }

sub append ($q) {
    my @records = map { Puro::Kit::Bytes::record_in($_) } @{$q->{records} // []};
    my $answer = writer($q)->append(\@records,
        defined $q->{durable} ? (durable => $q->{durable}) : (),
        defined $q->{if_end} ? (if_end => token_read($q->{if_end})) : (),
        defined $q->{identity} ? (identity => $q->{identity}, sequence => $q->{sequence}) : (),
    );
    return {%$answer, duplicate => $answer->{duplicate} ? JSON::PP::true : undef};
}

sub consume ($q) {
    my $consumer = with_handle($q, sub ($world) { Puro::Consumer->open($q->{dir}, $q->{name}, $world, $q->{lock_ms} // 0) });
    my $records = $consumer->take($q->{take});
    $consumer->commit([map { Puro::Kit::Bytes::record_in($_) } @{$q->{records} // []}]) if $q->{commit};
    return {records => [map { Puro::Kit::Bytes::record_out($_) } @$records], token => token_text($consumer->token)};
}

sub classify_end ($q) {
    my $active = Puro::Stream->open($q->{dir})->active;
    my $end = Puro::End->scan($active);
    my ($label, $length) = eval { classify($end, world($q)->{boot}) };
    die $@ if !defined $label && word_of($@) ne 'system';
    return {label => $label // 'unreadable', end => $end->{position}, length => $length};
}

our %REQUESTS = (
    info => \&info, read => \&read_all, append => \&append, consume => \&consume, classify => \&classify_end,
    create => sub ($q) {
        return {made => create_stream($q->{dir}, $q->{settings} // {}, world($q)) ? JSON::PP::true : JSON::PP::false};
    },
    set => sub ($q) { writer($q)->set($q->{name}, $q->{value}); return {} },
    repair => sub ($q) { return {repairs => writer($q)->repair_now} },
    verify => sub ($q) {
        my ($verdict) = verify($q->{dir}, world($q)->{boot}, $q->{deep} // 0);
        return {verdict => $verdict};
    },
    close => sub ($q) { delete $handles{$q->{handle}} if defined $q->{handle}; return {} },
);

1;
