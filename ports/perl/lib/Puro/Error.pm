package Puro::Error;
# What is told instead of an answer: one of the words of spec/kit.md, and a text for people.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use overload '""' => sub ($self, @) { "$self->{word}: $self->{text}" }, bool => sub { 1 }, fallback => 1;
our @EXPORT_OK = qw(fail word_of);

# Fail tells the caller and changes nothing more.
sub fail ($word, $text, %more) {
    die bless {word => $word, text => $text, %more}, __PACKAGE__;
}

# The word of whatever `die` gave; undef for what is no error of ours (a fault of the port).
sub word_of ($error) {
    return ref $error && ref $error ne 'HASH' && $error->isa(__PACKAGE__) ? $error->{word} : undef;
}

1;
