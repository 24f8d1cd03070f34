"""The files of a stream's directory (format.md, chapter 3; protocol.md O-5, O-8, V-11)."""

import errno
import os
import re
import stat

from .blocks import HEADER_BYTES, Previous, check_block, decode_header
from .errors import Damaged, Newer, NotAStream, Refused, Unreadable
from .locks import LockFile, name_leads_to, same_file

SEGMENT_NAME = re.compile(r"[0-9]{10}\.puro")
PIECE = 65536  # bytes looked at in one go
HIGHEST_SEQUENCE = 2**32 - 1  # of the header's field; above it a name is none (QUESTIONS.md, 8)
KNOWN_NAME = re.compile(
    r"[0-9]{10}\.puro(\.new|\.compact)?|writer\.lock|steward\.lock|consumers|lost|lost\+found"
)
OWN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
NETWORKS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "glusterfs", "lustre", "fuse"}


def segment_name(sequence):
    return f"{sequence:010}.puro"


def check_own_name(name):
    """The name of a consumer, or the identity of a producer (F-11)."""
    if not OWN_NAME.fullmatch(name):
        raise Refused(f"{name!r} can be no name of a consumer")


def open_without_following(name, flags, directory_fd, mode=0o644):
    """Opens a name as F-54 and O-5 want it; refuses what is no regular file (F-8)."""
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(name, flags, mode, dir_fd=directory_fd)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise Refused(f"{name} is no regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Refused(f"{name} is no regular file")
    return fd


class Segment:
    """One segment's file that is held open."""

    def __init__(self, directory, sequence, writable=False):
        self.name, self.sequence = segment_name(sequence), sequence
        flags = os.O_RDWR if writable else os.O_RDONLY
        self.fd = open_without_following(self.name, flags, directory.fd)
        try:
            self.header = decode_header(self.read(0, HEADER_BYTES), writable)
        except BaseException:
            self.close()
            raise

    def read(self, position, size):
        """Up to so many bytes from a position on. A read error is no invalid byte (X-1)."""
        parts, left = [], size
        while left:
            try:
                part = os.pread(self.fd, left, position)
            except OSError as error:
                raise Unreadable(f"{self.name} at {position}: {error}") from error
            if not part:
                break
            parts.append(part)
            position += len(part)
            left -= len(part)
        return b"".join(parts)

    def is_zero(self, position, size=None):
        """Does nothing but zeros stand there, up to the end of the file where no size is given?
        What the file does not have is zero (F-56, A-2)."""
        while size is None or size > 0:
            part = self.read(position, PIECE if size is None else min(size, PIECE))
            if any(part):
                return False
            if len(part) < PIECE:
                return True
            position += len(part)
            size = None if size is None else size - len(part)
        return True

    def write(self, position, data):
        while data:
            count = os.pwrite(self.fd, data, position)
            position, data = position + count, data[count:]

    def status(self):
        return os.fstat(self.fd)

    def check(self, position, previous=None):
        """What stands at a position (F-24)."""
        return check_block(self.read, self.header.crc, position, previous)

    def before_first_block(self):
        """What the first block must continue (F-21)."""
        header = self.header
        return Previous(header.crc, header.base_offset, header.generation)

    def is_of(self, stream_id):
        """Does it say that it is of that stream (F-9)?"""
        return self.header.stream_id == stream_id and self.header.sequence == self.sequence

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Directory:
    """A stream's directory: opened once, all names are names in it (O-8)."""

    def __init__(self, path, allow_network=False):
        self.path = os.path.abspath(path)
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if not allow_network and _file_system(os.path.realpath(path)) in NETWORKS:
            self.close()
            raise Refused("a network file system (M-1)")

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def path_leads_here(self):
        """R-11, O-8"""
        try:
            return same_file(os.stat(self.path), os.fstat(self.fd))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def exists(self, sequence):
        """Looks a segment's name up by itself (V-11)."""
        try:
            os.stat(segment_name(sequence), dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def leads_to(self, segment):
        """Does the segment's name still lead to the file that is held? (R-2, V-8)"""
        return name_leads_to(self.fd, segment.name, segment.fd)

    def sequences(self):
        """The numbers of all segments' names, the listing completed (V-11)."""
        listed = sorted(
            int(name[:10])
            for name in os.listdir(self.fd)
            if SEGMENT_NAME.fullmatch(name) and int(name[:10]) <= HIGHEST_SEQUENCE
        )
        found = set(listed)
        for number, following in zip(listed, listed[1:]):
            candidate = number + 1
            while candidate < following and self.exists(candidate):
                found.add(candidate)
                candidate += 1
        return sorted(found)

    def later_than(self, sequence, stream_id):
        """The lowest segment of the stream behind that number, or None (A-5, V-9, V-11)."""
        if self.exists(sequence + 1) and self._says_of(sequence + 1) in (stream_id, None):
            return sequence + 1
        for number in self.sequences():
            if number > sequence and self._says_of(number) in (stream_id, None):
                return number
        return None

    def _says_of(self, sequence):
        """Which stream a file says it is of (F-9); None where it is damage, b"" if stray."""
        try:
            with Segment(self, sequence) as segment:
                header = segment.header
                return header.stream_id if header.sequence == sequence else b""
        except FileNotFoundError:
            return b""
        except Damaged:
            return None

    def stream(self):
        """The stream's id and the numbers of its segments, strays left out (F-9)."""
        sequences = self.sequences()
        if not sequences:
            raise NotAStream(f"{self.path} has no segment")
        lowest = next(filter(None, map(self._says_of, sequences)), None)
        highest = next(filter(None, map(self._says_of, reversed(sequences))), None)
        if lowest is None:
            raise Damaged("no segment has a valid header")
        said = {}
        if lowest != highest:
            said = {number: self._says_of(number) for number in sequences}
            votes = [each for each in said.values() if each]
            most = max(set(votes), key=votes.count)
            if [votes.count(each) for each in set(votes)].count(votes.count(most)) > 1:
                raise NotAStream("nobody can say whose segments these are (F-9)")
            lowest = most
        strays = [n for n in sequences if said.get(n, self._says_of(n)) not in (lowest, None)]
        return lowest, [number for number in sequences if number not in strays]

    def writer_lock(self, mode=0o644):
        return LockFile(self.fd, "writer.lock", mode)

    def subdirectory(self, name):
        """`consumers` or `lost`, made if missing, opened without following links (O-5, L-10)."""
        try:
            os.mkdir(name, os.fstat(self.fd).st_mode & 0o777, dir_fd=self.fd)
        except FileExistsError:
            pass
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(name, flags, dir_fd=self.fd)
        except NotADirectoryError as error:
            raise Refused(f"{name} is no directory") from error


def _file_system(path):
    """The kind of file system that a path is on; FUSE counts as one of a network (M-1)."""
    best, kind = "", ""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                _, place, found = line.split()[:3]
                prefix = place.rstrip("/") + "/"
                if (path + "/").startswith(prefix) and len(prefix) >= len(best):
                    best, kind = prefix, found
    except OSError:
        return ""
    return "fuse" if kind.startswith("fuse.") else kind
