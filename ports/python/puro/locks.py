"""Locks on whole files (protocol.md, chapter 2)."""

import errno
import fcntl
import os
import stat
import struct
import time

from .errors import LockTimeout, Refused

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux; start 0, length 0 is the whole file
A_DAY_HALF = 12 * 3600


def _try(fd, kind):
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def try_exclusive(fd):
    return _try(fd, fcntl.F_WRLCK)


def try_shared(fd):
    """A shared lock needs read permission only (L-7)."""
    return _try(fd, fcntl.F_RDLCK)


def unlock(fd):
    _try(fd, fcntl.F_UNLCK)


def wait_for(attempt, seconds, what):
    """Tries with growing pauses until the time limit is over (L-8). 0 seconds: tries once."""
    until, pause = time.monotonic() + seconds, 0.00005
    while not attempt():
        if time.monotonic() >= until:
            raise LockTimeout(f"{what} is held by somebody else")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.002)


def same_file(one, other):
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def name_leads_to(directory_fd, name, fd):
    """Does a name of the directory still lead to the file held? (L-4, R-2)"""
    try:
        found = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return same_file(found, os.fstat(fd))


class LockFile:
    """A lock file: made when missing, never removed, locked by name (L-4, F-44)."""

    def __init__(self, directory_fd, name, mode=0o644):
        self.directory_fd, self.name, self.mode = directory_fd, name, mode
        self.fd, self.held = None, False

    def lock(self, seconds):
        """Locks it; its name must lead to the file that was locked, else anew (L-4)."""
        until = time.monotonic() + seconds
        while True:
            if self.fd is None:
                self._open()
            left = max(0.0, until - time.monotonic())
            wait_for(lambda: try_exclusive(self.fd), left, self.name)
            if name_leads_to(self.directory_fd, self.name, self.fd):
                break
            self._let_go()
        try:
            self._check_kind()
        except Refused:
            self._let_go()
            raise
        self.held = True
        self._keep_young()

    def unlock(self):
        """The file stays open for the next time (L-4 forbids to remove it)."""
        self.held = False
        if self.fd is not None:
            unlock(self.fd)

    def close(self):
        self._let_go()

    def write_hint(self, clock):
        """One line of pid, start of the process, and time (F-40)."""
        try:
            with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
                start = file.read().rpartition(")")[2].split()[19]
        except (OSError, IndexError):
            start = "0"
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()} {start} {clock}\n".encode("ascii"), 0)

    def _open(self):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self.fd = os.open(self.name, flags, self.mode, dir_fd=self.directory_fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                raise Refused(f"{self.name} is no regular file") from error
            raise
        try:
            self._check_kind(names=False)
        except Refused:
            self._let_go()
            raise

    def _check_kind(self, names=True):
        """A regular file with one name (F-44)."""
        found = os.fstat(self.fd)
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{self.name} is no regular file")
        if names and found.st_nlink > 1:
            raise Refused(f"{self.name} has other names, too")

    def _keep_young(self):
        """So that cleaners of old files leave it (L-4)."""
        if time.time() - os.fstat(self.fd).st_mtime > A_DAY_HALF:
            try:
                os.utime(self.fd)
            except OSError:
                pass  # a favour

    def _let_go(self):
        self.held = False
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
