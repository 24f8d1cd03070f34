"""confluent-kafka (librdkafka) against a gateway: `confluent.py HOST:PORT`."""

import sys
import time

from confluent_kafka import (OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer,
                             TopicPartition)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from table import fresh, run, until


def producer(bootstrap, **more):
    settings = {"bootstrap.servers": bootstrap, "linger.ms": 5}
    settings.update({name.replace("_", "."): value for name, value in more.items()})
    return Producer(settings)


def consumer(bootstrap, group, **more):
    settings = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                "enable.partition.eof": True, "session.timeout.ms": 6000,
                "enable.auto.commit": False}
    settings.update({name.replace("_", "."): value for name, value in more.items()})
    return Consumer(settings)


def send(sender, topic, values, **more):
    failures = []
    for value in values:
        sender.produce(topic, value=value, on_delivery=lambda e, _: e and failures.append(e), **more)
    assert sender.flush(20) == 0
    assert not failures, failures


def read_to_end(reader):
    """All values up to the end of the partition."""
    values = []

    def look():
        message = reader.poll(0.5)
        if message is None:
            return None
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            return True
        values.append(message.value())
        return None

    until(look, "the end of the partition")
    return values


def all_of(bootstrap, topic, **more):
    reader = consumer(bootstrap, fresh("reader"), **more)
    reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    values = read_to_end(reader)
    reader.close()
    return values


def produce_acks_and_codecs(bootstrap):
    topic, expected = fresh("codecs"), []
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        for acks in [0, 1, "all"]:
            values = [f"{codec} {acks} {n}".encode() * 50 for n in range(20)]
            send(producer(bootstrap, acks=acks, compression_type=codec), topic, values)
            expected += values
    assert sorted(all_of(bootstrap, topic)) == sorted(expected)


def headers_keys_and_nulls(bootstrap):
    topic = fresh("forms")
    headers = [("a", b"1"), ("a", b"2"), ("b", b"")]
    send(producer(bootstrap), topic, [b"v", b"", None], key=b"k", headers=headers)
    reader = consumer(bootstrap, fresh("g"))
    reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found = []
    until(lambda: (m := reader.poll(0.5)) is not None and not m.error() and found.append(m)
          or len(found) == 3,
          "three records")
    assert [(m.key(), m.value(), m.headers()) for m in found] == [
        (b"k", b"v", headers), (b"k", b"", headers), (b"k", None, headers)]
    reader.close()


def produce_idempotent(bootstrap):
    topic, values = fresh("idempotent"), [str(n).encode() for n in range(2000)]
    send(producer(bootstrap, enable_idempotence=True, batch_num_messages=7), topic, values)
    assert all_of(bootstrap, topic) == values


def transactions(bootstrap):
    topic, other = fresh("txn"), fresh("txn-other")
    sender = producer(bootstrap, transactional_id=fresh("id"))
    sender.init_transactions(20)
    sender.begin_transaction()
    send(sender, topic, [b"gone"])
    sender.abort_transaction(20)
    sender.begin_transaction()
    send(sender, topic, [b"a", b"b"])
    send(sender, other, [b"c"])
    # Nothing is there before it is committed.
    assert all_of(bootstrap, topic) == []
    sender.commit_transaction(20)
    assert all_of(bootstrap, topic, isolation_level="read_committed") == [b"a", b"b"]
    assert all_of(bootstrap, other) == [b"c"]


def transform_exactly_once(bootstrap):
    source, target, group = fresh("source"), fresh("target"), fresh("group")
    send(producer(bootstrap), source, [b"1", b"2", b"3"])
    reader = consumer(bootstrap, group)
    reader.subscribe([source])
    values = read_to_end(reader)
    sender = producer(bootstrap, transactional_id=fresh("id"))
    sender.init_transactions(20)
    sender.begin_transaction()
    send(sender, target, [value + b"!" for value in values])
    sender.send_offsets_to_transaction(reader.position(reader.assignment()),
                                       reader.consumer_group_metadata(), 20)
    sender.commit_transaction(20)
    committed = reader.committed([TopicPartition(source, 0)], 20)[0].offset
    assert committed == reader.position(reader.assignment())[0].offset, committed
    reader.close()
    assert all_of(bootstrap, target) == [b"1!", b"2!", b"3!"]


def a_second_producer_fences(bootstrap):
    topic, name = fresh("fence"), fresh("id")
    first = producer(bootstrap, transactional_id=name)
    first.init_transactions(20)
    first.begin_transaction()
    send(first, topic, [b"zombie"])
    second = producer(bootstrap, transactional_id=name)
    second.init_transactions(20)
    try:
        first.commit_transaction(20)
        raise AssertionError("the first was not fenced")
    except KafkaException as error:
        assert error.args[0].fatal() or error.args[0].txn_requires_abort(), error
    second.begin_transaction()
    send(second, topic, [b"second"])
    second.commit_transaction(20)
    assert all_of(bootstrap, topic) == [b"second"]


