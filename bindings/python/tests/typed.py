"""What a type checker must accept, and infer: `mypy --strict typed.py`."""

from __future__ import annotations

import datetime
from typing import Optional

from typing_extensions import assert_type

import puro


async def follow(stream: str) -> None:
    with puro.Producer(stream) as producer:
        appended = producer.append("t", b"x", key="k", headers={"a": b"b"})
        producer.append("t", "x", headers=[("a", "b"), (b"a", b"c")])
        batch = puro.Batch()
        batch.append("t", None, key="k")
        with puro.Consumer(stream, name="n", start=appended.token) as consumer:
            assert_type(consumer, puro.Consumer)
            producer.append_batch(
                batch, if_end=appended.token, once=("x", 1), position=consumer, time=appended.time
            )
            for record in consumer.available():
                assert_type(record.value, Optional[bytes])
                assert_type(record.time, datetime.datetime)
            async for record in consumer:
                assert_type(record, puro.Record)
            assert_type(next(consumer), puro.Record)
