"""Puro for Python, as who installs it has it."""

import asyncio
import datetime
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest

import puro


@pytest.fixture
def stream(tmp_path):
    return tmp_path / "events"


def fill(stream, *values, topic="in"):
    with puro.Producer(stream) as producer:
        for value in values:
            producer.append(topic, value)


def values(stream, **options):
    with puro.Consumer(stream, **options) as consumer:
        return [record.value for record in consumer.available()]


def test_a_record_comes_back_as_it_went_in(stream):
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    with puro.Producer(stream) as producer:
        headers = [("by", "shop"), ("by", b"\0")]
        appended = producer.append("orders", b"3 apples", key="c-7", headers=headers)
        producer.append(b"raw\xff", bytearray(b""))
        producer.append("orders", None, key=memoryview(b"c-7"))
    with puro.Consumer(stream) as consumer:
        first, raw, marker = consumer.available()
    assert (first.offset, first.topic, first.key, first.value) == (0, "orders", b"c-7", b"3 apples")
    assert first.headers == (("by", b"shop"), ("by", b"\0"))
    assert before < first.time == appended.time and first.time.tzinfo is not None
    assert os.fsencode(raw.topic) == b"raw\xff" and raw.value == b"" and raw.headers == ()
    assert marker.value is None and marker.key == b"c-7"
    assert repr(first).startswith("Record(offset=0, topic='orders', key=b'c-7', value=b'3 apples'")
    assert first == pickle.loads(pickle.dumps(first)) != marker and len({first, first}) == 1
    match first:
        case puro.Record("orders", value):
            assert value == b"3 apples"


def test_a_batch_is_one_block_and_is_read_as_one(stream):
    with puro.Producer(stream, durable=True) as producer:
        batch = puro.Batch()
        batch.append("orders", "1 pear", key="c-9")
        batch.append("audit", "pear reserved", headers={"by": "shop"})
        appended = producer.append_batch(batch)
        assert (appended.first_offset, appended.record_count, len(batch)) == (0, 2, 2)
        batch.clear()
        with pytest.raises(puro.CallerError):
            producer.append_batch(batch)
    with puro.Consumer(stream, topics="audit") as consumer:
        assert [record.value for record in consumer.read(0)] == [b"pear reserved"]
        assert consumer.read(0) == [] and consumer.token == appended.token


def test_where_a_consumer_begins(stream):
    fill(stream, "a", "b", "c")
    with puro.Consumer(stream) as consumer:
        first = consumer.poll(0)
        token = consumer.token
    assert values(stream, start=2) == values(stream, start=-1) == [b"c"]
    assert values(stream, start="end") == [] and values(stream, start=first.time)[0] == b"a"
    assert values(stream, start=token) == values(stream, start=puro.Token(str(token))) == [b"b", b"c"]
    assert pickle.loads(pickle.dumps(token)) == token and hash(token) == hash(puro.Token(str(token)))
    assert values(stream, topics=["other", "in"], start="beginning") == [b"a", b"b", b"c"]
    with pytest.raises(ValueError):
        puro.Consumer(stream, start="yesterday")
    with pytest.raises(ValueError):
        puro.Consumer(stream, start=datetime.datetime.now())


def test_errors_say_whose_matter_they_are(stream):
    with pytest.raises(puro.NotAStream) as told:
        puro.Consumer(stream)
    assert isinstance(told.value, puro.CallerError) and str(stream) in str(told.value)
    assert told.value.way_out and told.value.code == 103
    producer = puro.Producer(stream)
    with pytest.raises(puro.CallerError, match="at least one byte"):
        producer.append("", "no topic")
    with pytest.raises(TypeError):
        producer.append("in", 7)
    token = producer.token
    producer.append("in", "somebody else's")
    batch = puro.Batch()
    batch.append("in", "mine")
    with pytest.raises(puro.Conflict) as told:
        producer.append_batch(batch, if_end=token)
    assert isinstance(told.value, puro.EnvironmentFailure) and told.value.was_appended is False
    lost = puro.Token(str(producer.token).rsplit(":", 1)[0] + ":100")
    with pytest.raises(puro.Diverged) as told:
        puro.Consumer(stream, start=lost)
    assert isinstance(told.value, puro.DataError)
    producer.close()
    producer.close()
    assert producer.closed and "closed" in repr(producer)
    with pytest.raises(puro.CallerError, match="closed"):
        producer.append("in", "late")


def test_an_append_that_is_tried_again_happens_once(stream):
    with puro.Producer(stream) as producer:
        batch = puro.Batch()
        batch.append("in", "3 apples")
        assert producer.last_sequence("shop-1") is None
        first = producer.append_batch(batch, once=("shop-1", 1))
        again = producer.append_batch(batch, once=("shop-1", 1))
        assert again.duplicate and again.first_offset == first.first_offset
        assert producer.last_sequence("shop-1") == 1


