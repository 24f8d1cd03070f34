package Puro::Create;
# O-1, O-2: making a stream.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use POSIX qw(EEXIST);
use Puro::Directory;
use Puro::Error 'fail';
use Puro::Lock;
use Puro::Make qw(make_bytes make_file);
use Puro::Record 'control';
use Puro::State 'setting_fits';
use Puro::Stream;
use Puro::System 'now';
our @EXPORT_OK = qw(create_stream random_id);

sub random_id () {
    open my $file, '<:raw', '/dev/urandom' or fail system => "open /dev/urandom: $!";
    (read($file, my $id, 16) // 0) == 16 or fail system => "read /dev/urandom: $!";
    return $id;
}

# F-10: the names that may be there before there is a stream.
sub _may_be_there ($name) {
    return $name =~ /\A(?:writer\.lock|steward\.lock|consumers|lost|lost\+found|[0-9]{10}\.puro\.(?:new|compact))\z/;
}

sub _has_segment ($directory) {
    return scalar grep { defined Puro::Segment::sequence_of($_) } $directory->list;
}

# Makes a stream with these settings. False where there was one already: that one is opened, to see that it can be.
sub create_stream ($path, $settings, $world) {
    for my $name (sort keys %$settings) {    # F-53: before all this
        my $fits = setting_fits($name, $settings->{$name});
        fail refused => "the setting $name cannot be that" if defined $fits && !$fits;
        fail refused => "there is no setting $name" if !defined $fits;
    }
    mkdir $path, 0777 or $! == EEXIST or fail system => "make $path: $!";
    my $directory = Puro::Directory->open_path($path);
    if (!_has_segment($directory)) {
        for ($directory->list) { fail refused => "other files are there: $_" if !_may_be_there($_) && !_has_segment($directory) }
        my $lock = Puro::Lock->take($directory, 'writer.lock', $world->{lock_ms} // 60_000);
        if (!_has_segment($directory)) {
            $directory->sync_parent;
            my $time = $world->{clock} // now();
            my $state = Puro::State->new;
            $state->fold(control('epoch', pack('V', 1), pack 'Q< a16 Q<', 0, $world->{boot}, $time));    # E-1
            $state->fold(control('setting', $_, $settings->{$_})) for keys %$settings;
            make_file($directory, 0, make_bytes({
                stream_id => $world->{random} // random_id(), base_offset => 0, created => $time, sequence => 0,
                generation => 0, epoch => 1,
            }, $state, 0));
            return 1;
        }
    }
    Puro::Stream->open($path)->active;
    return 0;
}

1;
