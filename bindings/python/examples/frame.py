"""A topic as a pandas frame: `python frame.py DIR TOPIC`. Polars takes the same dictionary."""

import sys

import pandas

import puro


def frame(stream: str, topic: str) -> pandas.DataFrame:
    with puro.Consumer(stream, topics=topic) as consumer:
        records = list(consumer.available())
    columns = ("offset", "time", "key", "value")
    return pandas.DataFrame({name: [getattr(it, name) for it in records] for name in columns})


if __name__ == "__main__":
    print(frame(*sys.argv[1:]))
