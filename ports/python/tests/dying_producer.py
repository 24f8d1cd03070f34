"""A producer that dies by SIGKILL in the middle of a write; run by test_mixed.

    python3 -m tests.dying_producer DIRECTORY SEED

It prints the number of each record that was acknowledged. Every write is done in pieces, and
before each of them, and before each sync and rename, it may be over.
"""

import os
import random
import signal
import sys

from puro import Producer
from puro.directory import Segment
from puro.environment import Environment


def main(path, seed):
    chance = random.Random(seed)
    steps_left = chance.randrange(5, 60)

    def maybe_die():
        nonlocal steps_left
        steps_left -= 1
        if steps_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def write_in_pieces(self, position, data):
        while data:
            size = chance.randrange(1, 200)
            maybe_die()
            os.pwrite(self.fd, data[:size], position)
            position, data = position + size, data[size:]

    class DyingWorld(Environment):
        def sync_file(self, fd):
            maybe_die()

        def sync_directory(self, fd):
            maybe_die()

    with Producer(path, environment=DyingWorld()) as producer:
        Segment.write = write_in_pieces
        truncate = os.ftruncate
        os.ftruncate = lambda fd, size: (maybe_die(), truncate(fd, size))
        for number in range(1000):
            value = b"%d-%d " % (seed, number) + bytes(chance.randrange(0, 900))
            done = producer.append(b"dying", value, durable=chance.random() < 0.2)
            print(done.first_offset, value.split()[0].decode(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
