"""What the tests share: a fixed world, directories, and the reference program."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from puro.environment import Environment

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parents[2] / "spec" / "vectors"
PROGRAM = os.environ.get("PURO_PROGRAM")
BEGIN = 1767225600000  # 2026-01-01T00:00:00Z


class FixedWorld(Environment):
    """The world in which the golden streams were written (vectors/README.md)."""

    def __init__(self, boot=b"\xb1" * 16):
        self.now, self.boot = BEGIN, boot
        self.failing_syncs = 0
        self.synced = []

    def clock(self):
        return self.now

    def boot_id(self):
        return self.boot

    def stream_id(self):
        return bytes(range(0x10, 0x20))

    def sync_file(self, fd):
        self.synced.append(fd)
        if self.failing_syncs:
            self.failing_syncs -= 1
            raise OSError(5, "a sync that fails")

    def sync_directory(self, fd):
        pass


class InDirectory(unittest.TestCase):
    def setUp(self):
        self.base = Path(tempfile.mkdtemp(prefix="puro-port-"))
        self.addCleanup(shutil.rmtree, self.base, True)
        self.path = self.base / "stream"
        self.segment = self.path / "0000000000.puro"

    def copy_vector(self, name):
        shutil.copytree(VECTORS / name, self.path)
        return self.path


def all_values(reader):
    values = []
    while (block := reader.next_block()) is not None:
        values += [delivered.record.value for delivered in block]
    return values


def port_command(*arguments):
    return [sys.executable, "-m", "puro", *map(str, arguments)]


def run_port(*arguments, stdin=b""):
    return subprocess.run(
        port_command(*arguments), input=stdin, capture_output=True, cwd=HERE.parent, timeout=50
    )


def run_program(*arguments, stdin=b""):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, timeout=50
    )
