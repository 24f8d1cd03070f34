package Puro::Kit::Json;
# One line of JSON to Perl's values. JSON::PP (core) goes character by character, and takes seconds for a value
# of a megabyte; this goes by regular expressions. Answers are written by JSON::PP, which is quick enough.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use JSON::PP ();
our @EXPORT_OK = qw(json_decode json_encode);

my %ESCAPE = (n => "\n", t => "\t", r => "\r", b => "\b", f => "\f");
my $writer = JSON::PP->new->canonical->utf8;

sub json_encode ($value) { return $writer->encode($value) }

sub json_decode ($line) {
    my $value = _value(\$line);
    $line =~ /\G\s*\z/gc or die "bytes behind the JSON\n";
    return $value;
}

sub _value ($line) {
    $$line =~ /\G\s+/gc;
    return _string($line) if $$line =~ /\G"/gc;
    return 0 + $1 if $$line =~ /\G(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)/gc;
    return undef if $$line =~ /\Gnull/gc;
    return 1 if $$line =~ /\Gtrue/gc;
    return 0 if $$line =~ /\Gfalse/gc;
    if ($$line =~ /\G\[\s*/gc) {
        my @list;
        return \@list if $$line =~ /\G\]/gc;
        while (1) {
            push @list, scalar _value($line);
            next if $$line =~ /\G\s*,/gc;
            return \@list if $$line =~ /\G\s*\]/gc;
            die "no end of a list\n";
        }
    }
    if ($$line =~ /\G\{\s*/gc) {
        my %object;
        return \%object if $$line =~ /\G\}/gc;
        while (1) {
            $$line =~ /\G\s*"/gc or die "no name in an object\n";
            my $name = _string($line);
            $$line =~ /\G\s*:/gc or die "no colon in an object\n";
            $object{$name} = _value($line);
            next if $$line =~ /\G\s*,/gc;
            return \%object if $$line =~ /\G\s*\}/gc;
            die "no end of an object\n";
        }
    }
    die "no JSON\n";
}

sub _string ($line) {
    my $text = '';
    while (1) {
        if ($$line =~ /\G([^"\\]+)/gc) { $text .= $1 }
        elsif ($$line =~ /\G"/gc) { return $text }
        elsif ($$line =~ /\G\\u([0-9a-fA-F]{4})/gc) {
            my $code = hex $1;
            if ($code >= 0xD800 && $code < 0xDC00 && $$line =~ /\G\\u([dD][c-fC-F][0-9a-fA-F]{2})/gc) {
                $code = 0x10000 + ($code - 0xD800 << 10) + hex($1) - 0xDC00;
            }
            my $char = chr $code;
            utf8::encode($char);    # all text here is bytes of UTF-8
            $text .= $char;
        } elsif ($$line =~ /\G\\(.)/gcs) { $text .= $ESCAPE{$1} // $1 }
        else { die "no end of a string\n" }
    }
}

1;
