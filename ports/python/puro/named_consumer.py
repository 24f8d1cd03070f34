"""A consumer that keeps its position in the stream (protocol.md, chapter 9)."""

import os

from .committed_end import open_active
from .directory import check_own_name
from .errors import Diverged, PositionChanged, Refused
from .locks import LockFile
from .reader import Reader
from .records import control_record
from .state import StoredPosition, Token
from .writer import Writer


class NamedConsumer:
    """The one owner of a name (L-10, C-2). It goes on where its last run was.

    Only the thread that made it may use it. `is_new` tells that the name had no position (C-9):
    it begins at the beginning then.
    """

    def __init__(self, path, name, environment=None, lock_seconds=0.0, durable=False):
        check_own_name(name)
        self.path, self.name = path, name.encode("ascii")
        self.environment = environment
        self.writer = self.lock = self._consumers_fd = None
        self.reader = Reader(path, environment, durable)
        try:
            self._consumers_fd = self.reader.directory.subdirectory("consumers")
            self.lock = LockFile(self._consumers_fd, f"{name}.lock")
            self.lock.lock(lock_seconds)
            self.lock.write_hint(self.reader.environment.clock())
            self._find_position()
        except BaseException:
            self.close()
            raise

    def _find_position(self):
        """Reads it under the lock, and goes there (C-2, E-7); out of range is told (C-9)."""
        _, active = open_active(self.reader.directory)
        active.segment.close()
        self.stored = active.state.position_bytes(self.name)
        found = active.state.position(self.name)
        self.is_new = found is None
        self.committed_offset = found.offset if found else None
        if found:
            self.reader.seek_token(Token(self.reader.stream_id, found.epoch, found.offset))

    @property
    def token(self):
        return self.reader.token

    def next_block(self):
        return self.reader.next_block()

    def follow(self, seconds=None):
        return self.reader.follow(seconds)

    def commit(self, token=None):
        """Commits the place behind what was delivered, if that is progress (C-2, C-8)."""
        token = token or self.token
        if token.offset != self.committed_offset:
            self._commit(token, [])

    def commit_with(self, records, token=None):
        """The position and records in one block: both or neither (C-3)."""
        if any(record.control for record in records):
            raise Refused("users append no control records (F-31)")
        return self._commit(token or self.token, records)

    def _commit(self, token, records):
        if self.writer is None:
            self.writer = Writer(self.path, create=False, environment=self.environment)
            if self.writer.stream_id != self.reader.stream_id:
                raise Refused("another stream stands under that path by now (O-8)")
        entries = []

        def decide(writer):
            end = writer.end
            if end.state.position_bytes(self.name) != self.stored:
                raise PositionChanged(f"somebody else set the position of {self.name!r}")
            if end.state.diverged(token.epoch, token.offset, end.next_offset):
                raise Diverged(f"the history of {token} is gone")
            began = min(end.segment.header.created, end.opening_timestamp)  # C-5
            time = max(writer.environment.clock(), began)
            entries.append(StoredPosition(token.epoch, token.offset, time).encode())
            return list(records) + [control_record(b"position", self.name, entries[0])]

        appended = self.writer.append(decide)
        self.stored, self.committed_offset = entries[0], token.offset
        return appended

    def close(self):
        if self.writer is not None:
            self.writer.close()
        if self.lock is not None:
            self.lock.close()
        if self._consumers_fd is not None:
            os.close(self._consumers_fd)
            self._consumers_fd = None
        self.reader.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
