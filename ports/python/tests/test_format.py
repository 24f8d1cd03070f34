"""Integers, records and blocks: format.md alone."""

import struct
import unittest

from puro import Damaged, LimitExceeded, Newer, Record, Refused
from puro.blocks import (
    COMMITTED, GOOD, HIGH, INVALID, NOTHING, RECORDS, VALID, Header, Previous, block_length,
    check_block, decode_header, encode_block, holds_a_start, shifted_if_needed,
)  # fmt: skip
from puro.numbers import crc32c, decode_varint, encode_varint
from puro.records import decode_body, decode_record, encode_record
from puro.state import State, Token, setting_entry

HEADER = Header(bytes(range(16)), 0, 1, 0, 0, 1)
HEADER_CRC = crc32c(HEADER.encode()[:60])


def block(body, position=64, signal=HIGH, **more):
    fields = dict(has_control=False, record_count=1, prev_crc=7, first_offset=0, timestamp=1,
                  durable_to=0, epoch=1) | more  # fmt: skip
    return encode_block(HEADER_CRC, position, RECORDS, body, signal=signal, **fields)


def check(data, position=64, previous=Previous(7, 0, 0)):
    def read(place, size):
        return data[place - position : place - position + size]

    return check_block(read, HEADER_CRC, position, previous)[0]