def test_a_name_goes_on_where_the_last_run_was(stream):
    fill(stream, "a", "b", "c")
    with puro.Consumer(stream, name="billing") as consumer:
        assert next(consumer).value == b"a"
        with pytest.raises(puro.NameBusy):
            puro.Consumer(stream, name="billing")
    # An exception: what was in work then is given again.
    with pytest.raises(ZeroDivisionError):
        with puro.Consumer(stream, name="billing") as consumer:
            assert next(consumer).value == b"b"
            1 / 0
    assert values(stream, name="billing") == [b"b", b"c"]
    by_hand = dict(name="audit", commit_every=None)
    assert values(stream, **by_hand) == values(stream, **by_hand) == [b"a", b"b", b"c"]
    with puro.Consumer(stream, **by_hand) as consumer:
        next(consumer)
        assert consumer.commit() and not consumer.commit()
    assert values(stream, **by_hand) == [b"b", b"c"]


def test_output_and_position_are_one(stream):
    fill(stream, "2", "3")
    with puro.Producer(stream) as producer:
        with puro.Consumer(stream, name="square", topics="in", commit_every=None) as consumer:
            for record in consumer.available():
                batch = puro.Batch()
                batch.append("out", str(int(record.value) ** 2))
                producer.append_batch(batch, position=consumer)
    assert values(stream, topics="out") == [b"4", b"9"]
    assert values(stream, name="square", topics="in") == []
    with pytest.raises(puro.CallerError, match="no name"), puro.Producer(stream) as producer:
        producer.append_batch(batch, position=puro.Consumer(stream))


def test_others_run_while_one_waits(stream):
    fill(stream, "a")
    with puro.Consumer(stream, start="end") as consumer:
        got = []
        waiting = threading.Thread(target=lambda: got.append(consumer.poll()))
        waiting.start()
        fill(stream, "b")
        waiting.join(10)
        assert [record.value for record in got] == [b"b"]
    begun = time.monotonic()
    assert puro.Consumer(stream, start="end").poll(0.2) is None
    assert time.monotonic() - begun >= 0.2


def test_close_ends_a_wait_of_another_thread(stream):
    fill(stream, "a")
    consumer = puro.Consumer(stream, start="end")
    told = []

    def wait():
        try:
            consumer.poll()
        except puro.CallerError as error:
            told.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    consumer.close()
    waiting.join(10)
    assert len(told) == 1


def test_ctrl_c_ends_a_wait(stream):
    fill(stream, "a")
    program = """
import puro, sys
try:
    for record in puro.Consumer(sys.argv[1]):
        print(record.value, flush=True)
except KeyboardInterrupt:
    print("interrupted")
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(stream)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "b'a'\n"
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=10)[0] == "interrupted\n" and child.returncode == 0


def test_a_fork_is_refused_with_a_clear_error(stream):
    producer, consumer = puro.Producer(stream), None
    producer.append("in", "a")
    consumer = puro.Consumer(stream)
    child = os.fork()
    if child == 0:
        told = 0
        for call in (lambda: producer.append("in", "b"), lambda: consumer.poll(0)):
            try:
                call()
            except puro.Forked as error:
                told += "open the stream again" in str(error)
        fill(stream, "of the child")
        os._exit(0 if told == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    producer.append("in", "b")
    assert values(stream) == [b"a", b"of the child", b"b"]


def test_async_for_waits_on_the_descriptor(stream):
    fill(stream, "a")

    async def main():
        got, beats = [], 0

        async def read():
            with puro.Consumer(stream) as consumer:
                async for record in consumer:
                    got.append(record.value)
                    if record.value == b"c":
                        return

        reading = asyncio.create_task(read())
        while not got:
            await asyncio.sleep(0)
        for value in "bc":
            await asyncio.sleep(0.05)
            beats += 1
            fill(stream, value)
        await asyncio.wait_for(reading, 10)
        return got, beats, threading.active_count()

    assert asyncio.run(main()) == ([b"a", b"b", b"c"], 2, 1)


def test_async_for_waits_for_a_stream_that_is_not_there_yet(stream):
    async def main():
        with puro.Consumer(stream, wait_for_stream=True) as consumer:
            first = asyncio.create_task(consumer.__anext__())
            await asyncio.sleep(0.05)
            fill(stream, "a")
            assert (await asyncio.wait_for(first, 10)).value == b"a"
            cancelled = asyncio.create_task(consumer.__anext__())
            await asyncio.sleep(0.05)
            cancelled.cancel()
            fill(stream, "b")
            assert (await consumer.__anext__()).value == b"b"

    asyncio.run(main())


def test_damage_is_the_datas(stream):
    fill(stream, "a", "b")
    segment = stream / "0000000000.puro"
    with puro.Producer(stream) as producer:
        producer.sync()
    with open(segment, "r+b") as file:
        file.seek(20)
        file.write(b"\0" * 8)
    with pytest.raises(puro.DataError) as told:
        values(stream)
    assert "puro salvage" in told.value.way_out


def test_the_example_answers_orders_as_they_come(stream):
    fill(stream, "3 apples", topic="orders")
    example = pathlib.Path(__file__).parent.parent / "examples" / "tail_async.py"
    child = subprocess.Popen(
        [sys.executable, str(example), str(stream)], stdout=subprocess.PIPE, text=True
    )
    fill(stream, "close", topic="orders")
    printed = child.communicate(timeout=10)[0].splitlines()
    assert [line.split(" ", 1)[1] for line in printed] == ["3 apples", "close"]
