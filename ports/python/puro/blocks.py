"""Segment headers and blocks (format.md, chapters 4 and 5)."""

import os
import struct
from dataclasses import dataclass

from .errors import Damaged, Foreign, LimitExceeded, Newer, Refused
from .numbers import LARGEST_U64, crc32c
from .records import MAX_BODY_BYTES, control_record, encode_record

MAGIC = b"\x8bPURO\r\n\x1a"
HEADER = struct.Struct("<8s4H16sQQIIII")
HEADER_BYTES = 64
START = struct.Struct("<BBHIIIQQQII")
START_BYTES, END_BYTES, UNIT = 48, 8, 64
LOW, HIGH = 0x00, 0xA5
RECORDS, CHECKPOINT, SEGMENT_END = 1, 2, 3

# What the bytes at a place are; each of the last three says more than the one before (F-24).
NOTHING, INVALID, VALID, GOOD, COMMITTED = range(5)


@dataclass(frozen=True)
class Header:
    stream_id: bytes
    base_offset: int
    created: int
    sequence: int
    generation: int
    epoch: int
    crc: int = 0

    def encode(self):
        """F-12, F-13: version 1, no feature bits."""
        data = HEADER.pack(
            MAGIC, 1, 0, 0, 0, self.stream_id, self.base_offset, self.created,
            self.sequence, self.generation, self.epoch, 0,
        )[:60]  # fmt: skip
        return data + crc32c(data).to_bytes(4, "little")


def decode_header(data, to_write=False):
    """F-12: magic, crc, version, features, in this order."""
    if data[:8] != MAGIC:
        raise Foreign("not a segment: the magic is wrong")
    if len(data) < HEADER_BYTES:
        raise Damaged("the file is shorter than a segment header")
    fields = HEADER.unpack(data[:HEADER_BYTES])
    if crc32c(data[:60]) != fields[-1]:
        raise Damaged("the crc of the segment header is wrong")
    if fields[1] != 1:
        raise Newer(f"version {fields[1]} of the format")
    if fields[4] or to_write and fields[3]:
        raise Newer("features that this program does not know")
    return Header(*fields[5:])


@dataclass(frozen=True)
class Start:
    signal: int
    kind: int
    flags: int
    body_len: int
    record_count: int
    prev_crc: int
    first_offset: int
    timestamp: int
    durable_to: int
    epoch: int
    start_crc: int

    def can_be(self):
        """The fields that F-16 to F-18 allow; the signal may be anything (F-43)."""
        return (
            self.kind in (RECORDS, CHECKPOINT, SEGMENT_END)
            and self.flags & ~1 == 0
            and self.body_len <= MAX_BODY_BYTES
            and (self.body_len > 0 or self.kind != RECORDS)
            and (self.record_count == 0 or self.kind == RECORDS)
            and self.first_offset + self.record_count <= LARGEST_U64
        )


@dataclass(frozen=True)
class Block:
    position: int
    start: Start
    body: bytes
    crc: int
    last_eight: bytes  # end_body_len and crc, what a look compares

    @property
    def length(self):
        return block_length(self.start.body_len)

    @property
    def behind(self):
        return self.position + self.length

    @property
    def next_offset(self):
        return self.start.first_offset + self.start.record_count


@dataclass(frozen=True)
class Previous:
    """What a block must continue (F-21)."""

    crc: int
    next_offset: int
    generation: int


def block_length(body_len):
    """F-15"""
    return (START_BYTES + body_len + END_BYTES + UNIT - 1) // UNIT * UNIT


def seed(header_crc, position):
    """What the checksums of a block begin with (F-19)."""
    return crc32c(header_crc.to_bytes(4, "little") + position.to_bytes(8, "little"))


def start_standing(data, header_crc, position):
    """The start that stands at a position (F-43), or None. `data` begins there."""
    if len(data) < START_BYTES or data[1] not in (1, 2, 3) or data[3] != 0:
        return None
    start = Start(*START.unpack(data[:START_BYTES]))
    if not start.can_be():
        return None
    if crc32c(data[1:44], seed(header_crc, position)) != start.start_crc:
        return None
    return start


def check_block(read, header_crc, position, previous=None):
    """What stands at a position (F-15 to F-24); returns that, and the block from VALID on.

    `read(position, size)` gives up to so many bytes. It is asked for the start first, and for
    all of the block only after start_crc was found right (F-20).
    """
    data = read(position, START_BYTES)
    if len(data) < START_BYTES:
        return NOTHING, None
    start = start_standing(data, header_crc, position)
    if start is None or start.signal not in (LOW, HIGH):
        return INVALID, None
    length = block_length(start.body_len)
    rest = read(position + START_BYTES, length - START_BYTES)
    if len(rest) < length - START_BYTES:
        return INVALID, None
    pad = rest[start.body_len : -END_BYTES]
    end_body_len, crc = struct.unpack("<II", rest[-END_BYTES:])
    if any(pad) or end_body_len != start.body_len:
        return INVALID, None
    if crc32c(rest[:-4], start.start_crc) != crc:
        return INVALID, None
    block = Block(position, start, rest[: start.body_len], crc, bytes(rest[-END_BYTES:]))
    if previous is None or not continues(start, previous):
        return VALID, block
    return (COMMITTED if start.signal == HIGH else GOOD), block


def continues(start, previous):
    """The chain, and offsets without a gap but for compactions (F-21)."""
    if start.prev_crc != previous.crc:
        return False
    if previous.generation == 0:
        return start.first_offset == previous.next_offset
    return start.first_offset >= previous.next_offset


def encode_block(header_crc, position, kind, body, *, has_control, record_count, prev_crc,
                 first_offset, timestamp, durable_to, epoch, signal=LOW):  # fmt: skip
    """A block's bytes (tables "block start" and "block end"; F-15, F-17 to F-19)."""
    if len(body) > MAX_BODY_BYTES:
        raise LimitExceeded(f"a body of {len(body)} bytes")
    if first_offset + record_count > LARGEST_U64:
        raise LimitExceeded("no offsets are left")
    start = START.pack(
        signal, kind, int(has_control), len(body), record_count, prev_crc,
        first_offset, timestamp, durable_to, epoch, 0,
    )[:44]  # fmt: skip
    start_crc = crc32c(start[1:], seed(header_crc, position))
    pad = bytes(block_length(len(body)) - START_BYTES - len(body) - END_BYTES)
    rest = body + pad + len(body).to_bytes(4, "little")
    crc = crc32c(rest, start_crc)
    return start + start_crc.to_bytes(4, "little") + rest + crc.to_bytes(4, "little")


def holds_a_start(header_crc, position, body):
    """Would a start stand within a block of this body (F-43)? It could only be in the body."""
    data = bytes(START_BYTES) + body + bytes(UNIT)
    for at in range(UNIT, START_BYTES + len(body), UNIT):
        if data[at + 1] in (1, 2, 3) and data[at + 3] == 0:
            if start_standing(data[at : at + START_BYTES], header_crc, position + at):
                return True
    return False


def shifted_if_needed(header_crc, position, body):
    """The body, behind a `pad` where a start would stand in it (F-43, F-46); and is there one?"""
    if not holds_a_start(header_crc, position, body):
        return body, False
    for attempt in range(256):
        size = attempt if attempt < 16 else int.from_bytes(os.urandom(2), "little")
        shifted = encode_record(control_record(b"pad", None, bytes(size))) + body
        if len(shifted) <= MAX_BODY_BYTES and not holds_a_start(header_crc, position, shifted):
            return shifted, True
    raise Refused("the records look like blocks wherever they are put")
