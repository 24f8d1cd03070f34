# A stream: made, appended to, rolled, repaired, read, consumed, verified.
use v5.36;
use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp 'tempdir';
use Test::More;
use Puro::Consumer;
use Puro::Create 'create_stream';
use Puro::Error 'word_of';
use Puro::Follow;
use Puro::Reader;
use Puro::System 'boot_id';
use Puro::Verify 'verify';
use Puro::Writer;

my $dir = tempdir(CLEANUP => 1) . '/events';
my $world = {boot => boot_id(), lock_ms => 1000};

sub word ($do) { eval { $do->(); 1 } ? '' : word_of($@) // $@ }
sub values_from ($from = 'beginning') {
    my $reader = Puro::Reader->new(Puro::Stream->open($dir));
    $reader->seek($from, time * 1000);
    my @values;
    while (my $more = $reader->next_records) { push @values, map { $_->{value} } @$more }
    return "@values";
}
sub verdict () { (verify($dir, $world->{boot}, 1))[0] }

ok create_stream($dir, {segment_bytes => 4096}, $world), 'made';
ok !create_stream($dir, {}, $world), 'there already';
is word(sub { create_stream("$dir/..", {}, $world) }), 'refused', 'O-2: other files' ;

my $writer = Puro::Writer->open($dir, $world);
my $other = Puro::Writer->open($dir, $world);
my $pad = 'x' x 900;
for my $i (0 .. 9) {
    my $who = $i % 2 ? $writer : $other;
    my $answer = $who->append([{topic => 't', value => "$i"}, {topic => 'pad', key => 'k', value => $pad}], durable => $i == 4);
    is $answer->{first_offset}, 2 * $i, "offset of $i" if $i % 4 == 0;
}
ok -e "$dir/0000000002.puro", 'it rolled';
is verdict, 'sound', 'sound';
is values_from() =~ s/ ?x+//gr, '0 1 2 3 4 5 6 7 8 9', 'read';
is values_from(16) =~ s/ ?x+//gr, '8 9', 'from an offset';
is word(sub { values_from(99) }), 'out_of_range', 'R-9';

# What a dead writer left, and what a loss of power left.
my ($active) = reverse sort glob "$dir/*.puro";
my $size = -s $active;
open my $file, '>>', $active;
print $file "\x00" . 'torn' x 10;
close $file;
is verdict, 'repairable', 'a torn block';
$writer->append([{topic => 't', value => 'after'}]);
is_deeply [map { $_->{label} } @{$writer->{repairs}}], ['unseen'], 'X-3';
is verdict, 'sound', 'repaired';

my $later = Puro::Writer->open($dir, {%$world, boot => 'B' x 16});
$later->append([{topic => 't', value => 'later'}]);
is $later->{end}{state}{newest}, 2, 'E-2: another boot, another epoch';

# C-4, A-16
is $writer->append([{topic => 't', value => 'once'}], identity => 'me', sequence => 1)->{duplicate}, undef, 'once';
is $writer->append([{topic => 't', value => 'once'}], identity => 'me', sequence => 1)->{duplicate}, 1, 'a duplicate';
is word(sub { $writer->append([{topic => 't', value => 'other'}], identity => 'me', sequence => 1) }), 'old_sequence', 'C-4';
my $token = {stream_id => $writer->{stream}{id}, epoch => 0, offset => 1};
is word(sub { $writer->append([{topic => 't', value => 'x'}], if_end => $token) }), 'conflict', 'A-16';

# A named consumer
my $consumer = Puro::Consumer->open($dir, 'billing', $world);
is $consumer->take(3)->[2]{value}, '1', 'taken';
$consumer->commit;
is word(sub { Puro::Consumer->open($dir, 'billing', $world) }), 'busy', 'L-10';
undef $consumer;
is(Puro::Consumer->open($dir, 'billing', $world)->take(2)->[1]{value}, '2', 'it goes on');

# L-3: a handle in a forked child
my $pid = fork // die;
if (!$pid) { require POSIX; POSIX::_exit(word(sub { $writer->append([{topic => 't', value => 'child'}]) }) eq 'refused' ? 0 : 1) }
waitpid $pid, 0;
is $?, 0, 'L-3';
is verdict, 'sound', 'sound to the end';

# R-11: a reader that waits
my $follow = Puro::Follow->new(Puro::Stream->open($dir));
$follow->seek('end', 0);
is $follow->wait_records(0), undef, 'nothing yet';
$writer->append([{topic => 't', value => 'news'}]);
is $follow->wait_records(1)->[0]{value}, 'news', 'news';
my $before = -s $writer->{end}{segment}{directory}{path} . "/$writer->{end}{segment}{name}";
$writer->append([{topic => 't', value => 'lost'}]);
is $follow->wait_records(1)->[0]{value}, 'lost', 'what will be lost';
truncate "$dir/$writer->{end}{segment}{name}", $before;
is $follow->wait_records(0), undef, 'it was taken back: nothing';
$writer->append([{topic => 't', value => 'else'}]);
is word(sub { $follow->wait_records(1) }), 'diverged', 'others in place of it';
my $gone = Puro::Follow->new(Puro::Stream->open($dir));
$gone->seek('end', 0);
rename $dir, "$dir.moved";
is word(sub { $gone->wait_records(1) }), 'removed', 'moved';
is word(sub { $gone->wait_records(1) }), 'removed', 'R-16: told again';
done_testing;
