package Puro::Lock;
# Lock files (L-1, L-4, L-8, F-40, F-44): made where missing, never removed; they count only under their names.
use v5.36;
use warnings FATAL => 'all';
use Fcntl qw(O_RDWR O_CREAT O_EXCL);
use POSIX qw(ENOENT EEXIST);
use Puro::Directory;
use Puro::Error 'fail';
use Time::HiRes ();

# Takes the lock of that name, waiting so long at most (0: only tried). $like: whose mode a new file gets (O-9).
sub take ($class, $directory, $name, $wait_ms, $like = undef) {
    my $deadline = Time::HiRes::time() + $wait_ms / 1000;
    while (1) {
        my $file = _open($directory, $name, $like);
        my $late = 0;
        until ($file->try_lock(1)) {
            # Who waits is told busy of the file that the name leads to, and of no other (L-4).
            last if !$directory->leads($name, $file);
            fail busy => "$name is held by another one" if $late;
            $late = Time::HiRes::time() >= $deadline;
            Time::HiRes::sleep(0.002) if !$late;
        }
        my $there = $directory->leads($name, $file);    # what was looked at before the lock was had counts for nothing
        next if !$there || !$file->try_lock(1);
        fail refused => "$name has more than one name" if $there->{nlink} != 1;    # F-44
        $file->touch if $there->{mtime} < time - 86_400;
        return bless {file => $file}, $class;
    }
}

sub _open ($directory, $name, $like) {
    while (1) {
        my $file = $directory->open_regular($name, O_RDWR);
        if (!$file) {
            $file = $directory->open_regular($name, O_RDWR | O_CREAT | O_EXCL);
            if (!$file) {
                fail removed => 'the directory was removed' if $! == ENOENT;
                next;    # somebody else made it in between
            }
            $file->be_like($like) if $like;
        }
        my $links = $file->stat->{nlink};
        fail refused => "$name has more than one name" if $links > 1;    # F-44: before anything is written into it
        return $file if $links == 1;
    }
}

# F-40: the hint of whoever holds it. Nobody trusts it, so nothing comes of an error.
sub hint ($self) {
    my $start = 0;
    if (open my $stat, '<', "/proc/$$/stat") {
        my $line = <$stat> // '';
        $start = (split ' ', $1)[19] if $line =~ /\A.*\) (.*)/s;    # field 22; the name before may hold blanks
    }
    eval {
        my $line = sprintf "%d %s %d\n", $$, $start // 0, Puro::System::now();
        $self->{file}->pwrite(0, $line);
        $self->{file}->truncate(length $line);
    };
}

# The lock is given back by itself: to close alone would leave it to a child that has the descriptor, too (L-3).
sub release ($self) {
    my $file = delete $self->{file} or return;
    $file->unlock;
    $file->close;
}
sub CLONE_SKIP { 1 }
sub DESTROY ($self) { local ($!, $@); $self->release }

1;
