"""The recovery table: each row, cut tails, and dying in the middle (protocol.md, chapter 5)."""

import os
import unittest

from puro import Damaged, Producer, Reader, verify
from puro.blocks import CHECKPOINT, encode_block
from puro.committed_end import scan
from puro.directory import Directory, Segment
from puro.numbers import crc32c

from .support import FixedWorld, InDirectory, all_values


class Recovery(InDirectory):
    def make(self, values=(b"a", b"b", b"c"), durable=None):
        self.world = FixedWorld()
        with Producer(self.path, environment=self.world, durable=durable) as producer:
            for value in values:
                producer.append(b"t", value)
        return bytearray(self.segment.read_bytes())

    def put(self, data):
        self.segment.write_bytes(bytes(data))

    def repair(self, boot=b"\xb1"):
        world = FixedWorld(boot * 16)
        with Producer(self.path, create=False, environment=world) as producer:
            return [(finding.label, saved) for finding, saved in producer.repair()]

    def after(self, label, values, boot=b"\xb1"):
        """Repairs, and appends; what is there then."""
        done = self.repair(boot)
        self.assertEqual([each for each, _ in done], [label])
        with Producer(self.path, environment=FixedWorld(boot * 16)) as producer:
            self.assertEqual(producer.append(b"t", b"new").repairs, ())
        with Reader(self.path) as reader:
            self.assertEqual(all_values(reader), values + [b"new"])
        self.assertEqual(verify(self.path)[0], "sound")
        return done[0][1]

    def newest(self):
        directory = Directory(self.path)
        with Segment(directory, 0) as segment:
            epoch = scan(segment).state.newest_epoch().number
        directory.close()
        return epoch

    def test_clean(self):
        self.make()
        self.assertEqual(self.repair(), [])

    def test_zeros_are_nothing(self):
        """F-56: as many as a durable writer puts ahead, or a death leaves."""
        for zeros in (1, 63, 64, 100, 262144, 300001):
            data = self.make()
            self.put(data + bytes(zeros))
            self.assertEqual(verify(self.path)[0], "sound")
            self.assertEqual(self.repair(), [])
            with Producer(self.path, environment=self.world) as producer:
                self.assertEqual(producer.append(b"t", b"new").repairs, ())
            self.assertEqual(self.segment.stat().st_size, max(len(data) + zeros, len(data) + 128))
            with Reader(self.path) as reader:
                self.assertEqual(all_values(reader), [b"a", b"b", b"c", b"new"])
            self.assertEqual(self.newest(), 1)
            self.segment.unlink()

    def test_the_length_says_nothing(self):
        """Another appended over zeros, so that the file is as long as before (A-2)."""
        data = self.make()
        self.put(data + bytes(4096))
        with (
            Producer(self.path, environment=self.world) as sleeper,
            Producer(self.path, environment=self.world) as other,
        ):
            for producer, value in ((sleeper, b"d"), (other, b"e"), (sleeper, b"f"), (other, b"g")):
                self.assertEqual(producer.append(b"t", value).repairs, ())
        self.assertEqual(self.segment.stat().st_size, len(data) + 4096)
        with Reader(self.path) as reader:
            self.assertEqual(all_values(reader), [bytes([c]) for c in b"abcdefg"])

    def test_what_is_left_behind_a_hole_is_found_by_who_opens(self):
        """Z-6: a loss of power took the beginning of a block that readers had seen."""
        data = self.make()
        self.put(data + bytes(640) + b"\7" * 64)
        self.assertEqual([label for label, _ in self.repair(b"\xb2")], ["lost"])

    def test_nothing_is_in_the_way_of_a_block(self):
        """Z-7: of the write in which another died the beginning is missing."""
        data = self.make()
        with Producer(self.path, environment=self.world) as producer:
            producer.append(b"t", b"d")
            place = self.segment.stat().st_size
            self.put(self.segment.read_bytes() + bytes(1024) + b"\7" * 64)
            producer.append(b"t", b"e")  # a glance sees no more than 64 bytes
            self.assertEqual(self.segment.stat().st_size, place + 1024 + 64)
            done = producer.append(b"t", bytes(700)).repairs
            self.assertEqual([(finding.label, saved) for finding, saved in done], [("unseen", None)])
        with Reader(self.path) as reader:
            self.assertEqual(len(all_values(reader)), 6)
        self.assertEqual(self.newest(), 1)

    def test_a_sealed_segment_has_no_zeros(self):
        """V-3: it is cut before it is synced; and F-25: others may have left some."""
        with Producer(self.path, settings={b"segment_bytes": b"4096"}) as producer:
            producer.append(b"t", bytes(3000))
            os.truncate(self.segment, self.segment.stat().st_size + 800)
            producer.append(b"t", bytes(3000))
        sealed = self.segment.read_bytes()
        self.assertEqual(sealed[-64:][:64].rstrip(b"\0") != b"", True)
        self.put(sealed + bytes(5000))
        with Reader(self.path) as reader:
            self.assertEqual(len(all_values(reader)), 2)
        self.assertEqual(verify(self.path)[0], "sound")

    def test_unseen_at_every_cut(self):
        """The last block low, and only a beginning of it there."""
        data = self.make()
        data[-128] = 0
        for length in list(range(2, 128, 9)) + [127, 128]:
            self.put(data[: len(data) - 128 + length])
            self.assertEqual(self.repair(), [("unseen", None)], length)
            self.assertEqual(self.segment.read_bytes(), data[:-128])
        self.put(data)
        self.after("unseen", [b"a", b"b"])
        self.assertEqual(self.newest(), 1)

    def test_low_in_another_boot_is_lost(self):
        data = self.make()
        data[-128] = 0
        self.put(data)
        saved = self.after("lost", [b"a", b"b"], b"\xb2")
        self.assertEqual((self.path / saved).read_bytes(), data[-128:])
        self.assertEqual(self.newest(), 2)  # raised by the repair alone

    def test_torn_at_every_cut(self):
        """The last block committed, the file cut within it."""
        data = self.make()
        for number, length in enumerate(list(range(1, 128, 9)) + [127]):
            tail = data[len(data) - 128 :][:length]
            self.put(data[: len(data) - 128 + length])
            ((label, saved),) = self.repair()
            self.assertEqual(label, "lost")
            place = len(data) - 128
            self.assertEqual(saved, f"lost/0000000000-{place:020}-{crc32c(tail):08x}.tail")
            self.assertEqual((self.path / saved).read_bytes(), tail)
            self.assertEqual(self.newest(), 2)

    def test_a_committed_block_behind_is_damage_in_this_boot_alone(self):
        data = self.make()
        data[-256:-128] = bytes(128)
        self.put(data)
        with self.assertRaises(Damaged):
            self.repair()
        self.assertEqual(self.segment.read_bytes(), data)
        self.after("lost", [b"a"], b"\xb2")

    def test_what_was_known_to_be_on_disk_is_never_cut(self):
        data = self.make((b"a", b"b", b"c"), durable=True)
        data[-256 + 50] ^= 1  # the last block says that this one was on disk
        self.put(data)
        for boot in (b"\xb1", b"\xb2"):
            with self.assertRaises(Damaged):
                self.repair(boot)
        self.assertEqual(self.segment.read_bytes(), data)

    def test_a_writer_knows_what_it_synced(self):
        """A-20: the file is cut below what this writer knows to be on disk."""
        world = FixedWorld()
        with Producer(self.path, environment=world) as producer:
            producer.append(b"t", b"a")
            producer.append(b"t", b"b", durable=True)
            os.truncate(self.segment, 320)
            with self.assertRaises(Damaged):
                producer.append(b"t", b"c")
        with Producer(self.path, environment=world) as producer:  # opened anew it does not know
            producer.append(b"t", b"c")

    def test_no_opening_checkpoint(self):
        data = self.make()
        self.put(data[:64])
        with self.assertRaises(Damaged):
            self.repair()
        self.put(data[:63])
        with self.assertRaises(Damaged):
            self.repair()

    def test_a_body_is_no_evidence(self):
        """X-9: starts within the extent of a low block at P do not count."""
        data = self.make(())
        with Producer(self.path, environment=self.world) as producer:
            producer.append(b"t", bytes(500))
        whole = bytearray(self.segment.read_bytes())
        place, header_crc = len(data), int.from_bytes(whole[60:64], "little")
        forged = encode_block(
            header_crc, place + 128, CHECKPOINT, b"", has_control=False, record_count=0,
            prev_crc=0, first_offset=0, timestamp=0, durable_to=1 << 40, epoch=1, signal=0xA5,
        )  # fmt: skip
        whole[place + 128 : place + 192] = forged
        whole[place] = 0
        self.put(whole)
        self.assertEqual(self.repair(), [("unseen", None)])
        whole[place + 1] = 0  # no start stands at P any more: now it counts
        self.put(whole)
        with self.assertRaises(Damaged):
            self.repair()

    def test_saved_tails_with_one_name(self):
        data = self.make()
        torn = data[:-28]
        self.put(torn)
        ((_, first),) = self.repair()
        (self.path / first).write_bytes(torn[-100:][:10])  # a repair died while it saved
        self.put(torn)
        self.assertEqual(self.repair(), [("lost", first)])
        self.assertEqual((self.path / first).read_bytes(), torn[-100:])
        (self.path / first).write_bytes(b"other")
        self.put(torn)
        self.assertEqual(self.repair(), [("lost", first.replace(".tail", "-1.tail"))])

    def test_bytes_behind_a_segment_end_raise_nothing(self):
        """X-6, F-25; and the rollover is finished (V-6)."""
        world = FixedWorld()
        settings = {b"segment_bytes": b"4096"}
        with Producer(self.path, settings=settings, environment=world) as producer:
            producer.append(b"t", bytes(3000))
            producer.append(b"t", bytes(3000))
        (self.path / "0000000001.puro").unlink()
        with open(self.segment, "ab") as file:
            file.write(b"garbage")
        with Producer(self.path, environment=world) as producer:
            repairs = producer.append(b"t", b"new").repairs
            self.assertEqual([finding.label for finding, _ in repairs], ["lost"])
            self.assertEqual(producer.token().epoch, 1)
        with Reader(self.path) as reader:
            self.assertEqual(len(all_values(reader)), 2)

    def test_a_sync_that_fails_is_mended(self):
        """A-14: never just sync again; the bytes are written anew."""
        world = FixedWorld()
        with Producer(self.path, environment=world) as producer:
            producer.append(b"t", b"a")
            writes = []
            write = producer.writer.segment.write
            producer.writer.segment.write = lambda at, data: (writes.append(at), write(at, data))
            world.failing_syncs = 1
            producer.append(b"t", b"b", durable=True)
            self.assertEqual(writes, [320, 320, 192])  # block, signal, and all not known
            self.assertEqual(producer.writer.known, 448)


if __name__ == "__main__":
    unittest.main()
