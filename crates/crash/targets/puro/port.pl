# What a port prints, by the one in Perl:
#   crates/crash/targets/run port perl -I $PWD/ports/perl/lib crates/crash/targets/puro/port.pl
use v5.36;
use Puro::Create 'create_stream';
use Puro::Writer;
use Puro::System 'boot_id';

STDOUT->autoflush(1);
my $world = {boot => boot_id(), lock_ms => 10_000};
my $long  = '.' x 600;
create_stream('s', {segment_bytes => 4096}, $world);
say 's created';
# Four writers, two records each: every one opens the stream anew, and repairs what it finds.
for my $first (1, 3, 5, 7) {
    my $writer = Puro::Writer->open('s', $world);
    for my $number ($first, $first + 1) {
        $writer->append([{topic => 't', value => "record $number $long"}], durable => 1);
        say "s record $number";
    }
}
