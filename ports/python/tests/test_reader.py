"""Seeking, waiting, and what is told when the past changes (protocol.md, chapter 8)."""

import os
import shutil
import unittest

from puro import (
    Damaged, Diverged, NamedConsumer, NotAStream, OutOfRange, PositionChanged, Producer, Reader,
    Record, Refused, Removed, Token, verify,
)  # fmt: skip
from puro.state import StoredPosition
from puro.records import control_record

from .support import BEGIN, VECTORS, FixedWorld, InDirectory, all_values

SMALL = {b"segment_bytes": b"4096"}


class Seeking(InDirectory):
    def setUp(self):
        super().setUp()
        self.copy_vector("rollover")

    def test_by_offset(self):
        with Reader(self.path) as reader:
            for offset in range(13):
                reader.seek_offset(offset)
                self.assertEqual(reader.offset, offset)
                letters = [value[:1] for value in all_values(reader)]
                self.assertEqual(letters, [bytes([65 + n]) for n in range(offset, 12)])
            with self.assertRaises(OutOfRange):
                reader.seek_offset(13)
            (self.path / "0000000000.puro").unlink()
            with self.assertRaises(OutOfRange):
                reader.seek_offset(3)
            reader.seek_offset(4)

    def test_within_a_block(self):
        with Producer(self.path, environment=FixedWorld()) as producer:
            producer.append_batch([Record(b"t", b"x"), Record(b"t", b"y")])
        with Reader(self.path) as reader:
            reader.seek_offset(13)
            self.assertEqual(all_values(reader), [b"y"])

    def test_by_time(self):
        with Reader(self.path) as reader:
            for seconds in range(-1, 15):
                reader.seek_time(BEGIN + 1000 * seconds)
                expected = max(0, 12 - max(0, seconds - 1))
                self.assertEqual(len(all_values(reader)), expected, seconds)

    def test_end_and_beginning(self):
        with Reader(self.path) as reader:
            reader.seek_end()
            self.assertIsNone(reader.next_block())
            self.assertEqual(reader.offset, 12)
            reader.seek_beginning()
            self.assertEqual(len(all_values(reader)), 12)

    def test_tokens(self):
        with Reader(VECTORS / "epochs") as reader:
            text = "101112131415161718191a1b1c1d1e1f"
            for good in ("1:0", "1:1", "2:2", "3:3", "3:2", "0:3", "0:0"):
                reader.seek_token(Token.parse(f"{text}:{good}"))
            for wrong in ("1:2", "2:3", "3:4", "4:3", "4:0"):
                with self.assertRaises(Diverged, msg=wrong):
                    reader.seek_token(Token.parse(f"{text}:{wrong}"))
            with self.assertRaises(Refused):
                reader.seek_token(Token(bytes(16), 1, 0))


class Files(InDirectory):
    def test_a_missing_segment(self):
        self.copy_vector("rollover")
        (self.path / "0000000001.puro").unlink()
        with Reader(self.path) as reader:
            for _ in range(4):
                reader.next_block()
            with self.assertRaises(Damaged):
                reader.next_block()
        self.assertEqual(verify(self.path)[:2], ("damaged", 4))

    def test_a_segment_that_is_deleted_before_the_hop(self):
        self.copy_vector("rollover")
        with Reader(self.path) as reader:
            reader.next_block()
            (self.path / "0000000000.puro").unlink()
            for _ in range(3):
                reader.next_block()
            for _ in range(2):  # it lasts
                with self.assertRaises(OutOfRange):
                    reader.next_block()

    def test_other_kinds_of_files(self):
        self.copy_vector("rollover")
        os.mkfifo(self.path / "0000000003.puro")
        with self.assertRaises(Refused):
            Reader(self.path)
        os.unlink(self.path / "0000000003.puro")
        os.symlink(self.path / "0000000002.puro", self.path / "0000000003.puro")
        with self.assertRaises(Refused):
            Reader(self.path)

    def test_strays(self):
        self.copy_vector("rollover")
        with Producer(self.base / "other") as other:
            other.append(b"t", b"x")
        shutil.copy(self.base / "other" / "0000000000.puro", self.path / "0000000007.puro")
        shutil.copy(self.path / "0000000000.puro", self.path / "0000000003.puro")
        (self.path / "9999999999.puro").write_bytes(b"no number of a segment")
        with Reader(self.path) as reader:
            self.assertEqual(len(all_values(reader)), 12)
        with Producer(self.path, create=False, environment=FixedWorld()) as producer:
            self.assertEqual(producer.token().offset, 12)

    def test_nobody_can_say_whose(self):
        self.copy_vector("empty")
        shutil.copytree(VECTORS / "rollover", self.base / "other")
        with Producer(self.base / "third", settings=SMALL) as other:
            other.append(b"t", bytes(3000))
            other.append(b"t", bytes(3000))
        shutil.copy(self.base / "third" / "0000000001.puro", self.path / "0000000001.puro")
        with self.assertRaises(NotAStream):
            Reader(self.path)

    def test_no_stream(self):
        self.path.mkdir()
        with self.assertRaises(NotAStream):
            Reader(self.path)


