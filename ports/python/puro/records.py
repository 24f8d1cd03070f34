"""Records to bytes and back (format.md, chapter 6), and control records (chapter 7)."""

from dataclasses import dataclass

from .errors import Damaged, LimitExceeded, Refused
from .numbers import crc32c, decode_varint, encode_varint

MAX_TOPIC_BYTES = 1024
MAX_KEY_BYTES = 1024
MAX_HEADERS_BYTES = 65536
MAX_VALUE_BYTES = 10485760
MAX_BODY_BYTES = 16777216

HAS_KEY, HAS_VALUE, HAS_HEADERS, IS_CONTROL = 1, 2, 4, 8


@dataclass(frozen=True)
class Record:
    """What users append. `value` None is a delete marker (F-27)."""

    topic: bytes
    value: bytes | None = b""
    key: bytes | None = None
    headers: tuple = ()  # of (name, value), in the order given
    control: bool = False


@dataclass(frozen=True)
class Delivered:
    """A record with its place (F-29)."""

    offset: int
    timestamp: int
    record: Record


def control_record(kind, key, value):
    """A control record: with a key an entry of the state (F-31)."""
    return Record(topic=kind, value=value, key=key, control=True)


def check_limits(record):
    """F-26, F-27, F-30 and F-31: what may not be written."""
    if not 1 <= len(record.topic) <= MAX_TOPIC_BYTES:
        raise LimitExceeded(f"a topic of {len(record.topic)} bytes")
    if record.key is not None and len(record.key) > MAX_KEY_BYTES:
        raise LimitExceeded(f"a key of {len(record.key)} bytes")
    if record.value is not None and len(record.value) > MAX_VALUE_BYTES:
        raise LimitExceeded(f"a value of {len(record.value)} bytes")
    if record.value is None and record.key is None:
        raise Refused("a delete marker without a key")
    if record.headers and len(_encode_headers(record.headers)) > MAX_HEADERS_BYTES:
        raise LimitExceeded("headers of too many bytes")
    if any(not name for name, _ in record.headers):
        raise Refused("a header without a name")
    if record.control and record.headers:
        raise Refused("a control record with headers")


def _encode_headers(headers):
    parts = [encode_varint(len(headers))]
    for name, value in headers:
        parts += [encode_varint(len(name)), name, encode_varint(len(value)), value]
    return b"".join(parts)


def encode_record(record):
    """One record as bytes (table "record")."""
    check_limits(record)
    attributes = (
        (HAS_KEY if record.key is not None else 0)
        | (HAS_VALUE if record.value is not None else 0)
        | (HAS_HEADERS if record.headers else 0)
        | (IS_CONTROL if record.control else 0)
    )
    parts = [bytes([attributes]), encode_varint(len(record.topic)), record.topic]
    if record.key is not None:
        parts += [encode_varint(len(record.key)), record.key]
    if record.headers:
        parts.append(_encode_headers(record.headers))
    if record.value is not None:
        parts.append(record.value)
    fields = b"".join(parts)
    rest = encode_varint(len(fields)) + fields
    return crc32c(rest).to_bytes(4, "little") + rest


def decode_record(data, at):
    """The record at `at` of a body; returns it and the place behind (F-6, F-27, F-28, F-30)."""
    if at + 4 > len(data):
        raise Damaged("a record ends beyond its block")
    crc = int.from_bytes(data[at : at + 4], "little")
    length, begin = decode_varint(data, at + 4, len(data))
    end = begin + length
    if end > len(data):
        raise Damaged("a record ends beyond its block")
    if crc32c(data[at + 4 : end]) != crc:
        raise Damaged("the crc of a record is wrong")
    if begin == end:
        raise Damaged("a record without attributes")
    attributes = data[begin]
    if attributes & 0xF0:
        raise Damaged("attribute bits 4 to 7")
    topic, here = _sized(data, begin + 1, end, 1, MAX_TOPIC_BYTES, "topic")
    key, headers, value = None, (), None
    if attributes & HAS_KEY:
        key, here = _sized(data, here, end, 0, MAX_KEY_BYTES, "key")
    if attributes & HAS_HEADERS:
        headers, here = _decode_headers(data, here, end)
    if attributes & HAS_VALUE:
        value, here = bytes(data[here:end]), end
        if len(value) > MAX_VALUE_BYTES:
            raise Damaged("a value of too many bytes")
    elif key is None:
        raise Damaged("a delete marker without a key")
    if here != end:
        raise Damaged("the fields of a record do not end where its length says")
    control = bool(attributes & IS_CONTROL)
    if control and headers:
        raise Damaged("a control record with headers")
    return Record(topic, value, key, headers, control), end


def _sized(data, at, end, least, most, what):
    size, at = decode_varint(data, at, end)
    if not least <= size <= most or at + size > end:
        raise Damaged(f"a {what} of {size} bytes")
    return bytes(data[at : at + size]), at + size


def _decode_headers(data, at, end):
    begin = at
    count, at = decode_varint(data, at, end)
    if count == 0 or count > MAX_HEADERS_BYTES:
        raise Damaged(f"{count} headers")
    headers = []
    for _ in range(count):
        name, at = _sized(data, at, end, 1, MAX_HEADERS_BYTES, "header's name")
        value, at = _sized(data, at, end, 0, MAX_HEADERS_BYTES, "header's value")
        headers.append((name, value))
        if at - begin > MAX_HEADERS_BYTES:
            raise Damaged("headers of too many bytes")
    return tuple(headers), at


def gap_length(record, generation):
    """How many offsets a control record takes: none, unless it is a gap (F-33)."""
    if not (record.control and record.topic == b"gap" and record.key is None):
        return 0
    if generation == 0:
        raise Damaged("a gap in a segment that was not compacted")
    value = record.value or b""
    count, end = decode_varint(value, 0, len(value))
    if count == 0 or end != len(value):
        raise Damaged("a gap that is none")
    return count


def decode_body(block, generation):
    """All records of a committed block: (offset or None, record) each.

    Checks what F-24 leaves to whoever decodes: flags (F-17), record_count (F-18), gaps (F-33).
    """
    decoded, at, offset, controls, after_gap = [], 0, block.start.first_offset, False, False
    while at < len(block.body):
        record, at = decode_record(block.body, at)
        if record.control:
            controls = True
            gap = gap_length(record, generation)
            if gap and (after_gap or block.start.kind != 1):
                raise Damaged("a gap beside another, or in no records block")
            after_gap = gap > 0
            decoded.append((None, record))
            offset += gap
        else:
            if block.start.kind != 1:
                raise Damaged("a record in a checkpoint or segment end")
            after_gap = False
            decoded.append((offset, record))
            offset += 1
    if controls != bool(block.start.flags & 1):
        raise Damaged("flag bit 0 does not tell of the control records")
    if offset - block.start.first_offset != block.start.record_count:
        raise Damaged("record_count is not that of the records")
    return decoded
