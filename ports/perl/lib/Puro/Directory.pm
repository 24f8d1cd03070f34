package Puro::Directory;
# O-8: one directory that is held; all names are names in it.
use v5.36;
use warnings FATAL => 'all';
use parent -norequire, 'Puro::File';
use Fcntl qw(O_RDONLY O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_RDWR S_ISREG);
use POSIX qw(EINTR ENOENT EEXIST ELOOP ENXIO EISDIR ENOTDIR ENODEV EACCES);
use Puro::Error 'fail';
use Puro::File;
use Puro::System qw(call stat_decode STAT_BYTES);

use constant {AT_SYMLINK_NOFOLLOW => 0x100};

# M-1: network file systems.
my %NETWORK = map { hex($_) => 1 } qw(6969 517B FF534D42 FE534D42 5346414F 6B414653 73757245 564C 00C36400 01021997
    0BD00BD0 01161970 7461636F 65735546);

# The path of a stream, resolved once; symbolic links in it are followed.
sub open_path ($class, $path) {
    my $self = $class->open_at(undef, $path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    if (!$self) {
        fail not_a_stream => "$path is not there, or no directory" if $! == ENOENT || $! == ENOTDIR;
        fail system => "open $path: $!";
    }
    fail refused => 'a network file system' if $NETWORK{$self->file_system->{type}};
    $self->{path} = "$path";
    return $self;
}

# O-5: `consumers` and `lost`, made if they are missing, are opened as directories only.
sub subdirectory ($self, $name) {
    for (1, 2) {
        my $sub = Puro::Directory->open_at($self, $name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
        if ($sub) { $sub->be_like($self) if $_ == 2; return $sub }
        fail refused => "$name is no directory" if $! == ENOTDIR || $! == ELOOP;
        fail system => "open $name: $!" if $! != ENOENT;
        my $text = "$name";
        call('mkdirat', $self->{fd}, $text, 0777) == 0 || $! == EEXIST or fail system => "make $name: $!";
    }
    fail system => "$name comes and goes";
}

# What stands under a name, without following it; undef where there is nothing.
sub look ($self, $name) {
    my ($text, $buffer) = ("$name", "\0" x STAT_BYTES);
    return stat_decode($buffer) if call('newfstatat', $self->{fd}, $text, $buffer, AT_SYMLINK_NOFOLLOW) == 0;
    return undef if $! == ENOENT;
    fail system => "look at $name: $!";
}

# Does the name lead to this open file? The answer is what stands there, or undef.
sub leads ($self, $name, $file) {
    my $there = $self->look($name) or return undef;
    my $here = $file->stat;
    return $there->{dev} == $here->{dev} && $there->{ino} == $here->{ino} ? $there : undef;
}

# F-8, F-54, O-5: opens what must be a regular file. undef and $! where the name is not there.
sub open_regular ($self, $name, $flags = O_RDONLY, $mode = 0666) {
    my $file = Puro::File->open_at($self, $name, $flags | O_NOFOLLOW | O_NONBLOCK, $mode);
    if (!$file) {
        return undef if $! == ENOENT || $! == EEXIST;
        fail refused => "$name is no regular file" if $! == ELOOP || $! == ENXIO || $! == EISDIR || $! == ENODEV;
        fail system => "open $name: $!", errno => 0 + $!;
    }
    fail refused => "$name is no regular file" if !$file->is_regular;
    return $file;
}

# The same, where anything that is in the way is only that (F-41). A device that fails is told all the same.
sub open_regular_or_undef ($self, $name, $flags) {
    my $file = eval { $self->open_regular($name, $flags) };
    my $error = $@;
    die $error if !$file && $error && !($error->{word} eq 'refused' || ($error->{errno} // 0) == EACCES);
    return $file;
}

# All names, in no order. Not one moment: V-11.
sub list ($self) {
    my $again = Puro::File->open_at($self, '.', O_RDONLY | O_DIRECTORY) or fail system => "list $self->{name}: $!";
    my @names;
    while (1) {
        my $buffer = "\0" x 32768;
        my $got = call('getdents64', $again->{fd}, $buffer, 32768);
        if ($got < 0) { next if $! == EINTR; fail system => "list $self->{name}: $!" }
        return grep { $_ ne '.' && $_ ne '..' } @names if $got == 0;
        for (my $at = 0; $at < $got;) {
            my ($length, $name) = unpack 'x16 v x Z*', substr $buffer, $at, $got - $at;
            push @names, $name;
            $at += $length;
        }
    }
}

# Removes a name; it may be gone already.
sub remove ($self, $name) {
    my $text = "$name";
    call('unlinkat', $self->{fd}, $text, 0) == 0 || $! == ENOENT or fail system => "remove $name: $!";
}

sub rename ($self, $from, $to) {
    my ($old, $new) = ("$from", "$to");
    call('renameat', $self->{fd}, $old, $self->{fd}, $new) == 0 or fail system => "rename $from: $!";
}

# O-1: fsync of the directory that holds this one.
sub sync_parent ($self) {
    my $parent = Puro::File->open_at($self, '..', O_RDONLY | O_DIRECTORY) or fail system => "open the parent directory: $!";
    $parent->fsync;
}

1;
