package Puro::State;
# The state of a stream (F-31 to F-37): a fold of entries; what settings, epochs and names of it mean.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use Puro::Error 'fail';
use Puro::Record qw(record_encode control);
our @EXPORT_OK = qw(setting_holds setting_fits name_check);

use constant CHECKPOINT_BODY => 1_048_576;    # checkpoint_body_bytes

# Table: settings, with what each can be (F-53).
my %NUMBER = (
    segment_bytes => [67_108_864, 4096, 1_099_511_627_776], retention_ms => [0], retention_bytes => [0], roll_ms => [0],
    marker_grace_ms => [86_400_000], pin_grace_ms => [300_000], expiry_ms => [604_800_000],
    keep_unconsumed_limit_bytes => [0], keep_unconsumed_limit_ms => [0],
);
my %TRUTH = (keep_unconsumed => 'false', durable => 'false');

sub _default ($name) {
    return $NUMBER{$name}[0] if $NUMBER{$name};
    return $TRUTH{$name} // ($name eq 'cleanup' ? 'delete' : undef);
}

# Can the setting be this (F-53)? Of a name that is not in the table: undef.
sub setting_fits ($name, $value) {
    if (my $n = $NUMBER{$name}) {
        return 0 if $value !~ /\A(?:0|[1-9][0-9]{0,19})\z/;
        return 0 if length $value == 20 && $value gt '18446744073709551615';
        return $value >= ($n->[1] // 0) && $value <= ($n->[2] // ~0) ? 1 : 0;
    }
    return $value =~ /\A(?:true|false)\z/ ? 1 : 0 if $TRUTH{$name};
    return $value =~ /\A(?:delete|compact|compact,delete)\z/ ? 1 : 0 if $name =~ /\Acleanup(?::.+)?\z/s;
    return undef;
}

# What holds where the entry has this value (undef: is not set). Of a name that is none: undef.
sub setting_holds ($name, $value) {
    return defined $value && setting_fits($name, $value) ? $value : _default($name);
}

# F-11: names of consumers, and identities.
sub name_check ($name) {
    fail refused => 'a name has 1 to 200 of A-Z a-z 0-9 . _ -, the first not a dot'
        if ($name // '') !~ /\A(?!\.)[A-Za-z0-9._-]{1,200}\z/;
}

sub new ($class) { return bless {entries => {}, newest => 0, epochs => {}}, $class }

# F-37: an entry is set, or removed, in a block that begins at this offset.
sub fold ($self, $r, $first_offset = ~0) {
    return if !$r->{control} || !defined $r->{key};
    my ($kind, $key, $value) = @$r{qw(topic key value)};
    if ($kind eq 'epoch') {    # F-32, F-35: whoever folds needs these
        fail damaged => 'an entry `epoch` that is none' if length $key != 4 || defined $value && length $value != 32;
        my $number = unpack 'V', $key;
        if (defined $value) {
            my ($first, $boot, $time) = unpack 'Q< a16 Q<', $value;
            # F-35: no epoch begins behind the block that tells of it, or before an older one.
            fail damaged => "epoch $number begins behind its block" if $first > $first_offset;
            $self->{epochs}{$number} = {first_offset => $first, boot => $boot, time => $time};
            my $last = 0;
            for (sort { $a <=> $b } keys %{$self->{epochs}}) {
                my $begin = $self->{epochs}{$_}{first_offset};
                fail damaged => "epoch $_ begins before the one below it" if $begin < $last;
                $last = $begin;
            }
        } else {
            delete $self->{epochs}{$number};
        }
        $self->{newest} = 0;
        for (keys %{$self->{epochs}}) { $self->{newest} = $_ if $_ > $self->{newest} }
    }
    if (defined $value) { $self->{entries}{$kind}{$key} = $value }
    else {
        delete $self->{entries}{$kind}{$key};
        delete $self->{entries}{$kind} if !%{$self->{entries}{$kind}};
    }
}

sub entry ($self, $kind, $key) { return $self->{entries}{$kind} ? $self->{entries}{$kind}{$key} : undef }

sub setting ($self, $name) { return setting_holds($name, $self->entry('setting', $name)) }

# All entries, ascending by kind and then by key, bytewise (F-37).
sub sorted ($self) {
    my $e = $self->{entries};
    return map { my $kind = $_; map { [$kind, $_, $e->{$kind}{$_}] } sort keys %{$e->{$kind}} } sort keys %$e;
}

# The bodies of a checkpoint's blocks (F-37, F-51). A state without entries takes one empty body.
sub checkpoint_bodies ($self) {
    my @bodies = ('');
    for my $entry ($self->sorted) {
        my $bytes = record_encode(control(@$entry));
        push @bodies, '' if $bodies[-1] ne '' && length($bodies[-1]) + length($bytes) > CHECKPOINT_BODY;
        $bodies[-1] .= $bytes;
    }
    return @bodies;
}

# Is the newest epoch of this boot, which is known (M-7)?
sub of_boot ($self, $boot) {
    my $epoch = $self->{epochs}{$self->{newest}};
    return $epoch && $boot ne "\0" x 16 && $epoch->{boot} eq $boot ? 1 : 0;
}

# E-7: has the history of this token been lost? $next_offset is the stream's.
sub diverged ($self, $token, $next_offset) {
    return 1 if $token->{offset} > $next_offset;
    return 0 if $token->{epoch} == 0;
    return $token->{epoch} > $self->{newest} || $self->overtaken($token);
}

# E-7, the first case: an epoch above its own begins below its offset.
sub overtaken ($self, $token) {
    return 0 if $token->{epoch} == 0;
    for my $number (keys %{$self->{epochs}}) {
        return 1 if $number > $token->{epoch} && $self->{epochs}{$number}{first_offset} < $token->{offset};
    }
    return 0;
}

# F-36: what a position says; undef where the entry is none.
sub position ($self, $name) {
    my $value = $self->entry(position => $name);
    return undef if !defined $value || length $value != 20;
    my ($epoch, $offset, $time) = unpack 'V Q< Q<', $value;
    return {epoch => $epoch, offset => $offset, time => $time};
}

sub producer ($self, $identity) {
    my $value = $self->entry(producer => $identity);
    return undef if !defined $value || length $value != 32;
    my %p;
    @p{qw(sequence first_offset record_count epoch time)} = unpack 'Q< Q< V V Q<', $value;
    return \%p;
}

1;
