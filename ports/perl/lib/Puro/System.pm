package Puro::System;
# The system calls that Perl itself has not: by `syscall`, with numbers and layouts of 64-bit Linux.
use v5.36;
use warnings FATAL => 'all';
use Exporter 'import';
use POSIX ();
use Time::HiRes ();
our @EXPORT_OK = qw(call stat_decode boot_id now STAT_BYTES);

my %NUMBERS = (
    x86_64 => {
        pread64 => 17, pwrite64 => 18, fstat => 5, fcntl => 72, fsync => 74, fdatasync => 75, ftruncate => 77,
        fchmod => 91, fchown => 93, fstatfs => 138, getdents64 => 217, openat => 257, mkdirat => 258, newfstatat => 262,
        unlinkat => 263, renameat => 264, utimensat => 280, fallocate => 285,
    },
    aarch64 => {
        pread64 => 67, pwrite64 => 68, fstat => 80, fcntl => 25, fsync => 82, fdatasync => 83, ftruncate => 46,
        fchmod => 52, fchown => 55, fstatfs => 44, getdents64 => 61, openat => 56, mkdirat => 34, newfstatat => 79,
        unlinkat => 35, renameat => 38, utimensat => 88, fallocate => 47,
    },
);
my $MACHINE = (POSIX::uname())[4];
my $NR = $^O eq 'linux' && $NUMBERS{$MACHINE} or die "Puro needs 64-bit Linux on x86_64 or aarch64\n";
# struct stat: dev, ino, nlink, mode, uid, gid, size, mtime
my $STAT = $MACHINE eq 'x86_64' ? 'Q Q Q V V V x4 x8 q x8 x8 x16 q' : 'Q Q V V V V x8 x8 q x4 x4 x8 x16 q';
use constant STAT_BYTES => 256;

# The call; -1 and $! where it failed. A trap: `syscall` takes a scalar that was ever used as a number for one,
# and else gives the address of its bytes. So names are copied to be text, and what is written into must be a buffer
# of the caller's: hence @_ (which is the caller's own scalars) and no signature, which would copy them.
sub call { my $name = shift; return syscall $NR->{$name}, @_ }

sub stat_decode ($bytes) {
    my %stat;
    my @fields = $MACHINE eq 'x86_64' ? qw(dev ino nlink mode uid gid size mtime) : qw(dev ino mode nlink uid gid size mtime);
    @stat{@fields} = unpack $STAT, $bytes;
    return \%stat;
}

# M-7, M-9: the boot id's 16 bytes; sixteen zeros where it is unknown.
sub boot_id () {
    open my $file, '<', '/proc/sys/kernel/random/boot_id' or return "\0" x 16;
    my $text = <$file> // '';
    return $text =~ /\A([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\s*\z/i
        ? pack('H*', "$1$2$3$4$5") : "\0" x 16;
}

sub now () { return int(Time::HiRes::time() * 1000) }    # F-5

1;