class Numbers(unittest.TestCase):
    def test_crc(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(crc32c(b"6789", crc32c(b"12345")), 0xE3069283)

    def test_varints(self):
        for value in (0, 1, 127, 128, 300, 2**32, 2**63, 2**64 - 1):
            data = encode_varint(value)
            self.assertEqual(decode_varint(data, 0, len(data)), (value, len(data)))
        for wrong in (b"\x80\x00", b"\xff" * 9 + b"\x02", b"\xff" * 10 + b"\x00", b"\x80", b""):
            with self.assertRaises(Damaged):
                decode_varint(wrong, 0, len(wrong))


class Headers(unittest.TestCase):
    def test_every_bit_counts(self):
        data = HEADER.encode()
        self.assertEqual(decode_header(data).stream_id, HEADER.stream_id)
        for bit in range(64 * 8):
            with self.assertRaises(Damaged):
                decode_header(turned(data, bit))

    def test_a_newer_one_is_told_apart(self):
        def with_field(at, value):
            data = bytearray(HEADER.encode())
            data[at : at + 2] = struct.pack("<H", value)
            data[60:64] = struct.pack("<I", crc32c(bytes(data[:60])))
            return bytes(data)

        for at, value in ((8, 2), (14, 1)):
            with self.assertRaises(Newer):
                decode_header(with_field(at, value))
        decode_header(with_field(10, 1), to_write=True)
        decode_header(with_field(12, 1))
        with self.assertRaises(Newer):
            decode_header(with_field(12, 1), to_write=True)


class Blocks(unittest.TestCase):
    body = encode_record(Record(b"topic", b"value"))

    def test_every_bit_counts(self):
        data = block(self.body)
        self.assertEqual(check(data), COMMITTED)
        for bit in range(len(data) * 8):
            self.assertLess(check(turned(data, bit)), COMMITTED, bit)

    def test_what_it_is(self):
        self.assertEqual(check(block(self.body, signal=0)), GOOD)
        self.assertEqual(check(block(self.body, prev_crc=8)), VALID)
        self.assertEqual(check(block(self.body, first_offset=1)), VALID)
        self.assertEqual(check(block(self.body, position=128)), INVALID)
        for size in range(len(block(self.body))):
            expected = NOTHING if size < 48 else INVALID
            self.assertEqual(check(block(self.body)[:size]), expected)
        self.assertEqual(check(block(b"")), INVALID)  # F-16

    def test_compacted_segments_have_jumps(self):
        data = block(self.body, first_offset=5)
        self.assertEqual(check(data, previous=Previous(7, 3, 1)), COMMITTED)
        self.assertEqual(check(data, previous=Previous(7, 6, 1)), VALID)

    def test_no_block_within_a_block(self):
        """F-43: a value that looks like a block just where it will stand is shifted."""
        position = 64
        before = len(encode_record(Record(b"t", bytes(200)))) - 200  # of the fields before a value
        fill = 128 - 48 - before
        forged = block(self.body, position=position + 128)
        body = encode_record(Record(b"t", bytes(fill) + forged + bytes(200 - fill)))
        begin = body.index(forged)
        if (48 + begin) % 64:  # the length of the value may take a byte more
            body = encode_record(
                Record(b"t", bytes(fill - (48 + begin) % 64) + forged + bytes(300))
            )
        self.assertTrue(holds_a_start(HEADER_CRC, position, body))
        shifted, padded = shifted_if_needed(HEADER_CRC, position, body)
        self.assertTrue(padded)
        self.assertFalse(holds_a_start(HEADER_CRC, position, shifted))
        data = block(shifted, has_control=True)
        found, whole = check_block(
            lambda at, n: data[at - 64 : at - 64 + n], HEADER_CRC, 64, Previous(7, 0, 0)
        )
        self.assertEqual(found, COMMITTED)
        self.assertEqual([offset for offset, _ in decode_body(whole, 0)], [None, 0])

    def test_lengths(self):
        self.assertEqual([block_length(n) for n in (0, 8, 9, 72, 73)], [64, 64, 128, 128, 192])


class Records(unittest.TestCase):
    def test_there_and_back(self):
        for record in (
            Record(b"t", b"v"), Record(b"t", b""), Record(b"t", None, b""),
            Record(b"t", b"v", b"k", ((b"n", b""), (b"n", b"v"))),
            Record(b"t", bytes(100_000)), Record(b"gap", b"\x01", None, (), True),
        ):  # fmt: skip
            data = encode_record(record)
            self.assertEqual(decode_record(data, 0), (record, len(data)))

    def test_every_bit_counts(self):
        data = encode_record(Record(b"t", b"v", b"k", ((b"n", b"v"),)))
        for bit in range(len(data) * 8):
            with self.assertRaises(Damaged):
                decode_record(turned(data, bit), 0)

    def test_what_must_be_refused(self):
        for record, error in (
            (Record(b""), LimitExceeded), (Record(b"t" * 1025), LimitExceeded),
            (Record(b"t", b"", b"k" * 1025), LimitExceeded), (Record(b"t", None), Refused),
            (Record(b"t", bytes(10485761)), LimitExceeded),
            (Record(b"t", b"", None, ((b"", b""),)), Refused),
            (Record(b"t", b"", None, ((b"n", bytes(65536)),)), LimitExceeded),
        ):  # fmt: skip
            with self.assertRaises(error):
                encode_record(record)
        for fields in (
            b"\x10\x01t", b"\x02\x00", b"\x00\x01t", b"\x06\x01t\x00", b"\x0e\x01t\x01\x01n\x00",
            b"\x01\x01t\x00x", b"\x02\x81\x00t",
        ):  # fmt: skip
            rest = encode_varint(len(fields)) + fields
            with self.assertRaises(Damaged, msg=fields):
                decode_record(crc32c(rest).to_bytes(4, "little") + rest, 0)


class States(unittest.TestCase):
    def test_settings(self):
        state = State()
        for text, value in (
            (b"4096", 4096), (b"100", 67108864), (b"04096", 67108864), (b"x", 67108864),
            (b"", 67108864), (None, 67108864), (b"1099511627777", 67108864),
        ):  # fmt: skip
            state.fold(setting_entry(b"segment_bytes", text))
            self.assertEqual(state.number(b"segment_bytes"), value, text)
        state.fold(setting_entry(b"durable", b"true"))
        self.assertTrue(state.truth(b"durable"))

    def test_a_state_of_several_blocks(self):
        state = State()
        for number in range(3):
            state.fold(Record(b"unknown", bytes(600_000), bytes([number]), (), True))
        self.assertEqual(len(state.checkpoint_bodies()), 3)

    def test_tokens(self):
        text = "101112131415161718191a1b1c1d1e1f:1:5"
        self.assertEqual(str(Token.parse(text)), text)
        self.assertEqual(str(Token.parse(text.upper().replace(":5", ":05"))), text)
        for wrong in ("", "1:2:3", text + ":1", text[:-1] + "-1", text[:-1]):
            with self.assertRaises(ValueError):
                Token.parse(wrong)


def turned(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


if __name__ == "__main__":
    unittest.main()
