"""Varints and CRC-32C (format.md, chapter 2)."""

from .errors import Damaged

LARGEST_U64 = 2**64 - 1


def _make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _make_table()


def crc32c(data, before=0):
    """CRC-32C; `before` is the CRC of what stands before the data (F-3)."""
    table = _TABLE
    value = before ^ 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def encode_varint(value):
    """The shortest unsigned LEB128 (F-2)."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode_varint(data, at, end):
    """The varint at `at`, which must end before `end`; returns it and the place behind (F-2)."""
    value = 0
    for count in range(10):
        if at + count >= end:
            raise Damaged("a varint ends beyond what holds it")
        byte = data[at + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            if byte == 0 and count > 0:
                raise Damaged("a varint is longer than it must be")
            if value > LARGEST_U64:
                raise Damaged("a varint exceeds 64 bits")
            return value, at + count + 1
    raise Damaged("a varint takes more than ten bytes")
