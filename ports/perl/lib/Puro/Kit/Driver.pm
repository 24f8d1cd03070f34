package Puro::Kit::Driver;
# spec/kit.md: one request a line, one answer a line.
use v5.36;
use warnings FATAL => 'all';
use Puro::Error 'word_of';
use Puro::Kit::Bytes;
use Puro::Kit::Directories;
use Puro::Kit::Json qw(json_decode json_encode);

my %REQUESTS = (%Puro::Kit::Bytes::REQUESTS, %Puro::Kit::Directories::REQUESTS);
$REQUESTS{hello} = sub ($q) { return {name => 'Perl', requests => [sort keys %REQUESTS]} };

sub answer ($line) {
    my $answer = eval {
        my $q = json_decode($line);
        my $do = $REQUESTS{$q->{do} // ''} or return {error => 'unsupported'};
        $do->($q);
    };
    return $answer if defined $answer;
    my $error = $@;
    return {error => $error->{word}, text => $error->{text}} if word_of($error);
    print STDERR "fault of the port: $error";
    return {error => 'system', text => "fault of the port: $error"};
}

sub run () {
    binmode $_ for *STDIN, *STDOUT, *STDERR;
    local $| = 1;
    while (my $line = <STDIN>) { print json_encode(answer($line)), "\n" }
}

1;
