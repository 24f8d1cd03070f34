"""nats-py beside the mirror: `foreign.py HOST:PORT COMMAND ...`.

    read PREFIX PATTERN    all records, topic by topic: topic, time, key, value, headers, in hexadecimal
    last PREFIX            the number of the newest message of the stream, and how many there are
    settings PREFIX NAME...
    make JSON              a stream of JetStream
    remove PREFIX TOPIC    the messages of a topic
"""

import asyncio
import json
import re
import sys
from urllib.parse import unquote_to_bytes

import nats

SECONDS = 60


def shown(headers, value):
    key = headers.get("Puro-Key")
    key = "-" if key is None else unquote_to_bytes(key).hex()
    value = "-" if "Puro-Deleted" in headers else value.hex()
    pairs = (pair.split("=") for pair in headers.get("Puro-Headers", "").split("&") if pair)
    pairs = ",".join("=".join(unquote_to_bytes(half).hex() for half in pair) for pair in pairs)
    return f"{headers['Puro-Time']} {key} {value} {pairs}"


async def read(client, prefix, pattern):
    stream, below = client.jetstream(), f"{prefix}.>"
    counts = (await stream.stream_info(prefix, subjects_filter=below)).state.subjects
    found = []
    if counts:
        reader = await stream.subscribe(below, stream=prefix, ordered_consumer=True)
        pending = 1
        while pending:
            message = await reader.next_msg(SECONDS)
            pending = message.metadata.num_pending
            topic = unquote_to_bytes(message.subject.removeprefix(f"{prefix}.")).decode()
            if re.fullmatch(pattern, topic):
                found.append((topic, shown(message.headers, message.data)))
    for topic, rest in sorted(found, key=lambda line: line[0]):
        print(topic, rest)


async def last(client, prefix):
    state = (await client.jetstream().stream_info(prefix)).state
    print(state.last_seq, state.messages)


async def settings(client, prefix, *names):
    config = await api(client, f"STREAM.INFO.{prefix}", {})
    for name in names:
        print(json.dumps(config["config"].get(name)))


async def make(client, config):
    config = json.loads(config)
    await api(client, f"STREAM.CREATE.{config['name']}", config)


async def remove(client, prefix, topic):
    await api(client, f"STREAM.PURGE.{prefix}", {"filter": f"{prefix}.{topic}"})


async def api(client, what, question):
    answer = await client.request(f"$JS.API.{what}", json.dumps(question).encode(), timeout=SECONDS)
    answer = json.loads(answer.data)
    if "error" in answer:
        sys.exit(f"{what}: {answer['error']}")
    return answer


async def main():
    _, address, command, *arguments = sys.argv
    client = await nats.connect(f"nats://{address}")
    await globals()[command](client, *arguments)
    await client.close()


if __name__ == "__main__":
    asyncio.run(main())
