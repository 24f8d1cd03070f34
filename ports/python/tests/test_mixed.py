"""This port and the reference program in one directory.

The environment variable PURO_PROGRAM names the program; without it these tests are skipped.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

from puro import Damaged, NamedConsumer, Producer, Reader, Record, verify

from .support import HERE, PROGRAM, InDirectory, all_values, port_command, run_port, run_program

SMALL = {b"segment_bytes": b"4096"}
WITHOUT = "PURO_PROGRAM names no reference program: mixed tests are skipped"


@unittest.skipUnless(PROGRAM, WITHOUT)
class Mixed(InDirectory):
    def by_port(self):
        with Reader(self.path) as reader:
            return all_values(reader)

    def by_program(self):
        done = run_program("consume", "-e", "-f", "%s\\n", self.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def assert_sound(self):
        done = run_program("verify", "--deep", self.path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(b"sound", done.stdout)
        self.assertEqual(verify(self.path)[0], "sound")

    def test_by_turns(self):
        expected = []
        with Producer(self.path, settings=SMALL) as producer:
            for number in range(12):
                lines = [b"program %d.%d " % (number, n) + b"x" * 100 for n in range(3)]
                run_program("produce", "-t", "t", self.path, stdin=b"\n".join(lines) + b"\n")
                expected += lines
                for n in range(3):
                    expected.append(b"port %d.%d " % (number, n) + b"y" * 200)
                    producer.append(b"t", expected[-1], durable=n == 0)
        self.assertEqual(self.by_port(), expected)
        self.assertEqual(self.by_program(), expected)
        self.assert_sound()

    def test_at_once(self):
        Producer(self.path, settings=SMALL).close()
        lines = {
            name: b"".join(b"%s %d %s\n" % (name.encode(), n, b"z" * 80) for n in range(100))
            for name in ("port-1", "port-2", "program-1", "program-2")
        }
        commands = {
            "port-1": port_command("produce", "-t", "t", "--batch", 1, self.path),
            "port-2": port_command("produce", "-t", "t", "--batch", 3, self.path),
            "program-1": [PROGRAM, "produce", "-t", "t", "--batch", "1", str(self.path)],
            "program-2": [PROGRAM, "produce", "-t", "t", "--batch", "2", str(self.path)],
        }
        follower = subprocess.Popen(
            port_command("consume", "-c", 400, self.path), stdout=subprocess.PIPE, cwd=HERE.parent
        )
        running = {
            name: subprocess.Popen(command, stdin=subprocess.PIPE, cwd=HERE.parent)
            for name, command in commands.items()
        }
        for name, process in running.items():
            process.stdin.write(lines[name])
            process.stdin.close()
        for name, process in running.items():
            self.assertEqual(process.wait(50), 0, name)
        followed = follower.communicate(timeout=50)[0].splitlines()
        read = self.by_port()
        self.assertEqual(read, self.by_program())
        self.assertEqual(read, followed)
        for name, sent in lines.items():
            own = [line for line in read if line.startswith(name.encode())]
            self.assertEqual(own, sent.splitlines())
        self.assert_sound()

    def test_a_port_that_is_killed_in_mid_write(self):
        """Whatever was acknowledged is there; the program repairs, or finishes."""
        Producer(self.path, settings=SMALL).close()
        acknowledged = {}
        for seed in range(10):
            child = subprocess.run(
                [sys.executable, "-m", "tests.dying_producer", str(self.path), str(seed)],
                stdout=subprocess.PIPE, cwd=HERE.parent, timeout=50,
            )  # fmt: skip
            self.assertEqual(child.returncode, -signal.SIGKILL)
            for line in child.stdout.decode().splitlines():
                offset, value = line.split()
                acknowledged[int(offset)] = value.encode()
            code = run_program("verify", self.path).returncode
            self.assertIn(code, (0, 1))
            self.assertEqual(verify(self.path)[0], ("sound", "needs repair")[code])
            if seed % 2:
                self.assertEqual(run_program("repair", self.path).returncode, 0)
            else:
                done = run_program("produce", "-t", "t", self.path, stdin=b"after\n")
                self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_sound()
        read = [value.split()[0] for value in self.by_port()]
        for offset, value in acknowledged.items():
            self.assertEqual(read[offset], value)

    def test_kills_from_outside(self):
        """SIGKILL at any moment, of the port and of the program; the other one goes on."""
        Producer(self.path, settings=SMALL).close()
        chance, acknowledged = random.Random(5), 0
        line = b"x" * 700 + b"\n"
        for turn in range(6):
            if turn % 2:
                command = [PROGRAM, "produce", "-t", "t", "--batch", "1", "--ack", str(self.path)]
            else:
                command = port_command("produce", "-t", "t", "--ack", self.path)
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HERE.parent,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            child.stdin.write(line * 80)
            child.stdin.flush()
            child.stdout.readline()
            time.sleep(chance.random() * 0.05)
            child.kill()
            acknowledged += 1 + child.stdout.read().count(b"\n")
            child.stdin.close()
            child.wait(50)
            child.stdout.close()
            if turn % 2:
                self.assertEqual(run_port("repair", self.path).returncode, 0)
            else:
                self.assertEqual(run_program("repair", self.path).returncode, 0)
            self.assert_sound()
        self.assertGreaterEqual(len(self.by_port()), acknowledged)
        self.assertEqual(self.by_port(), self.by_program())

    def test_both_repair_alike(self):
        """Ends that were cut, zeroed or changed: the same label, bytes and saved tails."""
        with Producer(self.path) as producer:
            for number in range(5):
                producer.append(b"t", b"%d" % number * 60, durable=number == 1)
        data, chance = self.segment.read_bytes(), random.Random(7)
        labels = set()
        for number in range(24):
            changed = bytearray(data)
            place = chance.randrange(448, len(data))
            kind = number % 6
            if kind == 0:
                del changed[place:]
            elif kind == 1:
                changed[place:] = bytes(len(data) - place)
            elif kind == 2:
                changed[place] ^= 1 << chance.randrange(8)
            elif kind == 3:
                last = len(data) - 128  # the last block, low, and cut
                changed[last] = 0
                del changed[chance.randrange(last + 1, len(data)) :]
            elif kind == 4:
                changed += chance.randbytes(chance.randrange(1, 200))
            else:
                changed += bytes(chance.randrange(1, 200))
            outcomes = []
            for name, run in (("port", repair_by_port), ("program", repair_by_program)):
                path = self.base / f"{name}-{number}"
                path.mkdir()
                (path / "0000000000.puro").write_bytes(changed)
                code = run(path)
                left = (path / "0000000000.puro").read_bytes()
                tails = {}
                if (path / "lost").exists():
                    tails = {each.name: each.read_bytes() for each in (path / "lost").iterdir()}
                left = left[: len(left) - 128] if tails else left  # the epoch holds a time
                outcomes.append((code, left, tails))
                labels.add((code, bool(tails)))
            self.assertEqual(outcomes[0], outcomes[1], (number, kind, place))
        self.assertEqual(labels, {(0, False), (0, True), (2, False)})

    def test_positions(self):
        with Producer(self.path, settings=SMALL) as producer:
            for number in range(30):
                producer.append(b"t", b"%d " % number + b"x" * 300)
        seen = []
        for turn in range(3):
            done = run_program("consume", "--name", "bob", "-c", 5, self.path)
            seen += [int(line.split()[0]) for line in done.stdout.splitlines()]
            with NamedConsumer(self.path, "bob") as consumer:
                for _ in range(5):
                    block = consumer.next_block()
                    seen += [int(each.record.value.split()[0]) for each in block]
                consumer.commit_with([Record(b"out", b"made")])
                busy = run_program("consume", "--name", "bob", "-e", self.path)
                self.assertEqual(busy.returncode, 74)
        self.assertEqual(seen, list(range(30)))
        self.assertIn(b"offset 30", run_program("positions", self.path, "list").stdout)
        self.assert_sound()

    def test_a_compacted_stream(self):
        """Gaps, jumps, and checkpoints made anew (F-33, F-38, F-39); retention beside it."""
        with Producer(self.path, settings=SMALL | {b"cleanup": b"compact"}) as producer:
            for number in range(60):
                key = b"k%d" % (number % 7 if number % 3 else number)
                records = [Record(b"t", b"%d" % number * 50, key), Record(b"t", b"y" * 40, b"same")]
                producer.append_batch(records)
        done = run_program("steward", "--once", "--roll", self.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = [
            json.loads(line)
            for line in run_program("consume", "-e", "--json", self.path).stdout.splitlines()
        ]
        self.assertLess(len(expected), 110)
        with Reader(self.path) as reader:
            read = []
            while (block := reader.next_block()) is not None:
                read += [(each.offset, each.record.value.decode()) for each in block]
            self.assertEqual(read, [(line["offset"], line["value"]) for line in expected])
            for offset in (0, read[3][0] + 1, read[20][0], read[-1][0]):
                reader.seek_offset(offset)
                first = reader.next_block()[0].offset
                self.assertEqual(first, min(each for each, _ in read if each >= offset))
        with Producer(self.path) as producer:
            producer.append(b"t", b"after")
        self.assert_sound()

    def test_a_reader_beside_a_steward(self):
        """Retention takes segments away behind it; what it holds stays (L-7, R-2, V-8)."""
        settings = SMALL | {b"retention_bytes": b"12000"}
        with Producer(self.path, settings=settings) as producer, Reader(self.path) as reader:
            command = [PROGRAM, "steward", "--interval", "20ms", str(self.path)]
            steward = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            try:
                read = []
                for number in range(150):
                    producer.append(b"t", b"%d" % number + bytes(400))
                    time.sleep(0.002)
                    if number % 3 == 0:
                        read += [each.offset for each in reader.next_block()]
                while (block := reader.next_block()) is not None:
                    read += [each.offset for each in block]
            finally:
                steward.terminate()
                steward.wait(10)
        self.assertEqual(read, list(range(150)))
        self.assertFalse((self.path / "0000000000.puro").exists())
        self.assert_sound()

    def test_checkpoints_among_the_blocks(self):
        """What O-7 lets the program write, the port passes over."""
        line = b"x" * 99_999 + b"\n"
        run_program("produce", "-t", "t", "--batch", 4, self.path, stdin=line * 44)
        run_program("produce", "-t", "t", self.path, stdin=b"behind the checkpoint\n")
        kinds = run_program("inspect", self.path).stdout.count(b"checkpoint")
        with Producer(self.path) as producer:
            producer.append(b"t", b"after")
        with Reader(self.path) as reader:
            self.assertEqual(len(all_values(reader)), 46)
        self.assertEqual(run_program("verify", "--deep", self.path).returncode, 0)
        self.assertGreater(kinds, 1)

    def test_tokens_and_settings(self):
        with Producer(self.path) as producer:
            for number in range(6):
                producer.append(b"t", b"%d" % number)
            run_program("config", self.path, "set", "segment_bytes", "5000")
            producer.append(b"t", b"6")
            self.assertEqual(producer.writer.end.state.number(b"segment_bytes"), 5000)
            producer.set(b"durable", b"true")
        self.assertEqual(run_program("config", self.path, "get", "durable").stdout.strip(), b"true")
        token = run_port("info", self.path).stdout.decode().split()[0]
        token = token.rpartition(":")[0] + ":5"
        done = run_program("consume", "-e", "--from", token, self.path)
        self.assertEqual(done.stdout.split(), [b"5", b"6"])
        done = run_port("consume", "-e", "--from", token, self.path)
        self.assertEqual(done.stdout.split(), [b"5", b"6"])
        gone = token.rpartition(":")[0] + ":99"
        for run in (run_port, run_program):
            self.assertEqual(run("consume", "-e", "--from", gone, self.path).returncode, 2)
        self.assertTrue(os.path.exists(self.path / "writer.lock"))
        shutil.rmtree(self.path)


def repair_by_port(path):
    """The exit code of the command line, without the time that Python takes to start."""
    try:
        with Producer(path, create=False) as producer:
            producer.repair()
    except Damaged:
        return 2
    return 0


def repair_by_program(path):
    return run_program("repair", path).returncode


if __name__ == "__main__":
    unittest.main()
