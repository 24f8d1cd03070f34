"""The part of Python: see ../README.md."""

import sys

import puro


def write(stream, identity, count):
    with puro.Producer(stream, durable=True) as producer:
        for sequence in range((producer.last_sequence(identity) or 0) + 1, count + 1):
            batch = puro.Batch()
            for half in "ab":
                value = f"{identity}:{sequence}:{half}"
                batch.append("in", value, key=identity, headers={"by": "python"})
            producer.append_batch(batch, once=(identity, sequence))


def relay(stream, name):
    options = dict(topics=["in", "stop"], name=name, commit_every=None, owner_wait=None)
    with puro.Producer(stream) as producer, puro.Consumer(stream, **options) as consumer:
        for record in consumer:
            if record.topic == "stop":
                return
            batch = puro.Batch()
            batch.append("out", record.value, headers={"by": "python"})
            producer.append_batch(batch, position=consumer)


def read(stream):
    def hexed(field):
        return "-" if field is None else "x" + field.hex()

    with puro.Consumer(stream) as consumer:
        for it in consumer.available():
            headers = ",".join(f"{name}={hexed(value)}" for name, value in it.headers)
            fields = it.offset, it.timestamp_ms, it.topic, hexed(it.key), hexed(it.value), headers
            print(*fields, sep="\t")


verb, stream, *rest = sys.argv[1:]
if verb == "write":
    write(stream, rest[0], int(rest[1]))
elif verb == "relay":
    relay(stream, rest[0])
else:
    read(stream)
