"""The state of a stream: the fold of its entries (format.md F-31 to F-37, F-53)."""

import struct
from dataclasses import dataclass

from .errors import Damaged
from .numbers import LARGEST_U64
from .records import Record, control_record, encode_record

CHECKPOINT_BODY_BYTES = 1048576
NO_BOOT = bytes(16)
EPOCH_VALUE = struct.Struct("<Q16sQ")
POSITION_VALUE = struct.Struct("<IQQ")

# name: default, least, most (F-34, F-53)
NUMBERS = {
    b"segment_bytes": (67108864, 4096, 1099511627776),
    b"retention_ms": (0, 0, LARGEST_U64),
    b"retention_bytes": (0, 0, LARGEST_U64),
    b"roll_ms": (0, 0, LARGEST_U64),
    b"marker_grace_ms": (86400000, 0, LARGEST_U64),
    b"pin_grace_ms": (300000, 0, LARGEST_U64),
    b"expiry_ms": (604800000, 0, LARGEST_U64),
    b"keep_unconsumed_limit_bytes": (0, 0, LARGEST_U64),
    b"keep_unconsumed_limit_ms": (0, 0, LARGEST_U64),
}
TRUTHS = {b"keep_unconsumed": False, b"durable": False}


@dataclass(frozen=True)
class Epoch:
    """One span of unbroken history (E-1, F-35)."""

    number: int
    first_offset: int
    boot_id: bytes
    time: int

    def entry(self):
        key = self.number.to_bytes(4, "little")
        value = EPOCH_VALUE.pack(self.first_offset, self.boot_id, self.time)
        return control_record(b"epoch", key, value)


@dataclass(frozen=True)
class StoredPosition:
    """The position of a named consumer (F-36)."""

    epoch: int
    offset: int
    time: int

    def encode(self):
        return POSITION_VALUE.pack(self.epoch, self.offset, self.time)


def setting_entry(name, text):
    """The entry that sets a setting, or with None removes it (F-34)."""
    return control_record(b"setting", name, text)


class State:
    def __init__(self):
        self.entries = {}  # (kind, key): value
        self.unfit = False  # an entry `epoch` was folded that did not fit its block (F-35)

    def copy(self):
        other = State()
        other.entries, other.unfit = dict(self.entries), self.unfit
        return other

    def fold(self, record: Record, first_offset=2**64 - 1):
        """Sets or removes an entry, of a block that begins at this offset; control records
        without a key are none (F-31, F-37)."""
        if not record.control or record.key is None:
            return
        if record.topic == b"epoch":
            ahead = int.from_bytes((record.value or b"")[:8], "little") > first_offset
            self.unfit |= len(record.key) != 4 or ahead
        if record.value is None:
            self.entries.pop((record.topic, record.key), None)
        else:
            self.entries[record.topic, record.key] = record.value

    def epochs(self):
        """All epochs, ascending by number (their keys do not sort so). Damage where one does
        not fit F-35 (F-32)."""
        if self.unfit:
            raise Damaged("an entry epoch that did not fit")
        found = []
        for (kind, key), value in self.entries.items():
            if kind != b"epoch":
                continue
            if len(key) != 4 or len(value) != EPOCH_VALUE.size:
                raise Damaged("an entry epoch that does not fit")
            found.append(Epoch(int.from_bytes(key, "little"), *EPOCH_VALUE.unpack(value)))
        found.sort(key=lambda epoch: epoch.number)
        if any(one.first_offset > next.first_offset for one, next in zip(found, found[1:])):
            raise Damaged("an epoch that begins before an older one")
        return found

    def newest_epoch(self):
        """The newest epoch (E-1), or None where the state has none."""
        epochs = self.epochs()
        return epochs[-1] if epochs else None

    def position_bytes(self, name):
        """The 20 bytes of a position; what is no position counts as none (C-2)."""
        value = self.entries.get((b"position", name))
        return value if value is not None and len(value) == POSITION_VALUE.size else None

    def position(self, name):
        value = self.position_bytes(name)
        return StoredPosition(*POSITION_VALUE.unpack(value)) if value is not None else None

    def positions(self):
        names = sorted(key for kind, key in self.entries if kind == b"position")
        return {name: self.position(name) for name in names if self.position(name)}

    def number(self, name):
        """A setting that is a number; what it cannot be counts as not set (F-34, F-53)."""
        default, least, most = NUMBERS[name]
        text = self.entries.get((b"setting", name))
        if text is None or not text.isdigit() or text[:1] == b"0" and text != b"0":
            return default
        return int(text) if least <= int(text) <= most else default

    def truth(self, name):
        """A setting that is a truth value (F-34, F-53)."""
        text = self.entries.get((b"setting", name))
        return {b"true": True, b"false": False}.get(text, TRUTHS[name])

    def setting_text(self, name):
        """What holds of a setting, as its text; None for a name that is none (F-34, F-53)."""
        if name in NUMBERS:
            return str(self.number(name))
        if name in TRUTHS:
            return "true" if self.truth(name) else "false"
        if name == b"cleanup" or name.startswith(b"cleanup:") and len(name) > len(b"cleanup:"):
            text = self.entries.get((b"setting", name))
            if text in (b"delete", b"compact", b"compact,delete"):
                return text.decode("ascii")
            return "delete" if name == b"cleanup" else None
        return None

    def checkpoint_bodies(self):
        """The whole state, each entry once, ascending, in bodies of a limited size (F-37)."""
        bodies, body = [], b""
        for (kind, key), value in sorted(self.entries.items()):
            record = encode_record(control_record(kind, key, value))
            if body and len(body) + len(record) > CHECKPOINT_BODY_BYTES:
                bodies.append(body)
                body = b""
            body += record
        return bodies + [body]

    def diverged(self, epoch, offset, next_offset):
        """Is the history of a token gone (E-7)? Epoch 0 matches any: only the second case is asked."""
        if epoch == 0:
            return next_offset < offset
        epochs = self.epochs()
        newest = epochs[-1].number if epochs else 0
        return (
            epoch > newest
            or next_offset < offset
            or any(each.number > epoch and each.first_offset < offset for each in epochs)
        )


@dataclass(frozen=True)
class Token:
    """A place in a history, to be kept (E-7, E-9)."""

    stream_id: bytes
    epoch: int
    offset: int

    def __str__(self):
        return f"{self.stream_id.hex()}:{self.epoch}:{self.offset}"

    @classmethod
    def parse(cls, text):
        """Upper-case digits and leading zeros are accepted (E-9)."""
        parts = text.split(":")
        if len(parts) != 3 or len(parts[0]) != 32 or not all(
            part.isascii() and part.isalnum() for part in parts
        ) or not (parts[1].isdigit() and parts[2].isdigit()):  # fmt: skip
            raise ValueError(f"no token: {text!r}")
        epoch, offset = int(parts[1]), int(parts[2])
        if epoch >= 2**32 or offset > LARGEST_U64:
            raise ValueError(f"no token: {text!r}")
        return cls(bytes.fromhex(parts[0]), epoch, offset)