def group_goes_on_after_restart(bootstrap):
    topic, group = fresh("restart"), fresh("group")
    send(producer(bootstrap), topic, [b"1", b"2"])
    reader = consumer(bootstrap, group)
    reader.subscribe([topic])
    assert read_to_end(reader) == [b"1", b"2"]
    reader.commit(asynchronous=False)
    reader.close()
    send(producer(bootstrap), topic, [b"3"])
    reader = consumer(bootstrap, group)
    reader.subscribe([topic])
    assert read_to_end(reader) == [b"3"]
    reader.close()


def group_of_two_and_rebalance(bootstrap):
    topics, group = [fresh("two"), fresh("two")], fresh("group")
    for topic in topics:
        send(producer(bootstrap), topic, [b"x"])
    # Round robin gives each of two members one of two topics.
    more = {"partition_assignment_strategy": "roundrobin"}
    members = [consumer(bootstrap, group, **more) for _ in range(2)]
    for member in members:
        member.subscribe(topics)

    def parts():
        for member in members:
            member.poll(0.1)
        return [len(member.assignment()) for member in members]

    until(lambda: parts() == [1, 1], "one topic each")
    members.pop().close()
    until(lambda: parts() == [2], "both topics for the one that is left")
    members.pop().close()


def a_member_that_dies(bootstrap):
    topic, group = fresh("dies"), fresh("group")
    send(producer(bootstrap), topic, [b"x"])
    first = consumer(bootstrap, group, max_poll_interval_ms=6000)
    first.subscribe([topic])
    until(lambda: first.poll(0.1) and first.assignment(), "the first to have it")
    second = consumer(bootstrap, group)
    second.subscribe([topic])
    # The first says nothing any more: librdkafka leaves once max.poll.interval.ms is over.
    until(lambda: second.poll(0.1) and second.assignment(), "the second to have it")
    second.close()


def seek_by_time(bootstrap):
    topic = fresh("time")
    send(producer(bootstrap), topic, [b"before"])
    time.sleep(0.05)
    moment = int(time.time() * 1000)
    time.sleep(0.05)
    send(producer(bootstrap), topic, [b"after"])
    reader = consumer(bootstrap, fresh("group"))
    places = reader.offsets_for_times([TopicPartition(topic, 0, moment)], 20)
    reader.assign(places)
    assert read_to_end(reader) == [b"after"]
    low, high = reader.get_watermark_offsets(TopicPartition(topic, 0), 20)
    assert high == places[0].offset + 1 and low < high, (low, high, places)
    reader.close()


def a_reader_that_waits_is_woken(bootstrap):
    topic = fresh("wake")
    send(producer(bootstrap), topic, [b"0"])
    reader = consumer(bootstrap, fresh("group"), fetch_wait_max_ms=5000)
    reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    read_to_end(reader)
    sender, begun = producer(bootstrap, linger_ms=0), time.monotonic()
    send(sender, topic, [b"1"])
    until(lambda: (m := reader.poll(0.05)) and m.value() == b"1", "the record")
    assert time.monotonic() - begun < 1.5, "woken by the end of the wait only"
    reader.close()


def refused_records(bootstrap):
    topic = fresh("refused")
    for value, key in [(None, None), (b"v", b"k" * 2000)]:
        failures = []
        sender = producer(bootstrap)
        sender.produce(topic, value=value, key=key, on_delivery=lambda e, _: failures.append(e))
        assert sender.flush(20) == 0
        assert failures[0] is not None
    assert all_of(bootstrap, topic) == []


def admin(bootstrap):
    client, topic, group = AdminClient({"bootstrap.servers": bootstrap}), fresh("made"), fresh("group")
    settings = {"cleanup.policy": "compact"}
    client.create_topics([NewTopic(topic, 1, 1, config=settings)])[topic].result(20)
    try:
        client.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
        raise AssertionError("made twice")
    except KafkaException as error:
        assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    assert topic in client.list_topics(timeout=20).topics
    resource = ConfigResource(ResourceType.TOPIC, topic)
    described = client.describe_configs([resource])[resource].result(20)
    assert described["cleanup.policy"].value == "compact"
    assert client.describe_cluster().result(20).nodes[0].port == int(bootstrap.split(":")[1])
    send(producer(bootstrap), topic, [b"x"], key=b"k")
    reader = consumer(bootstrap, group)
    reader.subscribe([topic])
    read_to_end(reader)
    reader.commit(asynchronous=False)
    listed = client.list_consumer_groups().result(20).valid
    assert group in [it.group_id for it in listed]
    described = client.describe_consumer_groups([group])[group].result(20)
    assert described.state.name == "STABLE" and len(described.members) == 1, described.state
    reader.close()
    client.delete_consumer_groups([group])[group].result(20)
    assert group not in [it.group_id for it in client.list_consumer_groups().result(20).valid]


if __name__ == "__main__":
    run("confluent-kafka", [
        produce_acks_and_codecs, headers_keys_and_nulls, produce_idempotent, transactions,
        transform_exactly_once, a_second_producer_fences, group_goes_on_after_restart,
        group_of_two_and_rebalance, a_member_that_dies, seek_by_time, a_reader_that_waits_is_woken,
        refused_records, admin,
    ], sys.argv[1])
