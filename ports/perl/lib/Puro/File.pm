package Puro::File;
# One open file or directory: a bare descriptor, for Perl's own handles buffer, and know no openat.
use v5.36;
use warnings FATAL => 'all';
use Fcntl qw(O_RDONLY O_RDWR O_CREAT O_EXCL O_NOFOLLOW O_NONBLOCK O_DIRECTORY F_RDLCK F_WRLCK F_UNLCK S_ISREG);
use POSIX qw(EINTR EAGAIN EACCES);
use Puro::Error 'fail';
use Puro::System qw(call stat_decode STAT_BYTES);

use constant {O_CLOEXEC => 0x80000, AT_FDCWD => -100, F_OFD_SETLK => 37, KEEP_SIZE => 1};

sub CLONE_SKIP { 1 }    # a thread of Perl gets no copy that would close the descriptor

# Opens a name in a directory (O-8), never inherited by what is executed (L-3). undef and $! where it fails.
sub open_at ($class, $dir, $name, $flags, $mode = 0666) {
    my $path = "$name";    # a fresh text: see System.pm
    my $fd = call('openat', $dir ? $dir->{fd} : AT_FDCWD, $path, $flags | O_CLOEXEC, $mode);
    return $fd < 0 ? undef : bless {fd => $fd, pid => $$, name => $path}, $class;
}

sub _failed ($self, $what) { fail system => "$what of $self->{name}: $!", errno => 0 + $! }

# L-3: a handle of the parent is refused in a forked child, which shares its locks.
sub check_process ($self) { fail refused => 'a handle in a forked child' if $self->{pid} != $$ }

# Up to $n bytes at a place; fewer only where the file ends.
sub pread ($self, $at, $n) {
    my $bytes = '';
    while ($n > 0) {
        my $buffer = "\0" x $n;
        my $got = call('pread64', $self->{fd}, $buffer, $n, $at);
        if ($got < 0) { next if $! == EINTR; $self->_failed('read') }
        return $bytes if $got == 0;
        return $buffer if $bytes eq '' && $got == $n;
        $bytes .= substr $buffer, 0, $got;
        $at += $got;
        $n -= $got;
    }
    return $bytes;
}

sub pwrite ($self, $at, $bytes) {
    $self->check_process;
    while (length $bytes) {
        my $done = call('pwrite64', $self->{fd}, $bytes, length $bytes, $at);
        if ($done < 0) { next if $! == EINTR; $self->_failed('write') }
        fail system => "nothing was written to $self->{name}" if $done == 0;
        $at += $done;
        $bytes = substr $bytes, $done;
    }
}

sub truncate ($self, $length) {
    $self->check_process;
    until (call('ftruncate', $self->{fd}, $length) == 0) { $self->_failed('truncation') if $! != EINTR }
}

# M-6: called once. One that was interrupted has told nothing yet, and is called again.
sub fdatasync ($self) { until (call('fdatasync', $self->{fd}) == 0) { $self->_failed('fdatasync') if $! != EINTR } }
sub fsync ($self) { until (call('fsync', $self->{fd}) == 0) { $self->_failed('fsync') if $! != EINTR } }

sub stat ($self) {
    my $buffer = "\0" x STAT_BYTES;
    call('fstat', $self->{fd}, $buffer) == 0 or $self->_failed('fstat');
    return stat_decode($buffer);
}
sub size ($self) { return $self->stat->{size} }
sub is_regular ($self) { return S_ISREG($self->stat->{mode}) }

# A-8: room behind the file's end, without changing its length. A favour: true where it worked.
sub reserve ($self, $at, $n) { return call('fallocate', $self->{fd}, KEEP_SIZE, $at, $n) == 0 }

# V-2, X-4, M-1: kind and free bytes of the file system.
sub file_system ($self) {
    my $buffer = "\0" x 256;
    call('fstatfs', $self->{fd}, $buffer) == 0 or $self->_failed('fstatfs');
    my ($type, $block, undef, undef, $free) = unpack 'Q5', $buffer;
    return {type => $type & 0xFFFFFFFF, free => $free * $block};
}

# L-1: open-file-description locks on the whole file, tried. False where another one holds it.
sub try_lock ($self, $exclusive) {
    my $flock = pack 's s x4 q q l x4', $exclusive ? F_WRLCK : F_RDLCK, 0, 0, 0, 0;
    return 1 if call('fcntl', $self->{fd}, F_OFD_SETLK, $flock) == 0;
    return 0 if $! == EAGAIN || $! == EACCES;
    $self->_failed('lock');
}
sub unlock ($self) {
    return if $self->{pid} != $$;    # L-3: a child gives no lock back
    my $flock = pack 's s x4 q q l x4', F_UNLCK, 0, 0, 0, 0;
    call('fcntl', $self->{fd}, F_OFD_SETLK, $flock);
}

# O-9: mode, owner and group like those of a neighbour, as far as the system lets us.
sub be_like ($self, $other) {
    my ($mine, $theirs) = ($self->stat, $other->stat);
    call('fchown', $self->{fd}, $theirs->{uid}, $theirs->{gid})
        if $mine->{uid} != $theirs->{uid} || $mine->{gid} != $theirs->{gid};
    call('fchmod', $self->{fd}, $theirs->{mode} & 07777) if ($mine->{mode} & 07777) != ($theirs->{mode} & 07777);
}

# L-4: new times through the descriptor that holds the lock.
sub touch ($self) { call('utimensat', $self->{fd}, 0, 0, 0) }

sub close ($self) {
    my $fd = delete $self->{fd};
    POSIX::close($fd) if defined $fd;
}
sub DESTROY ($self) { local ($!, $@); $self->close }

1;
