"""Appending: round trips, rollover, locks, conditions (protocol.md, chapters 2 to 7)."""

import os
import threading
import unittest

from puro import (
    AppendedNotDurable, ConditionFailed, Diverged, LockTimeout, NotAStream, Producer, Reader,
    Record, Refused, Removed, Token, verify,
)  # fmt: skip
from puro.locks import LockFile

from .support import FixedWorld, InDirectory, all_values

SMALL = {b"segment_bytes": b"4096"}


class RoundTrips(InDirectory):
    def test_many_segments(self):
        values = [b"%d " % number * 50 for number in range(120)]
        with Producer(self.path, settings=SMALL) as producer:
            for value in values:
                producer.append(b"t", value)
        with Reader(self.path) as reader:
            self.assertEqual(all_values(reader), values)
        self.assertGreater(len(list(self.path.glob("*.puro"))), 3)
        self.assertEqual(verify(self.path)[:2], ("sound", 120))

    def test_fields(self):
        records = [
            Record(b"t", b"v", b"k", ((b"n", b"1"), (b"n", b""))), Record(b"u", None, b""),
            Record(b"\xff", b"\x00"),
        ]  # fmt: skip
        with Producer(self.path) as producer:
            done = producer.append_batch(records)
        self.assertEqual((done.first_offset, done.count), (0, 3))
        with Reader(self.path) as reader:
            self.assertEqual([each.record for each in reader.next_block()], records)

    def test_two_writers_by_turns_over_segments(self):
        with Producer(self.path, settings=SMALL) as one, Producer(self.path) as other:
            for number in range(40):
                one.append(b"t", b"%d" % (2 * number) + bytes(300))
                other.append(b"t", b"%d" % (2 * number + 1) + bytes(300))
        with Reader(self.path) as reader:
            values = [int(value.rstrip(b"\x00")) for value in all_values(reader)]
        self.assertEqual(values, list(range(80)))

    def test_two_writers_at_once(self):
        def run(letter):
            with Producer(self.path, settings=SMALL) as producer:
                for number in range(40):
                    producer.append(letter, b"%d" % number + bytes(200))

        threads = [threading.Thread(target=run, args=(each,)) for each in (b"a", b"b", b"c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(verify(self.path)[:2], ("sound", 120))

    def test_a_large_block_gets_a_segment_of_its_own(self):
        with Producer(self.path, settings=SMALL) as producer:
            producer.append(b"t", b"first")
            producer.append(b"t", bytes(10_000))
            producer.append(b"t", b"last")
        self.assertEqual(len(list(self.path.glob("*.puro"))), 3)
        self.assertEqual(verify(self.path)[0], "sound")

    def test_a_setting_takes_effect_for_all(self):
        """C-6"""
        with Producer(self.path) as one, Producer(self.path) as other:
            one.append(b"t", bytes(3000))
            other.set(b"segment_bytes", b"4096")
            one.append(b"t", bytes(3000))
        self.assertTrue((self.path / "0000000001.puro").exists())


class Conditions(InDirectory):
    def test_append_if(self):
        with Producer(self.path) as one, Producer(self.path) as other:
            token = one.token()
            other.append(b"t", b"faster")
            with self.assertRaises(ConditionFailed):
                one.append_if(token, [Record(b"t", b"x")])
            one.append_if(one.token(), [Record(b"t", b"y")])
            with self.assertRaises(Diverged):
                one.append_if(Token(token.stream_id, 2, 2), [Record(b"t", b"z")])
            with self.assertRaises(Refused):
                one.append_if(Token(bytes(16), 1, 2), [Record(b"t", b"z")])
        with Reader(self.path) as reader:
            self.assertEqual(all_values(reader), [b"faster", b"y"])

    def test_epochs(self):
        """E-2: another boot; E-2: no boot, once after each opening."""
        for boot, expected in ((b"\xb1", 1), (b"\xb1", 1), (b"\xb2", 2), (b"\x00", 3), (b"\x00", 4)):
            with Producer(self.path, environment=FixedWorld(boot * 16)) as producer:
                producer.append(b"t", b"x")
                producer.append(b"t", b"x")
                self.assertEqual(producer.token().epoch, expected)

    def test_a_raise_that_is_not_known_to_be_on_disk_is_synced(self):
        """E-4: its writer died before it could sync."""
        world = FixedWorld()
        Producer(self.path, environment=world).close()
        world.boot = b"\xb2" * 16
        with Producer(self.path, environment=world) as dying:
            with dying.writer.locked():
                dying.writer._sync_now = lambda: None
                dying.writer._raise()
        world.synced.clear()
        with Producer(self.path, environment=world) as producer:
            producer.append(b"t", b"x")
            self.assertEqual(len(world.synced), 1)

    def test_not_durable(self):
        world = FixedWorld()
        with Producer(self.path, environment=world) as producer:
            world.failing_syncs = 2
            with self.assertRaises(AppendedNotDurable):
                producer.append(b"t", b"x", durable=True)
        with Reader(self.path) as reader:
            self.assertEqual(all_values(reader), [b"x"])


class LocksAndNames(InDirectory):
    def test_a_held_lock(self):
        with Producer(self.path, lock_seconds=0.05) as producer:
            holder = LockFile(producer.writer.directory.fd, "writer.lock")
            holder.lock(0)
            with self.assertRaises(LockTimeout):
                producer.append(b"t", b"x")
            holder.close()
            producer.append(b"t", b"y")

    def test_a_removed_lock_file(self):
        """L-4: whoever locked a file that lost its name begins again."""
        with Producer(self.path) as producer:
            producer.append(b"t", b"x")
            (self.path / "writer.lock").unlink()
            producer.append(b"t", b"y")
            self.assertTrue((self.path / "writer.lock").exists())

    def test_a_second_name(self):
        with Producer(self.path) as producer:
            producer.append(b"t", b"x")
            os.link(self.segment, self.base / "copy")
            with self.assertRaises(Refused):
                producer.append(b"t", b"y")
            (self.base / "copy").unlink()
            os.link(self.segment, self.path / "0000000000.puro.new")
            producer.append(b"t", b"y")
        self.assertFalse((self.path / "0000000000.puro.new").exists())

    def test_a_sealed_segment_may_have_many_names(self):
        """A-19: that of the remembered end was sealed meanwhile, and backed up by links."""
        with Producer(self.path, settings=SMALL) as one, Producer(self.path) as other:
            for _ in range(2):
                other.append(b"t", bytes(3000))
            os.link(self.segment, self.base / "backup")
            self.assertEqual(one.append(b"t", b"x").first_offset, 2)

    def test_a_lock_file_with_two_names(self):
        Producer(self.path).close()
        os.link(self.path / "writer.lock", self.base / "other")
        with Producer(self.path) as producer, self.assertRaises(Refused):
            producer.append(b"t", b"x")

    def test_a_removed_stream(self):
        with Producer(self.path) as producer:
            self.segment.unlink()
            with self.assertRaises(Removed):
                producer.append(b"t", b"x")

    def test_no_creation_among_other_things(self):
        self.path.mkdir()
        (self.path / "letter.txt").write_text("mine")
        with self.assertRaises(NotAStream):
            Producer(self.path)

    def test_a_fork(self):
        """L-3"""
        with Producer(self.path) as producer:
            child = os.fork()
            if child == 0:
                try:
                    producer.append(b"t", b"x")
                except Refused:
                    os._exit(3)
                os._exit(4)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 3)

    def test_death_in_a_rollover(self):
        """V-6: sealed, and the next one not made; or made, and not named."""
        with Producer(self.path, settings=SMALL) as producer:
            producer.append(b"t", bytes(3000))
            producer.append(b"t", bytes(3000))
        next_one = self.path / "0000000001.puro"
        next_one.rename(self.path / "0000000001.puro.new")
        self.assertEqual(verify(self.path)[0], "needs repair")
        with Producer(self.path) as producer:
            self.assertEqual(producer.append(b"t", b"x").first_offset, 1)
        self.assertEqual(verify(self.path)[:2], ("sound", 2))

    def test_a_stray_in_the_way(self):
        """V-10: nothing is sealed."""
        with Producer(self.path, settings=SMALL) as producer:
            producer.append(b"t", bytes(3000))
            with Producer(self.base / "other", settings=SMALL) as other:
                other.append(b"t", bytes(3000))
                other.append(b"t", bytes(3000))
            os.rename(self.base / "other" / "0000000001.puro", self.path / "0000000001.puro")
            with self.assertRaises(Refused):
                producer.append(b"t", bytes(3000))
            producer.append(b"t", b"small")


if __name__ == "__main__":
    unittest.main()
