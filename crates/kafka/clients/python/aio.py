"""aiokafka against a gateway: `aio.py HOST:PORT`."""

import asyncio
import functools
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from table import PATIENCE, fresh, run


def scenario(act):
    @functools.wraps(act)
    def sync(bootstrap):
        asyncio.run(asyncio.wait_for(act(bootstrap), PATIENCE))
    return sync


async def send(bootstrap, topic, values, **more):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, **more) as sender:
        for value in values:
            await sender.send_and_wait(topic, value)


async def all_of(bootstrap, topic):
    part = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as reader:
        reader.assign([part])
        await reader.seek_to_beginning(part)
        end, values = (await reader.end_offsets([part]))[part], []
        while await reader.position(part) < end:
            for records in (await reader.getmany(timeout_ms=500)).values():
                values += [it.value for it in records]
        return values


@scenario
async def produce_acks_and_codecs(bootstrap):
    topic, expected = fresh("codecs"), []
    for codec in [None, "gzip"]:
        for acks in [0, 1, "all"]:
            values = [f"{codec} {acks} {n}".encode() * 50 for n in range(20)]
            await send(bootstrap, topic, values, acks=acks, compression_type=codec)
            expected += values
    assert sorted(await all_of(bootstrap, topic)) == sorted(expected)


@scenario
async def produce_idempotent(bootstrap):
    topic, values = fresh("idempotent"), [str(n).encode() for n in range(200)]
    await send(bootstrap, topic, values, enable_idempotence=True)
    assert await all_of(bootstrap, topic) == values


@scenario
async def transactions(bootstrap):
    topic = fresh("txn")
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=fresh("id")) as sender:
        await sender.begin_transaction()
        await sender.send_and_wait(topic, b"gone")
        await sender.abort_transaction()
        async with sender.transaction():
            await sender.send_and_wait(topic, b"a")
            await sender.send_and_wait(topic, b"b")
            assert await all_of(bootstrap, topic) == []
    assert await all_of(bootstrap, topic) == [b"a", b"b"]


@scenario
async def transform_exactly_once(bootstrap):
    source, target, group = fresh("source"), fresh("target"), fresh("group")
    await send(bootstrap, source, [b"1", b"2"])
    part = TopicPartition(source, 0)
    async with AIOKafkaConsumer(source, bootstrap_servers=bootstrap, group_id=group,
                                auto_offset_reset="earliest", enable_auto_commit=False) as reader:
        values = [(await reader.getone()).value for _ in range(2)]
        async with AIOKafkaProducer(bootstrap_servers=bootstrap,
                                    transactional_id=fresh("id")) as sender:
            async with sender.transaction():
                for value in values:
                    await sender.send_and_wait(target, value + b"!")
                await sender.send_offsets_to_transaction({part: await reader.position(part)}, group)
        assert await reader.committed(part) == await reader.position(part)
    assert await all_of(bootstrap, target) == [b"1!", b"2!"]


@scenario
async def group_goes_on_after_restart(bootstrap):
    topic, group = fresh("restart"), fresh("group")
    for value in [b"1", b"2"]:
        await send(bootstrap, topic, [value])
        async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group,
                                    auto_offset_reset="earliest") as reader:
            assert (await reader.getone()).value == value
            await reader.commit()


@scenario
async def group_of_two_and_rebalance(bootstrap):
    topics, group = [fresh("two"), fresh("two")], fresh("group")
    for topic in topics:
        await send(bootstrap, topic, [b"x"])
    members = [AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, group_id=group,
                                partition_assignment_strategy=[RoundRobinPartitionAssignor],
                                heartbeat_interval_ms=300, session_timeout_ms=6000,
                                metadata_max_age_ms=1000)
               for _ in range(2)]

    async def until_parts(expected):
        while [len(member.assignment()) for member in members] != expected:
            for member in members:
                await member.getmany(timeout_ms=100)

    await asyncio.gather(*[member.start() for member in members])
    await until_parts([1, 1])
    await members.pop().stop()
    await until_parts([2])
    await members.pop().stop()


@scenario
async def seek_by_time(bootstrap):
    topic, part = fresh("time"), None
    await send(bootstrap, topic, [b"before"])
    await asyncio.sleep(0.05)
    moment = int(time.time() * 1000)
    await asyncio.sleep(0.05)
    await send(bootstrap, topic, [b"after"])
    part = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as reader:
        reader.assign([part])
        reader.seek(part, (await reader.offsets_for_times({part: moment}))[part].offset)
        assert (await reader.getone()).value == b"after"


@scenario
async def admin(bootstrap):
    client, topic = AIOKafkaAdminClient(bootstrap_servers=bootstrap), fresh("made")
    await client.start()
    await client.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=1)])
    assert topic in await client.list_topics()
    await client.close()


if __name__ == "__main__":
    run("aiokafka", [
        produce_acks_and_codecs, produce_idempotent, transactions, transform_exactly_once,
        group_goes_on_after_restart, group_of_two_and_rebalance, seek_by_time, admin,
    ], sys.argv[1])