class Waiting(InDirectory):
    def setUp(self):
        super().setUp()
        self.world = FixedWorld()
        self.producer = Producer(self.path, environment=self.world)
        self.addCleanup(self.producer.close)
        for value in (b"a", b"b"):
            self.producer.append(b"t", value)
        self.reader = Reader(self.path, environment=self.world)
        self.addCleanup(self.reader.close)
        self.assertEqual(all_values(self.reader), [b"a", b"b"])

    def test_follow(self):
        follow = self.reader.follow(5)
        self.producer.append(b"t", b"c")
        self.assertEqual([each.record.value for each in next(follow)], [b"c"])

    def test_moved(self):
        self.path.rename(self.base / "elsewhere")
        with self.assertRaises(Removed):
            self.reader.look_around()

    def test_cut_off_and_grown_over_with_a_raise(self):
        data = bytearray(self.segment.read_bytes())
        data[-100] ^= 1
        self.segment.write_bytes(data)
        self.reader.look_around()  # damaged, and nobody has repaired it yet
        self.reader.look_around()
        with Producer(self.path, environment=self.world) as other:
            self.assertEqual([each.label for each, _ in other.repair()], ["lost"])
            other.append(b"t", b"other")
        self.assertIsNone(self.reader.next_block())
        with self.assertRaises(Diverged):
            self.reader.look_around()

    def test_cut_off_and_nothing_in_its_place(self):
        """R-11: that is waited for; the second case of E-7 is not asked."""
        os.truncate(self.segment, 320)
        self.reader.look_around()
        self.assertIsNone(self.reader.next_block())

    def test_cut_off_and_grown_over_without_a_raise(self):
        """R-11: who repaired died between the cut and the raise."""
        os.truncate(self.segment, 320)
        with Producer(self.path, environment=self.world) as other:
            other.append(b"t", b"other")
            other.append(b"t", b"more")
        self.assertIsNone(self.reader.next_block())
        with self.assertRaises(Diverged):
            self.reader.look_around()

    def test_only_a_block_without_records_is_taken_back(self):
        """R-11: then nothing of what was read is lost."""
        self.producer.set(b"durable", b"false")
        self.assertIsNone(self.reader.next_block())
        os.truncate(self.segment, 448)
        with Producer(self.path, environment=self.world) as other:
            other.append(b"t", b"c" * 100)
        self.assertIsNone(self.reader.next_block())
        self.reader.look_around()
        self.assertEqual(all_values(self.reader), [b"c" * 100])

    def test_durable_reading(self):
        """R-7"""
        with Reader(self.path, environment=self.world, durable=True) as reader:
            self.world.synced.clear()
            reader.next_block()
            self.assertEqual(len(self.world.synced), 1)
            self.world.failing_syncs = 1
            for error in (OSError, Exception):
                with self.assertRaises(error):
                    reader.next_block()


class Named(InDirectory):
    def setUp(self):
        super().setUp()
        with Producer(self.path, settings=SMALL) as producer:
            for number in range(20):
                producer.append(b"t", b"%d" % number + bytes(500))

    def test_goes_on_where_it_was(self):
        numbers = []
        for _ in range(5):
            with NamedConsumer(self.path, "bob") as consumer:
                self.assertEqual(consumer.is_new, not numbers)
                for _ in range(4):
                    for each in consumer.next_block():
                        numbers.append(int(each.record.value.rstrip(b"\x00")))
                consumer.commit()
                consumer.commit()  # no progress, no block (C-8)
        self.assertEqual(numbers, list(range(20)))
        self.assertEqual(verify(self.path)[:2], ("sound", 20))

    def test_both_or_neither(self):
        with NamedConsumer(self.path, "bob") as consumer:
            consumer.next_block()
            consumer.commit_with([Record(b"out", b"made of 0")])
        with NamedConsumer(self.path, "bob") as consumer:
            self.assertEqual(consumer.token.offset, 1)
            self.assertEqual(len(all_values(consumer.reader)), 20)

    def test_one_owner(self):
        with NamedConsumer(self.path, "bob"), self.assertRaises(Exception):
            NamedConsumer(self.path, "bob")
        for wrong in (".x", "", "a/b", "x" * 201):
            with self.assertRaises(Refused):
                NamedConsumer(self.path, wrong)

    def test_somebody_else_set_it(self):
        with NamedConsumer(self.path, "bob") as consumer:
            consumer.next_block()
            consumer.commit()
            with Producer(self.path) as other:
                value = StoredPosition(1, 7, 0).encode()
                entry = control_record(b"position", b"bob", value)
                other.writer.append(lambda writer: [entry])
            consumer.next_block()
            with self.assertRaises(PositionChanged):
                consumer.commit()

    def test_a_lost_place(self):
        with NamedConsumer(self.path, "bob") as consumer:
            consumer.next_block()
            consumer.commit()
        (self.path / "0000000000.puro").unlink()
        with self.assertRaises(OutOfRange):
            NamedConsumer(self.path, "bob")


if __name__ == "__main__":
    unittest.main()
