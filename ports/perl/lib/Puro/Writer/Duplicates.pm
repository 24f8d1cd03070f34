package Puro::Writer::Duplicates;
# C-4: is a retry the batch that was appended? Only what is still there is compared.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use Puro::Error 'word_of';
use Puro::Reader;
use Puro::Record 'record_encode';
our @EXPORT_OK = qw(is_same_batch);

sub is_same_batch ($stream, $first, $records) {
    my ($from, $to) = ($first->{first_offset}, $first->{first_offset} + $first->{count});
    return 1 if $from == $to;
    my $same = eval {
        my $reader = Puro::Reader->new($stream);
        $reader->seek_offset($from);
        while ($reader->{next_offset} < $to) {
            for my $there (@{$reader->next_records // last}) {
                last if $there->{offset} >= $to;
                return 0 if record_encode($records->[$there->{offset} - $from]) ne record_encode($there);
            }
        }
        1;
    };
    return $same if defined $same;
    return 1 if (word_of($@) // '') eq 'out_of_range';    # deleted meanwhile
    die $@;
}

1;
