"""The golden streams of spec/vectors: read, and made anew."""

import base64
import json
import shutil
import unittest

from puro import Damaged, NeedsRepair, Producer, Reader, Record, Token, verify
from puro.blocks import CHECKPOINT, COMMITTED, GOOD, RECORDS, SEGMENT_END, VALID
from puro.committed_end import CommittedEnd
from puro.directory import Directory, Segment
from puro.records import decode_body
from puro.recovery import classify

from .support import BEGIN, VECTORS, FixedWorld, InDirectory

KINDS = {RECORDS: "records", CHECKPOINT: "checkpoint", SEGMENT_END: "segment_end"}
VERDICTS = {  # README.md of the vectors: verification, records
    "empty": ("sound", 0), "records": ("sound", 9), "rollover": ("sound", 12),
    "epochs": ("sound", 3), "boot_id": ("sound", 1), "zeros": ("sound", 2), "low_tail": ("needs repair", 2),
    "torn_tail": ("needs repair", 2), "lost_tail": ("needs repair", 1),
    "repaired": ("sound", 2), "damaged_tail": ("damaged", 0), "damaged_sealed": ("damaged", 5),
}  # fmt: skip


def inspected(name):
    lines = (VECTORS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def field(record, name):
    if name + "_base64" in record:
        return base64.b64decode(record[name + "_base64"])
    value = record.get(name)
    return value.encode("utf-8") if value is not None else None


class Read(unittest.TestCase):
    def test_verdicts_and_records(self):
        for name, (verdict, records) in VERDICTS.items():
            with self.subTest(name):
                found = verify(VECTORS / name, FixedWorld(b"\xb9" * 16))  # in another boot
                self.assertEqual(found[:2], (verdict, records))

    def test_each_field_of_each_block(self):
        for name in VERDICTS:
            directory, segment, end = Directory(VECTORS / name), None, None
            for line in inspected(name):
                with self.subTest(name, line=line.get("position", line.get("file"))):
                    if line["type"] == "segment":
                        segment = Segment(directory, int(line["file"][:10]))
                        self.addCleanup(segment.close)
                        end = CommittedEnd(segment)
                        self.compare_header(segment.header, line["header"])
                    elif line["type"] == "block":
                        self.compare_block(segment, end, line)
            directory.close()

    def compare_header(self, header, expected):
        self.assertEqual(header.stream_id.hex(), expected["stream_id"])
        self.assertEqual(f"{header.crc:08x}", expected["crc"])
        for name in ("base_offset", "sequence", "generation", "epoch"):
            self.assertEqual(getattr(header, name), expected[name])
        self.assertEqual(header.created, expected["created_ms"])

    def compare_block(self, segment, end, expected):
        position = expected["position"]
        previous = end.previous if end.position == position else None
        found, block = segment.check(position, previous)
        if expected["state"] in ("torn", "damaged"):
            self.assertLess(found, VALID)
            return
        self.assertEqual(
            found, {"committed": COMMITTED, "low": GOOD, "behind": VALID}[expected["state"]]
        )
        start = block.start
        self.assertEqual(KINDS[start.kind], expected["kind"])
        for name in ("body_len", "record_count", "first_offset", "durable_to", "epoch"):
            self.assertEqual(getattr(start, name), expected[name])
        self.assertEqual(start.timestamp, expected["timestamp_ms"])
        self.assertEqual(f"{start.prev_crc:08x}", expected["prev_crc"])
        self.assertEqual(f"{block.crc:08x}", expected["crc"])
        self.assertEqual(block.length, expected["bytes"])
        decoded = decode_body(block, segment.header.generation)
        self.assertEqual(len(decoded), len(expected["records"]))
        for (offset, record), line in zip(decoded, expected["records"]):
            if record.control:
                self.assertEqual(record.topic.decode(), line["control"])
            else:
                self.assertEqual((offset, record.topic), (line["offset"], field(line, "topic")))
                headers = [(field(h, "name"), field(h, "value")) for h in line.get("headers", [])]
                self.assertEqual(list(record.headers), headers)
            self.assertEqual(record.key, field(line, "key"))
            self.assertEqual(record.value, field(line, "value"))
        if found == COMMITTED:
            end.pass_over(block)

    def test_labels_in_this_boot_and_in_another(self):
        expected = {"low_tail": ("unseen", "lost"), "torn_tail": ("lost", "lost"),
                    "lost_tail": ("damaged", "lost"),  # its last block is high
                    "damaged_tail": ("damaged", "damaged"),
                    "records": ("clean", "clean")}  # fmt: skip
        for name, labels in expected.items():
            directory = Directory(VECTORS / name)
            with Segment(directory, 0) as segment:
                end = CommittedEnd(segment)
                end.step_over()
                found = [classify(end, 0, boot * 16).label for boot in (b"\xb1", b"\xb2")]
                self.assertEqual(tuple(found), labels, name)
            directory.close()

    def test_the_way_of_a_reader_ends_in_the_damage(self):
        with Reader(VECTORS / "damaged_sealed") as reader:
            for _ in range(5):
                reader.next_block()
            with self.assertRaises(Damaged):
                reader.next_block()

    def test_needs_repair_and_token(self):
        with Reader(VECTORS / "torn_tail") as reader:
            while reader.next_block():
                pass
            self.assertIsInstance(reader.problem_at_end(), NeedsRepair)
        with Reader(VECTORS / "epochs") as reader:
            while reader.next_block():
                pass
            text = "101112131415161718191a1b1c1d1e1f:3:3"
            self.assertEqual(str(reader.token), text)
            reader.seek_token(Token.parse(text))
            self.assertEqual(str(reader.token), text)


class MadeAnew(InDirectory):
    """The bytes of the golden streams, written by this port."""

    def compare(self, name):
        for file in sorted((VECTORS / name).rglob("*.*")):
            made = self.path / file.relative_to(VECTORS / name)
            self.assertEqual(made.read_bytes().hex(), file.read_bytes().hex(), file.name)

    def test_empty_and_boot_id(self):
        Producer(self.path, environment=FixedWorld()).close()
        self.compare("empty")
        shutil.rmtree(self.path)
        world = FixedWorld(bytes.fromhex("0123456789abcdef0123456789abcdef"))
        with Producer(self.path, environment=world) as producer:
            world.now += 1000
            producer.append(b"letters", b"only")
        self.compare("boot_id")

    def test_records(self):
        digits = b"0123456789" * 30
        batches = [
            [Record(b"plain", b"a value")],
            [Record(b"keyed", b"with a key", b"key")],
            [Record(b"keyed", b"", b"")],
            [Record(b"headers", b"v", b"k", ((b"name", b"value"), (b"name", b"")))],
            [Record(b"keyed", None, b"key")],
            [Record(b"\xff\x00bytes", b"\x80\x00\xa5", b"\xfe")],
            [Record(b"orders", b"1 pear", b"customer-9"),
             Record(b"audit", b"pear reserved", b"customer-9"), Record(b"audit", digits)],
        ]  # fmt: skip
        world = FixedWorld()
        with Producer(self.path, environment=world) as producer:
            for batch in batches:
                world.now += 1
                producer.append_batch(batch)
        self.compare("records")

    def test_epochs(self):
        world = FixedWorld()
        for number, value in enumerate((b"first", b"second", b"third")):
            world.boot = bytes([0xB1 + number]) * 16
            with Producer(self.path, environment=world) as producer:
                world.now = BEGIN + 1000 * (number + 1)
                producer.append(b"letters", value)
        self.compare("epochs")

    def test_repaired(self):
        self.copy_vector("lost_tail")
        world = FixedWorld(b"\xb2" * 16)
        with Producer(self.path, environment=world) as producer:
            world.now = BEGIN + 3000
            self.assertEqual([each.label for each, _ in producer.repair()], ["lost"])
            world.now = BEGIN + 4000
            producer.append(b"letters", b"after")
        self.compare("repaired")

    def test_rollover(self):
        world = FixedWorld()
        settings = {b"segment_bytes": b"4096"}
        with Producer(self.path, settings=settings, environment=world) as producer:
            for letter in b"ABCDEFGHIJKL":
                world.now += 1000
                producer.append(b"letters", bytes([letter]) * 700)
        self.compare("rollover")


if __name__ == "__main__":
    unittest.main()
