"""Records a second from Python: Puro beside sqlite3 and py-lmdb. `python bench.py [--records N]`.

Needs `pip install lmdb` and puro-streams. Nobody waits for the disk: SQLite in WAL mode with
synchronous=OFF, LMDB with sync=False, Puro as it is when nothing else is asked for. Each append, or
batch of 100, is seen by other processes when it returns. Prints the median of the rounds, in which the
three take turns; a table for benches/README.md.
"""

import argparse
import pathlib
import sqlite3
import statistics
import tempfile
import time

import lmdb
import puro

BATCH = 100
VALUE = b"v" * 100


class Puro:
    def __init__(self, path):
        self.path = path
        self.producer = puro.Producer(path)

    def one(self, count):
        append = self.producer.append
        for _ in range(count):
            append("orders", VALUE, key=b"customer")

    def batches(self, count):
        batch = puro.Batch()
        for _ in range(count // BATCH):
            batch.clear()
            for _ in range(BATCH):
                batch.append("orders", VALUE, key=b"customer")
            self.producer.append_batch(batch)

    def read(self):
        read, total = 0, 0
        with puro.Consumer(self.path) as consumer:
            while records := consumer.read(0):
                for record in records:
                    total += len(record.value)
                read += len(records)
        return read, total


class Sqlite:
    INSERT = "insert into records (time, topic, key, value) values (?, ?, ?, ?)"

    def __init__(self, path):
        self.path = path
        self.db = self.connect()
        self.db.execute(
            "create table records (offset integer primary key, time real, topic text, key blob, value blob)"
        )

    def connect(self):
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = off")
        return db

    def row(self):
        return time.time(), "orders", b"customer", VALUE

    def one(self, count):
        execute = self.db.execute
        for _ in range(count):
            execute(self.INSERT, self.row())

    def batches(self, count):
        for _ in range(count // BATCH):
            self.db.execute("begin")
            self.db.executemany(self.INSERT, [self.row() for _ in range(BATCH)])
            self.db.execute("commit")

    def read(self):
        read, total = 0, 0
        rows = self.connect().execute("select offset, time, topic, key, value from records order by offset")
        for _, _, _, _, value in rows:
            total += len(value)
            read += 1
        return read, total


class Lmdb:
    """Topic, time, key and value of a record in one value, parted by lengths; its key the offset."""

    def __init__(self, path):
        self.env = lmdb.open(str(path), map_size=1 << 32, sync=False)
        self.next = 0

    def put(self, transaction):
        now = int(time.time() * 1000).to_bytes(8, "big")
        transaction.put(self.next.to_bytes(8, "big"), now + b"\6orders\x08customer" + VALUE, append=True)
        self.next += 1

    def one(self, count):
        for _ in range(count):
            with self.env.begin(write=True) as transaction:
                self.put(transaction)

    def batches(self, count):
        for _ in range(count // BATCH):
            with self.env.begin(write=True) as transaction:
                for _ in range(BATCH):
                    self.put(transaction)

    def read(self):
        read, total = 0, 0
        with self.env.begin() as transaction:
            for _, stored in transaction.cursor():
                topic = stored[9 : 9 + stored[8]]
                key_at = 9 + len(topic)
                value = stored[key_at + 1 + stored[key_at] :]
                total += len(value)
                read += 1
        return read, total


def round_of(kind, count, clock):
    with tempfile.TemporaryDirectory() as scratch:
        store = kind(pathlib.Path(scratch) / "store")
        figures = {}
        for name, records, work in (
            ("one append a call", count // 5, lambda: store.one(count // 5)),
            (f"batches of {BATCH}", count, lambda: store.batches(count)),
            ("read", count + count // 5, store.read),
        ):
            begun = clock()
            done = work()
            figures[name] = records / (clock() - begun)
        assert done == (records, records * len(VALUE)), done
        return figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu", action="store_true", help="seconds of the processor: for a busy machine")
    asked = parser.parse_args()
    clock = time.process_time if asked.cpu else time.perf_counter
    kinds = {"Puro": Puro, "sqlite3": Sqlite, "py-lmdb": Lmdb}
    rounds = [
        {name: round_of(kind, asked.records, clock) for name, kind in kinds.items()}
        for _ in range(asked.rounds)
    ]
    print("| records a second | " + " | ".join(kinds) + " |\n|---|" + "---:|" * len(kinds))
    for work in rounds[0]["Puro"]:
        medians = [statistics.median(it[name][work] for it in rounds) for name in kinds]
        best = max(medians)
        cells = [f"**{it / 1000:.0f} k**" if it == best else f"{it / 1000:.0f} k" for it in medians]
        print(f"| {work} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
