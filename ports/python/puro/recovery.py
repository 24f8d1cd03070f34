"""The recovery table, saved tails and cuts (protocol.md, chapter 5)."""

import os
import stat
from dataclasses import dataclass

from .blocks import CHECKPOINT, HIGH, INVALID, START_BYTES, UNIT, block_length, check_block
from .blocks import start_standing
from .directory import open_without_following
from .errors import Refused, Unreadable
from .numbers import crc32c
from .state import NO_BOOT

WOULD_STOP = ("unreadable", "damaged")
WOULD_CUT = ("unseen", "lost")


@dataclass(frozen=True)
class Finding:
    """What the table says of a segment's end: label, P, L, and why (X-1)."""

    label: str
    committed_end: int
    length: int
    reason: str = ""


def classify(end, own_known, boot_id):
    """The first row of the recovery table that applies to a segment, just scanned (X-1).

    `own_known` is what the writer itself knows to be on disk (A-20). Changes nothing.
    """
    segment, position = end.segment, end.position
    length = segment.status().st_size
    try:
        tail = segment.read(position, length - position)
    except Unreadable as error:
        return Finding("unreadable", position, length, str(error))
    length = position + len(tail)
    extent, behind_known, whole_behind = _look_behind(end, tail)
    known = max(own_known, end.durable_to, behind_known)
    newest = end.state.newest_epoch()
    this_boot = newest is not None and newest.boot_id == boot_id != NO_BOOT

    def found(label, reason=""):
        return Finding(label, position, length, reason)

    if end.first_kind != CHECKPOINT:
        return found("damaged", "the first block is no committed checkpoint")
    if known > position:
        return found("damaged", f"{known} bytes were on disk")
    if whole_behind is not None and this_boot:
        return found("damaged", f"a committed block stands behind, at {whole_behind}")
    if not any(tail):
        return found("clean")  # nothing, or zeros (F-56)
    if tail[0] == 0 and extent.behind_is_empty and this_boot:
        return found("unseen")
    return found("lost")


@dataclass(frozen=True)
class _Extent:
    length: int
    behind_is_empty: bool


def _look_behind(end, tail):
    """The extent at P, the highest durable_to of *behind*, and where a valid and high block of
    *behind* stands, or None. Each byte is checksummed twice at most (X-9, X-10)."""
    header_crc = end.segment.header.crc

    def read(position, size):
        return tail[position - end.position : position - end.position + size]

    first = start_standing(tail[:START_BYTES], header_crc, end.position)
    extent = block_length(first.body_len) if first else UNIT
    known, whole, checked_to, empty = 0, None, 0, True
    for at in range(extent, len(tail) - START_BYTES + 1, UNIT):
        if tail[at + 1] not in (1, 2, 3) or tail[at + 3] != 0:
            continue
        start = start_standing(tail[at : at + START_BYTES], header_crc, end.position + at)
        if start is None:
            continue
        empty = False
        known = max(known, start.durable_to)
        if whole is None and at >= checked_to and start.signal == HIGH:
            found, _ = check_block(read, header_crc, end.position + at)
            if found > INVALID:
                whole = end.position + at
            checked_to = at + block_length(start.body_len)
    return _Extent(extent, empty), known, whole


def save_tail(directory, segment, finding, environment):
    """Writes what is cut off to `lost/`, and syncs it and its names (X-4, F-41)."""
    data = segment.read(finding.committed_end, finding.length - finding.committed_end)
    room = os.fstatvfs(segment.fd)
    if room.f_bavail * room.f_frsize < len(data) - data.count(0):
        raise OSError(28, "no space to save what a repair must cut off")
    lost_fd = directory.subdirectory("lost")
    try:
        stem = f"{segment.sequence:010}-{finding.committed_end:020}-{crc32c(data):08x}"
        attempt, saved = 0, None
        while saved is None:
            name = f"{stem}-{attempt}.tail" if attempt else f"{stem}.tail"
            saved = _fill(lost_fd, name, data, segment.status().st_mode & 0o777, environment)
            attempt += 1
        environment.sync_directory(lost_fd)
        environment.sync_directory(directory.fd)
        return f"lost/{name}"
    finally:
        os.close(lost_fd)


def _fill(lost_fd, name, data, mode, environment):
    """Makes a saved tail, or fills up the beginning of it that a dead repair left; None where
    the name leads to anything else (F-41, X-4)."""
    try:
        fd = open_without_following(name, os.O_RDWR | os.O_CREAT, lost_fd, mode)
    except (Refused, PermissionError):
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            return None
        there = os.pread(fd, len(data) + 1, 0)
        if not data.startswith(there):
            return None
        at = 0  # all of it anew: the sync of what is there may have failed (X-4, M-6)
        while at < len(data):
            at += os.pwrite(fd, data[at:], at)
        environment.sync_file(fd)
        return name
    finally:
        os.close(fd)
