"""A producer (protocol.md, chapter 4)."""

from dataclasses import dataclass

from .errors import ConditionFailed, Diverged, Refused
from .records import Record
from .state import Token, setting_entry
from .writer import Writer


@dataclass(frozen=True)
class Appended:
    """The outcome of an append (A-12)."""

    first_offset: int
    count: int
    repairs: tuple = ()  # what had to be repaired first


class Producer:
    """Appends records; each call is one block, seen whole or not at all (A-15)."""

    def __init__(self, path, create=True, settings=None, durable=None, environment=None, **more):
        self.durable = durable  # None: as the setting says (F-34)
        self.writer = Writer(path, create, settings, environment, **more)

    def append(self, topic, value=b"", key=None, headers=(), durable=None):
        """One record in one block."""
        return self.append_batch([Record(topic, value, key, tuple(headers))], durable)

    def append_batch(self, records, durable=None):
        """Many records in one block; they may be of several topics (A-15)."""
        return self._append(lambda writer: records, records, durable)

    def append_if(self, token, records, durable=None):
        """Only if nobody was faster (A-16): the next offset is still the token's."""

        def decide(writer):
            if token.stream_id != writer.stream_id:
                raise Refused("a token of another stream (E-8)")
            end = writer.end
            if end.state.diverged(token.epoch, token.offset, end.next_offset):
                raise Diverged(f"the history of {token} is gone")
            if end.next_offset != token.offset:
                raise ConditionFailed(f"the next offset is {end.next_offset}")
            return records

        return self._append(decide, records, durable)

    def set(self, name, text):
        """Changes a setting, or with None goes back to its default (C-1, C-6)."""
        self.writer.append(lambda writer: [setting_entry(name, text)], self.durable)

    def repair(self):
        """Repairs as any append would, and appends nothing (X-8)."""
        before = len(self.writer.repairs)
        with self.writer.locked():
            self.writer.catch_up()
        return tuple(self.writer.repairs[before:])

    def token(self):
        """The committed end, as of the last look."""
        end = self.writer.end
        return Token(self.writer.stream_id, end.epoch, end.next_offset)

    def _append(self, decide, records, durable):
        if any(record.control for record in records):
            raise Refused("users append no control records (F-31)")
        before = len(self.writer.repairs)
        durable = self.durable if durable is None else durable
        first, count = self.writer.append(decide, durable)
        return Appended(first, count, tuple(self.writer.repairs[before:]))

    def close(self):
        self.writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
